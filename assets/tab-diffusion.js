/* The diffusion tab's stage: films to scrub, branches under them, the schedule, a picture to drown, a hole to fill. */
(() => {
  const SHORT = ['noisy xₜ', 'guess x̂₀', 'noise ε̂'];
  const CAPTIONS = ['noisy picture xₜ', 'its guess of the clean picture x̂₀', 'its guess of the noise ε̂'];
  const BLANK = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';
  const MOST = 6, COUNT = 500, HELD = 80;
  const { el } = pg;
  const share = value => `${Math.round(100 * value * value)} %`;

  /** A filmstrip that also shows single moments of a run as they arrive. */
  const reel = (host, { captions, shape = 1, ...options }) => {
    const strip = pg.filmstrip(host, options);
    const [slider, count] = [strip.element.querySelector('input'), strip.element.querySelector('.pg-count')];
    let turn = 0;
    const self = {
      strip, element: strip.element,
      async show(film, more = {}) { turn += 1; await strip.show(film, { captions, ...more }); },
      async live({ film, step, total }) {
        const mine = ++turn, now = strip.film;
        if (!now || now.names.length !== film.names.length || now.w !== film.w || now.h !== film.h) await strip.show(film, { captions });
        const image = await pg.image(film.src);
        if (mine !== turn) return;
        strip.element.querySelectorAll('canvas').forEach((canvas, lane) => {
          canvas.getContext('2d').drawImage(image, (lane % film.columns) * film.w, Math.floor(lane / film.columns) * film.h, film.w, film.h, 0, 0, film.w, film.h);
        });
        slider.max = total - 1;
        slider.value = step - 1;
        count.textContent = `step ${step} / ${total - 1}`;
      },
    };
    strip.show({ src: BLANK, names: captions, frames: 1, columns: captions.length, w: shape, h: 1 }, { captions, labels: [''] });
    return self;
  };

  /** How signal and noise change with t, and where the steps of a run lie. */
  const plots = (host, { backwards = true, pick } = {}) => {
    const figure = label => {
      const canvas = el('canvas', { role: 'img', 'aria-label': label });
      const note = el('figcaption', {});
      canvas.addEventListener('click', event => {
        const box = canvas.getBoundingClientRect(), u = ((event.clientX - box.left) - 8) / (box.width - 16);
        pick?.(999 * (backwards ? 1 - u : u));
      });
      host.append(el('figure', {}, canvas, note));
      return { canvas, note };
    };
    host.classList.add('dif-plots');
    const share = figure('Share of picture and of noise at each t'), snr = figure('Logarithm of signal to noise at each t');
    let bars = null, ts = [], at = null;
    const frame = ({ canvas }) => {
      const [pen, width, height] = pg.sharp(canvas);
      const x = t => 8 + (width - 16) * (backwards ? 1 - t / 999 : t / 999);
      const y = v => 8 + (height - 30) * (1 - v);
      pen.font = '11px system-ui, sans-serif';
      pen.fillStyle = pg.css('--pg-quiet');
      pen.strokeStyle = pg.css('--pg-line');
      pen.beginPath(); pen.moveTo(8, y(0)); pen.lineTo(width - 8, y(0)); pen.stroke();
      for (const t of [0, 250, 500, 750, 999]) {
        pen.textAlign = t === (backwards ? 999 : 0) ? 'left' : t === (backwards ? 0 : 999) ? 'right' : 'center';
        pen.fillText(t === 500 ? 't = 500' : t, x(t), height - 6);
      }
      return { pen, x, y, width };
    };
    const line = ({ pen, x, y }, value, colour, dash) => {
      pen.setLineDash(dash);
      pen.strokeStyle = colour;
      pen.lineWidth = 2;
      pen.beginPath();
      bars.t.forEach((t, i) => pen.lineTo(x(t), y(value(bars.bar[i]))));
      pen.stroke();
      pen.setLineDash([]);
    };
    const dots = ({ pen, x, y }, values) => {
      if (at !== null) {
        pen.strokeStyle = pg.css('--pg-ink');
        pen.lineWidth = 1;
        pen.beginPath(); pen.moveTo(x(at), y(1)); pen.lineTo(x(at), y(0)); pen.stroke();
      }
      for (const value of values) for (const t of ts) {
        const now = t === at;
        pen.fillStyle = pg.css(now ? '--pg-ink' : '--pg-accent');
        pen.beginPath(); pen.arc(x(t), y(value(barAt(t))), now ? 5 : 3, 0, 7); pen.fill();
      }
    };
    const barAt = t => {
      const u = t / 999 * (bars.t.length - 1), i = Math.min(Math.floor(u), bars.t.length - 2);
      return bars.bar[i] + (bars.bar[i + 1] - bars.bar[i]) * (u - i);
    };
    const LOW = -11, HIGH = 9;
    const log = bar => pg.clamp((Math.log(bar / (1 - bar)) - LOW) / (HIGH - LOW), 0, 1);
    const redraw = () => {
      if (!bars || !share.canvas.clientWidth) return;
      const one = frame(share), accent = pg.css('--pg-accent'), ink = pg.css('--pg-ink');
      line(one, bar => bar, accent, []);
      line(one, bar => 1 - bar, pg.css('--pg-warn'), [5, 4]);
      dots(one, [bar => bar]);
      one.pen.textAlign = backwards ? 'left' : 'right';
      one.pen.fillStyle = ink;
      const side = backwards ? 12 : one.width - 12;  // where t is large both curves are flat
      one.pen.fillText('noise, σ² (dashed)', side, one.y(.84));
      one.pen.fillText('picture, α²', side, one.y(.08));
      const two = frame(snr);
      two.pen.strokeStyle = pg.css('--pg-line');
      two.pen.beginPath(); two.pen.moveTo(8, two.y(log(.5))); two.pen.lineTo(two.width - 8, two.y(log(.5))); two.pen.stroke();
      line(two, log, accent, []);
      dots(two, [log]);
      two.pen.fillStyle = ink;
      two.pen.textAlign = backwards ? 'left' : 'right';
      two.pen.fillText('log SNR = ln(α²/σ²)', backwards ? 12 : two.width - 12, 18);
      two.pen.fillText('0: as much picture as noise', backwards ? 12 : two.width - 12, two.y(log(.5)) - 6);
      const half = bars.t[bars.bar.findIndex(bar => bar < .5)];
      share.note.textContent = `The picture's share α² falls and the noise's share σ² rises with t; they cross near t = ${half}.`;
      snr.note.textContent = at === null ? 'Signal against noise, on a logarithmic scale.'
        : `At t = ${Math.round(at)} there is ${at < 1 ? 'next to no noise left' : times(barAt(at))}.${ts.length ? ` The dots are the ${ts.length === 1 ? 'one step' : `${ts.length} steps`} of this lane.` : ''}`;
    };
    const times = bar => {
      const ratio = bar / (1 - bar), more = Math.max(ratio, 1 / ratio);
      const count = more < 10 ? more.toFixed(1) : Math.round(more);
      return ratio >= 1 ? `${count} times as much picture as noise` : `${count} times as much noise as picture`;
    };
    new ResizeObserver(redraw).observe(share.canvas);
    document.addEventListener('pg-theme', redraw);
    return {
      schedule(found) { bars = found; redraw(); },
      mark(steps, now) { ts = steps; at = now ?? null; redraw(); },
    };
  };

  pg.stages.diffusion = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const schedules = {}, films = new Map();
    const hold = (key, film) => { films.delete(key); films.set(key, film); if (films.size > HELD) films.delete(films.keys().next().value); };
    const charts = {};
    const schedule = async (model, chart) => {
      const found = await (schedules[model] ??= tab.call('diffusion_schedule', { model }));
      if (found) chart.schedule(found); else delete schedules[model];
    };

    /* ------------------------------------------------------------ the run and its branches */

    /** The branches of the state; whatever does not fit (a link written by hand) is left to the server to explain. */
    const entries = () => {
      let list;
      try { list = JSON.parse(tab.values.branches); } catch { list = null; }
      const fits = (entry, i) => entry && Number.isInteger(entry.from) && entry.from >= 0 && entry.from <= i && Number.isInteger(entry.step);
      return Array.isArray(list) && list.every(fits) ? list : [];
    };
    const settings = (number, list = entries()) => {
      if (!number) return tab.values;
      const { from, step, ...changes } = list[number - 1];
      return { ...settings(from, list), ...changes };
    };
    const branch = list => { tab.set({ branches: JSON.stringify(list) }, { draw: false }); tab.run(); };
    const named = number => (number ? `branch ${number}` : 'the run');
    const lanes = [];
    let active = 0;

    const makeLane = (host, number) => {
      const lane = { number, told: null, reel: reel(host, { captions: number ? SHORT : CAPTIONS, label: number ? `Step of branch ${number}` : 'Step of the run', step: i => scrubbed(lane, i) }) };
      for (const event of ['focusin', 'pointerdown']) host.addEventListener(event, () => activate(lane.number));
      return lane;
    };
    const activate = number => {
      active = lanes[number] ? number : 0;
      lanes.forEach(lane => lane.reel.element.closest('.dif-lane')?.classList.toggle('dif-active', lane.number === active && lanes.length > 1));
      about();
    };
    /** What can be done at the step that stands there. */
    const about = () => {
      const lane = lanes[active], note = part('branch-note'), button = body.querySelector('[data-do=branch]');
      const last = lane?.told ? lane.told.t.length - 1 : 0, index = lane?.reel.strip.index ?? 0;
      const full = entries().length >= MOST;
      button.disabled = !lane?.told || index >= last || full;
      note.textContent = full ? `At most ${MOST} branches. Remove one before the next.`
        : index >= last ? `This is the result of ${named(active)}. Go back a step or more with ← and branch there: it goes on with other settings.`
          : `At step ${index + 1} of ${named(active)}, t = ${lane.told.t[index]}.`;
      if (lane?.told) charts.denoise.mark(lane.told.t.slice(0, -1), lane.told.t[index]);
    };
    const scrubbed = (lane, index) => {
      active = lane.number;
      activate(lane.number);
      if (!lane.told) return;
      const { t, alpha, sigma } = lane.told, who = lane.number ? `Branch ${lane.number}` : 'The run';
      if (index >= t.length - 1) { tab.say(tab.last.sentence); return; }
      tab.say(`${who}, step ${index + 1} of ${t.length - 1}: at t = ${t[index]} what stands left is ${share(alpha[index])} picture and ${share(sigma[index])} noise; in the middle is what the network would draw if it had to answer now.`);
    };
    const branchHere = () => {
      const list = entries(), lane = lanes[active], index = lane?.reel.strip.index;
      if (body.querySelector('[data-do=branch]').disabled || tab.values.mode !== 'denoise') { about(); return; }
      const now = settings(active, list), choices = tab.fields.label.choices;
      const other = lane.told.settings.label === null
        ? { scheduler: 'DDPM', seed: (now.seed + 1) % 2 ** 32 }
        : { label: choices[(choices.indexOf(now.label) + 5) % choices.length] };
      branch([...list, { from: active, step: index + 1, ...other }]);
    };
    const remove = number => {
      const list = entries(), gone = new Set([number]), order = [0], kept = [];
      list.forEach((entry, i) => {
        if (gone.has(entry.from)) gone.add(i + 1);
        if (gone.has(i + 1)) return;
        kept.push({ ...entry, from: order[entry.from] });
        order[i + 1] = kept.length;
      });
      active = 0;
      branch(kept);
    };
    const change = (number, name, value) => {
      const list = entries(), entry = list[number - 1];
      if (settings(entry.from, list)[name] === value) delete entry[name]; else entry[name] = value;
      branch(list);
    };

    const options = (choices, label) => el('select', { 'aria-label': label }, ...choices.map(c => el('option', { value: c }, c)));
    const makeBranch = number => {
      const { label, scheduler } = tab.fields;
      const inputs = {
        label: options(label.choices, `Class of branch ${number}`),
        scheduler: options(scheduler.choices, `Scheduler of branch ${number}`),
        guidance: el('input', { type: 'number', min: 0, max: 10, step: 0.5, 'aria-label': `Guidance of branch ${number}` }),
        steps: el('input', { type: 'number', min: 1, max: 100, step: 1, 'aria-label': `Steps of branch ${number}` }),
        seed: el('input', { type: 'number', min: 0, max: 4294967295, step: 1, 'aria-label': `Seed of the later noise of branch ${number}` }),
      };
      const names = { label: 'class', scheduler: 'scheduler', guidance: 'guidance', steps: 'steps', seed: 'seed of later noise' };
      for (const [name, input] of Object.entries(inputs)) {
        input.addEventListener('input', event => event.stopPropagation());
        input.addEventListener('change', event => {
          event.stopPropagation();
          if (input.value !== '') change(number, name, input.type === 'number' ? +input.value : input.value);
        });
      }
      const title = el('h3', {}), film = el('div', {});
      const rows = Object.entries(inputs).map(([name, input]) => el('label', {}, el('span', {}, names[name]), input));
      const section = el('section', { class: 'dif-lane dif-branch', 'aria-label': `Branch ${number}` },
        el('header', {}, title, el('button', { type: 'button', 'aria-label': `Remove branch ${number}`, onclick: () => remove(number) }, 'Remove')),
        film, el('div', { class: 'dif-settings' }, ...rows));
      part('branches').append(section);
      return Object.assign(makeLane(film, number), { section, title, inputs, rows });
    };
    /** As many lanes as the state says, their controls at its values. */
    const arrange = () => {
      const list = entries();
      while (lanes.length > list.length + 1) lanes.pop().section.remove();
      while (lanes.length < list.length + 1) lanes.push(makeBranch(lanes.length));
      list.forEach((entry, i) => {
        const lane = lanes[i + 1], now = settings(i + 1, list);
        lane.title.textContent = `Branch ${i + 1}: leaves ${named(entry.from)} at step ${entry.step}`;
        for (const [name, input] of Object.entries(lane.inputs)) {
          if (document.activeElement !== input) input.value = now[name];
          input.closest('label').classList.toggle('dif-changed', name in entry);
        }
      });
      activate(active);
    };

    lanes.push(makeLane(part('main'), 0));
    part('main').classList.add('dif-lane');
    body.querySelector('[data-do=branch]').addEventListener('click', branchHere);
    charts.denoise = plots(part('plots-denoise'), { pick: t => {
      const lane = lanes[active];
      if (lane?.told) lane.reel.strip.go(nearest(lane.told.t, t));
    } });
    const nearest = (list, t) => list.reduce((best, value, i) => (Math.abs(value - t) < Math.abs(list[best] - t) ? i : best), 0);

    document.addEventListener('keydown', event => {
      if (pg.active !== 'diffusion' || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      if (pg.typing(target) && target.type !== 'range' || target.closest?.('[role=tab], [role=radiogroup], .pg-right')) return;
      if (event.key.toLowerCase() === 'b' && tab.values.mode === 'denoise') { event.preventDefault(); branchHere(); }
      const strip = { denoise: lanes[active]?.reel, forward, between, inpaint, 'from a drawing': edit }[tab.values.mode]?.strip;
      if (target !== document.body || !strip) return;
      if (['ArrowLeft', 'ArrowRight', 'Home', 'End', ' '].includes(event.key)) {
        event.preventDefault();
        strip.element.dispatchEvent(new KeyboardEvent('keydown', { key: event.key }));
      }
    });

    /* ------------------------------------------------------------ a picture of one's own */

    const own = picture => tab.set({ drawing: picture, source: 'own' });
    /** Large files are made small here; small ones go as they are, so that the server can say what is wrong. */
    const upload = async file => {
      if (!['forward', 'from a drawing', 'inpaint'].includes(tab.values.mode)) tab.set({ mode: 'forward' }, { draw: false });
      let uri = file.size < 40_000 ? await pg.fileUri(file) : null;
      if (!uri) {
        const image = await pg.image(URL.createObjectURL(file)).catch(() => null);
        if (!image) { tab.error('That is not a picture this browser can open. Use a PNG, JPEG, WebP, GIF or BMP file.'); return true; }
        const scale = Math.min(1, 192 / Math.min(image.width, image.height));
        const canvas = el('canvas', { width: Math.max(2, image.width * scale), height: Math.max(2, image.height * scale) });
        const pen = canvas.getContext('2d');
        pen.fillStyle = '#fff';
        pen.fillRect(0, 0, canvas.width, canvas.height);
        pen.drawImage(image, 0, 0, canvas.width, canvas.height);
        uri = canvas.toDataURL('image/jpeg', 0.9);
      }
      own(uri);
      return true;
    };
    /** A pad for digits and one for coloured faces; the model says which stands there. */
    const papers = (mono, colour, change) => {
      const one = pg.drawPad(mono, { label: 'Draw a digit', width: 24, change });
      const two = pg.drawPad(colour, { label: 'Draw a face', colour: true, paper: '#e8eef2', ink: '#7a4a2b', width: 18, change });
      two.clear();
      return {
        turn(digits) { mono.hidden = !digits; colour.hidden = digits; },
        load(src) { (mono.hidden ? two : one).load(src); },
      };
    };
    const drawn = (uri, done) => {
      if (uri && done) own(uri);
      if (!uri) tab.say('The paper is empty. Draw something, upload a picture, or take a test picture.');
    };
    const buttons = (host, more = []) => {
      const file = el('input', { type: 'file', accept: 'image/*', hidden: true, 'aria-label': 'Upload a picture' });
      file.addEventListener('change', () => { if (file.files[0]) upload(file.files[0]); file.value = ''; });
      host.append(
        el('button', { type: 'button', onclick: () => tab.set({ source: 'test', test: Math.floor(Math.random() * COUNT) }) }, 'Another test picture'),
        el('button', { type: 'button', onclick: () => file.click() }, 'Upload…'), file, ...more);
    };

    /* ------------------------------------------------------------ forward */

    const NOISY = ['= noisy picture xₜ', 'guessed from it, in one look'];
    const forward = reel(part('forward'), { captions: NOISY, label: 'Noise level t',
      step: i => { tab.set({ t: forward.told.t[i] }, { draw: false }); equation(i); } });
    const still = alt => el('figure', {}, el('img', { alt, src: BLANK }), el('figcaption', {}));
    const [clean, noise] = [still('The clean picture'), still('The noise')];
    const terms = () => forward.element.querySelector('.pg-lanes').prepend(clean, noise);
    charts.forward = plots(part('plots-forward'), { backwards: false, pick: t => { if (forward.told) forward.strip.go(nearest(forward.told.t, t)); } });
    const sketch = [el('div', { class: 'dif-sketch' }), el('div', { class: 'dif-sketch' })];
    const sketchbox = el('div', { hidden: true }, ...sketch);
    buttons(part('own-forward'), [el('button', { type: 'button', 'aria-expanded': 'false', onclick: event => {
      sketchbox.hidden = !sketchbox.hidden;
      event.target.setAttribute('aria-expanded', !sketchbox.hidden);
    } }, 'Draw one')]);
    part('own-forward').after(sketchbox);
    const sketches = papers(...sketch, drawn);
    const equation = i => {
      const { t, alpha, sigma } = forward.told;
      clean.lastChild.textContent = `${alpha[i].toFixed(2)} × picture x₀`;
      noise.lastChild.textContent = `+ ${sigma[i].toFixed(2)} × noise ε`;
      charts.forward.mark([], t[i]);
      tab.say(`At t = ${t[i]} the picture is multiplied by α = ${alpha[i].toFixed(2)} and the noise by σ = ${sigma[i].toFixed(2)}: ${share(alpha[i])} picture, ${share(sigma[i])} noise. Right: what the network takes it for, in a single look and without being told the class.`);
    };

    /* ------------------------------------------------------------ from a drawing, inpaint, between, schedulers */

    const easel = papers(part('paper-mono'), part('paper-colour'), drawn);
    buttons(part('own-drawing'));
    const edit = reel(part('edit'), { captions: CAPTIONS.slice(0, 2), label: 'Step', step: i => ruler(edit.told, i) });
    const ruler = ({ taken, steps, t }, now) => {
      const skipped = steps - taken;
      part('ruler').replaceChildren(...Array.from({ length: steps }, (_, i) =>
        el('i', { class: i < skipped ? 'dif-skipped' : i - skipped === now ? 'dif-now' : i === skipped ? 'dif-start' : '' })));
      part('ruler-note').textContent = `${skipped ? `${skipped} steps are skipped (hollow): the picture stands in for them. ` : ''}Start at t = ${tab.values.start}, then ${taken} step${taken === 1 ? '' : 's'}${now < taken ? `; here t = ${t[now]}` : ''}.`;
    };

    const export_ = canvas => {
      const flat = el('canvas', { width: 64, height: 64 }), pen = flat.getContext('2d');
      pen.fillRect(0, 0, 64, 64);
      pen.drawImage(canvas, 0, 0, 64, 64);
      return flat.toDataURL('image/png');
    };
    const veil = pg.drawPad(part('mask'), { label: 'Paint over what is to be made up', mask: true, width: 44, change: (uri, done) => {
      if (uri && done) tab.set({ mask: export_(veil.canvas) });
      if (!uri) tab.say('Nothing is painted over. Paint over the part that is to be made up.');
    } });
    /** Puts a mask of the state back on the pad: bright becomes paint. */
    const unveil = async uri => {
      const image = await pg.image(uri).catch(() => null);
      if (!image) return;
      const small = el('canvas', { width: 64, height: 64 }), pen = small.getContext('2d');
      pen.drawImage(image, 0, 0, 64, 64);
      const bits = pen.getImageData(0, 0, 64, 64);
      for (let i = 0; i < bits.data.length; i += 4) { bits.data[i + 3] = bits.data[i]; bits.data.fill(255, i, i + 3); }
      pen.putImageData(bits, 0, 0);
      veil.clear();
      veil.canvas.getContext('2d').drawImage(small, 0, 0, veil.canvas.width, veil.canvas.height);
    };
    buttons(part('own-mask'));
    const inpaint = reel(part('repair'), { captions: ['one answer', 'a second', 'a third'], label: 'Step' });
    const race = pg.diffusionRace(tab, part('race'));
    const between = reel(part('between'), { captions: ['along the great circle (slerp)', 'along the straight line (lerp)'], label: 'Step', shape: 7 });

    const table = el('table', { 'aria-label': 'Schedulers side by side on the same noise' }), lines = {};
    part('table').append(table);
    const heads = (columns = ['', '', '', '', '', 'result']) => el('tr', {}, el('th', { scope: 'col' }, 'scheduler'),
      el('th', { scope: 'col' }, el('div', { class: 'dif-heads' }, ...columns.map(c => el('span', {}, c)))),
      ...[['asked', 'how often the network was asked'], ['ms', 'milliseconds'], ['apart', 'mean difference from the result of DDIM']]
        .map(([text, title]) => el('th', { scope: 'col', title }, text)));
    const rows = names => {
      if (lines[names[0]]) return;
      table.append(el('thead', {}, heads()), el('tbody', {}, ...names.map(name => {
        const image = el('img', { src: BLANK, alt: `${name}: the picture at six moments` });
        const cells = ['calls', 'ms', 'apart'].map(() => el('td', {}));
        lines[name] = { image, cells };
        return el('tr', {}, el('th', { scope: 'row' }, el('button', { type: 'button', class: 'pg-link', title: 'Go on with this one',
          onclick: () => tab.set({ mode: 'denoise', scheduler: name, branches: '[]' }) }, name)), el('td', {}, image), ...cells);
      })));
    };

    /* ------------------------------------------------------------ what the server answers */

    const steps = (count, ts) => Array.from({ length: count }, (_, i) =>
      i < count - 1 ? `step ${i + 1} / ${count - 1}` : 'result').map((text, i) => (ts && i < count - 1 ? `${text}, t ${ts[i]}` : text));
    let newest = 0;
    const show = {
      async denoise({ data }, asked) {
        if (data.live) { await lanes[data.live.lane]?.reel.live(data.live); return; }
        const mine = ++newest;
        for (const [i, told] of data.lanes.entries()) {
          if (told.film) hold(told.key, told.film);
          const found = films.get(told.key) || (await tab.call('diffusion_film', { state: asked, lane: i }))?.film;
          const lane = lanes[i];
          if (mine !== newest || !found || !lane) return;
          hold(told.key, found);
          const same = lane.told?.key === told.key;
          lane.told = told;
          await lane.reel.show(found, { labels: steps(told.t.length, told.t), at: same ? lane.reel.strip.index : told.t.length - 1 });
          lane.rows?.[0].toggleAttribute('hidden', told.settings.label === null);
          lane.rows?.[2].toggleAttribute('hidden', told.settings.label === null);
        }
        schedule(asked.model, charts.denoise);
        about();
      },
      async forward({ data }, asked) {
        forward.told = data;
        clean.firstChild.src = data.clean;
        noise.firstChild.src = data.noise;
        const at = nearest(data.t, tab.values.t);
        await forward.show(data.film, { at, labels: data.t.map(t => `t = ${t}`) });
        terms();
        equation(at);
        schedule(asked.model, charts.forward);
      },
      schedulers({ data }) {
        rows(data.names);
        const done = Object.fromEntries(data.rows.map(row => [row.name, row]));
        for (const [name, { image, cells }] of Object.entries(lines)) {
          const row = done[name];
          image.classList.toggle('dif-stale', !row);
          if (!row) continue;
          if (image.src !== row.src) image.src = row.src;
          cells[0].textContent = row.calls;
          cells[1].textContent = row.ms;
          cells[2].textContent = row.apart.toFixed(3);
        }
        if (data.columns) table.tHead.replaceChildren(heads(data.columns));
      },
      async 'from a drawing'({ data }, asked) {
        if (asked.source === 'test') easel.load(data.input);
        if (data.live) { await edit.live(data.live); return; }
        edit.told = data;
        await edit.show(data.film, { at: data.t.length - 1, labels: steps(data.t.length, data.t) });
        ruler(data, data.t.length - 1);
      },
      async inpaint({ data, total }) {
        veil.load(data.input);
        if (!data.steps) { await inpaint.live({ film: data.film, step: data.step, total: total + 1 }); return; }
        await inpaint.show(data.film, { at: data.steps - 1, captions: data.seeds.map(seed => `seed ${seed}`), labels: Array.from({ length: data.steps }, (_, i) => `step ${i + 1} / ${data.steps}`) });
      },
      async between({ data, step, total }) {
        if (!data.labels) { await between.live({ film: data.film, step, total }); return; }
        await between.show(data.film, { at: data.labels.length - 1, labels: data.labels });
      },
      shortcut({ data }) { race.show(data); },
    };

    const digits = () => tab.fields.label.choices.length > 1 && tab.values.model.includes('mnist');
    const mode = values => {
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = section.dataset.mode !== values.mode;
      easel.turn(digits());
      sketches.turn(digits());
    };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode') || changed.includes('model')) mode(values);
      if (changed.includes('t') && forward.told) { forward.strip.go(nearest(forward.told.t, values.t), true); equation(forward.strip.index); }
      if (changed.includes('mask')) unveil(values.mask);
      if (changed.includes('model') && values.source === 'own') tab.set({ source: 'test' }, { draw: false });
      arrange();
    });
    tab.on('restore', values => { if (values.source === 'own' && values.drawing) easel.load(values.drawing); });
    tab.on('reply', (reply, asked) => { show[asked.mode]({ ...reply }, asked); });
    tab.on('file', upload);
    rows(tab.fields.scheduler.choices);
    terms();
    mode(tab.values);
    unveil(tab.values.mask);
    arrange();
  };
})();
