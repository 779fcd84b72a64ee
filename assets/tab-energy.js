/* The energy tab's stage: a landscape with walkers, a machine that dreams while pixels are held, repair, memories. */
(() => {
  const { el, clamp } = pg;
  const SIDE = 28, CELLS = SIDE * SIDE, COUNT = 500, MOST = 16, EXTENT = 4, TRAIL = 24;
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

  pg.stages.energy = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const press = (name, task) => body.querySelectorAll(`[data-do="${name}"]`).forEach(b => b.addEventListener('click', event => task(event)));
    const kit = { tab, body, part, press };
    const modes = Object.fromEntries(Object.entries(pg.energy).map(([name, make]) => [name, make(kit)]));

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

  /* ---------------------------------------------------------------- landscape */

  pg.energy = {};
  pg.energy.landscape = ({ tab, part, press }) => {
    const maps = {};
    let run = null, land = null, ground = null, chosen = 0, held = -1, fresh = false;
    const dropped = () => tab.values.points.split(';').map(p => p.split(',').map(Number)).filter(p => p.length === 2 && p.every(Number.isFinite));
    const place = list => tab.set({ points: list.map(p => p.map(v => +clamp(v, -EXTENT, EXTENT).toFixed(2)).join(',')).join(';') });

    const pad = pg.pad(part('map'), {
      label: 'Map of the energy. Click or drag to drop a walker; arrow keys move the cross, Enter drops a walker there, Delete takes it back.',
      xlim: [-EXTENT, EXTENT], ylim: [-EXTENT, EXTENT], step: 0.1, paint: (...canvas) => paint(...canvas),
      move: (x, y) => {
        if (!fresh && held < 0) return;  // the keyboard only moves the cross
        const list = dropped();
        if (fresh) {
          held = list.findIndex(p => Math.hypot(p[0] - x, p[1] - y) < 0.25);
          if (held < 0) { held = Math.min(list.length, MOST - 1); list[held] = [x, y]; }
          fresh = false;
        } else list[held] = [x, y];
        if (chosen !== tab.values.walkers + held) { chosen = tab.values.walkers + held; }
        place(list);
      },
    });
    pad.element.addEventListener('pointerdown', () => { fresh = true; }, true);
    for (const name of ['pointerup', 'pointercancel']) pad.element.addEventListener(name, () => { held = -1; fresh = false; });
    const lift = () => place(dropped().slice(0, -1));
    pad.element.addEventListener('keydown', event => {
      if (event.key === 'Enter') { const list = dropped().slice(-MOST + 1); list.push([...pad.at]); chosen = tab.values.walkers + list.length - 1; place(list); }
      else if (event.key === 'Delete' || event.key === 'Backspace') lift();
      else return;
      event.preventDefault();
    });
    press('lift', () => tab.set({ points: '', ...(tab.values.start === 'here' ? { start: 'noise' } : {}) }));

    /* What does not move: heat and contour lines, drawn once per map, size and theme. */
    const contours = (pen, { n, cells, low }, toX, toY) => {
      const at = i => -EXTENT + 2 * EXTENT * (i + 0.5) / n;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.lineWidth = 1;
      for (const level of [0.5, 1, 2, 3, 4.5, 6.5, 9, 13, 18, 26].map(v => low + v)) {
        pen.globalAlpha = 0.2;
        pen.beginPath();
        for (let j = 0; j < n - 1; j += 1) for (let i = 0; i < n - 1; i += 1) {
          const [a, b, c, d] = [cells[j * n + i], cells[j * n + i + 1], cells[(j + 1) * n + i + 1], cells[(j + 1) * n + i]];
          const ends = [];
          const cross = (p, q, x0, y0, x1, y1) => {
            if ((p < level) === (q < level)) return;
            const t = clamp((level - p) / (q - p), 0, 1);
            ends.push([toX(at(i + x0 + t * (x1 - x0))), toY(at(j + y0 + t * (y1 - y0)))]);
          };
          cross(a, b, 0, 0, 1, 0); cross(b, c, 1, 0, 1, 1); cross(c, d, 1, 1, 0, 1); cross(d, a, 0, 1, 0, 0);
          for (let k = 0; k + 1 < ends.length; k += 2) { pen.moveTo(...ends[k]); pen.lineTo(...ends[k + 1]); }
        }
        pen.stroke();
      }
      pen.globalAlpha = 1;
    };
    const soil = (width, toX, toY) => {
      const key = `${land.key} ${width} ${pg.dark()} ${tab.values.shade} ${tab.values.shade === 'density' ? tab.values.temperature : ''}`;
      if (ground?.key === key) return ground.canvas;
      const { n, cells, low } = land, small = el('canvas', { width: n, height: n }), ratio = window.devicePixelRatio || 1;
      const [dry, wet] = [rgb('--pg-well'), rgb('--pg-accent')], pen = small.getContext('2d'), image = pen.createImageData(n, n);
      const deep = v => (tab.values.shade === 'density' ? Math.exp((low - v) / tab.values.temperature) ** 0.6 : Math.max(0, 1 - (v - low) / 9) ** 1.2);
      cells.forEach((value, i) => {
        const t = 0.78 * deep(value), o = 4 * ((n - 1 - Math.floor(i / n)) * n + i % n);
        for (let c = 0; c < 3; c += 1) image.data[o + c] = dry[c] + (wet[c] - dry[c]) * t;
        image.data[o + 3] = 255;
      });
      pen.putImageData(image, 0, 0);
      const canvas = el('canvas', { width: width * ratio, height: width * ratio }), wide = canvas.getContext('2d');
      wide.scale(ratio, ratio);
      wide.imageSmoothingQuality = 'high';
      wide.drawImage(small, 0, 0, width, width);
      contours(wide, land, toX, toY);
      ground = { key, canvas };
      return canvas;
    };

    const paint = (pen, toX, toY, width) => {
      if (!land) return;
      pen.drawImage(soil(width, toX, toY), 0, 0, width, width);
      pen.font = '600 11px system-ui, sans-serif';
      pen.textAlign = 'center';
      pen.fillStyle = pg.css('--pg-quiet');
      if (land.shares.length > 1) land.centres.forEach(([x, y], i) => pen.fillText(i + 1, toX(x) + (land.ring ? 0 : 15), toY(y) - (land.ring ? 0 : 13)));
      if (!run) return;
      const { walk, W, crowd } = run, now = steps.now, ink = pg.css('--pg-ink'), own = pg.css('--pg-warn');
      const X = (t, w) => toX(walk[2 * (t * W + w)] / 4000), Y = (t, w) => toY(walk[2 * (t * W + w) + 1] / 4000);
      pen.lineCap = 'round';
      for (let back = Math.min(TRAIL, Math.ceil(run.T / 12), now); back > 0; back -= 1) {
        const t = now - back;
        pen.globalAlpha = 0.5 * (1 - back / (TRAIL + 1));
        for (const [from, to, colour, thick] of [[0, crowd, ink, 1], [crowd, W, own, 2.5]]) {
          pen.strokeStyle = colour;
          pen.lineWidth = thick;
          pen.beginPath();
          for (let w = from; w < to; w += 1) { pen.moveTo(X(t, w), Y(t, w)); pen.lineTo(X(t + 1, w), Y(t + 1, w)); }
          pen.stroke();
        }
      }
      pen.globalAlpha = 1;
      pen.strokeStyle = pg.css('--pg-card');
      for (let w = 0; w < W; w += 1) {
        pen.fillStyle = w < crowd ? ink : own;
        pen.lineWidth = 1.5;
        pen.beginPath(); pen.arc(X(now, w), Y(now, w), w < crowd ? 4 : 6, 0, 7); pen.fill(); pen.stroke();
      }
      pen.strokeStyle = ink;
      pen.lineWidth = 1.5;
      pen.beginPath(); pen.arc(X(now, chosen), Y(now, chosen), 9, 0, 7); pen.stroke();
      pen.strokeStyle = own;
      dropped().forEach(([x, y]) => { pen.beginPath(); pen.moveTo(toX(x) - 5, toY(y)); pen.lineTo(toX(x) + 5, toY(y)); pen.moveTo(toX(x), toY(y) - 5); pen.lineTo(toX(x), toY(y) + 5); pen.stroke(); });
    };

    /* Shares of the second half of what has been walked so far, beside the exact ones. */
    const bars = el('canvas', { role: 'img', class: 'en-chart', style: 'height:150px' });
    part('shares').append(bars);
    const share = () => {
      const late = steps.now, early = Math.floor(late / 2), K = land.shares.length;
      return land.shares.map((_, k) => (run.visits[(late + 1) * K + k] - run.visits[early * K + k]) / ((late + 1 - early) * run.W));
    };
    const shares = () => {
      if (!run || !land || !bars.clientWidth) return;
      const [pen, width, height] = pg.sharp(bars), found = share(), K = found.length, unit = width / K, most = run.most;
      pen.font = '11px system-ui, sans-serif';
      pen.textAlign = 'center';
      found.forEach((value, k) => {
        const y = v => height - 18 - (height - 34) * Math.min(1, v / most), x = k * unit + unit * 0.18, wide = unit * 0.64;
        pen.fillStyle = pg.css('--pg-well');
        pen.fillRect(x, y(most), wide, y(0) - y(most));
        pen.fillStyle = pg.css('--pg-accent');
        pen.fillRect(x, y(value), wide, y(0) - y(value));
        pen.fillStyle = pg.css('--pg-ink');
        pen.fillRect(x - unit * 0.1, y(land.shares[k]) - 1, wide + unit * 0.2, 2);
        pen.fillStyle = pg.css('--pg-quiet');
        if (K <= 12 || k % 2 === 0) pen.fillText(k + 1, x + wide / 2, height - 4);
      });
      const wrong = found.reduce((sum, v, k) => sum + Math.abs(v - land.shares[k]), 0) / 2;
      const text = `Bars: share of the walkers' time in each part of the map. Lines: the exact share. ${Math.round(100 * wrong)} % of the time was spent in the wrong part.`;
      if (part('shares-note').textContent !== text) part('shares-note').textContent = text;
      bars.setAttribute('aria-label', text);
    };
    new ResizeObserver(shares).observe(bars);
    document.addEventListener('pg-theme', shares);

    const accept = chart(part('accept'), { label: 'Share of steps accepted', height: 80 });
    const trace = chart(part('trace'), { label: 'Trace of one walker', height: 120 });
    const steps = player(part('walk-player'), { label: 'Step of the walk', rate: n => (n < 40 ? 4 : Math.max(15, n / 10)), paused: () => surface(),
      show: now => { pad.redraw(); shares(); trace.at(now); accept.at(now); } });

    const tracing = () => {
      if (!run) return;
      chosen = clamp(chosen, 0, run.W - 1);
      const { walk, energy, W, T } = run, kind = tab.values.trace;
      const value = (t, w) => (kind === 'energy' ? energy[t * W + w] : walk[2 * (t * W + w) + (kind === 'y' ? 1 : 0)] / 4000);
      const line = w => Array.from({ length: T }, (_, t) => value(t, w));
      const top = Math.max(4, ...line(chosen).slice(Math.floor(T / 8)));
      const others = [...Array(W).keys()].filter(w => w !== chosen).slice(0, 6);
      const lines = [...others.map(w => ({ values: line(w), colour: '--pg-quiet', faint: true, wide: 1 })), { values: line(chosen), colour: chosen < run.crowd ? '--pg-accent' : '--pg-warn', wide: 2 }];
      trace.show({ lines, xname: 'step', yname: kind === 'energy' ? 'energy over the lowest' : kind, y: kind === 'energy' ? [0, top] : [-EXTENT, EXTENT] }, steps.now);
      part('walker').textContent = `${chosen + 1} of ${W}`;
      part('trace-title').textContent = chosen < run.crowd ? 'Walker' : 'Your walker';
      const changes = run.changes(chosen);
      const text = `Walker ${chosen + 1} moved to another part of the map ${changes} time${changes === 1 ? '' : 's'} in ${T - 1} steps.${others.length ? ' Faint: others.' : ''}`;
      part('trace-note').textContent = text;
      trace.say(text);
      pad.redraw();
    };
    const kinds = segment(part('trace-what'), [['energy', 'energy'], ['x', 'x'], ['y', 'y']], value => tab.set({ trace: value }, { draw: false }));
    const views = segment(part('view'), [['map', 'Map'], ['surface', 'Surface']], value => tab.set({ view: value }, { draw: false }));
    press('walker-back', () => { chosen = (chosen + run.W - 1) % run.W; tracing(); });
    press('walker-on', () => { chosen = (chosen + 1) % run.W; tracing(); });

    const surface = () => {
      const flat = tab.values.view === 'map', box = document.getElementById('energy-plot-box');
      part('map').hidden = !flat;
      part('surface').hidden = flat;
      if (flat || !box || !run) return;
      if (box.parentElement !== part('surface')) part('surface').append(box);
      box.setAttribute('role', 'img');
      box.setAttribute('aria-label', `The energy as a surface to turn, low where points are likely, with ${run.W} walkers on it.`);
      const at = Array.from({ length: run.W }, (_, w) => [0, 1].map(c => run.walk[2 * (steps.now * run.W + w) + c] / 4000));
      pg.energyPlot?.({ state: tab.values, dark: pg.dark(), at });
    };
    document.addEventListener('pg-theme', () => { if (tab.values.view === 'surface' && tab.values.mode === 'landscape') surface(); });

    const survey = async key => (maps[key] ??= tab.call('energy_map', { state: tab.shown }).then(found => {
      if (!found) { delete maps[key]; return null; }
      return { ...found, cells: typed(found.cells, Float32Array), regions: bytes(found.regions) };
    }));
    const unroll = (data, map) => {
      const walk = typed(data.walk, Int16Array), [T, W] = data.shape, K = map.shares.length, visits = new Float32Array((T + 1) * K);
      const at = (t, w) => {
        const [i, j] = [0, 1].map(c => clamp(Math.floor((walk[2 * (t * W + w) + c] / 4000 + EXTENT) / (2 * EXTENT) * map.n), 0, map.n - 1));
        return map.regions[j * map.n + i];
      };
      for (let t = 0; t < T; t += 1) {
        for (let k = 0; k < K; k += 1) visits[(t + 1) * K + k] = visits[t * K + k];
        for (let w = 0; w < W; w += 1) visits[(t + 1) * K + at(t, w) % 128] += 1;
      }
      const changes = w => {  // as in tabs/energy/regions.py: only who is well inside has arrived
        let count = 0, last = at(0, w) % 128;
        for (let t = 1; t < T; t += 1) { const now = at(t, w); if (now >= 128 && now - 128 !== last) { count += 1; last = now - 128; } }
        return count;
      };
      const half = Math.floor(T / 2), last = map.shares.map((_, k) => (visits[T * K + k] - visits[half * K + k]) / ((T - half) * W));
      return { walk, energy: typed(data.energy, Float32Array), W, T, crowd: data.crowd, visits, changes, text: data.walk, accept: data.accept,
        most: Math.min(1, 1.15 * Math.max(...map.shares, ...last)) };
    };

    return {
      hint: 'Click on the map to drop a walker of your own. Space plays and pauses, ← and → go step by step.',
      async reply({ data }) {
        const map = await survey(data.map);
        if (!map || tab.values.mode !== 'landscape') return;
        const same = run?.text === data.walk && land === map;
        land = map;
        kinds(tab.values.trace);
        views(tab.values.view);
        if (!same) {
          run = unroll(data, map);
          steps.length(run.T);
          const rest = calm() ? run.T - 1 : 0;
          steps.stop();
          steps.go(held >= 0 ? Math.min(60, run.T - 1) : rest);
          if (!rest) steps.play();
        }
        const tested = data.accept.length > 0;
        part('accept').hidden = !tested;
        if (tested) accept.show({ lines: [{ values: data.accept }], y: [0, 1], xname: 'step' }, steps.now);
        part('accept-note').textContent = data.accepted;
        accept.say(data.accepted);
        tracing();
        shares();
        surface();
        if (data.bad) tab.error(data.bad);
      },
      state(values, changed) {
        if (changed.includes('view')) { views(values.view); surface(); pad.redraw(); }
        if (changed.includes('trace')) { kinds(values.trace); tracing(); }
        if (changed.includes('shade') || changed.includes('points')) pad.redraw();
      },
      key: event => steps.key(event),
      steps,
    };
  };

  /* ---------------------------------------------------------------- the machine */

  pg.energy.rbm = ({ tab, part }) => {
    const KEEP = 600, BLOCK = 24, SHOWN = 8;
    let frames = [], chosen = 0, filters = null, asked = null, busy = false, epoch = 0, lit = [], restart = false;
    const pad = cellPad(part('clamp'), {
      label: 'Hold pixels on or off', change: text => { tab.set({ clamp: text }, { draw: false }); held(); cut(); steps.play(); },
      tools: [{ value: 1, name: 'Hold on', colour: '--pg-accent' }, { value: 2, name: 'Hold off', colour: '--pg-warn', hatch: true }, { value: 0, name: 'Let go' }],
    });
    const held = () => {
      const [on, off] = [1, 2].map(v => pad.cells.reduce((n, c) => n + (c === v), 0));
      part('clamp-note').textContent = on + off ? `${on} pixels held on (filled), ${off} held off (hatched), in all sixteen particles.`
        : 'The chosen particle. Paint pixels and hold them: the rest must make sense of them.';
    };
    const sheet = pg.sheet(part('crowd'), { label: 'Particle', pick: i => { chosen = i; cut(); more(); } });
    const crowd = el('canvas', { width: 4 * SIDE, height: 4 * SIDE, 'aria-hidden': 'true' });
    sheet.element.querySelector('img').replaceWith(crowd);
    const units = el('canvas', { role: 'img', class: 'en-units', 'aria-label': 'Hidden units, lit by how likely each is on' });
    part('units').append(units);
    const views = Array.from({ length: SHOWN }, () => {
      const canvas = el('canvas', { width: SIDE, height: SIDE, role: 'img', 'aria-label': 'A filter' }), note = el('figcaption', {});
      part('filters').append(el('figure', {}, canvas, note));
      return { canvas, note };
    });
    const draw = index => {
      const { image, cell, columns, hidden } = frames[index], side = 4 * SIDE, x = (cell % columns) * side, y = Math.floor(cell / columns) * side;
      crowd.getContext('2d').drawImage(image, x, y, side, side, 0, 0, side, side);
      pad.back.drawImage(image, x + (chosen % 4) * SIDE, y + Math.floor(chosen / 4) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
      if (hidden) { if (index % 8 === 0 || !steps.playing) choose(hidden); light(hidden); }
    };
    const light = hidden => {
      if (!units.clientWidth) return;
      const [pen, width, height] = pg.sharp(units), columns = Math.ceil(Math.sqrt(hidden.length * width / height)), rows = Math.ceil(hidden.length / columns);
      const [w, h] = [width / columns, height / rows];
      pen.fillStyle = pg.css('--pg-accent');
      hidden.forEach((p, j) => { pen.globalAlpha = 0.06 + 0.94 * p / 255; pen.fillRect((j % columns) * w + 0.5, Math.floor(j / columns) * h + 0.5, w - 1, h - 1); });
      pen.globalAlpha = 1;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.lineWidth = 1.5;
      for (const j of lit) pen.strokeRect((j % columns) * w, Math.floor(j / columns) * h, w, h);
    };
    const choose = hidden => {
      if (!filters) return;
      lit = [...hidden.keys()].sort((a, b) => (hidden[b] - filters.mean[b]) - (hidden[a] - filters.mean[a])).slice(0, SHOWN);
      lit.forEach((j, i) => {
        views[i].canvas.getContext('2d').drawImage(filters.image, (j % filters.columns) * SIDE, Math.floor(j / filters.columns) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
        views[i].note.textContent = `unit ${j + 1}`;
      });
    };
    const steps = player(part('rbm-player'), { label: 'Sweep', rate: () => 15, show: index => frames[index] && draw(index), more: () => more(),
      name: index => `sweep ${frames[index]?.sweep ?? 0}`, paused: index => pause(index) });
    const pause = index => {
      const frame = frames[index];
      tab.set({ sweeps: Math.min(frame.sweep, tab.fields.sweeps.high) }, { draw: false });
      choose(frame.hidden);
      light(frame.hidden);
    };
    /** What comes after the present picture is no longer true: other pixels are held, or another particle is looked at. */
    const cut = () => { epoch += 1; frames = frames.slice(0, steps.now + 1); steps.length(frames.length); };
    const more = async () => {
      if (busy || !frames.length) return;
      busy = true;
      const mine = epoch, last = frames.at(-1), count = Math.min(BLOCK, frames.length < 3 ? 8 : BLOCK);
      const reply = await tab.call('energy_sweeps', { state: tab.values, chains: base64(last.state), sweep: last.sweep, chosen, count });
      const image = reply && await pg.image(reply.film.src);
      busy = false;
      if (!reply) { steps.stop(); return; }
      if (mine !== epoch) { more(); return; }
      const states = bytes(reply.states), hidden = bytes(reply.hidden), size = last.state.length, n = hidden.length / (reply.count + 1);
      last.hidden = hidden.slice(0, n);
      for (let i = 0; i < reply.count; i += 1) {
        frames.push({ image, cell: i, columns: reply.film.columns, sweep: reply.sweeps[i], state: states.slice(i * size, (i + 1) * size), hidden: hidden.slice((i + 1) * n, (i + 2) * n) });
      }
      if (frames.length > KEEP) { const gone = frames.length - KEEP, at = steps.now - gone, on = steps.playing; frames = frames.slice(gone); steps.stop(); steps.length(frames.length); steps.go(at); if (on) steps.play(); }
      steps.length(frames.length);
      if (!steps.playing) draw(steps.now);
      tab.say(reply.sentence);
      part('units-note').textContent = reply.lit;
    };
    const learn = async () => {
      const found = await tab.call('energy_filters', { state: tab.values });
      if (found) filters = { ...found, image: await pg.image(found.src), mean: bytes(found.mean) };
      if (filters && frames.length) draw(steps.now);
    };
    return {
      hint: 'Paint on the large picture to hold pixels on or off; choose another particle on the right. Space stops and goes on.',
      async reply(reply, now) {
        const { data } = reply, fresh = restart || !frames.length || !asked || ['seed', 'begin', 'model'].some(name => asked[name] !== now[name]);
        const image = fresh && await pg.image(reply.picture);
        asked = now;
        restart = false;
        if (!filters) learn();
        if (fresh) {
          epoch += 1;
          frames = [{ image, cell: 0, columns: 1, sweep: data.sweep, state: bytes(data.states), hidden: bytes(data.hidden) }];
          sheet.show({ src: BLANK, n: 16, columns: 4, labels: Array.from({ length: 16 }, (_, i) => `Particle ${i + 1}`) });
          sheet.mark(chosen);
          steps.length(1);
          steps.go(0);
        } else cut();
        held();
        if (calm()) more(); else steps.play();
      },
      restore(values) { pad.set(values.clamp); held(); restart = true; },
      state(values, changed) { if (changed.includes('clamp') && pack(pad.cells) !== values.clamp) { pad.set(values.clamp); held(); } },
      key: event => steps.key(event),
      steps,
    };
  };

  /* ---------------------------------------------------------------- repair and dream */

  const STYLES = [{ colour: '--pg-accent' }, { colour: '--pg-warn', dash: [6, 3] }, { colour: '--pg-ink', dash: [2, 3] }, { colour: '--pg-quiet', dash: [10, 3, 2, 3] }];

  pg.energy.repair = ({ tab, body, part, press }) => {
    const pad = cellPad(part('hole'), {
      label: 'Paint over what is to be made up', width: 2.2, change: hole => tab.set({ hole, damage: 'hole' }),
      tools: [{ value: 1, name: 'Cut out', colour: '--pg-warn', hatch: true }, { value: 0, name: 'Put back' }],
    });
    const lanes = reel(part('repair'), { label: 'Step of the repair', step: i => curve.at(i) }, 3);
    const curve = chart(part('repair-chart'), { label: 'Distance from the original', height: 130 });
    const own = drawing => tab.set({ source: 'own', drawing });
    const paper = pg.drawPad(part('sketch'), { label: 'Draw here', width: 24, change: (uri, done) => { if (uri && done) own(uri); } });
    const chooser = body.querySelector('.en-buttons input[type=file]');
    press('test', () => tab.set({ source: 'test', test: Math.floor(Math.random() * COUNT), drawing: '' }));
    press('sketch', event => { part('sketch').hidden = !part('sketch').hidden; event.target.setAttribute('aria-expanded', !part('sketch').hidden); });
    press('upload', () => chooser.click());
    chooser.addEventListener('change', async () => { if (chooser.files[0]) own(await pg.fileUri(chooser.files[0])); chooser.value = ''; });
    return {
      hint: 'Paint over a part of the picture: every network that can fills it in. Scrub the film afterwards with ← and →.',
      async reply({ data, step, total }, asked) {
        if (data.input) pad.load(data.input);
        pad.set(asked.damage === 'hole' ? asked.hole : '');
        if (data.live) { await lanes.live(data.live, step, total); return; }
        await lanes.show(data.film, { at: data.film.frames - 1, labels: data.labels });
        curve.show({ lines: data.lines.map((line, i) => ({ ...line, ...STYLES[i % 4], wide: 2 })), xname: 'picture of the film', yname: 'error' }, data.film.frames - 1);
        part('repair-note').textContent = data.note;
        curve.say(data.note);
      },
      restore(values) { pad.set(values.damage === 'hole' ? values.hole : ''); if (values.source === 'own' && values.drawing) paper.load(values.drawing); },
    };
  };

  pg.energy.dream = ({ part }) => {
    const film = reel(part('dream'), { label: 'Step of the dream', step: i => curve.at(i) }, 2.5);
    const curve = chart(part('dream-chart'), { label: 'Energy at each step', height: 150 });
    return {
      hint: 'Scrub the film with ← and →, space plays. R dreams from other noise.',
      async reply({ data, step, total }) {
        if (data.live) await film.live(data.live, step, total);
        else await film.show(data.film, { at: data.film.frames - 1, labels: data.labels });
        const lines = [...data.each.map(values => ({ values, faint: true, colour: '--pg-quiet', wide: 1 })), { values: data.mean, wide: 2 }];
        curve.show({ lines, xname: 'picture of the film', yname: data.yname, x: [0, Math.max(1, (data.live ? total : data.film.frames) - 1)] }, data.live ? null : data.film.frames - 1);
        part('dream-note').textContent = data.note;
        curve.say(data.note);
      },
    };
  };

  /* ---------------------------------------------------------------- memories */

  pg.energy.hopfield = ({ tab, part, press }) => {
    let told = null, curves = null;
    const tokens = () => tab.values.memories.split('.').filter(Boolean);
    const full = list => { if (list.length <= tab.fields.which.high) return false; tab.error(`There is room for ${tab.fields.which.high} memories. Forget one before the next.`); return true; };
    const keep = (list, more = {}) => { if (!full(list)) tab.set({ memories: list.join('.'), ...more }); };
    const paper = pg.drawPad(part('pad'), { label: 'Draw a pattern', width: 26, change: (uri, done) => {
      if (uri && done && tab.values.cue === 'drawing') tab.set({ drawing: uri });
      if (!uri) tab.say('The pad is empty. Draw a pattern, then remember it or begin with it.');
    } });
    const drawn = () => { const uri = paper.uri(); if (!uri) tab.error('The pad is empty. Draw a pattern on it first.'); return uri; };
    press('remember', async () => {
      const uri = drawn(), reply = uri && await tab.call('energy_remember', { drawing: uri });
      if (reply) keep([...tokens(), reply.token], { cue: 'memory', which: tokens().length + 1 });
    });
    press('recall', () => { const uri = drawn(); if (uri) tab.set({ cue: 'drawing', drawing: uri }); });
    press('store-test', () => {
      const has = new Set(tokens());
      let token;
      do token = `t${Math.floor(Math.random() * COUNT)}`; while (has.has(token));
      keep([...tokens(), token]);
    });
    press('store-noise', () => {
      const first = 1 + Math.max(0, ...tokens().filter(t => t[0] === 'n').map(t => +t.slice(1)));
      keep([...tokens(), ...Array.from({ length: 20 }, (_, i) => `n${first + i}`)]);
    });
    press('forget', () => tab.set({ memories: tokens().slice(0, 2).join('.'), which: Math.min(tab.values.which, 2) }));
    const film = reel(part('recall'), { label: 'Units asked', step: i => { fall.at(told.x[i] ?? null); overlaps(i); } });
    const fall = chart(part('fall'), { label: 'Energy while it settles', height: 190 });
    const capacity = chart(part('capacity'), { label: 'Share of memories recalled against their number', height: 190 });
    let bars = [];
    const overlaps = index => bars.forEach((bar, m) => {
      const value = told.overlaps[m]?.[index];
      if (value === undefined) return;  // the film before still plays while the next one loads
      bar.style.width = `${100 * Math.abs(value)}%`;
      bar.classList.toggle('en-inverse', value < 0);
      bar.closest('button').setAttribute('aria-label', `Memory ${m + 1}, overlap ${value.toFixed(2)}. Begin with it.`);
    });
    const gallery = async data => {
      const image = await pg.image(data.memories.src);
      bars = [];
      part('memories').replaceChildren(...data.overlaps.map((_, m) => {
        const canvas = el('canvas', { width: SIDE, height: SIDE, 'aria-hidden': 'true' }), bar = el('i', {});
        canvas.getContext('2d').drawImage(image, (m % data.memories.columns) * SIDE, Math.floor(m / data.memories.columns) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
        bars.push(bar);
        return el('div', {}, el('button', { type: 'button', 'aria-pressed': String(tab.values.cue === 'memory' && tab.values.which === m + 1),
          onclick: () => tab.set({ cue: 'memory', which: m + 1 }) }, canvas, el('b', {}, bar)),
        el('button', { type: 'button', class: 'en-forget', 'aria-label': `Forget memory ${m + 1}`, title: 'Forget it', disabled: data.overlaps.length < 2,
          onclick: () => { const list = tokens(); list.splice(m, 1); tab.set({ memories: list.join('.'), which: Math.min(tab.values.which, list.length) }); } }, '×'));
      }));
      part('memories').classList.toggle('en-many', data.overlaps.length > 30);
      part('memories-title').textContent = `Memories: ${data.overlaps.length} of ${data.neurons} pixels each`;
      part('memories-note').textContent = data.note;
    };
    const plot = async data => {
      curves ??= await tab.call('energy_capacity', {});
      if (!curves || told !== data) return;
      const lines = curves.lines.map((line, i) => ({ ...line, ...STYLES[i % 4], wide: 2 }));
      capacity.show({ lines, y: [0, 1.02], x: [0, curves.most], xname: 'memories ÷ pixels, P / N', yname: 'recalled',
        marks: [{ x: 0.138, label: '0.138 (Hebb)', down: 60 }], points: [{ ...data.own, x: Math.min(data.own.x, curves.most), label: 'yours' }] });
      part('capacity-note').textContent = `${data.crowd} ${curves.note}`;
      capacity.say(`${data.crowd} ${curves.note}`);
    };
    return {
      hint: 'Draw something and let it be remembered, add test digits one by one, damage one, and watch it come back, or not.',
      async reply({ data }) {
        told = data;
        await gallery(data);
        if (told !== data) return;
        await film.show(data.film, { at: calm() ? data.film.frames - 1 : 0, labels: data.labels, captions: data.captions });
        fall.show({ lines: [{ values: data.energy.map((e, i) => [data.x[i], e]), wide: 2 }], xname: 'units asked', yname: 'energy' }, data.x[film.strip.index]);
        fall.say(data.falls);
        part('fall-note').textContent = data.falls;
        overlaps(film.strip.index);
        plot(data);
        if (!calm()) film.strip.play();
      },
      restore(values) { if (values.cue === 'drawing' && values.drawing) paper.load(values.drawing); },
    };
  };

  /* ---------------------------------------------------------------- learn */

  pg.energy.learn = ({ tab, body, part, press }) => {
    const curve = chart(part('learn-chart'), { label: 'Error of the pictures given back', height: 130 });
    const button = body.querySelector('[data-do=train]');
    const label = () => { button.textContent = tab.running ? 'Stop training' : tab.values.updates ? 'Train on' : 'Train'; };
    press('train', () => { if (tab.running) tab.stop(); else tab.run(); label(); });
    press('again', () => { if (tab.running) tab.stop(); tab.set({ updates: 0 }); });
    return {
      hint: 'Press Train: contrastive divergence begins in front of you. Try a large learning rate, too.',
      reply({ data, step }) {
        if (tab.running && !data.run) return;  // what a gesture drew while a training goes on
        part('learn-filters').src = data.filters;
        part('learn-filters').alt = data.alt;
        part('learn-pictures').src = data.pictures;
        part('learn-pictures').alt = 'Rows: real digits, the same given back by the machine, and its own fantasies';
        curve.show({ lines: [{ values: data.error, wide: 2 }], xname: 'updates', x: [0, Math.max(100, data.updates)], y: [0, Math.max(0.3, ...data.error.map(p => p[1]))] });
        part('learn-note').textContent = data.note;
        curve.say(data.note);
        if (data.bad) tab.error(data.bad);
        if (tab.running && !tab.running.halting && step > 1) tab.set({ updates: data.updates }, { draw: false, quiet: true });
        label();
      },
      state(values, changed) {
        if (changed.some(name => ['hidden', 'k', 'rate', 'persistent', 'seed'].includes(name)) && (values.updates || tab.running)) {
          tab.set({ updates: 0 }, { draw: false });
          if (tab.running) tab.run();
        }
        label();
      },
      ended: label,
    };
  };
})();
