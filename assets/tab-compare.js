/* The comparison's stage: a column for every model, a table, a wall, a quiz. It knows no model by name. */
(() => {
  const { el } = pg;

  pg.stages.compare = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const act = name => body.querySelector(`[data-do="${name}"]`);
    const REALS = tab.fields.test.high + 1;
    const anyNumber = top => Math.floor(Math.random() * top);

    /* ------------------------------------------------------------ who takes part */

    const FEW = 4;          // absent models that need no fold
    let unfolded = false;

    const chips = list => {
      const box = part('chips');
      const there = list.map(model => model.name);
      list = [...list, ...pg.own.list().filter(m => m.data === tab.values.data && !there.includes(m.name))];
      const known = JSON.stringify([list, unfolded]);
      if (box.dataset.known === known) return;
      const focused = document.activeElement?.dataset?.name;
      box.dataset.known = known;
      const away = list.filter(model => !model.on).length;
      const folds = away > FEW;
      box.replaceChildren(...list.filter(model => model.on || unfolded || !folds).map(model => el('button', {
        type: 'button', 'aria-pressed': String(model.on), 'data-name': model.name,
        title: model.on ? `Leave out ${model.title}` : `Take in ${model.title}`,
        onclick: () => flip(list, model),
      }, model.title)));
      if (folds) box.append(el('button', {
        type: 'button', class: 'cmp-fold', 'data-name': 'fold', 'aria-expanded': String(unfolded),
        onclick: () => { unfolded = !unfolded; chips(list); },
      }, unfolded ? 'Fewer' : `${away} more models`));
      if (focused) box.querySelector(`[data-name="${focused}"]`)?.focus();
    };
    const flip = (list, model) => {
      if (model.on && list.filter(m => m.on).length === 1) { tab.error('One column has to stay. Switch another one on first.'); return; }
      const switched = new Set(tab.values.switched.split(',').filter(Boolean));
      if (!switched.delete(model.name)) switched.add(model.name);
      tab.set({ switched: [...switched].join(',') });
    };

    /* ------------------------------------------------------------ columns and rows of answers */

    const stands = new Map();  // model → its column, or its row on a walk
    let kind = '';             // what the columns were built for

    const build = (host, data, make) => {
      const now = `${host.dataset.part}/${data.columns.map(c => c.name)}/${data.cells.length}/${data.across}`;
      if (kind === now) return;
      kind = now;
      stands.clear();
      host.replaceChildren(...data.columns.map(column => {
        const made = make(column, data);
        stands.set(column.name, made);
        return made.root;
      }));
    };

    const stand = (column, data, tag, options) => {
      const title = el('h3', {}, column.title);
      const under = el('p', { class: 'cmp-under' }, column.under);
      const figure = el('figure', { class: 'cmp-figure' });
      const note = el('p', { class: 'cmp-note' }), cost = el('p', { class: 'cmp-cost' });
      const sheet = pg.sheet(figure, { label: column.title, ...options });
      const rows = Math.ceil(data.cells.length / data.across);
      sheet.element.style.aspectRatio = `${data.across} / ${rows}`;
      const root = el(tag, { class: 'cmp-lane', 'aria-label': column.title, 'aria-busy': 'true' });
      return { root, title, under, figure, note, cost, sheet };
    };

    const mark = index => { for (const { sheet } of stands.values()) sheet.mark(index); };
    const fill = (made, column, data) => {
      made.root.setAttribute('aria-busy', String(!column.done));
      made.root.classList.toggle('cmp-cannot', !!column.why);
      made.note.textContent = column.why || column.note;
      made.cost.textContent = column.done ? column.cost : 'working …';
      if (!column.src) { made.figure.classList.add('cmp-empty'); return; }
      made.figure.classList.remove('cmp-empty');
      const far = column.distances;
      const labels = data.cells.map((label, i) => (far.length && i % 2 ? `${label}, ${far[(i - 1) / 2].toFixed(2)} away` : label));
      made.sheet.show({ src: column.src, n: data.cells.length, columns: data.across, labels, alt: '' });
    };

    const columns = data => {
      const host = part('columns');
      host.style.setProperty('--columns', data.columns.length);
      build(host, data, column => {
        const made = stand(column, data, 'section', {
          hover: index => mark(index),
          pick: index => { if (data.seeds) tab.set({ seed: tab.last.data.seeds[index] }); },
        });
        made.root.append(made.title, made.under, made.figure, made.cost, made.note);
        return made;
      });
      for (const column of data.columns) fill(stands.get(column.name), column, data);
    };

    const walk = data => {
      build(part('rows'), data, column => {
        const made = stand(column, data, 'section', { hover: place, pick: place });
        const now = el('canvas', { width: 64, height: 64, role: 'img', 'aria-label': `${column.title}, the chosen place` });
        made.now = now;
        made.root.append(el('div', {}, made.title, made.under, made.cost), now, el('div', {}, made.figure, made.note));
        return made;
      });
      for (const column of data.columns) fill(stands.get(column.name), column, data);
      place(tab.values.frame);
    };
    const place = frame => {
      part('place').value = frame;
      part('where').textContent = tab.last?.data.cells?.[frame] ?? '';
      part('place').setAttribute('aria-valuetext', part('where').textContent);
      mark(frame);
      for (const [, made] of stands) if (made.now) cut(made, frame);
      tab.set({ frame }, { draw: false });
    };
    const cut = async (made, frame) => {
      const image = made.sheet.element.querySelector('img');
      if (!image.src) return;
      if (!image.complete) await image.decode().catch(() => null);
      if (!image.naturalWidth) return;
      const side = image.naturalWidth / tab.last.data.across;
      made.now.width = made.now.height = side;
      made.now.getContext('2d').drawImage(image, frame * side, 0, side, image.naturalHeight, 0, 0, side, side);
    };
    part('place').addEventListener('input', event => { event.stopPropagation(); place(+event.target.value); });

    /* ------------------------------------------------------------ what is asked for */

    const ask = ({ heads, head, value }) => {
      const box = part('ask'), known = JSON.stringify([Object.keys(heads), head, value]);
      if (!heads || box.dataset.known === known) return;
      box.dataset.known = known;
      const words = text => text.replace(/_/g, ' ');
      const which = el('select', { 'aria-label': 'What to ask for',
        onchange: event => { event.stopPropagation(); tab.set({ ask: `${event.target.value}=${heads[event.target.value].at(-1)}` }); } },
        ...Object.keys(heads).map(name => el('option', { value: name, selected: name === head }, words(name))));
      which.addEventListener('input', event => event.stopPropagation());
      const values = heads[head].map(name => el('button', { type: 'button', 'aria-pressed': String(name === value),
        onclick: () => tab.set({ ask: `${head}=${name}` }) }, words(name)));
      box.replaceChildren(...(Object.keys(heads).length > 1 ? [which] : [el('span', {}, `Ask for a`)]), ...values);
    };

    /* ------------------------------------------------------------ a damaged picture */

    const SIDE = 64;  // pixels of a painted mask as it is sent: twice as fine as a digit, as fine as a face
    let veil = null, paper = null, painted = '';
    const small = canvas => {
      const copy = el('canvas', { width: SIDE, height: SIDE }), pen = copy.getContext('2d');
      pen.fillRect(0, 0, SIDE, SIDE);
      pen.drawImage(canvas, 0, 0, SIDE, SIDE);
      return copy.toDataURL('image/png');
    };
    const pads = () => {
      if (veil) return;
      veil = pg.drawPad(part('mask'), { label: 'Paint what the models should make up', mask: true, width: 48,
        change: (uri, done) => {
          if (!done) return;
          painted = uri ? small(veil.canvas) : '';
          tab.set({ mask: painted, damage: uri ? 'painted' : 'left' });
        } });
    };
    const sketch = () => {
      const colour = tab.values.data !== 'mnist';
      if (paper?.colour === colour) return;
      part('paper').replaceChildren();
      paper = pg.drawPad(part('paper'), { label: 'Draw a picture here', width: 24, colour, ...(colour ? { paper: '#fff', ink: '#5b3a1e' } : {}),
        change: (uri, done) => { if (uri && done) tab.set({ own: uri, source: 'own' }); } });
      paper.colour = colour;
    };
    /** The white of a stored mask back onto the pad, the black left clear. */
    const repaint = async src => {
      painted = src;
      veil.clear();
      if (!src) return;
      const image = await pg.image(src).catch(() => null);
      if (!image) return;
      const pen = veil.canvas.getContext('2d');
      pen.drawImage(image, 0, 0, veil.canvas.width, veil.canvas.height);
      const pixels = pen.getImageData(0, 0, veil.canvas.width, veil.canvas.height);
      for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i];
      pen.putImageData(pixels, 0, 0);
    };
    const repair = data => {
      pads();
      veil.load(tab.values.damage === 'painted' ? data.whole : data.damaged);
      if (tab.values.damage === 'painted' ? tab.values.mask !== painted : painted) repaint(tab.values.damage === 'painted' ? tab.values.mask : '');
      columns(data);
    };
    const upload = async file => { tab.set({ mode: 'repair', own: await pg.fileUri(file), source: 'own' }); return true; };
    const chooser = body.querySelector('.cmp-buttons input');
    chooser.addEventListener('change', async () => { if (chooser.files[0]) await upload(chooser.files[0]); chooser.value = ''; });
    act('upload').addEventListener('click', () => chooser.click());
    act('test').addEventListener('click', () => { part('sketch').hidden = true; tab.set({ source: 'test', test: anyNumber(REALS) }); });
    act('draw').addEventListener('click', () => {
      part('sketch').hidden = false;
      sketch();
      paper.canvas.focus({ preventScroll: true });
    });

    /* ------------------------------------------------------------ tables, figure, wall */

    const start = data => {
      const box = part('start');
      box.hidden = !data.estimate || !['measure', 'wall'].includes(tab.values.mode);
      if (box.hidden) return;
      act('go').textContent = data.action;
      part('estimate').textContent = tab.last.step < tab.last.total ? 'Working out the time …' : tab.last.sentence;
    };
    act('go').addEventListener('click', () => tab.set({ go: true }));

    const table = ({ heads, rows }) => {
      const arrow = { low: ' ↓', high: ' ↑' };
      const head = el('tr', {}, el('th', { scope: 'col' }, 'Model'), ...heads.map(h => el('th', { scope: 'col', title: h.info }, h.title + (arrow[h.better] || ''))),
        el('th', { scope: 'col', title: 'from how many pictures' }, 'N'));
      part('table').replaceChildren(
        el('caption', {}, 'Measured now. ↓ lower is better, ↑ higher is better; the best of a column is bold and has a dot.'),
        el('thead', {}, head),
        el('tbody', {}, ...rows.map(row => el('tr', {}, el('th', { scope: 'row' }, row.title),
          ...heads.map(h => {
            const best = row.best?.includes(h.name), text = row.cells[h.name];
            return el('td', { class: best ? 'cmp-best' : '', title: (text === undefined && (row.notes[h.name] || row.why)) || h.info }, text === undefined ? '–' : (best ? `• ${text}` : text));
          }), el('td', {}, row.pictures ? String(row.pictures) : '–')))));
    };
    const stored = ({ heads, rows }) => {
      part('stored').replaceChildren(
        el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Model'), ...heads.map(h => el('th', { scope: 'col' }, h)), el('th', { scope: 'col' }, 'N'))),
        el('tbody', {}, ...rows.map(row => el('tr', {}, el('th', { scope: 'row' }, row.title),
          ...heads.map(h => el('td', {}, row.cells[h] ?? '–')), el('td', {}, row.samples)))));
    };

    const plot = part('plot');
    const chart = () => {
      const box = document.getElementById('compare-plot-box');
      const { data } = tab.last || {};
      const ready = tab.values.mode === 'measure' && data?.points?.length > 0 && !tab.running;
      plot.hidden = !ready;
      if (!ready || !box) return;
      if (box.parentElement !== plot) plot.prepend(box);  // Gradio made it below the page; it belongs under the table
      part('plot-note').textContent = data.plot;
      box.setAttribute('role', 'img');
      box.setAttribute('aria-label', data.plot);
      pg.comparePlot?.({ state: tab.values, dark: pg.dark() });
    };
    document.addEventListener('pg-theme', chart);
    const measure = data => { table(data.table); stored(data.stored); };

    const wallSheet = pg.sheet(part('wall'), { label: 'Sample', pick: index => {
      const { titles, seeds } = tab.last.data.wall;
      tab.set({ mode: 'samples', seed: seeds[Math.floor(index / titles.length)] });
    } });
    const wall = (data, picture) => {
      const { titles, under, seeds, labels } = data.wall;
      part('wall').parentElement.style.setProperty('--columns', titles.length);
      part('heads').replaceChildren(...titles.map((title, i) => el('div', {}, el('b', {}, title), el('small', {}, under[i]))));
      part('rail').replaceChildren(...seeds.map(seed => el('li', {}, String(seed))));
      wallSheet.element.style.aspectRatio = `${titles.length} / ${seeds.length}`;
      wallSheet.show({ src: picture, n: labels.length, columns: titles.length, labels });
      wallSheet.mark(-1);
    };

    /* ------------------------------------------------------------ real or made */

    const STORE = 'pg-compare-tally';
    const fresh = () => ({ right: 0, asked: 0, fooled: {} });
    let tally = fresh(), guessed = false, judged = '';
    try { tally = { ...tally, ...JSON.parse(sessionStorage.getItem(STORE) || '{}') }; } catch { /* a tally that cannot be read starts anew */ }
    const score = () => {
      try { sessionStorage.setItem(STORE, JSON.stringify(tally)); } catch { /* private window: it lasts until the page is closed */ }
      part('tally').textContent = tally.asked ? `${tally.right} of ${tally.asked} right.` : 'No guess yet. A coin would be right half the time.';
      const fooled = Object.entries(tally.fooled).sort((a, b) => b[1] - a[1]);
      part('fooled').replaceChildren(...fooled.map(([name, times]) => el('li', {}, `${name} fooled you ${times === 1 ? 'once' : `${times} times`}`)));
      act('forget').disabled = !tally.asked;
    };
    const riddle = picture => {
      part('riddle').src = picture;  // without loss: a JPEG's blocks would be a hint of their own
      part('riddle-number').textContent = `Riddle ${tab.values.riddle}`;
      tab.find('.pg-facts').textContent = 'The time would give it away.';
      const now = JSON.stringify([tab.values.data, tab.values.seed, tab.values.riddle, tab.values.switched, tab.values.steps]);
      if (now === judged) return;
      judged = now;
      guessed = false;
      part('verdict').textContent = '';
      part('verdict').className = 'cmp-verdict';
      for (const button of body.querySelectorAll('[data-guess]')) { button.disabled = false; button.removeAttribute('aria-pressed'); }
    };
    const guess = async answer => {
      if (guessed || tab.running || tab.last?.data.columns) return;
      guessed = true;
      const reply = await tab.call('compare_reveal', { state: tab.values, guess: answer });
      if (!reply) { guessed = false; return; }
      tally.asked += 1;
      tally.right += reply.right ? 1 : 0;
      if (!reply.right && reply.title) tally.fooled[reply.title] = (tally.fooled[reply.title] || 0) + 1;
      for (const button of body.querySelectorAll('[data-guess]')) {
        button.disabled = true;
        button.setAttribute('aria-pressed', String((button.dataset.guess === 'real') === reply.real));
      }
      const verdict = part('verdict');
      verdict.className = `cmp-verdict ${reply.right ? 'cmp-right' : 'cmp-wrong'}`;
      verdict.replaceChildren(`${reply.right ? '✓' : '✗'} ${reply.sentence}`);
      if (reply.near) verdict.append(el('span', { class: 'cmp-near' }, el('img', { src: reply.near, alt: '' }), 'the nearest picture it was trained on'));
      tab.say(reply.sentence);
      score();
    };
    const next = () => { if (!tab.running) tab.set({ riddle: (tab.values.riddle % 9999) + 1 }); };
    for (const button of body.querySelectorAll('[data-guess]')) button.addEventListener('click', () => guess(button.dataset.guess));
    act('next').addEventListener('click', next);
    act('forget').addEventListener('click', () => { tally = fresh(); score(); });
    document.addEventListener('keydown', event => {
      if (pg.active !== 'compare' || tab.values.mode !== 'quiz' || pg.typing(event.target) && event.target.type !== 'radio') return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === '1') guess('real');
      else if (event.key === '2') guess('fake');
      else if (event.key === ' ' && !event.target.closest('button, summary, a')) { event.preventDefault(); next(); }
    });
    score();

    /* ------------------------------------------------------------ what the server answers */

    const mode = name => {
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = !section.dataset.mode.split(' ').includes(name);
      part('start').hidden = true;
      if (name !== 'measure') plot.hidden = true;
      if (name === 'repair') { pads(); part('sketch').hidden = tab.values.source !== 'own'; if (tab.values.source === 'own') sketch(); }
    };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) mode(values.mode);
      if (changed.includes('source') && values.source === 'own' && values.mode === 'repair') { part('sketch').hidden = false; sketch(); }
      if (changed.includes('data') && paper) { paper.colour = null; sketch(); }
    });
    // A run that takes its time is started by hand; over or stopped by a change, the start is taken back. A start during
    // another run (the estimate) belongs to the next one: it outlasts the end of this.
    let early = false;
    tab.on('state', (values, changed) => { if (changed.includes('go')) early = values.go && !!tab.running; });
    tab.on('ended', () => {
      if (tab.values.go && !early) tab.set({ go: false }, { draw: false });
      early = false;
      chart();
    });
    tab.on('restore', values => { if (values.mode === 'repair' && values.own && paper) paper.load(values.own); });
    tab.on('again', () => { if (tab.values.mode === 'quiz') next(); return tab.values.mode === 'quiz'; });
    tab.on('reply', (reply, asked) => {
      const { data } = reply;
      chips(data.chips);
      if (asked.mode !== tab.values.mode) return;
      start(data);
      if (asked.mode === 'class') ask(data);
      if (asked.mode === 'between') walk(data);
      else if (asked.mode === 'repair') repair(data);
      else if (asked.mode === 'measure') measure(data);
      else if (asked.mode === 'wall') wall(data, reply.picture);
      else if (asked.mode === 'quiz') riddle(data.riddle);
      else columns(data);
    });
    tab.on('file', upload);
    mode(tab.values.mode);
  };
})();
