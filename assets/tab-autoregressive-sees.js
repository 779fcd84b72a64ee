/* Autoregressive: what a network sees of the pixels before one, and its blind spot. */
(() => {
  const { el } = pg;
  const { where, large, board, cells, greys, unknown, hatch, ring } = pg.autoregressiveTools;

  pg.autoregressive['what it sees'] = ({ tab, part }) => {
    const PANELS = { first: 'The first PixelCNN', gated: 'The gated PixelCNN', own: 'The trained network' };
    const choosePlace = i => { const w = tab.last?.data.w || 28; tab.set({ row: Math.floor(i / w), col: i % w }); };
    const panels = Object.fromEntries(Object.entries(PANELS).map(([name, title]) => {
      const host = el('section', { 'aria-label': title }, el('h3', {}, title));
      part('fields').append(host);
      const made = board(host, { label: `${title}: choose a pixel with the pointer or the arrow keys`, pick: choosePlace, drag: true });
      const kernel = el('div', { class: 'ar-kernels', 'aria-hidden': 'true' });
      host.append(kernel);
      return [name, { ...made, kernel }];
    }));
    part('key').append(...[['seen', 'seen'], ['blind', 'blind spot: drawn before, never seen'], ['far', 'drawn before, too far away'], ['next', 'not drawn yet']]
      .map(([name, text]) => el('li', {}, el('i', { class: `ar-${name}`, 'aria-hidden': 'true' }), text)));
    /** One window of a layer; `open(r, c)` says which of its cells are looked at. */
    const small = (k, text, open) => {
      const grid = el('div', { class: 'ar-kernel' }, ...Array.from({ length: k * k }, (_, i) => el('i', { class: open(Math.floor(i / k), i % k) })));
      grid.style.setProperty('--k', k);
      return el('figure', {}, grid, el('figcaption', {}, text));
    };
    const showSees = ({ data }, asked) => {
      const { w, h, row, col, fields, before } = data, k = +asked.kernel, m = k >> 1, at = row * w + col;
      const page = greys(w, h, i => (data.bits[i] === '1' ? 0.92 : 0.1));
      const sees = name => i => fields[name][i] === '1';
      for (const name of Object.keys(PANELS)) {
        const seen = sees(name), reach = sees('gated'), all = Array.from({ length: w * h }, (_, i) => i);
        const teal = cells(w, h, i => [20, 184, 166, seen(i) ? 160 : 0]);
        panels[name].at = at;
        panels[name].show(w, h, tools => {
          tools.pen.drawImage(page, 0, 0, tools.width, tools.height);
          tools.pen.drawImage(teal, 0, 0, tools.width, tools.height);
          if (name === 'first') hatch(tools, all.filter(i => reach(i) && !seen(i)), 'rgb(249 115 22 / .8)', '#7c2d12', 5);
          unknown(tools, all.filter(i => i > at));
          ring(tools, at);
        });
        const n = all.filter(seen).length;
        panels[name].note.textContent = before ? `sees ${n} of the ${before} pixels before it` : 'nothing comes before the first pixel';
        panels[name].say(`${large(where(at, w))}: ${panels[name].note.textContent}`);
      }
      const past = (r, c) => (r < m || r === m && c < m ? 'ar-on' : r === m && c === m ? 'ar-mid' : '');
      panels.first.kernel.replaceChildren(small(k, 'one masked window', past));
      panels.gated.kernel.replaceChildren(small(k, 'rows above', r => (r < m ? 'ar-on' : '')), small(k, 'and the row itself', (r, c) => (r === m && c < m ? 'ar-on' : r === m && c === m ? 'ar-mid' : '')));
      panels.own.kernel.replaceChildren(el('p', { class: 'pg-caption' }, `${data.title}: traced back through its own weights.`));
    };
    return { show: showSees };
  };
})();
