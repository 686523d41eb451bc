(() => {
  const all = (what, from = document) => [...from.querySelectorAll(what)];
  const bar = document.getElementById('cursor'), now = document.getElementById('now');
  let side, panes, keys, cards, at;
  function gather() {
    side = document.getElementById('side');
    panes = all('.pane');
    keys = panes.map(pane => pane.id);
    cards = all('.card');
    at = -1;
    bar.hidden = !keys.length;
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
    cards.forEach(card => {
      card.hidden = card.dataset.c !== pane.dataset.c;
      all('.node', card).forEach(n => n.classList.toggle('on', n.dataset.s === state));
    });
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
  document.addEventListener('click', e => {
    const link = e.target.closest('a[href^="#p"]');
    const row = e.target.closest('#list tr[data-k]');
    const key = link ? link.getAttribute('href').slice(1) : row && row.dataset.k;
    const index = key ? keys.indexOf(key) : -1;
    if (index < 0) return;
    e.preventDefault();
    choose(index, !e.target.closest('#list'));
    history.replaceState(null, '', '#' + key);
  });
  document.getElementById('back').onclick = () => choose(at - 1, true);
  document.getElementById('next').onclick = () => choose(at + 1, true);
  now.onclick = () => panes[at].scrollIntoView({ block: 'start' });
  document.addEventListener('keydown', e => {
    if (e.altKey || e.ctrlKey || e.metaKey) return;
    const step = { ArrowRight: 1, ArrowDown: 1, j: 1, ArrowLeft: -1, ArrowUp: -1, k: -1, Home: -1e9, End: 1e9 }[e.key];
    if (!step) return;
    e.preventDefault();
    choose(at + step, true);
  });
  const light = e => {
    const part = e.target.closest && e.target.closest('[data-f]');
    all('.lit-byte').forEach(x => x.classList.remove('lit-byte'));
    if (!part) return;
    all('[data-f="' + part.dataset.f + '"]', part.closest('.pane')).forEach(x => x.classList.add('lit-byte'));
  };
  for (const event of ['pointerover', 'focusin', 'click']) document.addEventListener(event, light);
  const named = () => { const index = keys.indexOf(location.hash.slice(1)); choose(index < 0 ? Math.max(at, 0) : index, index >= 0); };
  addEventListener('hashchange', named);
  named();
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
