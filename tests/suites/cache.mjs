// What http-cache-tests found, counted by its kinds. Usage: node cache.mjs PACKAGE RESULTS [-v]. A required test is broken if it
// fails although what it depends on holds. The bars are what good caches reach; EXPLAINED are required ones that stay as they are.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const BARS = { required: 145, optimal: 65 }
const AGE = 'RFC 9111 section 5.1: of several members the first counts, and what is no number is ignored'
const EDGE = 'Surrogate-Control is of no RFC'
const EXPLAINED = new Map([
  ...['nonnumeric', 'negative', 'float', 'prefix-twoline', 'dup-0', 'dup-0-twoline', 'dup-old', 'parameter', 'numeric-parameter']
    .map(id => [`age-parse-${id}`, AGE]),
  ['surrogate-no-store-cc-fresh', EDGE],
  ['surrogate-fresh-cc-nostore', EDGE]
])

const [folder, file, verbose] = process.argv.slice(2)
const load = async name => (await import(pathToFileURL(`${folder}/tests/${name}.mjs`))).default
const suites = [...await load('index'), await load('surrogate-control')]
const results = JSON.parse(readFileSync(file))
const tests = new Map(suites.flatMap(suite => suite.tests.map(test => [test.id, test])))

const passes = test => results[test.id] === true && holds(test)
const holds = test => (test.depends_on ?? []).every(id => passes(tests.get(id)))
const counts = {}
for (const test of tests.values()) {
  if (results[test.id] === undefined) continue
  const kind = test.kind ?? 'required'
  const count = counts[kind] ??= { passed: 0, all: 0, failed: [] }
  count.all += 1
  if (results[test.id] === true) count.passed += 1
  else count.failed.push(test.id)
}
for (const [kind, { passed, all, failed }] of Object.entries(counts)) {
  console.log(`${kind}: ${passed} of ${all}`)
  if (verbose) for (const id of failed) console.log(`  ${id}: ${JSON.stringify(results[id])}`)
}
const judged = id => results[id][0] !== 'Setup' && holds(tests.get(id))
const broken = counts.required.failed.filter(id => judged(id) && !EXPLAINED.has(id))
for (const id of broken) console.log(`required and not so: ${id}: ${JSON.stringify(results[id])}`)
const low = Object.entries(BARS).filter(([kind, bar]) => counts[kind].passed < bar)
for (const [kind, bar] of low) console.log(`${kind}: fewer than ${bar}`)
process.exit(broken.length || low.length ? 1 : 0)
