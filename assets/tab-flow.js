/* The flow tab's stage: a plane that bends as one scrubs, pictures there and back, a wall, a walk, faces, dots. */
(() => {
  const COUNT = 500, FINE_RASTER = 220, BEAT = 420, NEAR = 0.02;  // ms of playing per layer; share of a layer that counts as arrived
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const shorts = text => new Int16Array(bytes(text).buffer);
  const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
  const rgb = name => { const n = parseInt(pg.css(name).slice(1), 16); return [n >> 16, (n >> 8) & 255, n & 255]; };
  const power = value => { const [m, e] = value.toExponential(0).split('e'); return `${m}·10${[...String(+e)].map(c => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(c)]).join('')}`; };
  const signed = (value, digits = 2) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;
  const minus = (value, digits = 2) => `${value < 0 ? '−' : ''}${Math.abs(value).toFixed(digits)}`;
  const small = p => (p >= 0.0005 ? p.toFixed(3) : p < 1e-30 ? '0' : power(p));

  /** Bytes as a soft picture in the accent colour. */
  const tinted = (values, side) => {
    const canvas = pg.el('canvas', { width: side, height: side });
    const pen = canvas.getContext('2d'), image = pen.createImageData(side, side), [r, g, b] = rgb('--pg-accent');
    for (let i = 0; i < values.length; i++) image.data.set([r, g, b, values[i]], 4 * i);
    pen.putImageData(image, 0, 0);
    return canvas;
  };

  /* ---------------------------------------------------------------- the journey through the layers */

  class Road {
    constructor(reply, outward) {
      Object.assign(this, reply, { outward });
      this.layers = this.stages - 1;
      this.mesh = shorts(reply.lattice);
      this.mass = new Float32Array(bytes(reply.mass).buffer);
      this.places = shorts(reply.dots);
      const corners = this.side * this.side;
      this.now = { mesh: new Float32Array(2 * corners), dots: new Float32Array(2 * this.points) };
      this.start = this.mesh.slice(0, 2 * corners);
      this.hues = this.angles(this.places, outward ? 0 : this.layers);
      this.size = FINE_RASTER;
      this.owner = new Int16Array(this.size * this.size);
      this.sheet = pg.el('canvas', { width: this.size, height: this.size });
      this.pen = this.sheet.getContext('2d');
      this.image = this.pen.createImageData(this.size, this.size);
    }

    /** Which way each point lies in the noise: its colour for the whole journey. */
    angles(places, stage) {
      const from = 2 * this.points * stage;
      return Array.from({ length: this.points }, (_, i) => {
        const turn = Math.atan2(places[from + 2 * i + 1], places[from + 2 * i]) / (2 * Math.PI);
        return Math.floor(12 * ((turn + 1) % 1));
      });
    }

    /** Moves everything to place `at` (0 to `layers`), between two stages in a straight line. */
    move(at) {
      const k = Math.min(Math.floor(at), this.layers - 1), t = at - k;
      const blend = (from, to) => {
        const n = to.length, a = k * n, b = a + n;
        for (let i = 0; i < n; i++) to[i] = (from[a + i] + t * (from[b + i] - from[a + i])) / this.fine;
      };
      blend(this.mesh, this.now.mesh);
      blend(this.places, this.now.dots);
      this.raster();
    }

    /** Fills every cell with its mass over its present area, and remembers which triangle owns a pixel. */
    raster() {
      const { side, size, owner, image, reach, soft, mass } = this, { mesh } = this.now;
      const [r, g, b] = rgb('--pg-accent'), unit = size / (2 * reach);
      const paint = new Uint32Array(image.data.buffer), colour = r | (g << 8) | (b << 16);
      owner.fill(-1);
      paint.fill(0);
      const X = i => (mesh[2 * i] + reach) * unit - 0.5, Y = i => (reach - mesh[2 * i + 1]) * unit - 0.5;
      const triangle = (id, x0, y0, x1, y1, x2, y2, area, ink) => {
        const left = Math.max(0, Math.ceil(Math.min(x0, x1, x2))), right = Math.min(size - 1, Math.floor(Math.max(x0, x1, x2)));
        const top = Math.max(0, Math.ceil(Math.min(y0, y1, y2))), bottom = Math.min(size - 1, Math.floor(Math.max(y0, y1, y2)));
        for (let y = top; y <= bottom; y++) {
          for (let x = left; x <= right; x++) {
            const v = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area;
            const w = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area;
            if (v < -1e-4 || w < -1e-4 || v + w > 1.0001) continue;
            owner[y * size + x] = id;
            paint[y * size + x] = ink;
          }
        }
      };
      for (let row = 0, cell = 0; row < side - 1; row++) {
        for (let column = 0; column < side - 1; column++, cell++) {
          const a = row * side + column, [ax, ay, bx, by] = [X(a), Y(a), X(a + 1), Y(a + 1)];
          const [cx, cy, dx, dy] = [X(a + side), Y(a + side), X(a + side + 1), Y(a + side + 1)];
          const one = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay), two = (cx - dx) * (by - dy) - (bx - dx) * (cy - dy);
          const density = mass[cell] * 2 * unit * unit / (Math.abs(one) + Math.abs(two) + 1e-9);
          const ink = (colour | (Math.round(205 * (1 - Math.exp(-density / soft))) << 24)) >>> 0;
          if (one) triangle(2 * cell, ax, ay, bx, by, cx, cy, one, ink);
          if (two) triangle(2 * cell + 1, dx, dy, cx, cy, bx, by, two, ink);
        }
      }
      this.pen.putImageData(image, 0, 0);
    }

    /** Where what is now at (x, y) set out; null outside the lattice. */
    origin(x, y) {
      const { side, size, reach, fine, start } = this, { mesh } = this.now;
      const column = Math.round((x + reach) * size / (2 * reach) - 0.5), row = Math.round((reach - y) * size / (2 * reach) - 0.5);
      if (column < 0 || row < 0 || column >= size || row >= size) return null;
      const id = this.owner[row * size + column];
      if (id < 0) return null;
      const quad = id >> 1, cell = Math.floor(quad / (side - 1)) * side + quad % (side - 1);
      const [i, j, k] = id & 1 ? [cell + side + 1, cell + side, cell + 1] : [cell, cell + 1, cell + side];
      const P = n => [mesh[2 * n], mesh[2 * n + 1]], S = n => [start[2 * n] / fine, start[2 * n + 1] / fine];
      const [[x0, y0], [x1, y1], [x2, y2]] = [P(i), P(j), P(k)];
      const area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0);
      const v = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area, w = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area;
      const [a, b, c] = [S(i), S(j), S(k)];
      return [0, 1].map(d => a[d] + v * (b[d] - a[d]) + w * (c[d] - a[d]));
    }
  }

  /* ---------------------------------------------------------------- the stage */

  pg.stages.flow = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const act = name => body.querySelector(`[data-do=${name}]`);
    const plane = planeStage(tab, part, act);
    const input = pictureStage(tab, body, part, act);
    const surprise = surpriseStage(tab, part);

    const samples = pg.sheet(part('seeds'), { label: 'Sample',
      pick: i => tab.set({ mode: 'pictures', source: 'sample', seed: tab.last.data.seeds[i] }) });
    const walk = pg.filmstrip(part('walk'), { label: 'Place on the walk', step: frame => tab.set({ frame }, { draw: false }) });
    const corners = ['a', 'b', 'c', 'd'].map(name => {
      const image = pg.el('img', { alt: '' });
      part('pickers').append(pg.el('button', { type: 'button', 'aria-label': `Corner ${name.toUpperCase()}: another picture`,
        onclick: () => tab.set({ [name]: Math.floor(Math.random() * COUNT) }) }, image, pg.el('span', {}, name.toUpperCase())));
      return image;
    });

    const show = {
      plane: plane.show,
      pictures: input.show,
      surprise: surprise.show,
      samples({ picture, data }) {
        const bits = i => `${data.bits[i].toFixed(2)} bits per dimension`;
        samples.show({ src: picture, n: data.n, columns: data.columns, labels: data.seeds.map((s, i) => `seed ${s}, ${bits(i)}`) });
        samples.mark(-1);
        samples.element.style.setProperty('--shape', data.columns / Math.ceil(data.n / data.columns));
        part('extremes').textContent = `Likeliest: seed ${data.seeds[data.best]}, ${bits(data.best)}. `
          + `Least likely: seed ${data.seeds[data.worst]}, ${bits(data.worst)}. Choose one to send it to its noise and back.`;
      },
      async between({ data }, asked) {
        corners.forEach((image, i) => { image.src = data.ends[i]; });
        part('corners').src = data.grid;
        const labels = Array.from({ length: data.film.frames }, (_, i) => `${Math.round(100 * i / (data.film.frames - 1))} %`);
        await walk.show(data.film, { at: asked.frame, labels });
      },
      faces({ data }) {
        for (const name of ['before', 'after', 'wall']) part(name).src = data[name];
        part('after-note').textContent = data.note;
      },
    };

    const HINTS = {
      plane: 'Scrub with ← and →, space plays. Hover: the exact density, and the way of that very point. A click or the arrow keys move the mark.',
      pictures: 'Draw a digit, a letter, anything; then see it among the others under Surprise. R draws the noise between the grey levels again.',
      samples: 'Turn the temperature down to 0.6, then up to 1.2. Choose a sample to take it apart.',
      between: 'Scrub with ← and →, space plays. Choose other pictures for the corners.',
      faces: 'With all sliders at zero the very same pixels come back. Then give everybody glasses.',
      surprise: 'Point at a dot, or walk with the arrow keys: every picture has two answers.',
    };
    const mode = name => {
      tab.hint = HINTS[name];
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = section.dataset.mode !== name;
      if (name !== 'plane') plane.rest();
    };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) mode(values.mode);
      if (changed.includes('frame')) walk.go(values.frame, true);
      plane.changed(values, changed);
    });
    tab.on('reply', (reply, asked) => show[asked.mode](reply, asked));
    tab.on('restore', values => { if (values.source === 'drawing' && values.drawing) input.load(values.drawing); });
    tab.on('file', input.upload);
    mode(tab.values.mode);
    plane.open();
  };

  /* ---------------------------------------------------------------- the plane */

  const planeStage = (tab, part, act) => {
    const host = part('plane'), canvas = host.querySelector('canvas'), slider = part('at'), MOVES = ['model', 'density', 'way', 'seed', 'temperature'];
    const roads = new Map(), heats = {};
    let road = null, at = 1, known = null, hover = null, playing = 0, heat = null, drawn = '';
    const outward = () => tab.values.way === 'noise to data';
    const key = () => JSON.stringify(MOVES.map(name => tab.values[name]));
    const asked = () => Object.fromEntries(MOVES.map(name => [name, tab.values[name]]));

    const fetchRoad = pg.pump(async () => {
      if (tab.values.mode !== 'plane') return;
      const wanted = key(), way = outward();
      if (!roads.has(wanted)) {
        const reply = await tab.call('flow_journey', { state: asked() });
        if (!reply) return;
        roads.set(wanted, new Road(reply, way));
        if (roads.size > 12) roads.delete(roads.keys().next().value);
      }
      if (wanted !== key()) return;
      road = roads.get(wanted);
      ticks();
      paint(true);
    });
    const fetchHeat = async () => {
      const name = JSON.stringify([tab.values.model, tab.values.density]);
      heats[name] ??= tab.call('flow_heat', { state: asked() });
      const reply = await heats[name];
      if (!reply) { delete heats[name]; return; }
      if (name !== JSON.stringify([tab.values.model, tab.values.density])) return;
      heat = { side: reply.side, learned: bytes(reply.learned), truth: bytes(reply.truth) };
      maps(true);
    };

    /* what is drawn */

    const place = (path, k) => path[outward() ? path.length - 1 - k : k];
    const spot = (path, to) => {
      const steps = path.length - 1, where = at * steps, k = Math.min(Math.floor(where), steps - 1), t = where - k;
      const [a, b] = [place(path, k), place(path, k + 1)];
      return to.map((scale, d) => scale(a[d] + t * (b[d] - a[d])));
    };
    const paint = fresh => {
      if (!road || !canvas.clientWidth) return;
      const where = at * road.layers, mark = `${where} ${pg.dark()}`;
      if (fresh || mark !== drawn) { road.move(where); drawn = mark; }
      const [pen, width, height] = pg.sharp(canvas), { heat: shaded, grid, points } = tab.values, reach = road.reach;
      const toX = x => (x + reach) / (2 * reach) * width, toY = y => (reach - y) / (2 * reach) * height;
      if (shaded) {
        pen.imageSmoothingEnabled = true;
        pen.drawImage(road.sheet, 0, 0, width, height);
      }
      if (grid) lines(pen, toX, toY);
      if (points) dots(pen, toX, toY);
      const shown = hover || known;
      if (shown) trail(pen, toX, toY, shown.path);
      label(where);
    };
    const lines = (pen, toX, toY) => {
      const { side, lines: drawn } = road, { mesh } = road.now, [first, last] = [drawn[0], drawn.at(-1)];
      pen.strokeStyle = pg.css('--pg-quiet');
      pen.globalAlpha = 0.55;
      pen.lineWidth = 1;
      pen.beginPath();
      for (const i of drawn) {
        for (const at of [j => i * side + j, j => j * side + i]) {
          for (let j = first; j <= last; j++) {
            const c = at(j);
            pen[j > first ? 'lineTo' : 'moveTo'](toX(mesh[2 * c]), toY(mesh[2 * c + 1]));
          }
        }
      }
      pen.stroke();
      pen.globalAlpha = 1;
    };
    const dots = (pen, toX, toY) => {
      const lots = road.now.dots, light = pg.dark() ? 68 : 42;
      for (let hue = 0; hue < 12; hue++) {
        pen.fillStyle = `hsl(${30 * hue} 60% ${light}%)`;
        pen.beginPath();
        road.hues.forEach((own, i) => {
          if (own !== hue) return;
          const x = toX(lots[2 * i]), y = toY(lots[2 * i + 1]);
          pen.moveTo(x + 2.4, y);
          pen.arc(x, y, 2.4, 0, 2 * Math.PI);
        });
        pen.fill();
      }
    };
    const trail = (pen, toX, toY, path) => {
      const stages = path.map((_, k) => place(path, k)).map(([x, y]) => [toX(x), toY(y)]);
      pen.lineWidth = 2;
      pen.strokeStyle = pen.fillStyle = pg.css('--pg-ink');
      pen.globalAlpha = 0.75;
      pen.beginPath();
      stages.forEach(([x, y], k) => pen[k ? 'lineTo' : 'moveTo'](x, y));
      pen.stroke();
      stages.forEach(([x, y]) => { pen.beginPath(); pen.arc(x, y, 2.5, 0, 2 * Math.PI); pen.fill(); });
      pen.globalAlpha = 1;
      ring(pen, ...spot(path, [toX, toY]), 7);
    };
    const ring = (pen, x, y, radius) => {
      for (const [colour, width] of [['#111', 5], ['#fff', 2]]) {
        pen.strokeStyle = colour;
        pen.lineWidth = width;
        pen.beginPath();
        pen.arc(x, y, radius, 0, 2 * Math.PI);
        pen.stroke();
      }
    };
    const label = where => {
      const [first, last] = outward() ? ['noise', 'data'] : ['data', 'noise'];
      const layer = Math.ceil(where - NEAR);
      const text = layer === 0 ? first : where > road.layers - NEAR ? last : `layer ${layer} of ${road.layers}`;
      part('stage-name').textContent = text;
      part('count').textContent = text;
      slider.value = Math.round(1000 * at);
      slider.setAttribute('aria-valuetext', text);
      [...part('dets').children].forEach((bar, i) => bar.classList.toggle('flow-now', i === layer - 1));
    };
    let tints = null;
    const maps = fresh => {
      if (!heat) return;
      if (fresh) tints = { learned: tinted(heat.learned, heat.side), truth: tinted(heat.truth, heat.side) };
      for (const name of ['learned', 'truth']) {
        const target = part(name);
        if (!target.clientWidth) continue;
        const [pen, width, height] = pg.sharp(target), shown = hover || known;
        pen.imageSmoothingEnabled = true;
        pen.drawImage(tints[name], 0, 0, width, height);
        if (shown) ring(pen, (shown.x[0] + 4) / 8 * width, (4 - shown.x[1]) / 8 * height, 4);
      }
    };

    /* numbers */

    const numbers = () => {
      const shown = hover || known;
      if (!shown) return;
      part('p').textContent = small(Math.exp(shown.log_p));
      part('logp').textContent = minus(shown.log_p);
      part('true').textContent = shown.true === null ? '−∞' : minus(shown.true);
      const order = outward() ? [...shown.dets].reverse() : shown.dets, top = Math.max(0.5, ...order.map(Math.abs));
      const list = part('dets');
      if (list.children.length !== order.length) {
        list.replaceChildren(...order.map((_, i) => pg.el('i', { onclick: () => glide((i + 1) / order.length) }, pg.el('b'))));
      }
      order.forEach((value, i) => {
        const bar = list.children[i].firstChild;
        bar.style.height = `${50 * Math.abs(value) / top}%`;
        bar.classList.toggle('flow-down', value < 0);
        list.children[i].title = `layer ${i + 1}: ${signed(value)}`;
      });
      const layers = shown.dets.reduce((sum, value) => sum + value, 0);
      part('sum').textContent = `${minus(shown.base)} (density of its noise) ${signed(layers)} (all layers) = ${minus(shown.log_p)}`;
      list.setAttribute('aria-label', `Log-determinant of each layer at this point: ${order.map(v => signed(v)).join(', ')}`);
    };
    const ticks = () => {
      part('ticks').replaceChildren(...Array.from({ length: road.stages }, () => pg.el('i')));
      part('left').textContent = outward() ? 'noise' : 'data';
      part('right').textContent = outward() ? 'data' : 'noise';
    };

    /* the point under the pointer */

    const request = (x, y) => {
      if (!road) return null;
      const data = outward() ? at === 1 : at === 0, noise = outward() ? at === 0 : at === 1;
      if (data || noise) return { px: x, py: y, space: data ? 'data' : 'noise' };
      const from = road.origin(x, y);
      return from && { px: from[0], py: from[1], space: outward() ? 'noise' : 'data' };
    };
    let inside = false;
    const look = pg.pump(async where => {
      const reply = await tab.call('flow_point', { state: asked(), ...where });
      if (reply && inside) { hover = reply; numbers(); paint(); maps(); }
    });
    const pin = pg.pump(async where => {
      const reply = where.space === 'data' ? { x: [where.px, where.py] } : await tab.call('flow_point', { state: asked(), ...where });
      if (!reply) return;
      const [x, y] = reply.x.map(v => Math.round(100 * pg.clamp(v, -4, 4)) / 100);
      tab.set({ x, y });
    });
    const pointed = (event, element) => {
      const box = element.getBoundingClientRect();
      return [8 * (event.clientX - box.left) / box.width - 4, 4 - 8 * (event.clientY - box.top) / box.height];
    };
    const leave = () => { inside = false; hover = null; numbers(); paint(); maps(); };
    const watch = (element, find) => {
      element.addEventListener('pointermove', event => { const where = find(...pointed(event, element)); inside = true; if (where) look(where); });
      element.addEventListener('pointerleave', leave);
      element.addEventListener('click', event => { const where = find(...pointed(event, element)); if (where) pin(where); });
    };
    watch(host, request);
    for (const name of ['learned', 'truth']) watch(part(name), (px, py) => ({ px, py, space: 'data' }));
    host.addEventListener('keydown', event => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way || !known) return;
      event.preventDefault();
      event.stopPropagation();
      const far = event.shiftKey ? 0.5 : 0.1, [x, y] = spot(known.path, [v => v, v => v]);
      const where = request(x + far * way[0], y + far * way[1]);
      if (where) pin(where);
    });

    /* scrubbing */

    const tell = pg.later(350, () => {
      if (!road || !known || tab.values.mode !== 'plane') return;
      const layer = Math.ceil(at * road.layers - NEAR), order = outward() ? [...known.dets].reverse() : known.dets;
      const [x, y] = spot(known.path, [v => v, v => v]).map(v => minus(v));
      tab.say(at === 1 ? tab.last.sentence : layer === 0 ? `Before the first layer: ${outward() ? 'round noise, and the marked point’s own noise is' : 'the data; the marked point is'} (${x}, ${y}).`
        : `${at * road.layers > layer - NEAR ? 'After' : 'In'} layer ${layer} of ${road.layers} the marked point is at (${x}, ${y}); this layer adds ${signed(order[layer - 1])} to its log p.`);
    });

    const go = (to, keep = true) => {
      at = pg.clamp(to, 0, 1);
      if (hover) { hover = null; numbers(); }
      paint();
      tell();
      if (keep) tab.set({ at: Math.round(1000 * at) / 1000 }, { draw: false });
    };
    const stop = () => {
      if (!playing) return;
      cancelAnimationFrame(playing);
      playing = 0;
      act('play').textContent = '▶';
      act('play').setAttribute('aria-label', 'Play');
      tell();
      tab.set({ at: Math.round(1000 * at) / 1000 }, { draw: false });
    };
    /* From here to there, a moment's rest at every layer. */
    const run = (to, beat) => {
      stop();
      if (!road) return;
      if (calm()) { go(to); return; }
      const from = at * road.layers, far = to * road.layers - from, time = Math.max(120, beat * Math.abs(far)), begun = performance.now();
      act('play').textContent = '❚❚';
      act('play').setAttribute('aria-label', 'Pause');
      const frame = now => {
        const raw = from + far * pg.clamp((now - begun) / time, 0, 1), k = Math.floor(raw), t = raw - k;
        at = (k + t * t * (3 - 2 * t)) / road.layers;
        if (now - begun >= time) at = to;
        paint();
        if (at === to) { playing = 1; stop(); return; }
        playing = requestAnimationFrame(frame);
      };
      playing = requestAnimationFrame(frame);
    };
    const glide = to => run(to, 200);
    const play = () => {
      if (playing) { stop(); return; }
      if (at >= 1) at = 0;
      run(1, BEAT);
    };
    slider.addEventListener('input', event => { event.stopPropagation(); stop(); go(slider.value / 1000); });
    act('play').addEventListener('click', play);
    part('scrub').addEventListener('keydown', event => {
      const layers = road?.layers || 1, whole = at * layers;
      const to = { ArrowLeft: Math.ceil(whole - NEAR) - 1, ArrowRight: Math.floor(whole + NEAR) + 1, Home: 0, End: layers }[event.key];
      if (to !== undefined) { stop(); go(pg.clamp(to, 0, layers) / layers); }
      else if (event.key === ' ') play();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });

    /* six densities to choose from */

    const open = async () => {
      const reply = await tab.call('flow_truths', {});
      if (!reply) return;
      const draw = () => part('choices').replaceChildren(...Object.entries(reply.all).map(([name, values]) => {
        const picture = tinted(bytes(values), reply.side);
        picture.setAttribute('aria-hidden', 'true');
        return pg.el('button', { type: 'button', 'data-density': name, 'aria-pressed': String(tab.values.density === name),
          onclick: () => tab.set({ density: name }) }, picture, pg.el('span', {}, name));
      }));
      draw();
      document.addEventListener('pg-theme', draw);
    };
    const redraw = () => { paint(true); maps(true); };
    new ResizeObserver(() => { paint(); maps(); }).observe(host);
    document.addEventListener('pg-theme', redraw);

    return {
      open,
      rest: stop,
      changed(values, changed) {
        if (changed.includes('at') && !playing && Math.abs(values.at - at) > 1e-3) { at = values.at; paint(); }
        if (changed.includes('density')) part('choices').querySelectorAll('button').forEach(b => b.setAttribute('aria-pressed', b.dataset.density === values.density));
        if (changed.some(name => ['heat', 'grid', 'points'].includes(name))) paint();
        if (changed.some(name => MOVES.includes(name)) || changed.includes('mode')) fetchRoad(0);
      },
      show({ data }, asked) {
        if (!playing && Math.abs(tab.values.at - at) > 1e-3) at = tab.values.at;
        known = data.point;
        part('apart').textContent = `KL ${data.gap.toFixed(3)} ± ${data.doubt.toFixed(3)} nats apart; the learned density sums to ${data.inside.toFixed(3)} over the plane.`;
        numbers();
        fetchRoad(0);
        fetchHeat();
        paint();
        maps();
      },
    };
  };

  /* ---------------------------------------------------------------- pictures, there and back */

  const pictureStage = (tab, body, part, act) => {
    const paper = pg.drawPad(part('paper'), {
      label: 'Draw here', width: 24, colour: true,
      change: uri => {
        if (uri) tab.set({ drawing: uri, source: 'drawing' });
        else tab.say('The pad is empty. Draw something, or take a test picture.');
      },
    });
    const upload = async file => { tab.set({ mode: 'pictures', drawing: await pg.fileUri(file), source: 'drawing' }); return true; };
    const chooser = body.querySelector('.flow-buttons input');
    chooser.addEventListener('change', async () => { if (chooser.files[0]) await upload(chooser.files[0]); chooser.value = ''; });
    act('upload').addEventListener('click', () => chooser.click());
    act('test').addEventListener('click', () => tab.set({ source: 'test', test: Math.floor(Math.random() * COUNT), drawing: '' }));

    part('back').src = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';  // nothing yet
    let last = null;
    const curve = () => {
      const canvas = part('histogram');
      if (!last || !canvas.clientWidth) return;
      const [pen, width, height] = pg.sharp(canvas), n = last.length, wide = 4, top = 0.62, step = width / n;
      pen.fillStyle = pg.css('--pg-accent');
      pen.globalAlpha = 0.55;
      last.forEach((value, i) => { const h = height * Math.min(1, value / top); pen.fillRect(i * step, height - h, Math.max(1, step - 1), h); });
      pen.globalAlpha = 1;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (let x = 0; x <= width; x += 2) {
        const z = (2 * x / width - 1) * wide, h = height * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) / top;
        pen[x ? 'lineTo' : 'moveTo'](x, height - h);
      }
      pen.stroke();
    };
    new ResizeObserver(curve).observe(part('histogram'));
    document.addEventListener('pg-theme', curve);

    const scores = items => {
      const top = Math.max(2, ...items.map(item => Math.max(item.value, item.usual))) * 1.05, share = value => `${100 * pg.clamp(value / top, 0, 1)}%`;
      part('scores').replaceChildren(...items.map(item => {
        const bar = pg.el('i', { style: `width:${share(item.value)}` }), tick = pg.el('s', { style: `left:${share(item.usual)}` });
        const chosen = item.name === tab.last.facts.model;
        return pg.el('div', { class: 'flow-score' },
          pg.el('button', { type: 'button', 'aria-pressed': String(chosen), onclick: () => tab.set({ model: item.name }) }, item.label),
          pg.el('b', {}, bar, tick), pg.el('span', {}, `${item.value.toFixed(2)} `, pg.el('small', {}, `usual ${item.usual.toFixed(2)}`)));
      }));
    };
    const fetchBack = pg.pump(async state => {
      const reply = await tab.call('flow_back', { state: { ...state, drawing: tab.values.drawing } });
      if (!reply || tab.values.mode !== 'pictures') return;
      part('back').src = reply.back;
      part('back-note').textContent = `back again, f⁻¹(z): off by at most ${power(reply.off)}`;
    });
    return {
      upload,
      load: src => paper.load(src),
      show({ data }, asked) {
        for (const name of ['input', 'z']) part(name).src = data[name];
        fetchBack(asked);
        part('paper').classList.toggle('flow-grey', data.kind === 'mnist');
        last = data.histogram;
        curve();
        part('histogram-note').textContent = `deviation ${data.spread.toFixed(2)}, |z|²/D = ${data.share.toFixed(2)}; the line is pure noise`;
        scores(data.scores);
        part('protocol').textContent = data.protocol;
        if (tab.values.source !== 'drawing') paper.load(data.input);  // a late answer must not wipe out a stroke
      },
    };
  };

  /* ---------------------------------------------------------------- surprise: every picture a dot on two axes */

  const surpriseStage = (tab, part) => {
    const ROW = 48, PAD = 10;
    const figure = (title, note) => {
      const canvas = pg.el('canvas', { 'aria-hidden': 'true' });
      return [canvas, pg.el('figure', {}, pg.el('h3', {}, title), canvas, pg.el('figcaption', {}, note))];
    };
    const [left, leftBox] = figure('How likely?', 'bits per dimension: the further left, the likelier');
    const [right, rightBox] = figure('How typical?', '|z|² ÷ D: the line is where digits have it, pure noise at 1');
    const host = pg.el('div', { class: 'flow-panels', tabindex: 0, role: 'application',
      'aria-label': 'Every picture as a dot. Arrow keys: up and down between kinds, left and right from likely to unlikely.' }, leftBox, rightBox);
    part('dots').append(host);
    const face = pg.el('canvas', { width: 28, height: 28, 'aria-hidden': 'true' });
    const words = pg.el('p', { 'aria-live': 'polite' });
    const table = pg.el('div', { class: 'flow-table', tabindex: 0, role: 'region', 'aria-label': 'Averages of every kind' });
    part('closer').append(pg.el('div', { class: 'flow-close' }, face, words,
      pg.el('button', { type: 'button', onclick: () => tab.set({ mode: 'pictures' }) }, 'Draw your own')), table);
    let data = null, sheet = null, chosen = null;  // chosen: [row, index within it]

    /* Likely pictures differ by tenths, noise by tens: both axes are logarithmic. */
    const axes = {
      bits: { canvas: left, scale: v => Math.log2(0.25 + Math.max(v, 0)), ticks: [0, 0.25, 0.5, 1, 2, 4, 8, 16, 32] },
      shell: { canvas: right, scale: v => Math.log10(Math.max(v, 0.01)), ticks: [0.01, 0.03, 0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 30, 100, 1000, 1e4, 1e5, 1e6] },
    };
    const place = (key, width) => {
      const { scale } = axes[key], all = data.rows.flatMap(row => row[key]).map(scale);
      const low = Math.min(...all), high = Math.max(...all, low + 0.1), wide = width - 2 * PAD;
      return value => PAD + wide * (scale(value) - low) / (high - low);
    };
    const draw = () => {
      if (!data || !left.clientWidth) return;
      for (const key of ['bits', 'shell']) panel(key);
    };
    const panel = key => {
      const { canvas, ticks } = axes[key];
      canvas.style.height = `${data.rows.length * ROW + 22}px`;
      const [pen, width, height] = pg.sharp(canvas), X = place(key, width);
      pen.font = '12px system-ui, sans-serif';
      pen.textBaseline = 'middle';
      pen.textAlign = 'center';
      let used = -99;
      for (const tick of ticks) {
        const x = X(tick);
        if (x < PAD - 1 || x > width - PAD + 1 || x - used < 34) continue;
        used = x;
        pen.strokeStyle = pg.css('--pg-line');
        pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, height - 20); pen.stroke();
        pen.fillStyle = pg.css('--pg-quiet');
        pen.fillText(tick >= 10000 ? `10${tick === 1e4 ? '⁴' : tick === 1e5 ? '⁵' : '⁶'}` : tick, pg.clamp(x, 12, width - 12), height - 9);
      }
      const guide = X(key === 'bits' ? data.rows[0].mean : data.shell);
      pen.setLineDash([4, 3]);
      pen.strokeStyle = pg.css('--pg-ink');
      pen.beginPath(); pen.moveTo(guide, 0); pen.lineTo(guide, height - 20); pen.stroke();
      pen.setLineDash([]);
      data.rows.forEach((row, r) => {
        const y = r * ROW;
        pen.textAlign = 'left';
        const own = r === 0, text = row.name;
        pen.fillStyle = pg.css('--pg-card');
        pen.fillRect(PAD - 4, y + 3, pen.measureText(text).width + 8, 16);
        pen.fillStyle = pg.css(own ? '--pg-ink' : '--pg-quiet');
        pen.fillText(text, PAD, y + 11);
        pen.fillStyle = pg.css(own || row.name === 'your drawing' ? '--pg-accent' : '--pg-ink');
        row[key].forEach((value, i) => {
          pen.globalAlpha = own ? 0.75 : 0.5;
          pen.beginPath();
          pen.arc(X(value), dotY(r, i), row.name === 'your drawing' ? 6 : 4, 0, 2 * Math.PI);
          pen.fill();
        });
        pen.globalAlpha = 1;
      });
      if (!chosen) return;
      const [r, i] = chosen;
      pen.lineWidth = 2;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.beginPath(); pen.arc(X(data.rows[r][key][i]), dotY(r, i), 8, 0, 2 * Math.PI); pen.stroke();
      pen.lineWidth = 1;
    };
    const dotY = (r, i) => r * ROW + 30 + ((i * 7) % 5 - 2) * 2.5;  // a little apart, so that dots do not hide dots

    const choose = (r, i) => {
      chosen = [r, i];
      const row = data.rows[r], cell = data.rows.slice(0, r).reduce((sum, other) => sum + other.bits.length, 0) + i;
      const pen = face.getContext('2d');
      if (sheet) pen.drawImage(sheet, (cell % data.columns) * 28, Math.floor(cell / data.columns) * 28, 28, 28, 0, 0, 28, 28);
      const shell = row.shell[i], close = Math.abs(Math.log(shell / data.shell)) < 0.25;
      words.textContent = `${row.name}, ${i + 1} of ${row.bits.length}: ${row.bits[i].toFixed(2)} bits per dimension, `
        + `${row.bits[i] < data.rows[0].mean ? 'likelier' : 'less likely'} than an average digit. `
        + `|z|²/D = ${shell < 10 ? shell.toFixed(2) : Math.round(shell)}: ${close ? 'where digits are' : shell < data.shell ? 'too near the middle' : 'too far out'}.`;
      draw();
    };
    const nearest = (event, key) => {
      const box = event.target.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top, X = place(key, box.width);
      let best = null, least = 400;
      data.rows.forEach((row, r) => row[key].forEach((value, i) => {
        const far = (X(value) - x) ** 2 + (dotY(r, i) - y) ** 2;
        if (far < least) { least = far; best = [r, i]; }
      }));
      return best;
    };
    for (const key of ['bits', 'shell']) {
      const point = event => { const found = data && nearest(event, key); if (found && String(found) !== String(chosen)) choose(...found); };
      axes[key].canvas.addEventListener('pointermove', point);
      axes[key].canvas.addEventListener('pointerdown', point);
    }
    host.addEventListener('keydown', event => {
      const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!way || !data) return;
      event.preventDefault();
      const [r, i] = chosen || [0, 0], rows = data.rows, order = row => [...row.bits.keys()].sort((a, b) => row.bits[a] - row.bits[b]);
      if (way[0]) { const to = pg.clamp(r + way[0], 0, rows.length - 1), sorted = order(rows[to]); choose(to, sorted[sorted.length >> 1]); return; }
      const sorted = order(rows[r]);
      choose(r, sorted[pg.clamp(sorted.indexOf(i) + way[1], 0, sorted.length - 1)]);
    });

    const fill = () => {
      const { models, names, columns, groups } = data.table, percent = value => `${Math.round(100 * value)} %`;
      const head = pg.el('tr', {}, pg.el('th', { scope: 'col' }, 'bits/dim, average'), ...models.map((title, m) => pg.el('th', { scope: 'col',
        class: names[m] === tab.last.facts.model ? 'flow-mine' : '' }, title)), pg.el('th', { scope: 'col' }, 'told from digits by likelihood'), pg.el('th', { scope: 'col' }, 'by |z|²'));
      const lines = groups.map((name, g) => {
        const row = data.rows[g];
        return pg.el('tr', {}, pg.el('th', { scope: 'row', title: row.about }, name), ...columns.map((column, m) => pg.el('td', { class: names[m] === tab.last.facts.model ? 'flow-mine' : '' }, column[g].toFixed(column[g] < 100 ? 2 : 0))),
          pg.el('td', {}, g ? percent(row.by_bits) : '–'), pg.el('td', {}, g ? percent(row.by_shell) : '–'));
      });
      table.replaceChildren(pg.el('table', {}, pg.el('thead', {}, head), pg.el('tbody', {}, ...lines)));
    };
    new ResizeObserver(draw).observe(host);
    document.addEventListener('pg-theme', draw);
    return {
      async show(reply) {
        data = reply.data;
        sheet = await pg.image(data.sheet);
        fill();
        if (!chosen || !data.rows[chosen[0]]?.bits[chosen[1]]) chosen = [4, 0];
        choose(...chosen);
      },
    };
  };
})();
