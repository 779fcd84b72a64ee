/* Points sprayed by hand: a pad, and the text that carries them (the same code as tabs/train/lab_spray.py). */
(() => {
  const { el, clamp } = pg;
  const SIDE = 108, MOST = 2000, EXTENT = 4, LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const DROPS = 5, REACH = 0.28;  // points of one puff, and how far they fly

  const pack = cells => {
    if (!cells.length) return '';
    const sorted = [...cells].sort((a, b) => a - b), gaps = sorted.map((c, i) => c - (i ? sorted[i - 1] : 0));
    const size = k => gaps.reduce((sum, gap) => sum + (gap >> k) + 1 + k, 0);
    const k = [0, 1, 2, 3, 4, 5, 6, 7].reduce((best, k_) => (size(k_) < size(best) ? k_ : best));
    let bits = gaps.map(gap => '1'.repeat(gap >> k) + '0' + (k ? (gap & (1 << k) - 1).toString(2).padStart(k, '0') : '')).join('');
    while (bits.length % 6) bits += '1';
    return LETTERS[k] + bits.match(/.{6}/g).map(six => LETTERS[parseInt(six, 2)]).join('');
  };
  const unpack = text => {
    if (!text) return [];
    const k = LETTERS.indexOf(text[0]), bits = [...text.slice(1)].map(c => LETTERS.indexOf(c).toString(2).padStart(6, '0')).join('');
    const cells = [];
    for (let at = 0, cell = 0; ;) {
      const stop = bits.indexOf('0', at);
      if (stop < 0 || stop + k >= bits.length) return cells;
      cell += (stop - at << k) + (k ? parseInt(bits.slice(stop + 1, stop + 1 + k), 2) : 0);
      cells.push(cell);
      at = stop + 1 + k;
    }
  };
  pg.train.spray = { pack, unpack };

  /** `change(text)` once the hand rests. Arrow keys move the can, space sprays, Delete takes away. */
  pg.train.sprayPad = (host, { change }) => {
    const canvas = el('canvas', { class: 'tr-spray', tabindex: 0, role: 'application',
      'aria-label': 'Spray points: drag over the plane. Arrow keys move the can, space sprays, Delete takes points away.' });
    const count = el('output', { class: 'pg-count' });
    const rub = el('button', { type: 'button', 'aria-pressed': 'false', onclick: () => { rubbing = !rubbing; rub.setAttribute('aria-pressed', rubbing); } }, 'Take away');
    const clear = el('button', { type: 'button', onclick: () => { cells = []; paint(); tell(); } }, 'Clear');
    host.append(el('div', { class: 'tr-square' }, canvas), el('div', { class: 'tr-head' }, el('div', { class: 'tr-buttons' }, rub, clear), count),
      el('p', { class: 'pg-caption' }, 'Your points. Drag to spray; learning begins anew with what is there.'));
    let cells = [], rubbing = false, held = false, spot = null;
    const place = cell => [(cell % SIDE + 0.5) / SIDE, 1 - (Math.floor(cell / SIDE) + 0.5) / SIDE];
    const paint = () => {
      count.textContent = `${cells.length} of ${MOST}`;
      if (!canvas.clientWidth) return;
      const [pen, width, high] = pg.sharp(canvas);
      pen.fillStyle = pg.css('--pg-ink');
      for (const cell of cells) { const [u, v] = place(cell); pen.fillRect(u * width - 1, v * high - 1, 2.4, 2.4); }
      if (!cells.length) {
        pen.fillStyle = pg.css('--pg-quiet');
        pen.font = '14px system-ui, sans-serif';
        pen.textAlign = 'center';
        pen.fillText('Spray some points here', width / 2, high / 2);
      }
      if (!spot) return;
      pen.strokeStyle = pg.css('--pg-warn');
      pen.lineWidth = 2;
      pen.beginPath(); pen.arc(spot[0] * width, spot[1] * high, REACH / 8 * width, 0, 7); pen.stroke();
    };
    const tell = pg.later(350, () => change(pack(cells)));
    const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    const puff = (u, v, away = rubbing) => {
      if (away) cells = cells.filter(cell => { const [x, y] = place(cell); return Math.hypot(x - u, y - v) > REACH / 8; });
      else for (let i = 0; i < DROPS && cells.length < MOST; i += 1) {
        const [x, y] = [u, 1 - v].map(w => clamp(Math.floor((w + normal() * REACH / 16) * SIDE), 0, SIDE - 1));
        cells.push(y * SIDE + x);
      }
      paint(); tell();
    };
    const at = event => {
      const box = canvas.getBoundingClientRect();
      return [clamp((event.clientX - box.left) / box.width, 0, 1), clamp((event.clientY - box.top) / box.height, 0, 1)];
    };
    canvas.addEventListener('pointerdown', event => { event.preventDefault(); canvas.focus({ preventScroll: true }); canvas.setPointerCapture(event.pointerId); held = true; spot = null; puff(...at(event)); });
    canvas.addEventListener('pointermove', event => { if (held) puff(...at(event)); });
    for (const name of ['pointerup', 'pointercancel']) canvas.addEventListener(name, () => { held = false; });
    canvas.addEventListener('blur', () => { spot = null; paint(); });
    canvas.addEventListener('keydown', event => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      spot ??= [0.5, 0.5];
      if (way) spot = spot.map((w, i) => clamp(w + way[i] / 32, 0, 1));
      else if (event.key === ' ') puff(...spot);
      else if (event.key === 'Delete' || event.key === 'Backspace') puff(...spot, true);
      else return;
      event.preventDefault();
      event.stopPropagation();
      paint();
    });
    new ResizeObserver(paint).observe(canvas);
    document.addEventListener('pg-theme', paint);
    return { element: host, canvas, set(text) { if (!held) { cells = unpack(text); paint(); } } };
  };
})();
