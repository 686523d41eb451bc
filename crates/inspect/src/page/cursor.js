// One chosen packet and one moment in all views: `p12` is the chosen packet's class, data-at its time.
(() => {
  const all = (what, from = document) => [...from.querySelectorAll(what)];
  const bar = document.getElementById('cursor'), now = document.getElementById('now'), play = document.getElementById('play');
  let side, panes, keys, cards, none, at, playing;
  function gather() {
    side = document.getElementById('side');
    panes = all('.pane');
    keys = panes.map(pane => pane.id);
    cards = all('.card[data-c]');
    none = document.getElementById('none');
    at = -1;
    bar.hidden = !keys.length;
  }
  // The cursor's place on every axis of time.
  function moment(when) {
    all('[data-span]').forEach(e => {
      const part = (when - e.dataset.from) / e.dataset.span;
      e.style.setProperty('--now', part >= 0 && part <= 1 ? part * 100 + '%' : '-9px');
      e.style.setProperty('--part', part);
    });
    all('.now').forEach(e => {
      const part = (when - e.dataset.from) * e.dataset.scale;
      e.style.transform = 'translateX(' + part + 'px)';
      e.classList.toggle('off', part < -1 || part > 490);
    });
  }
  function choose(index, move) {
    if (!keys.length) return;
    index = Math.max(0, Math.min(keys.length - 1, index));
    if (index === at) return;
    at = index;
    const key = keys[at], pane = panes[at];
    all('.on').forEach(e => e.classList.remove('on'));
    pane.classList.add('on');
    all('.' + CSS.escape(key)).forEach(e => e.classList.add('on'));
    const row = document.querySelector('#list tr.on');
    const state = row && row.children[6].textContent;
    let shown = 0;
    cards.forEach(card => {
      card.hidden = card.dataset.c !== pane.dataset.c;
      shown += !card.hidden;
      all('.node', card).forEach(n => n.classList.toggle('on', n.dataset.s === state));
    });
    none.hidden = shown > 0;
    moment(+pane.dataset.at);
    now.textContent = pane.querySelector('h3').textContent + (row && row.children[7].textContent ? ' · ' + row.children[7].textContent : '');
    if (move) {
      history.replaceState(null, '', '#' + key);
      const arrow = document.querySelector('#ladder .row.on');
      if (arrow) {
        const box = arrow.getBoundingClientRect();
        if (box.top < 60 || box.bottom > innerHeight - 90) arrow.scrollIntoView({ block: 'center' });
      }
      side.scrollTop = 0;
    }
  }
  document.documentElement.classList.add('js');
  gather();
  // The packet nearest to a moment, of one conversation or of all.
  function nearest(when, whose) {
    let best = -1, least = Infinity;
    panes.forEach((pane, index) => {
      const far = Math.abs(pane.dataset.at - when);
      if (far < least && (whose === undefined || pane.dataset.c === whose)) [best, least] = [index, far];
    });
    return best;
  }
  function pointed(e) {
    const lane = e.target.closest('.lane');
    if (lane) {
      const box = lane.getBoundingClientRect(), whole = lane.closest('[data-span]').dataset;
      return nearest(+whole.from + (e.clientX - box.left) / box.width * whole.span, lane.dataset.c);
    }
    const plot = e.target.closest('.plot svg'), line = plot && plot.querySelector('.now');
    if (!line || e.target.closest('a')) return -1;
    const place = new DOMPoint(e.clientX, e.clientY).matrixTransform(plot.getScreenCTM().inverse()).x;
    const card = plot.closest('.card');
    return nearest(+line.dataset.from + (place - 62) / line.dataset.scale, card ? card.dataset.c : undefined);
  }
  document.addEventListener('click', e => {
    const link = e.target.closest('a[href^="#p"]');
    const row = e.target.closest('#list tr[data-k]');
    const key = link ? link.getAttribute('href').slice(1) : row && row.dataset.k;
    const index = key ? keys.indexOf(key) : pointed(e);
    if (index < 0) return;
    e.preventDefault();
    choose(index, !e.target.closest('#list'));
    history.replaceState(null, '', '#' + keys[index]);
  });
  const stop = () => { clearTimeout(playing); playing = 0; play.textContent = '▶'; play.setAttribute('aria-label', 'play'); };
  document.getElementById('back').onclick = () => { stop(); choose(at - 1, true); };
  document.getElementById('next').onclick = () => { stop(); choose(at + 1, true); };
  document.getElementById('read').onclick = now.onclick = () => panes[at].scrollIntoView({ block: 'start' });
  // Packet by packet; a long pause is felt, but not waited for.
  function run() {
    if (at >= keys.length - 1) return stop();
    const gap = panes[at + 1].dataset.at - panes[at].dataset.at;
    playing = setTimeout(() => { choose(at + 1, true); run(); }, Math.min(1200, 150 + gap * 8000));
  }
  play.onclick = () => {
    if (playing) return stop();
    if (at >= keys.length - 1) choose(0, true);
    play.textContent = '❚❚';
    play.setAttribute('aria-label', 'pause');
    run();
  };
  document.addEventListener('keydown', e => {
    if (e.altKey || e.ctrlKey || e.metaKey || e.target.closest('select,input,canvas')) return;
    const field = e.target.closest('.pane [data-f]');
    if (field && (e.key === 'ArrowDown' || e.key === 'ArrowUp')) {
      const same = all(field.matches('tr') ? 'tr[data-f]' : 'i[data-f]', field.closest('.pane'));
      const to = same[same.indexOf(field) + (e.key === 'ArrowDown' ? 1 : -1)];
      e.preventDefault();
      if (to) to.focus();
      return;
    }
    const inside = e.target.closest('.scroll,pre');
    const step = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1, Home: -1e9, End: 1e9 }[e.key];
    if (!step || inside && e.key.startsWith('Arrow')) return;
    e.preventDefault();
    stop();
    choose(at + step, true);
  });
  const light = e => {
    const part = e.target.closest && e.target.closest('[data-f]');
    all('.lit-byte').forEach(x => x.classList.remove('lit-byte'));
    if (!part) return;
    all('[data-f="' + part.dataset.f + '"]', part.closest('.pane')).forEach(x => x.classList.add('lit-byte'));
  };
  for (const event of ['pointerover', 'focusin', 'click']) document.addEventListener(event, light);
  const named = () => { const index = keys.indexOf(location.hash.slice(1)); if (index >= 0) choose(index, true); };
  addEventListener('hashchange', named);
  named();
  if (at < 0) choose(Math.max(0, keys.indexOf(document.body.dataset.start)), false);
  // Everything is on paper: what is folded has to be open.
  addEventListener('beforeprint', () => all('details').forEach(e => { e.open = true; }));
  // A live page is written anew by the server; the chosen packet stays chosen, the last one goes on being the last.
  async function renew(from) {
    const answer = await fetch(from, { cache: 'no-store' });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('all');
    const key = keys[at], last = at === keys.length - 1;
    document.getElementById('all').replaceWith(document.adoptNode(fresh));
    gather();
    choose(last ? keys.length - 1 : Math.max(0, keys.indexOf(key)), false);
  }
  const { events, once } = document.body.dataset;
  if (events) {
    let busy = false, again = false;
    new EventSource(events).onmessage = async () => {
      again = true;
      if (busy) return;
      for (busy = true; again; ) {
        again = false;
        await renew(location.pathname);
      }
      busy = false;
    };
  }
  if (once) setTimeout(() => renew(once), 400);
})();
