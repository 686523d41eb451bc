//! Rust source, as far as the chores must understand it.
//!
//! Job: count lines of code, and list every path a file names, with a real parser. Owns: nothing.
//! Does not know: which path is forbidden where.

use std::collections::BTreeSet;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::report::Error;

/// Lines of code of one file: neither blank nor comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Outside test modules.
    pub(crate) code: usize,
    /// Inside `#[cfg(test)]` modules.
    pub(crate) tests: usize,
}

/// A path as it is written in the source: `crate::recv::Assembler`, `std::time::Instant`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    /// Its segments.
    pub(crate) segments: Vec<String>,
    /// Where it stands.
    pub(crate) line: usize,
}

impl Named {
    /// Whether it begins with `prefix`, segment by segment.
    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        let mut own = self.segments.iter();
        prefix
            .split("::")
            .all(|want| own.next().is_some_and(|have| have == want))
    }

    /// The path as written.
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// A parsed file.
pub(crate) struct Source {
    file: syn::File,
    text: String,
}

impl Source {
    /// Parses `text`, the content of `path`.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        let file = syn::parse_file(text).map_err(|error| {
            Error::parse(path, format!("line {}: {error}", error.span().start().line))
        })?;
        Ok(Self {
            file,
            text: text.to_owned(),
        })
    }

    /// Lines of code, those of test modules apart.
    pub(crate) fn lines(&self) -> Lines {
        let mut seen = TestRanges::default();
        seen.visit_file(&self.file);
        let mut lines = Lines::default();
        for number in code_lines(&self.text) {
            if seen
                .0
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&number))
            {
                lines.tests += 1;
            } else {
                lines.code += 1;
            }
        }
        lines
    }

    /// Every path named outside test modules, in `use` items, expressions, types and macro bodies.
    pub(crate) fn paths(&self) -> BTreeSet<Named> {
        let mut paths = Paths::default();
        paths.visit_file(&self.file);
        paths.0
    }

    /// Names of the functions marked as tests, at any depth, those inside macros included.
    pub(crate) fn tests(&self) -> BTreeSet<String> {
        let mut tests = Tests::default();
        tests.visit_file(&self.file);
        tests.0
    }

    /// What `pub use` items of this file re-export: (name, path).
    pub(crate) fn exports(&self) -> Vec<(String, Named)> {
        let mut exports = Vec::new();
        for item in &self.file.items {
            if let syn::Item::Use(item) = item {
                flatten(&item.tree, &mut Vec::new(), &mut |path, line, name| {
                    exports.push((
                        name.to_owned(),
                        Named {
                            segments: path.to_vec(),
                            line,
                        },
                    ));
                });
            }
        }
        exports
    }

    /// Every string literal without spaces: names of rules and reasons are among them.
    pub(crate) fn words(&self) -> BTreeSet<String> {
        let mut words = BTreeSet::new();
        if let Ok(tokens) = self.text.parse() {
            words_of_tokens(tokens, &mut words);
        }
        words
    }

    /// Whether the file has this line among its inner attributes.
    pub(crate) fn attribute(&self, wanted: &str) -> bool {
        self.text.lines().any(|line| line.trim() == wanted)
    }
}

/// Numbers (from 1) of the lines that hold code. Comments are what the lexer drops, so a token tells.
fn code_lines(text: &str) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    if let Ok(tokens) = text.parse::<TokenStream>() {
        mark(tokens, &mut lines);
    }
    lines
}

fn mark(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    let mut after_hash = false;
    for token in tokens {
        if after_hash && is_doc(&token) {
            after_hash = false;
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                lines.insert(group.span_open().start().line);
                lines.insert(group.span_close().end().line);
                mark(group.stream(), lines);
                after_hash = false;
            }
            TokenTree::Punct(punct) => {
                // A doc comment arrives as `#[doc = ..]` or `#![doc = ..]` on its own lines.
                after_hash = punct.as_char() == '#' || (after_hash && punct.as_char() == '!');
                if !after_hash {
                    lines.insert(punct.span().start().line);
                }
            }
            TokenTree::Ident(ident) => {
                lines.insert(ident.span().start().line);
            }
            TokenTree::Literal(literal) => {
                let span = literal.span();
                lines.extend(span.start().line..=span.end().line);
            }
        }
    }
}

fn is_doc(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else {
        return false;
    };
    let first = group.stream().into_iter().next();
    matches!(first, Some(TokenTree::Ident(ident)) if ident == "doc")
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

/// First and last line of every test module.
#[derive(Default)]
struct TestRanges(Vec<(usize, usize)>);

impl Visit<'_> for TestRanges {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        if is_test_only(&item.attrs) {
            let span = item.span();
            self.0.push((span.start().line, span.end().line));
        } else {
            visit::visit_item_mod(self, item);
        }
    }
}

#[derive(Default)]
struct Paths(BTreeSet<Named>);

impl Visit<'_> for Paths {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        if is_test_only(&item.attrs) {
            return;
        }
        flatten(&item.tree, &mut Vec::new(), &mut |path, line, _| {
            self.0.insert(Named {
                segments: path.to_vec(),
                line,
            });
        });
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let segments = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.0.insert(Named {
            segments,
            line: path.span().start().line,
        });
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &syn::Macro) {
        paths_of_tokens(item.tokens.clone(), &mut self.0);
        visit::visit_macro(self, item);
    }
}

/// Calls `each` with every leaf of a `use` tree: its path, line, and the name it brings in.
fn flatten(
    tree: &syn::UseTree,
    path: &mut Vec<String>,
    each: &mut impl FnMut(&[String], usize, &str),
) {
    match tree {
        syn::UseTree::Path(step) => {
            path.push(step.ident.to_string());
            flatten(&step.tree, path, each);
            path.pop();
        }
        syn::UseTree::Name(leaf) => leaf_of(&leaf.ident, &leaf.ident.to_string(), path, each),
        syn::UseTree::Rename(leaf) => leaf_of(&leaf.ident, &leaf.rename.to_string(), path, each),
        syn::UseTree::Glob(glob) => each(path, glob.span().start().line, "*"),
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, path, each);
            }
        }
    }
}

fn leaf_of(
    ident: &syn::Ident,
    name: &str,
    path: &mut Vec<String>,
    each: &mut impl FnMut(&[String], usize, &str),
) {
    let itself = ident == "self" && !path.is_empty();
    if itself {
        let name = path.last().cloned().unwrap_or_default();
        each(path, ident.span().start().line, &name);
    } else {
        path.push(ident.to_string());
        each(path, ident.span().start().line, name);
        path.pop();
    }
}

/// Paths inside a macro's body: identifiers joined by `::`.
fn paths_of_tokens(tokens: TokenStream, into: &mut BTreeSet<Named>) {
    let mut segments: Vec<String> = Vec::new();
    let mut colons = 0;
    let mut line = 0;
    for token in tokens {
        match &token {
            TokenTree::Ident(ident) if colons == 2 => {
                segments.push(ident.to_string());
            }
            TokenTree::Ident(ident) => {
                finish(&mut segments, line, into);
                segments.push(ident.to_string());
                line = ident.span().start().line;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                colons += 1;
                continue;
            }
            TokenTree::Group(group) => {
                finish(&mut segments, line, into);
                paths_of_tokens(group.stream(), into);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => finish(&mut segments, line, into),
        }
        colons = 0;
    }
    finish(&mut segments, line, into);
}

fn finish(segments: &mut Vec<String>, line: usize, into: &mut BTreeSet<Named>) {
    let segments = core::mem::take(segments);
    if segments.len() > 1 {
        into.insert(Named { segments, line });
    }
}

fn words_of_tokens(tokens: TokenStream, into: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => words_of_tokens(group.stream(), into),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let word = text
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'));
                into.extend(word.filter(|word| !word.contains(' ')).map(str::to_owned));
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

#[derive(Default)]
struct Tests(BTreeSet<String>);

impl Visit<'_> for Tests {
    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        let marked = |attribute: &syn::Attribute| {
            attribute
                .path()
                .segments
                .last()
                .is_some_and(|last| last.ident == "test")
        };
        if item.attrs.iter().any(marked) {
            self.0.insert(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }

    fn visit_macro(&mut self, item: &syn::Macro) {
        tests_of_tokens(item.tokens.clone(), &mut self.0);
    }
}

/// `#[test] fn name` inside a macro's body, as proptest has it.
fn tests_of_tokens(tokens: TokenStream, into: &mut BTreeSet<String>) {
    let (mut marked, mut function) = (false, false);
    for token in tokens {
        match &token {
            TokenTree::Group(group) => {
                let first = group.stream().into_iter().next();
                marked |= matches!(first, Some(TokenTree::Ident(ident)) if ident == "test");
                tests_of_tokens(group.stream(), into);
            }
            TokenTree::Ident(ident) if function && marked => {
                into.insert(ident.to_string());
                (marked, function) = (false, false);
            }
            TokenTree::Ident(ident) => function = ident == "fn",
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse(Path::new("test.rs"), text).unwrap()
    }

    #[test]
    fn comments_docs_and_blank_lines_are_not_code() {
        let text = "//! Doc.\n\n// why\nfn a() {\n    /* two\n lines */\n    b();\n}\n/// Doc.\n#[inline]\nfn b() {}\n";
        assert_eq!(source(text).lines(), Lines { code: 5, tests: 0 });
    }

    #[test]
    fn test_modules_are_counted_apart_and_their_paths_left_out() {
        let text = "use crate::a;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n    #[test]\n    fn works() {}\n}\n";
        let source = source(text);
        assert_eq!(source.lines(), Lines { code: 1, tests: 6 });
        assert!(source.paths().iter().all(|path| !path.starts_with("std")));
        assert!(source.tests().contains("works"));
    }

    #[test]
    fn paths_are_found_in_uses_expressions_types_and_macros() {
        let text = "use std::{time::Instant as T, env::{self}};\nfn f(x: crate::seq::SeqNum) { println!(\"{}\", std::thread::sleep(1)); std::fs::read(x); }\n";
        let paths: Vec<_> = source(text).paths().iter().map(Named::text).collect();
        for want in [
            "std::time::Instant",
            "std::env",
            "crate::seq::SeqNum",
            "std::thread::sleep",
            "std::fs::read",
        ] {
            assert!(paths.iter().any(|path| path == want), "{want} in {paths:?}");
        }
    }

    #[test]
    fn tests_inside_proptest_are_tests() {
        let text =
            "proptest! {\n #[test]\n fn holds(x in 0..3) { helper(x) }\n fn helper(x: u8) {}\n}\n";
        assert_eq!(source(text).tests(), BTreeSet::from(["holds".to_owned()]));
    }

    #[test]
    fn re_exports_name_their_module() {
        let exports = source("pub use seq::{SeqNum as Number, Range};\n").exports();
        let exports: Vec<_> = exports
            .iter()
            .map(|(name, path)| (name.as_str(), path.text()))
            .collect();
        assert_eq!(
            exports,
            [
                ("Number", "seq::SeqNum".to_owned()),
                ("Range", "seq::Range".to_owned())
            ]
        );
    }
}
