// A long capture on a canvas: sequence numbers above, windows below, one axis.
(() => {
  const box = document.getElementById('large'), data = document.getElementById('points');
  if (!box || !data) return;
  const { talks, detail } = JSON.parse(data.textContent);
  for (const talk of talks) for (const name in talk) {
    let sum = 0;
    talk[name] = Float64Array.from(talk[name], step => sum += step);
  }
  const canvas = box.querySelector('canvas'), said = box.querySelector('output'), choice = box.querySelector('select');
  const pen = canvas.getContext('2d');
  let talk, from, until, near = -1, drag = null, due = false;
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name);
  const ends = () => [talk.us[0], Math.max(talk.us[talk.us.length - 1], talk.us[0] + 1)];
  function pick() {
    talk = talks[choice.value];
    [from, until] = ends();
    near = -1;
    soon();
  }
  // The first packet at or after a time.
  function at(time) {
    let low = 0, high = talk.us.length;
    while (low < high) {
      const middle = low + high >> 1;
      if (talk.us[middle] < time) low = middle + 1; else high = middle;
    }
    return low;
  }
  function soon() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; draw(); });
  }
  const LEFT = 70, FOOT = 22;
  let width, height, split;
  const x = time => LEFT + (time - from) / (until - from) * (width - LEFT - 8);
  const time = place => from + (place - LEFT) / (width - LEFT - 8) * (until - from);
  function draw() {
    const ratio = devicePixelRatio || 1;
    width = canvas.clientWidth; height = canvas.clientHeight;
    canvas.width = width * ratio; canvas.height = height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = '11px system-ui';
    const first = Math.max(0, at(from) - 1), last = Math.min(talk.us.length, at(until) + 1);
    let low = Infinity, high = -Infinity, most = 1;
    for (let i = first; i < last; i++) {
      if (talk.len[i]) { low = Math.min(low, talk.seq[i]); high = Math.max(high, talk.seq[i] + talk.len[i]); }
      most = Math.max(most, talk.cwnd[i], talk.flight[i]);
    }
    if (low > high) { low = 0; high = 1; }
    // Captures of others know of no windows: all the room is the sequence's.
    const windows = most > 1;
    split = windows ? Math.round(height * .64) : height - FOOT + 10;
    const upper = n => split - 14 - (n - low) / (high - low || 1) * (split - 24);
    const lower = n => height - FOOT - n / most * (height - split - FOOT - 10);
    axes(upper, low, high, lower, windows && most);
    pen.save();
    pen.beginPath(); pen.rect(LEFT, 0, width - LEFT, height); pen.clip();
    const ink = [colour('--in'), colour('--soft'), colour('--again'), colour('--bad')];
    const paths = ink.map(() => new Path2D());
    for (let i = first; i < last; i++) {
      if (!talk.len[i]) continue;
      const kind = talk.kind[i], path = paths[kind & 4 ? 3 : kind & 2 ? 2 : +((kind & 1) === busy())];
      const place = x(talk.us[i]), top = upper(talk.seq[i] + talk.len[i]), bottom = upper(talk.seq[i]);
      path.moveTo(place, bottom + .7); path.lineTo(place, Math.min(top, bottom - 1));
    }
    pen.lineWidth = 1.8;
    paths.forEach((path, k) => { pen.strokeStyle = ink[k]; pen.stroke(path); });
    stairs(first, last, i => talk.ack[i] && (talk.kind[i] & 1) === busy() ? upper(talk.ack[i]) : null, colour('--out'), 1);
    stairs(first, last, i => talk.cwnd[i] ? lower(talk.cwnd[i]) : null, colour('--in'), 1.6);
    stairs(first, last, i => talk.cwnd[i] ? lower(talk.flight[i]) : null, colour('--out'), 1);
    if (near >= 0) {
      pen.strokeStyle = colour('--again'); pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(x(talk.us[near]), 0); pen.lineTo(x(talk.us[near]), height - FOOT); pen.stroke();
    }
    pen.restore();
  }
  // Acknowledgments shown are those of the busier direction: the other end's.
  function busy() {
    if (talk.busy === undefined) {
      const sums = [0, 0];
      for (let i = 0; i < talk.us.length; i++) sums[talk.kind[i] & 1] += talk.len[i];
      talk.busy = sums[0] > sums[1] ? 1 : 0;
    }
    return talk.busy;
  }
  function stairs(first, last, value, ink, thick) {
    pen.strokeStyle = ink; pen.lineWidth = thick;
    pen.beginPath();
    let begun = false;
    for (let i = first; i < last; i++) {
      const y = value(i);
      if (y === null) continue;
      const place = x(talk.us[i]);
      if (begun) { pen.lineTo(place, begun.y); pen.lineTo(place, y); } else pen.moveTo(place, y);
      begun = { y };
    }
    pen.stroke();
  }
  function steps(low, high, most) {
    const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough) || rough;
    const list = [];
    for (let n = Math.ceil(low / step) * step; n <= high; n += step) list.push(n);
    return list;
  }
  function axes(upper, low, high, lower, most) {
    const faint = colour('--line'), soft = colour('--soft');
    const line = (y, text) => {
      pen.strokeStyle = faint; pen.lineWidth = .6;
      pen.beginPath(); pen.moveTo(LEFT, y); pen.lineTo(width - 8, y); pen.stroke();
      pen.fillStyle = soft; pen.textAlign = 'right'; pen.fillText(text, LEFT - 6, y + 4);
    };
    const short = n => n >= 1e7 ? +(n / 1e6).toPrecision(6) + ' M' : n >= 1e4 ? +(n / 1e3).toPrecision(6) + ' k' : String(n);
    for (const n of steps(low, high, 6)) line(upper(n), short(n));
    if (most) for (const n of steps(0, most, 3)) line(lower(n), short(n));
    pen.textAlign = 'center';
    for (const n of steps(from / 1e6, until / 1e6, 7)) {
      const place = x(n * 1e6);
      if (place >= LEFT) pen.fillText(+n.toPrecision(9) + ' s', Math.min(place, width - 20), height - 6);
    }
    pen.textAlign = 'left';
    pen.fillText('sequence', LEFT + 6, 12);
    if (most) pen.fillText('windows', LEFT + 6, split + 4);
  }
  function zoom(by, about = (from + until) / 2) {
    const [first, last] = ends();
    if (!by) { [from, until] = [first, last]; return soon(); }
    const span = Math.min(Math.max((until - from) * by, 5), last - first);
    const part = (about - from) / (until - from);
    from = Math.min(Math.max(about - part * span, first), last - span);
    until = from + span;
    soon();
  }
  function move(by) {
    const [first, last] = ends(), span = until - from;
    from = Math.min(Math.max(from + by, first), last - span);
    until = from + span;
    soon();
  }
  function point(place) {
    const when = time(place), after = at(when);
    near = after && (after === talk.us.length || when - talk.us[after - 1] < talk.us[after] - when) ? after - 1 : after;
    const i = near, kind = talk.kind[i];
    said.textContent = '#' + talk.id[i] + ' at ' + (talk.us[i] / 1e6).toFixed(6) + ' s, ' + (kind & 1 ? 'to us' : 'from us')
      + (talk.len[i] ? ', ' + talk.seq[i] + ':' + (talk.seq[i] + talk.len[i]) : '') + (talk.ack[i] ? ', ack ' + talk.ack[i] : '')
      + (kind & 2 ? ', sent again' : '') + (kind & 4 ? ', dropped' : '')
      + (talk.cwnd[i] ? ', in flight ' + talk.flight[i] + ' of ' + talk.cwnd[i] : '');
    soon();
  }
  canvas.addEventListener('wheel', e => { e.preventDefault(); zoom(e.deltaY < 0 ? .8 : 1.25, time(e.offsetX)); }, { passive: false });
  canvas.addEventListener('pointerdown', e => { drag = e.offsetX; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener('pointermove', e => {
    if (drag !== null && e.buttons) { move((drag - e.offsetX) / (width - LEFT - 8) * (until - from)); drag = e.offsetX; }
    else point(e.offsetX);
  });
  canvas.addEventListener('pointerup', () => { drag = null; });
  canvas.addEventListener('dblclick', () => zoom(0));
  canvas.addEventListener('click', e => {
    point(e.offsetX);
    const id = talk.id[near];
    if (id >= detail[0] && id <= detail[1]) location.hash = 'p' + id;
    else said.textContent += ' · in detail: outcrop inspect --from ' + id;
  });
  canvas.addEventListener('keydown', e => {
    const span = until - from;
    const act = { '+': () => zoom(.5), '=': () => zoom(.5), '-': () => zoom(2), '0': () => zoom(0), ArrowLeft: () => move(-span / 8), ArrowRight: () => move(span / 8) }[e.key];
    if (!act) return;
    e.preventDefault(); e.stopPropagation();
    act();
  });
  for (const button of box.querySelectorAll('[data-zoom]')) button.onclick = () => zoom(+button.dataset.zoom);
  choice.onchange = pick;
  addEventListener('resize', soon);
  matchMedia('(prefers-color-scheme:dark)').addEventListener('change', soon);
  pick();
})();
