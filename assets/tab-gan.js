/* The GAN tab's stage: a picture to drag, two to mix, nine to move, a critic to ask, a search to watch, sixty-four to count. */
(() => {
  const COUNT = 500;         // test pictures
  const SEEDS = 2 ** 32;
  const REST = 150;          // ms without a gesture after which what stands beside the picture is drawn anew
  const STRIDE = 0.5;        // of the picture's width: how far the hand goes for one seed
  const wrap = seed => ((seed % SEEDS) + SEEDS) % SEEDS;
  const dice = () => Math.floor(Math.random() * 100000);
  const round = value => Math.round(value * 1000) / 1000;

  pg.stages.gan = (tab, body) => {
    tab.spec.streams = false;  // gestures are drawn at once; only a search is streamed, and this script starts it
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const act = (name, task) => body.querySelector(`[data-do="${name}"]`).addEventListener('click', task);
    const here = mode => tab.values.mode === mode;
    const badges = (name, texts) => [...part(name).querySelectorAll('.pg-cells button')].forEach((button, i) => {
      button.replaceChildren(pg.el('b', { class: 'gan-badge' }, texts[i]));
    });
    const signed = value => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`;
    const ticks = (name, texts) => part(name).replaceChildren(...texts.map(text => pg.el('span', {}, text)));

    /* ------------------------------------------------------------ walk */

    const plane = part('plane');
    /* A place is the nearest seed and what is left over, so that the seed box, the dice and the hand agree. */
    const go = (x, y) => {
      const [i, j] = [Math.round(x), Math.round(y)];
      tab.set({ seed: wrap(tab.values.seed + i + 100 * j), dx: round(x - i), dy: round(y - j) });
    };
    const move = (x, y) => go(tab.values.dx + x, tab.values.dy + y);
    const snap = () => go(0, 0);
    const typed = tab.input.bind(tab), again = tab.again.bind(tab);
    tab.input = (name, value) => {
      if (name !== 'seed' || value == null) { typed(name, value); return; }
      tab.set({ seed: value, dx: 0, dy: 0 }, { quiet: true });
    };
    tab.again = () => {
      if (tab.locked) return;
      if (here('walk') && (tab.values.dx || tab.values.dy)) tab.set({ dx: 0, dy: 0 }, { draw: false });
      again();
    };

    let hold = null;
    plane.addEventListener('pointerdown', event => {
      plane.setPointerCapture(event.pointerId);
      plane.focus({ preventScroll: true });
      hold = [event.clientX, event.clientY];
      animate(false);
    });
    plane.addEventListener('pointermove', event => {
      if (!hold) return;
      const unit = STRIDE * plane.clientWidth;
      move((event.clientX - hold[0]) / unit, (hold[1] - event.clientY) / unit);
      hold = [event.clientX, event.clientY];
    });
    for (const end of ['pointerup', 'pointercancel']) plane.addEventListener(end, () => { hold = null; });
    plane.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      const far = event.shiftKey ? 1 : 0.1, key = event.key.toLowerCase();
      if (way) { animate(false); move(far * way[0], far * way[1]); }
      else if (key === 's') { animate(false); snap(); }
      else if (key === 'a') animate();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });

    /* A: a slow, slightly bending way that never comes back, until A again or the next touch. */
    let walking = 0;
    const animate = (on = !walking) => {
      clearInterval(walking);
      const start = performance.now();
      let then = start;
      walking = on && setInterval(() => {
        const now = performance.now(), far = Math.min(0.1, (now - then) / 2500), angle = 0.4 + 0.5 * Math.sin((now - start) / 4000);
        then = now;
        move(far * Math.cos(angle), far * Math.sin(angle));
      }, 60);
      body.querySelector('[data-do=animate]').setAttribute('aria-pressed', !!walking);
    };
    act('snap', () => { animate(false); snap(); });
    act('animate', () => animate());

    const psi = pg.sheet(part('psi'), { label: 'Truncation', pick: i => tab.set({ truncation: beside.psi[i] }) });
    let beside = null, cell = '';
    const look = pg.pump(async () => {
      const reply = await tab.call('gan_around', { state: { ...tab.values } });
      if (!reply) return;
      beside = reply;
      part('corners').src = reply.corners;
      part('mean').src = reply.mean;
      psi.show({ src: reply.row, n: reply.psi.length, columns: reply.columns, labels: reply.psi.map(v => `truncation ${v}`) });
      badges('psi', reply.psi.map(v => `ψ ${v}`));
      part('around').textContent = `the four seeds around: ${reply.seeds.join(', ')}`;
      markPsi();
    });
    const lookLater = pg.later(REST, () => { if (here('walk')) look({}); });
    const markPsi = () => {
      if (!beside) return;
      psi.mark(beside.psi.indexOf(tab.values.truncation));
    };
    const place = ({ seed, dx, dy, model, label, truncation }) => {
      part('dot').style.left = `${25 + 50 * (dx < 0 ? 1 + dx : dx)}%`;
      part('dot').style.top = `${75 - 50 * (dy < 0 ? 1 + dy : dy)}%`;
      const x = (seed % 100 + dx).toFixed(2), y = (Math.floor(seed / 100) + dy).toFixed(2);
      part('place').textContent = `x ${x}, y ${y} · seed = x + 100·y`;
      plane.setAttribute('aria-description', `At x ${x}, y ${y}, nearest seed ${seed}`);
      const now = [seed - (dx < 0), dy < 0, model, label, truncation].join();
      if (now !== cell) { cell = now; look({}); } else lookLater();
    };

    /* ------------------------------------------------------------ mix */

    const cuts = pg.sheet(part('cuts'), { label: 'Cut', pick: cut => tab.set({ cut }) });
    const grid = pg.sheet(part('grid'), { label: 'Mixture', pick: i => {
      const { columns, as, bs } = tab.last.data, [row, column] = [Math.floor(i / columns), i % columns];
      tab.set({ ...(row && { seed: as[row - 1] }), ...(column && { seed_b: bs[column - 1] }) });
    } });
    act('other-a', () => tab.again());
    act('other-b', () => tab.set({ seed_b: dice() }));

    /* ------------------------------------------------------------ directions */

    const dose = pg.bars(part('dose'), { label: 'Share of samples with the attribute', unit: ' %', digits: 0 });
    let meant = '', tried = '';
    const explain = pg.pump(async () => {
      const { model, label } = tab.values, key = `${model} ${label}`;
      if (meant === key) return;
      part('meaning-note').textContent = 'Trying every direction on fresh seeds…';
      const reply = await tab.call('gan_meanings', { state: { ...tab.values } });
      part('meaning-note').textContent = '';
      if (!reply) return;
      meant = key;
      part('meaning').replaceChildren(...reply.meanings.map((text, i) => pg.el('li', {},
        step(i, -1), step(i, 1), pg.el('span', {}, text))));
      part('meaning-note').textContent = 'From −2 σ to +2 σ, on fresh seeds: how often the reading changes.';
    });
    /* The sliders once more in small, beside the pictures: on a phone they are a page away. */
    const step = (i, by) => pg.el('button', { type: 'button', 'aria-label': `Direction ${i + 1}: ${by < 0 ? 'minus' : 'plus'} one sigma`,
      onclick: () => tab.set({ [`p${i + 1}`]: pg.clamp(tab.values[`p${i + 1}`] + by, -3, 3) }) }, by < 0 ? '−' : '+');
    const percent = share => `${Math.round(100 * share)} %`;
    const test = pg.pump(async () => {
      const { model, label, face_trait, digit_trait } = tab.values, key = [model, label, face_trait, digit_trait].join();
      if (tried === key) return;
      part('dose-note').textContent = 'Trying it on fresh seeds…';
      const reply = await tab.call('gan_dose', { state: { ...tab.values } });
      if (!reply) { part('dose-note').textContent = ''; return; }
      tried = key;
      const { trait, steps, tested, dose: found } = reply;
      part('dose-title').textContent = `Does “${trait}” obey?`;
      if (!found) {
        dose.show([]);
        part('dose-note').textContent = 'Too few samples have it, or too few lack it: no direction can be found. That is a missing mode, too.';
        return;
      }
      dose.show(steps.map((s, i) => ({ label: `${s > 0 ? '+' : ''}${s} σ`.replace('-', '−'), value: 100 * found.shares[i] })), { max: 100 });
      const flips = found.flipped === null ? '' : ` Of those without it, ${percent(found.flipped)} get it at +3 σ`;
      const kept = found.kept === null ? '.' : `; of everything else the classifier reads, ${percent(found.kept)} stays as it was.`;
      part('dose-note').textContent = `Share of ${tested} fresh seeds that have it.${flips}${flips ? kept : ''}`;
    });

    /* Only one of the two lists of attributes suits the data. */
    const shelve = faces => {
      for (const [name, away] of [['face_trait', !faces], ['digit_trait', faces]]) {
        const control = document.getElementById(`gan-${name}`);
        if (control) control.hidden = away;
      }
    };

    /* ------------------------------------------------------------ one's own picture */

    const drawn = uri => {
      if (uri) tab.set({ drawing: uri, source: 'drawing' });
      else tab.say('The pad is empty. Draw something, upload a picture, or take a test picture.');
    };
    const pads = {
      ink: pg.drawPad(part('ink'), { label: 'Draw a digit here', width: 24, change: drawn }),
      paint: pg.drawPad(part('paint'), { label: 'Draw a face here', size: 192, width: 8, colour: true,
        paper: '#c8e2f6', ink: '#2e2836', change: drawn }),
    };
    let colour = false;
    const pad = () => pads[colour ? 'paint' : 'ink'];
    const own = ({ data }, asked) => {
      colour = data.colour;
      part('ink').hidden = colour;
      part('paint').hidden = !colour;
      if (asked.source !== 'drawing' && data.input !== loaded) pad().load(loaded = data.input);
    };
    let loaded = '';
    const upload = async file => {
      const picture = await pg.fileUri(file);
      const reply = await tab.call('gan_upload', { state: { ...tab.values }, picture });
      if (!reply) return true;
      pad().load(loaded = reply.drawing);
      tab.set({ mode: here('verdict') ? 'verdict' : 'project', drawing: reply.drawing, source: 'drawing' });
      return true;
    };
    const chooser = body.querySelector('.gan-own input[type=file]');
    chooser.addEventListener('change', async () => { if (chooser.files[0]) await upload(chooser.files[0]); chooser.value = ''; });
    act('upload', () => chooser.click());
    act('test', () => tab.set({ source: 'test', test: Math.floor(Math.random() * COUNT) }));

    /* ------------------------------------------------------------ verdict */

    const scale = part('scale');
    let verdict = null;
    const measure = () => {
      if (!verdict || !scale.clientWidth) return;
      const [pen, width, height] = pg.sharp(scale);
      const all = [...verdict.real, ...verdict.made, verdict.own];
      const [low, high] = [Math.min(...all), Math.max(...all)], span = high - low || 1;
      const at = value => 52 + (width - 64) * (value - low) / span;
      pen.font = '13px system-ui, sans-serif';
      pen.textBaseline = 'middle';
      [['real', pg.css('--pg-accent')], ['made', pg.css('--pg-quiet')]].forEach(([kind, ink], row) => {
        const y = row ? height - 28 : 36;
        pen.fillStyle = pg.css('--pg-quiet');
        pen.fillText(kind, 4, y);
        pen.strokeStyle = ink;
        pen.lineWidth = 2;
        pen.globalAlpha = 0.55;
        pen.beginPath();
        for (const value of verdict[kind]) { pen.moveTo(at(value), y - 14); pen.lineTo(at(value), y + 14); }
        pen.stroke();
        pen.globalAlpha = 1;
      });
      pen.strokeStyle = pen.fillStyle = pg.css('--pg-ink');
      pen.lineWidth = 3;
      pen.beginPath();
      pen.moveTo(at(verdict.own), 16);
      pen.lineTo(at(verdict.own), height);
      pen.stroke();
      pen.textAlign = at(verdict.own) > width / 2 ? 'right' : 'left';
      pen.fillText('this picture', at(verdict.own), 8);
      pen.textAlign = 'left';
    };
    new ResizeObserver(measure).observe(scale);
    document.addEventListener('pg-theme', measure);
    const fakes = pg.sheet(part('fakes'), { label: 'Sample', pick: i => tab.set({ mode: 'walk', seed: tab.last.data.seeds[i], dx: 0, dy: 0 }) });
    const reals = pg.sheet(part('reals'), { label: 'Real picture' });

    /* ------------------------------------------------------------ project */

    const film = pg.filmstrip(part('film'), { label: 'Step of the search' });
    let steps = [];  // what a search has shown so far: {sprite, label}
    /* A moment later, so that a slider on its way does not start and stop a search per picture. */
    const search = pg.later(REST, () => {
      const under = tab.running && JSON.stringify(tab.running.asked) === JSON.stringify(tab.values);
      if (here('project') && !under) tab.run();
    });
    act('project', () => { if (tab.locked) tab.run(); else tab.again(); });
    /* A stopped search leaves its steps as a film, put together here from what was already shown. */
    const keepSteps = async () => {
      if (steps.length < 2) return;
      const kept = steps.splice(0), { w, h, names } = kept[0].sprite;
      const canvas = pg.el('canvas', { width: w * kept.length, height: h * names.length }), pen = canvas.getContext('2d');
      for (const [t, { sprite }] of kept.entries()) {
        const image = await pg.image(sprite.src);
        names.forEach((_, lane) => pen.drawImage(image, (lane % sprite.columns) * w, Math.floor(lane / sprite.columns) * h, w, h, t * w, lane * h, w, h));
      }
      const sprite = { src: canvas.toDataURL('image/jpeg', 0.9), names, w, h, frames: kept.length, columns: kept.length };
      await film.show(sprite, { at: kept.length - 1, labels: kept.map(step => step.label) });
      tab.say(`The search was stopped after ${kept.at(-1).label.replace('·', 'with mean squared error')}. Its steps are kept: scrub them.`);
    };
    tab.on('ended', keepSteps);

    /* ------------------------------------------------------------ diversity */

    const made = pg.sheet(part('made'), { label: 'Sample', pick: i => pair(i) });
    const near = pg.sheet(part('nearest'), { label: 'Nearest training picture of sample', pick: i => pair(i) });
    const spread = pg.bars(part('spread'), { label: 'Mean distance between two pictures' });
    let close = null, chosen = -1;
    const cut = (name, image, i, columns) => {
      const canvas = part(name), [w, h] = [image.naturalWidth / columns, image.naturalHeight / columns];
      canvas.width = w;
      canvas.height = h;
      canvas.getContext('2d').drawImage(image, (i % columns) * w, Math.floor(i / columns) * h, w, h, 0, 0, w, h);
    };
    const pair = i => {
      chosen = i;
      made.mark(i);
      if (!close) return;
      near.mark(i);
      cut('pair-made', made.element.querySelector('img'), i, 8);
      cut('pair-real', near.element.querySelector('img'), i, 8);
      const far = close.distances[i], share = far / close.usual;
      const words = share < 0.25 ? 'That is suspiciously near.' : share < 1 ? 'Near, but no copy.' : 'No copy.';
      part('pair-note').textContent = `Left, the sample of seed ${tab.last.data.seeds[i]}; right, the nearest of ${close.searched} training `
        + `pictures, ${far.toFixed(1)} away. A real picture the network never saw is typically ${close.usual.toFixed(1)} away. ${words}`;
    };
    const seek = pg.pump(async () => {
      const asked = { ...tab.values };
      const reply = await tab.call('gan_nearest', { state: asked });
      if (!reply || !here('diversity')) return;
      close = reply.none ? null : reply;
      part('nearest').classList.remove('gan-stale');
      if (!close) { part('pair-note').textContent = reply.none; return; }
      near.show({ src: close.nearest, n: close.n, columns: close.columns, labels: close.distances.map((d, i) => `sample ${i + 1}: ${d.toFixed(1)} away`) });
      await near.element.querySelector('img').decode().catch(() => null);
      pair(close.distances.indexOf(Math.min(...close.distances)));
    });
    const seekLater = pg.later(REST, () => { if (here('diversity')) seek({}); });
    const counts = rows => rows.map(({ name, values }) => pg.el('p', {}, pg.el('b', {}, name), ...values.map(v =>
      pg.el('span', { class: v.made ? '' : 'gan-none' }, `${v.label} ${v.made} / ${v.real}`))));

    /* ------------------------------------------------------------ what the server answers */

    const show = {
      walk({ picture }, asked) { part('out').src = picture; place(asked); markPsi(); },
      mix({ data }, asked) {
        for (const name of ['a', 'mixed', 'b']) part(name).src = data[name];
        part('a-note').textContent = `A, seed ${asked.seed}: coarse`;
        part('b-note').textContent = `B, seed ${asked.seed_b}: fine`;
        part('mixed-note').textContent = `A up to layer ${data.cut} of ${data.layers}, then B`;
        const names = Array.from({ length: data.layers + 1 }, (_, k) => (k === 0 ? 'all B' : k === data.layers ? 'all A' : `cut ${k}`));
        cuts.show({ src: data.cuts, n: names.length, columns: names.length, labels: names });
        cuts.mark(data.cut);
        ticks('cut-ticks', names);
        const labels = [...Array(data.rows * data.columns).keys()].map(i => {
          const [row, column] = [Math.floor(i / data.columns), i % data.columns];
          return [row && `coarse of ${data.as[row - 1]}`, column && `fine of ${data.bs[column - 1]}`].filter(Boolean).join(', ') || 'empty';
        });
        grid.show({ src: data.grid, n: labels.length, columns: data.columns, labels });
        grid.mark(data.columns + 1);
        const corner = grid.element.querySelector('.pg-cells button');
        corner.disabled = true;
        corner.tabIndex = -1;
        grid.element.querySelectorAll('.pg-cells button')[1].tabIndex = 0;
      },
      directions({ data }) {
        shelve(data.faces);
        part('before').src = data.before;
        part('after').src = data.after;
        explain({});
        test({});
      },
      verdict(reply, asked) {
        const { data } = reply;
        own(reply, asked);
        verdict = data;
        part('words').textContent = data.words;
        measure();
        const labels = data.fake_logits.map((v, i) => `seed ${data.seeds[i]}: ${v.toFixed(1)}`);
        fakes.show({ src: data.fakes, n: data.seeds.length, columns: data.columns, labels });
        fakes.marks([]);
        badges('fakes', data.fake_logits.map(signed));
        reals.show({ src: data.reals, n: data.real_logits.length, columns: data.columns, labels: data.real_logits.map(v => `real: ${v.toFixed(1)}`) });
        badges('reals', data.real_logits.map(signed));
      },
      async project(reply, asked) {
        const { data } = reply;
        own(reply, asked);
        if (data.live) steps.push({ sprite: data.film, label: data.labels[0] });
        else steps = [];
        if (data.pending) search();
        await film.show(data.film, { at: data.film.frames - 1, labels: data.labels || ['the mean picture'] });
      },
      diversity({ data, picture }) {
        close = null;
        part('nearest').classList.add('gan-stale');
        made.show({ src: data.made, n: data.n, columns: data.columns, labels: data.seeds.map(seed => `seed ${seed}`) });
        made.mark(chosen);
        spread.show([{ label: 'samples', value: data.spread }, { label: 'real', value: data.real_spread }]);
        part('spread-note').textContent = 'In the classifier’s features: two samples picked at random, and two real pictures.';
        part('missing-title').textContent = data.missing.length ? `Never seen here: ${data.missing.length} of ${data.kinds} kinds` : 'Nothing is missing here';
        part('missing').replaceChildren(...data.missing.map(text => pg.el('li', {}, text)));
        const { name, share } = data.worst;
        part('missing-note').textContent = `Among sixty-four real pictures ${data.unseen.length ? `${data.unseen.length} never occur` : 'every kind occurs'}. `
          + `The greatest shift is in ${name}: ${percent(share)} of the samples would have to change to match.`;
        part('counts').replaceChildren(...counts(data.counts));
        seekLater();
      },
    };

    const mode = name => {
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = !section.dataset.mode.split(' ').includes(name);
      if (name !== 'walk') animate(false);
      if (name !== 'project' && tab.running) { steps = []; tab.running.ticket = null; tab.stop(); }  // late steps are not shown
      measure();
    };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) mode(values.mode);
      if (changed.includes('model')) { loaded = ''; chosen = -1; }
    });
    tab.on('restore', async values => {
      if (values.source !== 'drawing' || !values.drawing) return;
      loaded = values.drawing;
      for (const each of Object.values(pads)) await each.load(values.drawing);
    });
    tab.on('reply', (reply, asked) => { if (here(asked.mode)) show[asked.mode](reply, asked); });
    tab.on('file', upload);
    mode(tab.values.mode);
  };
})();
