/* Shared widgets. Each takes the element it fills and an object of options, and returns a few functions.
 *
 *   pg.pad(host, {label, xlim, ylim, move, hover, leave, animate, paint})  a plane to drag over
 *   pg.filmstrip(host, {label, step, pick})                              lanes of frames to scrub, no request
 *   pg.sheet(host, {label, pick})                                         contact sheet with cells to choose
 *   pg.bars(host, {label, unit})                                          labelled bars
 *   pg.drawPad(host, {label, colour, mask, size, change})                 a canvas to draw on
 */
(() => {
  const { el, clamp } = pg;
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  /** A canvas as sharp as the screen: returns [pen, width, height] in CSS pixels, cleared. */
  pg.sharp = canvas => {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth || 300, canvas.clientHeight || 300];
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const pen = canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return [pen, width, height];
  };

  /** Colour of a CSS variable as it stands now. */
  pg.css = name => getComputedStyle(document.body).getPropertyValue(name).trim();

  /** A plane to drag over. y points up. `paint(pen, toX, toY, width, height)` draws what lies on it. */
  pg.pad = (host, { label, xlim = [-1, 1], ylim = [-1, 1], step = 0.1, move, hover, leave, animate, paint }) => {
    const canvas = el('canvas', { 'aria-hidden': 'true' });
    const cross = el('div', { class: 'pg-cross', 'aria-hidden': 'true' });
    const pad = el('div', { class: 'pg-pad', tabindex: 0, role: 'application', 'aria-label': label }, canvas, cross);
    host.append(pad);
    let at = [0, 0], lim = { x: xlim, y: ylim };
    const toX = x => ((x - lim.x[0]) / (lim.x[1] - lim.x[0])) * pad.clientWidth;
    const toY = y => (1 - (y - lim.y[0]) / (lim.y[1] - lim.y[0])) * pad.clientHeight;
    const redraw = () => {
      if (!pad.clientWidth) return;
      const [pen, width, height] = pg.sharp(canvas);
      paint?.(pen, toX, toY, width, height);
      place();
    };
    const place = () => {
      cross.style.left = `${100 * toX(at[0]) / (pad.clientWidth || 1)}%`;
      cross.style.top = `${100 * toY(at[1]) / (pad.clientHeight || 1)}%`;
      pad.setAttribute('aria-description', `At ${at[0].toFixed(2)}, ${at[1].toFixed(2)}`);
    };
    const point = event => {
      const box = pad.getBoundingClientRect();
      const [u, v] = [clamp((event.clientX - box.left) / box.width, 0, 1), clamp((event.clientY - box.top) / box.height, 0, 1)];
      return [lim.x[0] + u * (lim.x[1] - lim.x[0]), lim.y[1] - v * (lim.y[1] - lim.y[0])];
    };
    const go = (x, y) => { at = [clamp(x, ...lim.x), clamp(y, ...lim.y)]; place(); move?.(...at); };
    pad.addEventListener('pointerdown', event => { pad.setPointerCapture(event.pointerId); go(...point(event)); });
    pad.addEventListener('pointermove', event => { if (event.buttons & 1) go(...point(event)); else hover?.(...point(event)); });
    pad.addEventListener('pointerleave', () => leave?.());
    pad.addEventListener('keydown', event => {
      const way = ARROWS[event.key], far = event.shiftKey ? 10 * step : step, key = event.key.toLowerCase();
      if (way) go(at[0] + way[0] * far, at[1] + way[1] * far);
      else if (key === 's' && !event.ctrlKey) go(Math.round(at[0]), Math.round(at[1]));
      else if (key === 'a' && animate && !event.ctrlKey) animate();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    new ResizeObserver(redraw).observe(pad);
    document.addEventListener('pg-theme', redraw);
    return {
      element: pad, redraw, go,
      set(x, y) { at = [x, y]; place(); },
      limits(x, y) { lim = { x, y }; redraw(); },
      get at() { return at; },
    };
  };

  /** Frames scrubbed in the page. `show(sprite)` takes what `render.sprite` made; `labels` names the frames. */
  pg.filmstrip = (host, { label = 'Step', step, pick } = {}) => {
    const lanes = el('div', { class: 'pg-lanes' });
    const slider = el('input', { type: 'range', min: 0, max: 0, value: 0, 'aria-label': label });
    const count = el('output', { class: 'pg-count' });
    const bar = el('div', { class: 'pg-scrub' }, slider, count);
    const root = el('div', { class: 'pg-filmstrip', tabindex: -1 }, lanes, bar);
    host.append(root);
    let film = null, image = null, now = 0, playing = 0;
    const paint = () => {
      if (!film) return;
      lanes.querySelectorAll('canvas').forEach((canvas, lane) => {
        const cell = lane * film.frames + now;
        const pen = canvas.getContext('2d');
        pen.drawImage(image, (cell % film.columns) * film.w, Math.floor(cell / film.columns) * film.h, film.w, film.h, 0, 0, film.w, film.h);
      });
      slider.value = now;
      count.textContent = film.labels?.[now] ?? `${now + 1} / ${film.frames}`;
      slider.setAttribute('aria-valuetext', count.textContent);
    };
    const go = (index, quiet) => {
      if (!film) return;
      now = clamp(index, 0, film.frames - 1);
      paint();
      if (!quiet) step?.(now, film);
    };
    const play = () => {
      if (playing) { clearInterval(playing); playing = 0; return; }
      if (now === film.frames - 1) now = -1;
      playing = setInterval(() => { go(now + 1); if (now >= film.frames - 1) play(); }, 66);
    };
    slider.addEventListener('input', event => { event.stopPropagation(); go(+slider.value); });
    root.addEventListener('keydown', event => {
      const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: (film?.frames || 1) - 1 }[event.key];
      if (to !== undefined) go(to);
      else if (event.key === ' ') play();
      else return;
      event.preventDefault();
    });
    return {
      element: root, go, play,
      get index() { return now; },
      get film() { return film; },
      async show(sprite, { at, labels, captions } = {}) {
        image = await pg.image(sprite.src);
        film = { ...sprite, labels };
        slider.max = film.frames - 1;
        lanes.replaceChildren(...film.names.map((name, lane) => {
          const canvas = el('canvas', { width: film.w, height: film.h, role: 'img', 'aria-label': captions?.[lane] || name });
          if (pick) canvas.addEventListener('click', () => pick(lane, now));
          return el('figure', {}, canvas, el('figcaption', {}, captions?.[lane] || name));
        }));
        go(at ?? Math.min(now, film.frames - 1), true);
      },
    };
  };

  /** One picture, cells to choose with pointer or arrow keys. */
  pg.sheet = (host, { label = 'Pictures', pick, hover } = {}) => {
    const image = el('img', { alt: '' });
    const cells = el('div', { class: 'pg-cells' });
    const root = el('div', { class: 'pg-sheet', role: 'group', 'aria-label': label }, image, cells);
    host.append(root);
    let columns = 1, chosen = -1;
    const focus = index => {
      const all = cells.children;
      if (!all[index]) return;
      for (const cell of all) cell.tabIndex = -1;
      all[index].tabIndex = 0;
      all[index].focus();
    };
    cells.addEventListener('keydown', event => {
      const index = [...cells.children].indexOf(document.activeElement);
      const to = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      focus(index + to);
    });
    const marks = indices => [...cells.children].forEach((cell, i) => cell.setAttribute('aria-pressed', indices.includes(i)));
    const mark = index => { chosen = index; marks([index]); };
    return {
      element: root, mark, marks,
      get chosen() { return chosen; },
      /** {src, n, columns, labels?, alt?}: labels are read out and shown on hover. */
      show({ src, n, columns: c, labels = [], alt = '' }) {
        columns = c;
        image.src = src;
        image.alt = alt;
        root.style.setProperty('--columns', c);
        root.style.setProperty('--rows', Math.ceil(n / c));
        if (cells.children.length !== n) {
          cells.replaceChildren(...Array.from({ length: n }, (_, i) => el('button', {
            type: 'button', tabindex: i ? -1 : 0, 'aria-pressed': 'false',
            onclick: () => { mark(i); pick?.(i); }, onpointerenter: () => hover?.(i),
          })));
        }
        [...cells.children].forEach((cell, i) => {
          cell.setAttribute('aria-label', labels[i] || `${label} ${i + 1}`);
          cell.title = labels[i] || '';
        });
      },
    };
  };

  /** Horizontal bars: `show([{label, value, note?, dim?}], {max?})`; the number stands beside the bar. */
  pg.bars = (host, { label, unit = '', digits = 2, pick } = {}) => {
    const list = el('ol', { class: 'pg-bars', tabindex: 0, 'aria-label': label });
    host.append(list);
    return {
      element: list,
      show(items, { max } = {}) {
        const top = max || Math.max(...items.map(item => Math.abs(item.value)), 1e-9);
        list.replaceChildren(...items.map((item, i) => {
          const bar = el('i', {});
          bar.style.width = `${100 * Math.min(1, Math.abs(item.value) / top)}%`;
          const row = el('li', { class: item.dim ? 'pg-dim' : '', title: item.note || '' },
            el('span', {}, item.label), el('b', {}, bar),
            el('span', {}, `${item.value.toFixed(digits)}${unit}${item.dim && item.note ? ` · ${item.note}` : ''}`));
          if (pick) row.addEventListener('click', () => pick(i));
          return row;
        }));
      },
    };
  };

  /** A canvas to draw on, keyboard included: arrows move the pen, space puts it down or lifts it.
   *
   * size: pixels of the canvas; colour: a palette is offered; mask: paints what is to be replaced over a picture.
   * change(uri, done): the drawing as a PNG data URI (a mask: white where painted), or null when it is empty.
   */
  pg.drawPad = (host, { label = 'Drawing', size = 280, colour = false, mask = false, paper = '#000', ink = '#fff', width = 20, change } = {}) => {
    const canvas = el('canvas', { width: size, height: size, tabindex: 0, role: 'application',
      'aria-label': `${label}. Arrow keys move the pen, space puts it down.` });
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    const state = { erase: false, width, ink, down: false, at: [size / 2, size / 2], empty: true };
    const button = (text, task, options = {}) => el('button', { type: 'button', ...options, onclick: task }, text);
    const eraser = button('Erase', () => {
      state.erase = !state.erase;
      eraser.setAttribute('aria-pressed', state.erase);
    }, { 'aria-pressed': 'false' });
    const thick = el('input', { type: 'range', min: 4, max: Math.round(size / 5), value: width, 'aria-label': 'Width of the pen' });
    thick.addEventListener('input', event => { event.stopPropagation(); state.width = +thick.value; });
    const tools = el('div', { class: 'pg-pen' }, eraser, thick, button('Clear', () => { clear(); tell(true); }));
    if (colour) {
      const well = el('input', { type: 'color', value: ink, 'aria-label': 'Colour of the pen' });
      well.addEventListener('input', event => { event.stopPropagation(); state.ink = well.value; });
      tools.prepend(well);
    }
    const spot = el('div', { class: 'pg-spot', hidden: true, 'aria-hidden': 'true' });
    const frame = el('div', { class: `pg-canvas${mask ? ' pg-mask' : ''}` }, canvas, spot);
    host.append(el('div', { class: 'pg-draw' }, frame, tools));

    const clear = () => {
      pen.globalCompositeOperation = 'source-over';
      pen.clearRect(0, 0, size, size);
      if (!mask) { pen.fillStyle = paper; pen.fillRect(0, 0, size, size); }
      state.empty = true;
    };
    const line = (from, to) => {
      pen.globalCompositeOperation = state.erase && mask ? 'destination-out' : 'source-over';
      pen.strokeStyle = state.erase ? paper : mask ? '#fff' : state.ink;
      pen.lineWidth = state.width;
      pen.lineCap = pen.lineJoin = 'round';
      pen.beginPath();
      pen.moveTo(...from);
      pen.lineTo(to[0] + 0.01, to[1]);
      pen.stroke();
      state.empty = false;
    };
    const tell = done => change?.(state.empty ? null : canvas.toDataURL('image/png'), done);
    const point = event => {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * size, ((event.clientY - box.top) / box.height) * size];
    };
    canvas.addEventListener('pointerdown', event => {
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      state.drawing = true;
      state.at = point(event);
      spot.hidden = true;
      line(state.at, state.at);
      tell(false);
    });
    canvas.addEventListener('pointermove', event => {
      if (!state.drawing) return;
      for (const part of event.getCoalescedEvents?.() || [event]) {
        const to = point(part);
        line(state.at, to);
        state.at = to;
      }
      tell(false);
    });
    const lift = () => { if (state.drawing) { state.drawing = false; tell(true); } };
    canvas.addEventListener('pointerup', lift);
    canvas.addEventListener('pointercancel', lift);
    canvas.addEventListener('keydown', event => {
      const way = ARROWS[event.key];
      if (way) {
        const from = state.at, far = size / (event.shiftKey ? 56 : 20);
        state.at = [clamp(from[0] + way[0] * far, 0, size), clamp(from[1] - way[1] * far, 0, size)];
        if (state.down) { line(from, state.at); tell(false); }
      } else if (event.key === ' ') {
        state.down = !state.down;
        if (state.down) line(state.at, state.at);
        tell(!state.down);
      } else return;
      event.preventDefault();
      event.stopPropagation();
      spot.hidden = false;
      spot.classList.toggle('pg-down', state.down);
      spot.style.left = `${100 * state.at[0] / size}%`;
      spot.style.top = `${100 * state.at[1] / size}%`;
    });
    clear();
    return {
      canvas, clear() { clear(); },
      get empty() { return state.empty; },
      uri: () => (state.empty ? null : canvas.toDataURL('image/png')),
      /** Puts a picture on the paper (a restored drawing), or behind the mask. */
      async load(src, smooth = false) {
        const image = await pg.image(src);
        if (mask) { frame.style.backgroundImage = `url(${src})`; return; }
        clear();
        pen.imageSmoothingEnabled = smooth;
        pen.drawImage(image, 0, 0, size, size);
        state.empty = false;
      },
    };
  };
})();
