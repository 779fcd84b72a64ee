/* The energy tab's landscape: contours or a surface, walkers on it, the trace and the shares of the hills. */
(() => {
  const { el, clamp } = pg;
  const { bytes, typed, calm, rgb, player, chart, segment } = pg.energyKit;
  const MOST = 16, EXTENT = 4, TRAIL = 24;

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
      pen.beginPath(); pen.arc(X(now, traced()), Y(now, traced()), 9, 0, 7); pen.stroke();
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

    /** The chosen walker, or the last one while the chosen one is still on its way: an answer to an earlier question may come in between. */
    const traced = () => clamp(chosen, 0, run.W - 1);
    const tracing = () => {
      if (!run) return;
      const { walk, energy, W, T } = run, kind = tab.values.trace, mine = traced();
      const value = (t, w) => (kind === 'energy' ? energy[t * W + w] : walk[2 * (t * W + w) + (kind === 'y' ? 1 : 0)] / 4000);
      const line = w => Array.from({ length: T }, (_, t) => value(t, w));
      const top = Math.max(4, ...line(mine).slice(Math.floor(T / 8)));
      const others = [...Array(W).keys()].filter(w => w !== mine).slice(0, 6);
      const lines = [...others.map(w => ({ values: line(w), colour: '--pg-quiet', faint: true, wide: 1 })), { values: line(mine), colour: mine < run.crowd ? '--pg-accent' : '--pg-warn', wide: 2 }];
      trace.show({ lines, xname: 'step', yname: kind === 'energy' ? 'energy over the lowest' : kind, y: kind === 'energy' ? [0, top] : [-EXTENT, EXTENT] }, steps.now);
      part('walker').textContent = `${mine + 1} of ${W}`;
      part('trace-title').textContent = mine < run.crowd ? 'Walker' : 'Your walker';
      const changes = run.changes(mine);
      const text = `Walker ${mine + 1} moved to another part of the map ${changes} time${changes === 1 ? '' : 's'} in ${T - 1} steps.${others.length ? ' Faint: others.' : ''}`;
      part('trace-note').textContent = text;
      trace.say(text);
      pad.redraw();
    };
    const kinds = segment(part('trace-what'), [['energy', 'energy'], ['x', 'x'], ['y', 'y']], value => tab.set({ trace: value }, { draw: false }));
    const views = segment(part('view'), [['map', 'Map'], ['surface', 'Surface']], value => tab.set({ view: value }, { draw: false }));
    press('walker-back', () => { chosen = (traced() + run.W - 1) % run.W; tracing(); });
    press('walker-on', () => { chosen = (traced() + 1) % run.W; tracing(); });

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
})();
