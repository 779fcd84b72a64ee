/* The energy tab: its stage, and what its modes share. A mode adds itself as `pg.energy.<mode> = kit => ({hint, reply, …})`
 * in tab-energy-<part>.js; the handlers it may return are those of `tab.on`, and `key(event)`. */
(() => {
  const { el, clamp } = pg;
  const SIDE = 28, CELLS = SIDE * SIDE;
  const BLANK = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';
  const bytes = text => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), c => c.charCodeAt(0));
  const typed = (text, Kind) => new Kind(bytes(text).buffer);
  const base64 = array => btoa(String.fromCharCode(...array)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
  const rgb = name => {
    const hex = pg.css(name).slice(1), full = hex.length === 3 ? [...hex].map(c => c + c).join('') : hex;
    return [0, 2, 4].map(i => parseInt(full.slice(i, i + 2), 16));
  };
  /** Painted cells ↔ text, see tabs/energy/cells.py. */
  const pack = cells => (cells.some(Boolean)
    ? base64(Uint8Array.from({ length: CELLS / 4 }, (_, i) => cells[4 * i] | cells[4 * i + 1] << 2 | cells[4 * i + 2] << 4 | cells[4 * i + 3] << 6)) : '');
  const unpack = text => {
    const cells = new Uint8Array(CELLS);
    if (text) bytes(text).slice(0, CELLS / 4).forEach((byte, i) => { for (let k = 0; k < 4; k += 1) cells[4 * i + k] = byte >> 2 * k & 3; });
    return cells;
  };

  /** Play, pause, scrub. `show(i)` draws a step; `more()` is asked for further steps near the end of an endless film. */
  const player = (host, { label, show, rate, name = i => `step ${i}`, more, paused }) => {
    const button = el('button', { type: 'button', class: 'en-play', onclick: () => (running ? stop(true) : play()) }, 'Play');
    const slider = el('input', { type: 'range', min: 0, max: 0, value: 0, 'aria-label': label });
    const count = el('output', { class: 'pg-count' });
    const root = el('div', { class: 'en-player' }, button, slider, count);
    host.append(root);
    let total = 1, now = 0, running = 0, begun = 0, from = 0;
    const go = index => {
      now = clamp(index, 0, total - 1);
      slider.value = now;
      count.textContent = name(now, total);
      slider.setAttribute('aria-valuetext', count.textContent);
      self.drawn += 1;
      show(now);
    };
    const frame = time => {
      if (!running) return;
      if (!root.offsetParent) { stop(); return; }  // the mode or the tab was left
      const want = from + Math.floor((time - begun) / 1000 * rate(total));
      if (want > now && now < total - 1) go(Math.min(want, total - 1));
      if (more && total - now < 16) more();
      if (now >= total - 1 && !more) { stop(true); return; }
      if (now >= total - 1) { begun = time; from = now; }
      running = requestAnimationFrame(frame);
    };
    const play = () => {
      if (now >= total - 1 && !more) go(0);
      begun = performance.now();
      from = now;
      button.textContent = 'Pause';
      if (!running) running = requestAnimationFrame(frame);
    };
    const stop = tell => {
      cancelAnimationFrame(running);
      running = 0;
      button.textContent = 'Play';
      if (tell) paused?.(now);
    };
    slider.addEventListener('input', event => { event.stopPropagation(); stop(); go(+slider.value); paused?.(now); });
    const self = {
      element: root, play, stop, go, drawn: 0,
      get now() { return now; }, get total() { return total; }, get playing() { return !!running; },
      length(count_) { total = count_; slider.max = total - 1; if (now > total - 1) go(total - 1); },
      key(event) {
        const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: total - 1 }[event.key];
        if (to !== undefined) { stop(); go(to); paused?.(now); } else if (event.key === ' ') (running ? stop(true) : play()); else return false;
        return true;
      },
    };
    return self;
  };

  /** A line chart: lines [{values: [y …] or [[x, y] …], colour, dash?, wide?, name?}], points, marks, a cursor. */
  const chart = (host, { label, height = 130 }) => {
    const canvas = el('canvas', { role: 'img', 'aria-label': label, class: 'en-chart' });
    canvas.style.height = `${height}px`;
    host.append(canvas);
    const still = el('canvas');  // all but the cursor
    let given = null, cursor = null, place = null;
    const number = v => (Math.abs(v) >= 100 || Number.isInteger(v) ? v.toFixed(0) : v.toFixed(Math.abs(v) < 1 ? 2 : 1));
    const redraw = () => {
      if (!given || !canvas.clientWidth) return;
      const [pen, width, high] = pg.sharp(canvas), { lines, points = [], marks = [], xname = '', yname = '' } = given;
      const pairs = lines.map(line => line.values.map((v, i) => (Array.isArray(v) ? v : [i, v])).filter(([, v]) => Number.isFinite(v)));
      const all = [...pairs.flat(), ...points.map(p => [p.x, p.y])];
      const span = (given_, k) => given_ || all.reduce(([a, b], p) => [Math.min(a, p[k]), Math.max(b, p[k])], [Infinity, -Infinity]);
      let [x0, x1] = span(given.x, 0), [y0, y1] = span(given.y, 1);
      if (!(x1 > x0)) x1 = x0 + 1;
      if (!(y1 > y0)) { y0 -= 0.5; y1 += 0.5; }
      const X = x => 46 + (width - 58) * (x - x0) / (x1 - x0), head = yname || lines.some(l => l.name) ? 22 : 8;
      const Y = y => head + (high - head - 22) * (1 - (y - y0) / (y1 - y0));
      pen.font = '11px system-ui, sans-serif';
      pen.strokeStyle = pg.css('--pg-line');
      pen.fillStyle = pg.css('--pg-quiet');
      pen.lineWidth = 1;
      pen.beginPath();
      for (const y of [y0, y1]) { pen.moveTo(46, Y(y)); pen.lineTo(width - 12, Y(y)); }
      pen.stroke();
      const write = (text, x, y, align) => { pen.textAlign = align; pen.fillText(text, x, y); };
      write(number(y1), 40, Y(y1) + 4, 'right');
      write(number(y0), 40, Y(y0) + 4, 'right');
      write(number(x0), 46, high - 6, 'left');
      write(number(x1), width - 12, high - 6, 'right');
      write(xname, (46 + width) / 2, high - 6, 'center');
      if (width > 420 || !lines.some(l => l.name)) write(yname, 46, 12, 'left');
      for (const mark of marks) {
        pen.setLineDash([3, 3]);
        pen.strokeStyle = pg.css('--pg-quiet');
        pen.beginPath(); pen.moveTo(X(mark.x), Y(y0)); pen.lineTo(X(mark.x), Y(y1)); pen.stroke();
        pen.setLineDash([]);
        write(mark.label, X(mark.x) + 4, Y(y1) + (mark.down || 14), 'left');
      }
      lines.forEach((line, i) => {
        pen.strokeStyle = pg.css(line.colour || '--pg-accent');
        pen.globalAlpha = line.faint ? 0.3 : 1;
        pen.lineWidth = line.wide || 1.5;
        pen.setLineDash(line.dash || []);
        pen.beginPath();
        for (const [x, y] of pairs[i]) pen.lineTo(X(x), Y(clamp(y, y0, y1)));
        pen.stroke();
        pen.setLineDash([]);
        pen.globalAlpha = 1;
      });
      let legend = width - 12;
      for (const line of lines.filter(l => l.name).reverse()) {
        pen.fillStyle = pg.css('--pg-quiet');
        write(line.name, legend, 12, 'right');
        legend -= pen.measureText(line.name).width + 6;
        pen.strokeStyle = pg.css(line.colour || '--pg-accent');
        pen.lineWidth = 2;
        pen.setLineDash(line.dash || []);
        pen.beginPath(); pen.moveTo(legend - 22, 8); pen.lineTo(legend, 8); pen.stroke();
        pen.setLineDash([]);
        legend -= 34;
      }
      pen.fillStyle = pg.css('--pg-ink');
      for (const point of points) {
        pen.beginPath(); pen.arc(X(point.x), Y(point.y), 5, 0, 7); pen.fill();
        const right = X(point.x) > width - 110;
        write(point.label, X(point.x) + (right ? -9 : 9), Y(point.y) + (Y(point.y) < 30 ? 18 : -6), right ? 'right' : 'left');
      }
      still.width = canvas.width;
      still.height = canvas.height;
      still.getContext('2d').drawImage(canvas, 0, 0);
      place = { X, Y, y0, y1, pairs };
      mark();
    };
    const mark = () => {
      if (!place || !canvas.clientWidth) return;
      const [pen, width, high] = pg.sharp(canvas), { X, Y, y0, y1, pairs } = place;
      pen.drawImage(still, 0, 0, width, high);
      if (cursor === null) return;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(X(cursor), Y(y0)); pen.lineTo(X(cursor), Y(y1)); pen.stroke();
      pen.fillStyle = pg.css('--pg-accent');
      pairs.forEach((line, i) => {
        const at = !given.lines[i].faint && line.find(([x]) => x >= cursor);
        if (at) { pen.beginPath(); pen.arc(X(cursor), Y(clamp(at[1], y0, y1)), 3.5, 0, 7); pen.fill(); }
      });
    };
    new ResizeObserver(redraw).observe(canvas);
    document.addEventListener('pg-theme', redraw);
    return {
      canvas, show(next, at = null) { given = next; cursor = at; redraw(); }, at(step) { cursor = step; mark(); },
      say(text) { canvas.setAttribute('aria-label', text); },
    };
  };

  /** 28 × 28 cells to paint over a picture, by pointer or keyboard. tools: [{value, name, colour, hatch}]; 0 takes away. */
  const cellPad = (host, { label, tools, change, width = 1.3 }) => {
    const back = el('canvas', { width: SIDE, height: SIDE, class: 'en-back', 'aria-hidden': 'true' });
    const over = el('canvas', { class: 'en-over', tabindex: 0, role: 'application', 'aria-label': `${label}. Arrow keys move the brush, space puts it down or lifts it.` });
    const bar = el('div', { class: 'en-segment', role: 'group', 'aria-label': 'Brush' });
    const clear = el('button', { type: 'button', onclick: () => { cells.fill(0); paint(); change(pack(cells)); } }, 'Clear');
    host.append(el('div', { class: 'en-cells' }, back, over), el('div', { class: 'en-buttons' }, bar, clear));
    let cells = new Uint8Array(CELLS), tool = tools[0].value, at = [14, 14], held = false, down = false, spot = false;
    const buttons = tools.map(({ value, name }) => el('button', { type: 'button', 'aria-pressed': String(value === tool), onclick: () => {
      tool = value;
      buttons.forEach((b, i) => b.setAttribute('aria-pressed', tools[i].value === tool));
    } }, name));
    bar.append(...buttons);
    const paint = () => {
      if (!over.clientWidth) return;
      const [pen, side] = pg.sharp(over), unit = side / SIDE;
      for (const { value, colour, hatch } of tools.filter(t => t.value)) {
        const tone = pg.css(colour);
        cells.forEach((cell, i) => {
          if (cell !== value) return;
          const x = (i % SIDE) * unit, y = Math.floor(i / SIDE) * unit;
          pen.globalAlpha = 0.82;
          pen.fillStyle = hatch ? pg.css('--pg-card') : tone;
          pen.fillRect(x, y, unit + 0.4, unit + 0.4);
          pen.globalAlpha = 1;
          if (!hatch) return;
          pen.strokeStyle = tone;
          pen.lineWidth = 1.2;
          pen.beginPath(); pen.moveTo(x, y + unit); pen.lineTo(x + unit, y); pen.stroke();
        });
      }
      if (!spot) return;
      pen.strokeStyle = pg.css('--pg-warn');
      pen.lineWidth = 2;
      pen.setLineDash(down ? [] : [4, 3]);
      pen.strokeRect((at[0] - 0.5) * unit, (at[1] - 0.5) * unit, 2 * unit, 2 * unit);
      pen.setLineDash([]);
    };
    const dab = (x, y) => {
      for (let j = Math.floor(y - width); j <= y + width; j += 1) for (let i = Math.floor(x - width); i <= x + width; i += 1) {
        if (i >= 0 && j >= 0 && i < SIDE && j < SIDE && Math.hypot(i + 0.5 - x, j + 0.5 - y) <= width) cells[j * SIDE + i] = tool;
      }
    };
    const line = (from, to) => {
      const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
      for (let k = 0; k <= steps; k += 1) dab(from[0] + (to[0] - from[0]) * k / steps, from[1] + (to[1] - from[1]) * k / steps);
    };
    const point = event => {
      const box = over.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
    };
    const tell = pg.later(60, () => change(pack(cells)));
    over.addEventListener('pointerdown', event => {
      event.preventDefault();
      over.focus({ preventScroll: true });
      over.setPointerCapture(event.pointerId);
      held = true; spot = false;
      at = point(event);
      line(at, at); paint(); tell();
    });
    over.addEventListener('pointermove', event => {
      if (!held) return;
      for (const part of event.getCoalescedEvents?.() || [event]) { const to = point(part); line(at, to); at = to; }
      paint(); tell();
    });
    for (const name of ['pointerup', 'pointercancel']) over.addEventListener(name, () => { held = false; });
    over.addEventListener('blur', () => { spot = false; paint(); });
    over.addEventListener('keydown', event => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way) {
        const to = [clamp(at[0] + way[0], 0.5, 27.5), clamp(at[1] + way[1], 0.5, 27.5)];
        if (down) { line(at, to); tell(); }
        at = to;
      } else if (event.key === ' ') { down = !down; if (down) { line(at, at); tell(); } } else return;
      spot = true;
      event.preventDefault();
      event.stopPropagation();
      paint();
    });
    new ResizeObserver(paint).observe(over);
    document.addEventListener('pg-theme', paint);
    return {
      canvas: over, back: back.getContext('2d'),
      get cells() { return cells; },
      set(text) { cells = unpack(text); paint(); },
      async load(src) { const image = await pg.image(src); back.getContext('2d').drawImage(image, 0, 0, SIDE, SIDE); },
    };
  };

  /** A filmstrip that also shows single moments of a run as they arrive. */
  const reel = (host, options, shape = 1) => {
    const strip = pg.filmstrip(host, options);
    const [slider, count] = [strip.element.querySelector('input'), strip.element.querySelector('.pg-count')];
    let turn = 0;
    strip.show({ src: BLANK, names: [''], frames: 1, columns: 1, w: shape * SIDE, h: SIDE }, { labels: [''] });
    return {
      strip, element: strip.element,
      async show(film, more = {}) { turn += 1; await strip.show(film, { captions: film.names, ...more }); },
      async live(film, step, total) {
        const mine = ++turn, now = strip.film;
        if (!now || String(now.names) !== String(film.names) || now.w !== film.w || now.h !== film.h) await strip.show(film, { captions: film.names, labels: [''] });
        const image = await pg.image(film.src);
        if (mine !== turn) return;
        strip.element.querySelectorAll('canvas').forEach((canvas, lane) => {
          canvas.getContext('2d').drawImage(image, (lane % film.columns) * film.w, Math.floor(lane / film.columns) * film.h, film.w, film.h, 0, 0, film.w, film.h);
        });
        slider.max = total - 1;
        slider.value = step - 1;
        count.textContent = `${step} / ${total}`;
      },
    };
  };

  const segment = (host, names, take) => {
    const buttons = names.map(([value, text]) => el('button', { type: 'button', 'data-value': value, onclick: () => take(value) }, text));
    host.append(...buttons);
    return value => buttons.forEach(b => b.setAttribute('aria-pressed', b.dataset.value === value));
  };

  const STYLES = [{ colour: '--pg-accent' }, { colour: '--pg-warn', dash: [6, 3] }, { colour: '--pg-ink', dash: [2, 3] }, { colour: '--pg-quiet', dash: [10, 3, 2, 3] }];

  pg.energy = {};
  pg.energyKit = { SIDE, bytes, typed, base64, calm, rgb, pack, player, chart, cellPad, reel, segment, STYLES, BLANK };

  pg.stages.energy = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const press = (name, task) => body.querySelectorAll(`[data-do="${name}"]`).forEach(b => b.addEventListener('click', event => task(event)));
    const kit = { tab, body, part, press };
    const names = tab.fields.mode.choices.filter(name => pg.energy[name]);
    const modes = Object.fromEntries(names.map(name => [name, pg.energy[name](kit)]));

    const STREAMED = ['repair', 'dream'];
    const mode = name => {
      tab.hint = modes[name].hint;
      tab.spec.streams = STREAMED.includes(name);
      tab.find('.pg-progress').hidden = !STREAMED.includes(name) && name !== 'learn';
      if (tab.running && name !== tab.running.asked.mode) tab.stop();
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = section.dataset.mode !== name;
    };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) mode(values.mode);
      modes[values.mode].state?.(values, changed);
    });
    tab.on('restore', values => { for (const each of Object.values(modes)) each.restore?.(values); });
    tab.on('preset', () => tab.error(null));
    tab.on('reply', (reply, asked) => { if (asked.mode === tab.values.mode) return modes[asked.mode].reply(reply, asked); });
    tab.on('ended', () => modes[tab.values.mode].ended?.());
    tab.on('again', () => modes[tab.values.mode].again?.() || false);
    tab.on('file', async file => { tab.set({ mode: 'repair', source: 'own', drawing: await pg.fileUri(file) }); return true; });
    document.addEventListener('keydown', event => {
      if (pg.active !== 'energy' || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      if (pg.typing(target) && target.type !== 'range' || target.closest?.('button, summary, a, [role=tab], [role=radiogroup], .pg-right, .pg-filmstrip')) return;
      if (modes[tab.values.mode].key?.(event)) event.preventDefault();
    });
    mode(tab.values.mode);
    for (const each of Object.values(modes)) each.restore?.(tab.values);
  };
})();
