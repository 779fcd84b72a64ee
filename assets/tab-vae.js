/* The VAE tab's stage: a map to drag over, a pad to draw on, rows, a walk, corners, faces. */
(() => {
  const COUNT = 500;
  // Ten colours that stay apart for colour-blind eyes as far as ten can; the digit itself is always written too.
  const COLOURS = ['#4269d0', '#c2410c', '#0f766e', '#b45309', '#7c3aed', '#be123c', '#0e7490', '#4d7c0f', '#a21caf', '#6b4f3a'];
  const LIGHT = ['#8fb0ff', '#ff9d6b', '#4fd6c4', '#ffc857', '#bda4ff', '#ff8fa6', '#6fd8f2', '#a8d95b', '#f29bf5', '#d9b89c'];

  pg.stages.vae = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const surveys = {};  // model → promise of its map
    let shown = null;    // model whose map is on screen

    const survey = model => (surveys[model] ??= tab.call('vae_survey', { model }).then(async map => {
      if (!map) { delete surveys[model]; return null; }
      map.image = await pg.image(map.terrain);
      return map;
    }));

    /* ------------------------------------------------------------ the map, on two modes */

    let map = null, ellipse = null, mark = null;
    const paint = terrain => (pen, toX, toY, width, height) => {
      if (!map) return;
      pen.imageSmoothingEnabled = false;
      pen.globalAlpha = terrain() ? 1 : 0;
      pen.drawImage(map.image, 0, 0, width, height);
      pen.globalAlpha = 1;
      if (!terrain()) points(pen, toX, toY, width);
    };
    const points = (pen, toX, toY, width) => {
      const colours = pg.dark() ? LIGHT : COLOURS;
      pen.font = `600 ${Math.max(9, Math.round(width / 46))}px system-ui, sans-serif`;
      pen.textAlign = 'center';
      pen.textBaseline = 'middle';
      for (const [x, y, label] of map.points) {
        pen.fillStyle = label === '' ? pg.css('--pg-accent') : colours[+label];
        pen.fillText(label === '' ? '•' : label, toX(x), toY(y));
      }
    };
    /* The ellipse is often smaller than a digit on the map, so a corner shows it enlarged. */
    const outline = (pen, toX, toY, width) => {
      if (!ellipse || !map) return;
      const [x, y, sx, sy] = ellipse, [dx, dy] = where.at;
      const scale = toX(1) - toX(0), side = Math.round(width * 0.3), middle = side / 2;
      const zoom = Math.max(1, Math.round(middle / (2.6 * scale * Math.max(sx, sy, 0.002))));
      const rings = (cx, cy, times) => {
        pen.strokeStyle = pg.css('--pg-ink');
        for (const sigma of [1, 2]) {
          pen.lineWidth = sigma === 1 ? 2 : 1;
          pen.beginPath();
          pen.ellipse(cx, cy, Math.max(1.5, times * sigma * sx * scale), Math.max(1.5, times * sigma * sy * scale), 0, 0, 2 * Math.PI);
          pen.stroke();
        }
      };
      rings(toX(x), toY(y), 1);
      if (zoom < 2) return;
      pen.save();
      pen.translate(width - side - 8, width - side - 8);
      pen.fillStyle = pg.css('--pg-card');
      pen.strokeStyle = pg.css('--pg-line');
      pen.beginPath();
      pen.roundRect(0, 0, side, side, 8);
      pen.fill();
      pen.stroke();
      rings(middle, middle, zoom);
      pen.fillStyle = pg.css('--pg-accent');
      pen.beginPath();
      pen.arc(middle + zoom * scale * (dx - x), middle - zoom * scale * (dy - y), 4, 0, 2 * Math.PI);
      pen.fill();
      pen.font = '11px system-ui, sans-serif';
      pen.textAlign = 'left';
      pen.fillStyle = pg.css('--pg-quiet');
      pen.fillText(`${zoom} ×`, 6, 12);
      pen.restore();
    };

    const pad = pg.pad(part('map'), {
      label: 'Map of the latent space. Drag, or use the arrow keys.', step: 0.05,
      move: (x, y) => tab.set({ x: round(x), y: round(y) }),
      hover: (x, y) => glimpse({ x: round(x), y: round(y) }),
      leave: () => { if (tab.last?.picture && tab.values.mode === 'map') out(tab.last.picture); },
      animate: () => stroll(),
      paint: paint(() => tab.values.layer === 'pictures'),
    });
    const where = pg.pad(part('where'), {
      label: 'Where the picture lies on the map', paint: (...canvas) => { paint(() => false)(...canvas); outline(...canvas); },
    });
    where.element.tabIndex = -1;
    where.element.setAttribute('role', 'img');
    const round = value => Math.round(value * 100) / 100;
    const out = src => { part('out').src = src; };
    const glimpse = pg.pump(async at => {
      const reply = await tab.call('vae_glimpse', { model: tab.values.model, ...at });
      if (reply && pad.element.matches(':hover')) { out(reply.picture); part('out-note').textContent = `under the pointer: ${at.x}, ${at.y}`; }
    });

    /* A: a slow loop around the middle of the map, until A again or the next touch. */
    let strolling = 0;
    const stroll = () => {
      if (strolling) { clearInterval(strolling); strolling = 0; return; }
      const [cx, cy] = pad.at, start = performance.now();
      strolling = setInterval(() => {
        const t = (performance.now() - start) / 2500;
        tab.set({ x: round(cx * Math.cos(t) - cy * Math.sin(t)), y: round(cx * Math.sin(t) + cy * Math.cos(t)) });
      }, 60);
    };
    pad.element.addEventListener('pointerdown', () => { if (strolling) stroll(); });

    const unfold = async model => {
      const fresh = await survey(model);
      if (!fresh || shown === model) return;
      [map, shown] = [fresh, model];
      const lim = [-map.limit, map.limit];
      pad.limits(lim, lim);
      where.limits(lim, lim);
      part('where-note').textContent = tab.values.mode === 'draw' ? `latents ${map.axes.join(' and ')}; rings at 1 and 2 σ, the circle is the draw` : '';
    };

    /* ------------------------------------------------------------ draw */

    const paper = pg.drawPad(part('draw'), {
      label: 'Draw here', width: 24, colour: true, ink: '#ffffff',
      change: uri => {
        if (uri) tab.set({ drawing: uri, source: 'drawing' });
        else tab.say('The pad is empty. Draw a digit, or take a test picture.');
      },
    });
    const upload = async file => { tab.set({ mode: 'draw', drawing: await pg.fileUri(file), source: 'drawing' }); return true; };
    const chooser = body.querySelector('.vae-buttons input');
    chooser.addEventListener('change', async () => { if (chooser.files[0]) await upload(chooser.files[0]); chooser.value = ''; });
    body.querySelector('[data-do=upload]').addEventListener('click', () => chooser.click());
    body.querySelector('[data-do=test]').addEventListener('click', () => {
      // a drawing or a refused upload must not travel on in the link of a test picture; undo still has it
      tab.set({ source: 'test', test: Math.floor(Math.random() * COUNT), drawing: '' });
    });
    const bars = pg.bars(part('bars'), { label: 'KL of each latent in nats' });

    /* ------------------------------------------------------------ samples, sliders */

    const samples = pg.sheet(part('samples'), { label: 'Sample',
      pick: i => tab.set({ mode: 'sliders', start: 'seed', seed: tab.last.data.seeds[i] }) });
    const rows = pg.sheet(part('rows'), { label: 'Latent', pick: cell => {
      const { columns, values, base } = tab.last.data, row = Math.floor(cell / columns);
      tab.set({ [`k${row + 1}`]: pg.clamp(Math.round(10 * (values[cell % columns] - base[row])) / 10, -4, 4) });
    } });

    /* ------------------------------------------------------------ between */

    const walk = pg.filmstrip(part('walk'), { label: 'Place on the walk', step: frame => tab.set({ frame }, { draw: false }) });
    const ends = part('ends');
    const corners = ['a', 'b', 'c', 'd'].map(name => {
      const image = pg.el('img', { alt: '' });
      ends.append(pg.el('button', { type: 'button', 'aria-label': `Corner ${name.toUpperCase()}: another picture`,
        onclick: () => tab.set({ [name]: Math.floor(Math.random() * COUNT) }) }, image, pg.el('span', {}, name.toUpperCase())));
      return image;
    });

    /* ------------------------------------------------------------ what the server answers */

    const show = {
      map(reply) {
        out(reply.picture);
        pad.set(tab.values.x, tab.values.y);
        part('out-note').textContent = `${tab.values.x.toFixed(2)}, ${tab.values.y.toFixed(2)}`;
        pad.redraw();
      },
      draw({ data }, asked) {
        for (const name of ['input', 'recon', 'again']) part(name).src = data[name];
        part('draw').classList.toggle('vae-grey', data.kind === 'mnist');
        bars.show(data.kl, { max: Math.max(3, ...data.kl.map(item => item.value)) });
        ellipse = data.ellipse;
        where.set(...data.draw);
        where.redraw();
        if (asked.source === 'test') paper.load(data.input);
      },
      samples({ picture, data }) { samples.show({ src: picture, n: data.n, columns: data.columns, labels: data.seeds.map(s => `seed ${s}`) }); samples.mark(-1); },
      sliders({ picture, data }) {
        part('moved').src = picture;
        const labels = data.latents.flatMap(z => data.values.map(v => `latent ${z} at ${v.toFixed(2)}`));
        rows.show({ src: data.sheet, n: labels.length, columns: data.columns, labels });
        const near = data.now.map((v, row) => row * data.columns + Math.round((pg.clamp(v, -3, 3) + 3) / 6 * (data.columns - 1)));
        rows.marks(near);
      },
      async between({ data }, asked) {
        corners.forEach((image, i) => { image.src = data.ends[i]; });
        part('grid').src = data.grid;
        const labels = Array.from({ length: data.film.frames }, (_, i) => `${Math.round(100 * i / (data.film.frames - 1))} %`);
        await walk.show(data.film, { at: asked.frame, labels });
      },
      faces({ data }) { for (const name of ['before', 'after', 'wall']) part(name).src = data[name]; },
    };

    const HINTS = {
      map: 'Hover, drag, or use the arrow keys (with shift: far). S snaps to whole numbers, A walks a circle.',
      draw: 'Draw on the pad; every stroke is encoded. R draws again from the posterior. A picture file may be dropped here.',
      samples: 'Turn the temperature down to 0, then up to 2.',
      sliders: 'Choose a cell, or move a slider: what does each latent mean?',
      between: 'Scrub with ← and →, space plays. Choose other pictures for the corners.',
      faces: 'Does the same step do the same to every face?',
    };
    const mode = name => {
      tab.hint = HINTS[name];
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = section.dataset.mode !== name;
      if (strolling && name !== 'map') stroll();
    };

    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) mode(values.mode);
      if (changed.includes('layer')) pad.redraw();
      if (changed.includes('frame')) walk.go(values.frame, true);
      if (changed.includes('x') || changed.includes('y')) pad.set(values.x, values.y);
    });
    tab.on('restore', values => { if (values.source === 'drawing' && values.drawing) paper.load(values.drawing); });
    tab.on('reply', (reply, asked) => {
      const model = reply.facts.model;
      if (asked.mode === 'map' || asked.mode === 'draw') unfold(model);
      show[asked.mode](reply, asked);
    });
    tab.on('file', upload);
    mode(tab.values.mode);
  };
})();
