/* The flow tab's plane: points, a lattice and a density that bend layer by layer, and the road of the point under the cursor. */
(() => {
  const FINE_RASTER = 220, BEAT = 420, NEAR = 0.02;  // ms of playing per layer; share of a layer that counts as arrived
  const { small } = pg.flow;
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const shorts = text => new Int16Array(bytes(text).buffer);
  const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
  const rgb = name => { const n = parseInt(pg.css(name).slice(1), 16); return [n >> 16, (n >> 8) & 255, n & 255]; };
  const signed = (value, digits = 2) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;
  const minus = (value, digits = 2) => `${value < 0 ? '−' : ''}${Math.abs(value).toFixed(digits)}`;

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

  /* ---------------------------------------------------------------- the plane */

  pg.flow.plane = (tab, part, act) => {
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
})();
