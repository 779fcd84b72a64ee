/* The autoregressive tab: its stage, pictures of one's own, and what its modes share. A mode adds itself as
 * `pg.autoregressive.<mode> = kit => ({show, …})` in tab-autoregressive-<mode>.js. */
(() => {
  const { el, clamp } = pg;
  const COUNT = 500, LISTED = 12;
  const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const per = p => (p >= 0.9995 && p < 1 ? '> 99.9 %' : p < 0.0005 ? '< 0.1 %' : `${(100 * p).toFixed(p < 0.1 || p > 0.9 ? 1 : 0)} %`);
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const floats = text => new Float32Array(bytes(text).buffer);
  /** float16 numbers, as a network of codes sends them. */
  const halves = text => Float32Array.from(new Uint16Array(bytes(text).buffer), h => {
    const sign = h >> 15 ? -1 : 1, power = (h >> 10) & 31, rest = h & 1023;
    if (power === 31) return rest ? NaN : sign * Infinity;
    return sign * (power ? 2 ** (power - 25) * (1024 + rest) : 2 ** -24 * rest);
  });
  const sigmoid = v => 1 / (1 + Math.exp(-v));
  const where = (i, w) => `row ${Math.floor(i / w) + 1}, column ${(i % w) + 1}`;
  const large = text => text[0].toUpperCase() + text.slice(1);

  /** A canvas of w × h cells to point at. `paint` gets a pen and helpers; arrows move from cell to cell. */
  const board = (host, { label, caption = '', hover, leave, pick, drag, key }) => {
    const canvas = el('canvas', { 'aria-hidden': 'true' });
    const plane = el('div', { class: 'ar-board', tabindex: 0, role: 'application', 'aria-label': label }, canvas);
    const note = el('figcaption', {}, caption);
    host.append(el('figure', { class: 'ar-figure' }, plane, note));
    let w = 28, h = 28, at = 0, painter = null;
    const cell = event => {
      const box = plane.getBoundingClientRect();
      const c = clamp(Math.floor((event.clientX - box.left) / box.width * w), 0, w - 1);
      return clamp(Math.floor((event.clientY - box.top) / box.height * h), 0, h - 1) * w + c;
    };
    const redraw = () => {
      if (!plane.clientWidth || !painter) return;
      const [pen, width, height] = pg.sharp(canvas);
      pen.imageSmoothingEnabled = false;
      painter({ pen, width, height, box: i => [i % w * width / w, Math.floor(i / w) * height / h, width / w, height / h] });
    };
    const choose = i => { at = i; pick?.(i); };
    plane.addEventListener('pointerdown', event => { choose(cell(event)); });
    plane.addEventListener('pointermove', event => { if (drag && event.buttons & 1) choose(cell(event)); else if (event.pointerType !== 'touch') hover?.(cell(event)); });
    plane.addEventListener('pointerleave', event => { if (event.pointerType !== 'touch') leave?.(); });
    plane.addEventListener('keydown', event => {
      const way = ARROWS[event.key];
      if (key?.(event)) { /* done */ } else if (way) {
        choose(clamp(Math.floor(at / w) + way[0], 0, h - 1) * w + clamp(at % w + way[1], 0, w - 1));
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    new ResizeObserver(redraw).observe(plane);
    document.addEventListener('pg-theme', redraw);
    return {
      element: plane, redraw, note,
      say(text) { plane.setAttribute('aria-description', text); },
      set at(i) { at = i; },
      show(columns, rows, paint) { [w, h, painter] = [columns, rows, paint]; plane.style.aspectRatio = `${w} / ${h}`; redraw(); },
    };
  };

  /* ------------------------------------------------------------ things to paint */

  /** A small canvas with one colour per cell: `tint(i)` is [r, g, b, a] of bytes. */
  const cells = (w, h, tint) => {
    const canvas = el('canvas', { width: w, height: h }), pen = canvas.getContext('2d'), page = pen.createImageData(w, h);
    for (let i = 0; i < w * h; i++) page.data.set(tint(i), 4 * i);
    pen.putImageData(page, 0, 0);
    return canvas;
  };
  /** The same in greys: `shade(i)` is in [0, 1]. */
  const greys = (w, h, shade) => cells(w, h, i => { const v = Math.round(255 * clamp(shade(i), 0, 1)); return [v, v, v, 255]; });
  /** Hatching over cells: no meaning in colour alone. */
  const hatch = ({ pen, width, height, box }, cells, paper, line, step = 6) => {
    if (!cells.length) return;
    pen.save();
    pen.beginPath();
    for (const i of cells) { const [x, y, a, b] = box(i); pen.rect(x - 0.25, y - 0.25, a + 0.5, b + 0.5); }
    pen.clip();
    pen.fillStyle = paper;
    pen.fillRect(0, 0, width, height);
    pen.strokeStyle = line;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let d = -height; d < width; d += step) { pen.moveTo(d, height); pen.lineTo(d + height, 0); }
    pen.stroke();
    pen.restore();
  };
  const unknown = (tools, cells) => hatch(tools, cells, pg.css('--ar-open'), pg.css('--ar-open-line'));
  const ring = ({ pen, box }, i, dashed = false) => {
    const [x, y, a, b] = box(i), grow = Math.max(1.5, 5 - a / 4);
    for (const [colour, wide] of [['#111', 4.5], ['#fff', 2.5]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = wide;
      pen.setLineDash(dashed ? [3, 2] : []);
      pen.strokeRect(x - grow, y - grow, a + 2 * grow, b + 2 * grow);
    }
    pen.setLineDash([]);
  };

  /* ------------------------------------------------------------ what the network expected */

  /** Probabilities of a place after temperature, top k and top p, likeliest first: [[value, p], …]. */
  const weigh = (logits, { temperature: heat, top_k: k, top_p: top }) => {
    const best = logits.reduce((a, b) => Math.max(a, b), -Infinity), cold = Math.max(heat, 1e-4);
    const odds = Array.from(logits, (v, i) => [i, Math.exp((v - best) / cold)]).sort((a, b) => b[1] - a[1]);
    const sum = odds.reduce((a, [, p]) => a + p, 0);
    let total = 0;
    const nucleus = odds.slice(0, k).filter(([, p]) => { const before = total; total += p / sum; return before < top; });
    const whole = nucleus.reduce((a, [, p]) => a + p, 0);
    return nucleus.map(([i, p]) => [i, p / whole]);
  };

  const unpack = ({ kind, w, h, path, kinds }, lane) => {
    const total = w * h, order = path || Array.from({ length: total }, (_, i) => i), place = new Int32Array(total);
    order.forEach((i, n) => { place[i] = n; });
    const coded = kind === 'codes';
    return {
      ...lane, kind, w, h, total, order, place, coded,
      value: coded ? lane.codes : Array.from(lane.bits, Number),
      logits: lane.logits && (coded ? halves(lane.logits) : floats(lane.logits)),
      kinds: kinds || 2,
      /** [[value, p], …] of place i, likeliest first; a pixel has white and black. */
      odds(i, values) {
        if (coded) return weigh(this.logits.subarray(i * this.kinds, (i + 1) * this.kinds), values);
        const white = sigmoid(this.logits[i] / Math.max(values.temperature, 1e-6));
        return [[1, white], [0, 1 - white]];
      },
      chance(i, values) { return this.odds(i, values).find(([v]) => v === this.value[i])?.[1] ?? 0; },
    };
  };

  pg.autoregressive = {};
  pg.autoregressiveTools = { per, bytes, floats, where, large, board, cells, greys, unknown, hatch, ring, unpack };

  pg.stages.autoregressive = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const colour = v => (v ? 'white' : 'black');
    const atlases = {};
    /** The little pictures of a network's words, asked for once. */
    const atlas = model => (atlases[model] ??= tab.call('autoregressive_codes', { model }).then(async found => {
      if (!found?.src) { delete atlases[model]; return null; }
      return { ...found, image: await pg.image(found.src) };
    }));
    let patches = null;
    /** Has a network's words ready for `listed`. */
    const words = async model => { patches = await atlas(model); };
    const patch = value => {
      const canvas = el('canvas', { class: 'ar-patch', width: patches?.w || 8, height: patches?.h || 8, 'aria-hidden': 'true' });
      if (patches) canvas.getContext('2d').drawImage(patches.image, value % patches.columns * patches.w, Math.floor(value / patches.columns) * patches.h, patches.w, patches.h, 0, 0, patches.w, patches.h);
      return canvas;
    };
    /** Rows of a distribution: swatch, name, bar, share; buttons where one may be chosen. */
    const listed = (lane, i, choose, most = LISTED) => {
      const odds = lane.odds(i, tab.values), drawn = lane.value[i], top = odds[0]?.[1] || 1;
      const rows = odds.slice(0, most);
      if (!rows.some(([v]) => v === drawn)) rows.push([drawn, odds.find(([v]) => v === drawn)?.[1] ?? 0]);
      return rows.map(([value, p]) => {
        const name = lane.coded ? `word ${value}` : colour(value), bar = el('i', {});
        bar.style.width = `${100 * p / (lane.coded ? top : 1)}%`;
        const swatch = lane.coded ? patch(value) : el('span', { class: `ar-patch ar-${name}`, 'aria-hidden': 'true' });
        const inside = [swatch, el('span', {}, name), el('b', {}, bar), el('span', { class: 'ar-share' }, per(p)), el('em', {}, value === drawn ? 'drawn' : '')];
        if (!choose) return el('li', {}, el('div', { class: 'ar-choice' }, ...inside));
        return el('li', {}, el('button', { type: 'button', class: 'ar-choice', 'aria-pressed': String(value === drawn),
          title: value === drawn ? 'This is what was drawn' : 'Put this here and draw the rest again', onclick: () => choose(value) }, ...inside));
      });
    };

    /* ------------------------------------------------------------ pictures of one's own */

    const own = drawing => tab.set({ source: 'own', drawing });
    const upload = async file => {
      if (!['complete', 'surprise'].includes(tab.values.mode)) tab.set({ mode: 'surprise' }, { draw: false });
      if (file.size < 40_000) { own(await pg.fileUri(file)); return true; }
      const image = await pg.image(URL.createObjectURL(file)).catch(() => null);
      if (!image) { tab.error('That is not a picture this browser can open. Use a PNG, JPEG, WebP, GIF or BMP file.'); return true; }
      const scale = Math.min(1, 192 / Math.min(image.width, image.height));
      const page = el('canvas', { width: Math.max(2, image.width * scale), height: Math.max(2, image.height * scale) }), pen = page.getContext('2d');
      pen.fillStyle = '#fff';
      pen.fillRect(0, 0, page.width, page.height);
      pen.drawImage(image, 0, 0, page.width, page.height);
      own(page.toDataURL('image/jpeg', 0.9));
      return true;
    };
    const anotherTest = () => tab.set({ source: 'test', test: Math.floor(Math.random() * COUNT), drawing: '' });
    const digits = () => !(tab.last?.data.kind === 'codes' || tab.values.model.includes('faces'));
    /** Buttons under a picture, and the pad that "Draw one" unfolds. `shrink`: a digit keeps its place on the paper. */
    const sources = (host, shrink) => {
      const file = el('input', { type: 'file', accept: 'image/*', hidden: true, 'aria-label': 'Upload a picture' });
      file.addEventListener('change', () => { if (file.files[0]) upload(file.files[0]); file.value = ''; });
      const mono = el('div', {}), many = el('div', {}), sketch = el('div', { class: 'ar-sketch', hidden: true }, mono, many);
      const drawn = (pad, small) => (uri, done) => {
        if (!uri) { tab.say('The paper is empty. Draw something, or take a test picture.'); return; }
        if (!done) return;
        if (!small) { own(uri); return; }
        const page = el('canvas', { width: 28, height: 28 }), pen = page.getContext('2d');
        pen.imageSmoothingQuality = 'high';
        pen.drawImage(pad().canvas, 0, 0, 28, 28);
        own(page.toDataURL('image/png'));
      };
      const grey = pg.drawPad(mono, { label: 'Draw a digit or anything else', width: 24, change: drawn(() => grey, shrink) });
      const bright = pg.drawPad(many, { label: 'Draw a face', colour: true, paper: '#e8eef2', ink: '#7a4a2b', width: 18, change: drawn(() => bright, false) });
      const unfold = el('button', { type: 'button', 'aria-expanded': 'false', onclick: () => {
        sketch.hidden = !sketch.hidden;
        [mono.hidden, many.hidden] = [!digits(), digits()];
        unfold.setAttribute('aria-expanded', !sketch.hidden);
      } }, 'Draw one');
      host.append(el('button', { type: 'button', onclick: anotherTest }, 'Another test picture'), unfold,
        el('button', { type: 'button', onclick: () => file.click() }, 'Upload…'), file);
      host.after(sketch);
    };

    /* ------------------------------------------------------------ all modes */

    const HINTS = {
      watch: 'Space plays, ← and → go pixel by pixel, R rolls other dice. Change the temperature: the dice stay, the odds move.',
      branch: 'Point at a place, press to hold it, and choose another value (or press B). R rolls the rest again.',
      complete: 'Cover a side or paint over a part. The network makes it up eight times. R rolls other dice.',
      surprise: 'Point at the picture. Draw something that is no digit, or upload a picture. R takes another test picture.',
      'what it sees': 'Press anywhere on the pictures, then add layers: the blind spot of the first PixelCNN does not go away.',
    };
    const kit = { tab, body, part, colour, words, listed, sources };
    const modes = Object.fromEntries(Object.keys(HINTS).map(name => [name, pg.autoregressive[name](kit)]));
    const mode = values => {
      tab.hint = HINTS[values.mode];
      tab.spec.streams = values.mode === 'complete';  // eight completions take seconds; all else is drawn at once
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = section.dataset.mode !== values.mode;
      if (values.mode !== 'complete' && tab.running) { tab.running.ticket = null; tab.stop(); }  // late rows are not shown
      if (values.mode !== 'watch') modes.watch.stop();
      tab.find('.pg-progress').hidden = values.mode !== 'complete';
    };
    const state = (values, changed) => { for (const name of Object.keys(modes)) modes[name].state?.(values, changed); };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) mode(values);
      state(values, changed);
    });
    tab.on('reply', (reply, asked) => { if (asked.mode === tab.values.mode) modes[asked.mode].show(reply, asked); });
    tab.on('again', () => {
      const { mode: name, source } = tab.values;
      if (name === 'branch') modes.branch.again();
      else if (['surprise', 'what it sees'].includes(name) && source === 'test') anotherTest();
      else return false;
      return true;
    });
    tab.on('restore', () => { for (const name of Object.keys(modes)) modes[name].restore?.(); });
    tab.on('file', upload);
    document.addEventListener('keydown', event => {
      if (pg.active !== 'autoregressive' || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      if (pg.typing(target) && target.type !== 'range' || target.closest?.('[role=tab], [role=radiogroup], .pg-right')) return;
      if (event.key.toLowerCase() === 'b' && tab.values.mode === 'branch') { event.preventDefault(); modes.branch.flip(); }
      if (target === document.body && tab.values.mode === 'watch' && modes.watch.steer(event)) event.preventDefault();
    });
    mode(tab.values);
    state(tab.values, []);
  };
})();
