/* The autoregressive tab's stage: a picture played back pixel by pixel, branches, holes, surprise, and what a pixel sees. */
(() => {
  const { el, clamp } = pg;
  const COUNT = 500, MOST = 7, LISTED = 12;
  const PACES = { slow: 12, steady: 60, fast: 320, instant: Infinity };  // pixels a second
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

    /* ------------------------------------------------------------ watch */

    const watched = { lane: null, dice: null, film: null, now: 0, clock: 0, was: null, wish: false };
    const die = part('die');
    const screen = board(part('watch'), { label: 'The picture as it is drawn. Arrow keys go back and forth, space plays.',
      hover: i => look(i), leave: () => look(null), pick: i => reach(i), key: event => steer(event) });
    const chance = board(part('chance'), { label: 'Probability at each place', hover: i => look(i), leave: () => look(null),
      pick: i => reach(i), key: event => steer(event) });
    chance.element.tabIndex = -1;
    const play = el('button', { type: 'button', class: 'ar-play', onclick: () => toggle() });
    const slider = el('input', { type: 'range', min: 0, max: 784, value: 784, 'aria-label': 'How much is drawn' });
    const count = el('output', { class: 'pg-count' });
    const paces = Object.keys(PACES).map(name => el('button', { type: 'button', 'aria-pressed': 'false', onclick: () => tab.set({ pace: name }, { draw: false }) }, name));
    part('transport').append(play, slider, count, el('div', { class: 'ar-segment', role: 'group', 'aria-label': 'Speed' }, ...paces));
    slider.addEventListener('input', event => { event.stopPropagation(); stop(); go(+slider.value); tellPlace(); });
    part('transport').addEventListener('keydown', event => { if (event.key === ' ' && event.target === slider) { event.preventDefault(); toggle(); } });

    let pointed = null;
    const reach = i => { if (watched.lane) { stop(); go(watched.lane.place[i] + 1); tellPlace(); } };
    const look = i => { pointed = i; paintDie(); };
    const steer = event => {
      const { lane, now } = watched;
      if (!lane) return false;
      const jump = event.shiftKey ? lane.w : 1;
      const to = { ArrowLeft: now - jump, ArrowRight: now + jump, ArrowUp: now - lane.w, ArrowDown: now + lane.w, Home: 0, End: lane.total }[event.key];
      if (event.key === ' ') { toggle(); return true; }
      if (to === undefined) return false;
      stop(); go(to); tellPlace();
      return true;
    };
    const paintFilm = () => {
      const { lane, film, now } = watched;
      if (!lane) return;
      const ahead = lane.order.slice(now), values = tab.values;
      screen.show(lane.w, lane.h, tools => {
        if (lane.coded) {
          const { pen, width, height } = tools;
          pen.imageSmoothingEnabled = false;
          pen.drawImage(film.image, now % film.columns * film.w, Math.floor(now / film.columns) * film.h, film.w, film.h, 0, 0, width, height);
        } else tools.pen.drawImage(watched.picture, 0, 0, tools.width, tools.height);
        unknown(tools, ahead);
        if (now && now < lane.total) ring(tools, lane.order[now - 1]);
      });
      chance.show(lane.w, lane.h, tools => {
        tools.pen.drawImage(watched.chances, 0, 0, tools.width, tools.height);
        unknown(tools, ahead);
        if (now && now < lane.total) ring(tools, lane.order[now - 1]);
      });
      chance.note.textContent = lane.coded ? 'How likely each word was that was drawn: white is certain, black one in ten thousand.'
        : `The odds of white at each pixel${values.temperature === 1 ? '' : `, at temperature ${values.temperature.toFixed(2)}`}, just before it was drawn.`;
      slider.max = lane.total;
      slider.value = now;
      const unit = lane.coded ? 'word' : 'pixel';
      count.textContent = `${unit} ${now} of ${lane.total}`;
      slider.setAttribute('aria-valuetext', now ? `${count.textContent}, ${where(lane.order[now - 1], lane.w)}` : 'nothing drawn yet');
      screen.say(slider.getAttribute('aria-valuetext'));
      paintDie();
    };
    const paintDie = () => {
      const { lane, dice, now } = watched;
      if (!lane) return;
      const at = pointed !== null ? pointed : now ? lane.order[now - 1] : null;
      if (at === null || (pointed === null && now === lane.total)) {
        die.replaceChildren(el('p', { class: 'pg-caption' }, now ? `Point at a ${lane.coded ? 'patch' : 'pixel'} to see its odds${lane.coded ? '' : ' and its die'}, or press play.` : 'Nothing is drawn yet.'));
        return;
      }
      if (lane.place[at] >= now) { die.replaceChildren(el('h3', {}, large(where(at, lane.w))), el('p', { class: 'pg-caption' }, 'Not drawn yet: its odds depend on what comes before.')); return; }
      const head = el('h3', {}, `${large(where(at, lane.w))}: ${lane.coded ? `word ${lane.value[at]}` : colour(lane.value[at])}`);
      if (lane.coded) { die.replaceChildren(head, el('ol', { class: 'ar-choices' }, ...listed(lane, at, null, 4))); return; }
      const [[, white]] = lane.odds(at, tab.values), fell = dice[at];
      const bar = el('div', { class: 'ar-odds', 'aria-hidden': 'true' }, el('i', {}), el('u', {}));
      bar.firstChild.style.width = `${100 * white}%`;
      bar.lastChild.style.left = `${100 * fell}%`;
      die.replaceChildren(head, bar, el('p', { class: 'pg-caption' },
        `The white part is ${per(white)} of the bar. The die fell at ${(100 * fell).toFixed(0)} of 100${(white > 0.5) === !!lane.value[at] ? '' : ', against the odds'}: ${colour(lane.value[at])}.`));
    };
    const go = to => { watched.now = clamp(Math.round(to), 0, watched.lane?.total ?? 0); paintFilm(); };
    const tellPlace = () => {
      const { lane, now } = watched;
      if (!lane) return;
      if (now >= lane.total) { tab.say(tab.last.sentence); return; }
      if (!now) { tab.say('Nothing is drawn yet. The first pixel has no others before it to go by.'); return; }
      const i = lane.order[now - 1], p = lane.chance(i, tab.values);
      tab.say(`${lane.coded ? 'Word' : 'Pixel'} ${now} of ${lane.total}, ${where(i, lane.w)}: ${lane.coded ? `word ${lane.value[i]}` : colour(lane.value[i])}, which the network had given a chance of ${per(p)} after looking at the ${now - 1} before it.`);
    };
    const button = () => { play.textContent = watched.clock ? 'Pause' : 'Play'; play.setAttribute('aria-label', watched.clock ? 'Pause' : 'Play from here'); };
    const stop = () => { cancelAnimationFrame(watched.clock); watched.clock = 0; button(); };
    const run = () => {
      const { lane } = watched, speed = () => PACES[tab.values.pace] * (lane.coded ? 0.12 : 1);
      let at = watched.now, before = performance.now();
      const beat = time => {
        at += speed() * Math.max(0, time - before) / 1000;
        before = time;
        go(Math.min(at, lane.total));
        if (watched.now >= lane.total || tab.values.mode !== 'watch') { stop(); tellPlace(); return; }
        watched.clock = requestAnimationFrame(beat);
      };
      if (PACES[tab.values.pace] === Infinity) { go(lane.total); tellPlace(); return; }
      watched.clock = requestAnimationFrame(beat);
      button();
    };
    const toggle = () => {
      if (!watched.lane) return;
      if (watched.clock) { stop(); tellPlace(); return; }
      if (watched.now >= watched.lane.total) go(0);
      run();
    };
    const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
    /** Another picture is played from its first pixel; the same dice at another temperature stay where they are. */
    const showWatch = async (reply, asked) => {
      const { data, facts } = reply;
      const key = [facts.model, asked.seed, asked.label, asked.order].join('|'), fresh = watched.was !== null && watched.was !== key;
      const lane = unpack(data, data.kind === 'codes' ? { codes: data.codes, logits: data.logits } : data.lane);
      if (lane.coded) {
        const image = await pg.image(data.film.src);
        patches = await atlas(facts.model);
        if (reply !== tab.last) return;  // a newer picture has come while this one was unpacked
        watched.film = { ...data.film, image };
      } else watched.dice = floats(data.dice);
      body.querySelector('.ar-watch').classList.toggle('ar-coded', lane.coded);
      const atEnd = !watched.lane || watched.now >= watched.lane.total;
      Object.assign(watched, { lane, was: key });
      if (!lane.coded) watched.picture = greys(lane.w, lane.h, i => lane.value[i]);
      watched.chances = greys(lane.w, lane.h, i => (lane.coded ? 1 + Math.log10(Math.max(lane.chance(i, asked), 1e-4)) / 4 : lane.odds(i, asked)[0][1]));
      if (fresh && !calm()) { stop(); go(0); run(); } else go(atEnd ? lane.total : watched.now);
    };

    /* ------------------------------------------------------------ branch */

    const tree = { lanes: [], focus: null };
    const canvas = board(part('branch'), { label: 'The picture. Arrow keys go from place to place, B puts the other value there.',
      hover: i => { tree.focus = i; paintBranch(); }, leave: () => { tree.focus = null; paintBranch(); },
      pick: i => hold(i) });
    const hold = i => { tree.focus = null; tab.set({ pixel: i }, { draw: false }); paintBranch(); };
    const unsure = board(part('unsure'), { label: 'Where the network was least sure', caption: 'Bright: here it could have gone otherwise. Press to go there.',
      hover: i => { tree.focus = i; paintBranch(); }, leave: () => { tree.focus = null; paintBranch(); }, pick: i => hold(i) });
    unsure.element.tabIndex = -1;
    const entries = () => {
      let list;
      try { list = JSON.parse(tab.values.branches); } catch { list = null; }
      return Array.isArray(list) ? list : [];
    };
    const active = () => tree.lanes[clamp(tab.values.lane, 0, tree.lanes.length - 1)];
    /** Nats of doubt at each place (the entropy of its distribution), worked out once per lane and setting. */
    const doubts = lane => {
      const { temperature, top_k, top_p } = tab.values, key = [temperature, top_k, top_p].join();
      if (lane.key !== key) Object.assign(lane, { key, doubt: lane.order.map((_, i) => lane.odds(i, tab.values).reduce((sum, [, p]) => sum - (p > 0 ? p * Math.log(p) : 0), 0)) });
      return lane.doubt;
    };
    /** Where the hand rests: the place chosen, or the one at which the network was least sure. */
    const pinned = lane => (tab.values.pixel >= 0 ? Math.min(tab.values.pixel, lane.total - 1) : lane.home ??= doubts(lane).reduce((best, d, i, all) => (d > all[best] ? i : best), 0));
    const picture = (tools, lane) => {
      if (lane.coded) { if (lane.image) tools.pen.drawImage(lane.image, 0, 0, tools.width, tools.height); } else tools.pen.drawImage(lane.small, 0, 0, tools.width, tools.height);
    };
    const paintBranch = () => {
      const lane = active();
      if (!lane?.logits) return;
      const home = pinned(lane), i = tree.focus ?? home, n = lane.place[i];
      canvas.at = home;
      canvas.show(lane.w, lane.h, tools => {
        picture(tools, lane);
        const { pen, width, height } = tools;
        pen.save();
        pen.globalAlpha = 0.72;
        unknown(tools, lane.order.slice(n + 1));
        pen.restore();
        if (lane.from >= 0) ring(tools, lane.at, true);
        if (i !== home) { pen.globalAlpha = 0.5; ring(tools, home); pen.globalAlpha = 1; }
        ring(tools, i);
      });
      part('unsure').hidden = lane.coded;  // the list of words takes its place
      if (!lane.coded) {
        const doubt = doubts(lane), shades = greys(lane.w, lane.h, n => (doubt[n] / Math.LN2) ** 0.7);
        unsure.show(lane.w, lane.h, tools => { tools.pen.drawImage(shades, 0, 0, tools.width, tools.height); ring(tools, i); });
      }
      canvas.note.textContent = lane.from >= 0 ? 'Hatched: drawn later, unknown to this place. Dashed: where the branch left.' : 'Hatched: drawn later, and unknown to this place.';
      const first = lane.odds(i, tab.values);
      canvas.say(`${where(i, lane.w)}: ${first.slice(0, 2).map(([v, p]) => `${lane.coded ? `word ${v}` : colour(v)} ${per(p)}`).join(', ')}`);
      part('choice-title').textContent = `${large(where(i, lane.w))}, after ${n} ${lane.coded ? 'words' : 'pixels'}`;
      part('choices').replaceChildren(...listed(lane, i, value => leave(i, value)));
      const full = entries().length >= MOST;
      part('choice-note').textContent = full ? `At most ${MOST} branches. Remove one first.`
        : `${tree.focus !== null && i !== home ? 'Press here to hold this place. ' : ''}Choose ${lane.coded ? 'another word' : 'the other value'}, or press B, to branch here.`;
    };
    const leave = (at, value) => {
      const list = entries(), lane = active();
      if (value === lane.value[at]) { tab.say(`${large(where(at, lane.w))} already is ${lane.coded ? `word ${value}` : colour(value)}. Choose another value to leave from here.`); return; }
      if (list.length >= MOST) { tab.say(`At most ${MOST} branches fit. Remove one first.`); return; }
      list.push({ from: clamp(tab.values.lane, 0, tree.lanes.length - 1), at, value });
      tab.set({ branches: JSON.stringify(list), lane: list.length, pixel: at });
    };
    const flip = () => {
      const lane = active();
      if (!lane?.logits) return;
      const i = tree.focus ?? pinned(lane), other = lane.odds(i, tab.values).find(([v]) => v !== lane.value[i]);
      leave(i, other ? other[0] : lane.coded ? (lane.value[i] + 1) % lane.kinds : 1 - lane.value[i]);
    };
    const remove = number => {
      const list = entries(), gone = new Set([number]), order = [0], kept = [];
      list.forEach((entry, i) => {
        if (gone.has(entry.from)) gone.add(i + 1);
        if (gone.has(i + 1)) return;
        kept.push({ ...entry, from: order[entry.from] });
        order[i + 1] = kept.length;
      });
      tab.set({ branches: JSON.stringify(kept), lane: order[list[number - 1].from] ?? 0 });
    };
    const again = () => {
      const list = entries(), seed = crypto.getRandomValues(new Uint32Array(1))[0] % 100000, { lane } = tab.values;
      if (tab.locked) return;
      if (lane && list[lane - 1]) { list[lane - 1].seed = seed; tab.set({ branches: JSON.stringify(list) }); } else tab.set({ seed, branches: '[]', lane: 0, pixel: -1 });
    };
    const trunk = el('button', { type: 'button', onclick: () => remove(tab.values.lane) }, 'Remove this branch');
    part('lane-buttons').append(el('button', { type: 'button', title: 'Other dice for what comes after the branch (R)', onclick: () => again() }, 'Roll again'), trunk);
    const showBranch = async reply => {
      const { data, facts } = reply, lanes = data.lanes.map(lane => unpack(data, lane));
      await Promise.all(lanes.map(async lane => {
        if (lane.coded) lane.image = await pg.image(lane.picture);
        else lane.small = greys(lane.w, lane.h, i => lane.value[i]);
      }));
      if (data.kind === 'codes') patches = await atlas(facts.model);
      if (reply !== tab.last) return;
      Object.assign(tree, { lanes, focus: null });
      drawLanes();
      paintBranch();
    };
    const drawLanes = () => {
      const now = clamp(tab.values.lane, 0, tree.lanes.length - 1);
      const focused = part('lanes').contains(document.activeElement);
      part('lanes').replaceChildren(...tree.lanes.map((lane, i) => {
        const small = el('canvas', { width: lane.coded ? 64 : 84, height: lane.coded ? 64 : 84, 'aria-hidden': 'true' }), pen = small.getContext('2d');
        pen.imageSmoothingEnabled = false;
        pen.drawImage(lane.coded ? lane.image : lane.small, 0, 0, small.width, small.height);
        if (lane.from >= 0) ring({ pen, box: n => [n % lane.w * small.width / lane.w, Math.floor(n / lane.w) * small.height / lane.h, small.width / lane.w, small.height / lane.h] }, lane.at);
        const what = lane.coded ? `word ${lane.value[lane.at]}` : colour(lane.value[lane.at]);
        const text = i ? `${i}: from ${lane.from || 'the first'}, ${what} in ${where(lane.at, lane.w)}` : 'The first picture';
        return el('li', {}, el('button', { type: 'button', 'aria-pressed': String(i === now), title: text, 'aria-label': text, onclick: () => tab.set({ lane: i }, { draw: lane.coded }) }, small,
          el('span', {}, i ? `${lane.from ? `${lane.from} → ` : ''}${i}` : 'first')));
      }));
      if (focused) part('lanes').querySelectorAll('button')[now]?.focus();
      trunk.disabled = !now;
      trunk.title = now ? 'And whatever left from it' : 'This is the picture all branches leave from.';
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

    /* ------------------------------------------------------------ complete */

    const SIDES = { top: 'Top', bottom: 'Bottom', left: 'Left', right: 'Right', brush: 'Brush' };
    const sides = Object.entries(SIDES).map(([name, text]) => el('button', { type: 'button', 'aria-pressed': 'false', 'data-hole': name, onclick: () => {
      if (name === 'brush' && !tab.values.mask) { veil.clear(); tab.set({ hole: 'brush' }, { draw: false }); tab.say('Paint over the part that is to be made up.'); } else tab.set({ hole: name });
    } }, text));
    part('holes').append(...sides);
    const exported = surface => {
      const flat = el('canvas', { width: 64, height: 64 }), pen = flat.getContext('2d');
      pen.fillRect(0, 0, 64, 64);
      pen.drawImage(surface, 0, 0, 64, 64);
      return flat.toDataURL('image/png');
    };
    const veil = pg.drawPad(part('mask'), { label: 'Paint over what is to be made up', mask: true, width: 40, change: (uri, done) => {
      if (uri && done) tab.set({ hole: 'brush', mask: exported(veil.canvas) });
      if (!uri) tab.say('Nothing is covered. Paint over the part that is to be made up, or choose a side.');
    } });
    let veiled = '';
    /** Shows what the server took for the hole, unless the hand is still painting. */
    const unveil = async uri => {
      if (uri === veiled || tab.values.hole === 'brush' && !veil.empty) return;
      const image = await pg.image(uri);
      veiled = uri;
      const small = el('canvas', { width: image.width, height: image.height }), pen = small.getContext('2d');
      pen.drawImage(image, 0, 0);
      const bits = pen.getImageData(0, 0, image.width, image.height);
      for (let i = 0; i < bits.data.length; i += 4) { bits.data[i + 3] = bits.data[i]; bits.data.fill(255, i, i + 3); }
      pen.putImageData(bits, 0, 0);
      veil.clear();
      const paper = veil.canvas.getContext('2d');
      paper.imageSmoothingEnabled = false;
      paper.drawImage(small, 0, 0, veil.canvas.width, veil.canvas.height);
    };
    sources(part('own-complete'), true);
    const under = el('ol', { class: 'ar-under', 'aria-hidden': 'true' });
    const endings = pg.sheet(part('endings'), { label: 'Ending', pick: async i => {
      const image = await pg.image(tab.last.data.sheet), { columns, seeds } = tab.last.data;
      const w = image.width / columns, h = image.height / Math.ceil(seeds.length / columns), one = el('canvas', { width: w, height: h });
      one.getContext('2d').drawImage(image, i % columns * w, Math.floor(i / columns) * h, w, h, 0, 0, w, h);
      tab.set({ mode: 'surprise', source: 'own', drawing: one.toDataURL('image/png') });
    } });
    endings.element.append(under);
    const showComplete = ({ data }) => {
      veil.load(data.input);
      unveil(data.hole);
      const told = data.cells || [];
      const labels = data.seeds.map((seed, i) => `Ending ${i + 1}, seed ${seed}${told[i]?.label ? `, read as ${told[i].label}, ${told[i].nats} nats` : ''}. Show where it surprises`);
      endings.show({ src: data.sheet, n: data.seeds.length, columns: data.columns, labels });
      endings.mark(-1);
      under.replaceChildren(...data.seeds.map((_, i) => el('li', {}, ...(told[i]?.label ? [`“${told[i].label}” `, el('span', {}, `${told[i].nats.toFixed(0)} nats`)] : []))));
      part('endings-caption').textContent = `Eight endings${told[0]?.label ? ', what each is read as, and its cost' : ''}. Choose one to see where it surprises.`;
      part('endings-note').textContent = data.why;
    };

    /* ------------------------------------------------------------ surprise */

    const heat = { data: null };
    const map = board(part('heat'), { label: 'Surprise of each place. Arrow keys go from place to place.', hover: i => point(i), leave: () => point(null), pick: i => point(i) });
    sources(part('own-surprise'), false);
    const classes = pg.bars(part('classes'), { label: 'Probability of each class', unit: ' %', digits: 0 });
    const orders = pg.bars(part('orders'), { label: 'Nats of the same picture in each order', unit: ' nats', digits: 1 });
    part('legend').append(el('i', { 'aria-hidden': 'true' }), el('span', {}), el('span', {}), el('span', {}));
    const point = i => {
      const { data } = heat;
      if (!data) return;
      heat.at = i;
      map.redraw();
      const { nats, w, labels } = data, coded = data.kind === 'codes';
      if (i === null) part('here').textContent = `Point at a ${coded ? 'patch' : 'pixel'} to read its surprise${labels.length ? ', and what the network thinks it is by then' : ''}.`;
      else {
        const p = Math.exp(-nats[i]);
        part('here').textContent = `${large(where(i, w))}: ${coded ? 'its word' : colour(data.bits[i] === '1')} had a chance of ${per(p)}, ${nats[i].toFixed(2)} nats.`;
        map.say(part('here').textContent);
      }
      part('classes-box').hidden = !labels.length;
      if (labels.length) {
        const n = (i === null ? nats.length : i + 1) - 1;
        part('classes-title').textContent = i === null ? 'Which class makes it likeliest?' : `What it takes it for after ${n + 1} pixels`;
        const shares = labels.map((label, k) => ({ label, value: 100 * data.posterior[n * labels.length + k] / 255 }));
        classes.show(shares, { max: 100 });
      }
    };
    const showSurprise = async reply => {
      const { data } = reply, coded = data.kind === 'codes', image = await pg.image(data.input);
      if (reply !== tab.last) return;
      heat.data = { ...data, nats: floats(data.nats), posterior: data.posterior && bytes(data.posterior) };
      const { nats } = heat.data, most = coded ? data.most : 4;
      const glow = cells(data.w, data.h, i => [249, 115, 22, (coded ? 190 : 235) * clamp(nats[i] / most, 0, 1) ** (coded ? 1.5 : 0.8)]);
      map.show(data.w, data.h, tools => {
        const { pen, width, height } = tools;
        pen.fillStyle = '#000';
        pen.fillRect(0, 0, width, height);
        pen.globalAlpha = coded ? 0.8 : 0.7;
        pen.drawImage(image, 0, 0, width, height);
        pen.globalAlpha = 1;
        pen.drawImage(glow, 0, 0, width, height);
        if (heat.at != null) ring(tools, heat.at);
      });
      map.note.textContent = coded ? 'The brighter the orange, the less the network expected this patch after those before it.'
        : 'The brighter the orange, the less the network expected this pixel after those before it.';
      const words = part('legend').querySelectorAll('span');
      ['sure', coded ? '' : 'coin toss (0.7 nats)', coded ? `blind guess (${most.toFixed(1)} nats)` : 'shock (4 nats and more)'].forEach((text, i) => { words[i].textContent = text; });
      part('figures').replaceChildren(...[
        [data.total.toFixed(1), 'nats in all'],
        coded ? [(data.total / nats.length).toFixed(1), 'nats a word'] : [data.bpd.toFixed(3), 'bits per dimension'],
        ...(data.usual ? [[data.usual.toFixed(1), 'nats, a usual digit']] : []),
      ].map(([number, text]) => el('div', {}, el('strong', {}, number), el('span', {}, text))));
      part('protocol').textContent = coded ? 'Exact for the 64 words of the face, told by an encoder; not a likelihood of its pixels.'
        : `Exact −log p(x)${data.labels.length ? (tab.shown.told === tab.rest('told') ? ', every class equally likely' : `, told it is a ${tab.shown.told}`) : ''}. Each pixel is black or white (grey above ½ is white). Bits per dimension = nats / (${nats.length} ln 2).`;
      const { names = [], model } = data.orders;
      part('orders').hidden = !names.length;
      orders.show(names.map((label, k) => ({ label, value: data.orders.nats[k] })));
      part('orders-note').textContent = names.length ? `By the network “${model}”, which has learned them all. The same picture, the same pixels: only the order of the questions differs.`
        : coded ? 'The words of faces are learned in one order only.' : 'No network here has learned other orders than row by row.';
      point(map.element.matches(':hover') ? heat.at ?? null : null);
    };

    /* ------------------------------------------------------------ what it sees */

    const PANELS = { first: 'The first PixelCNN', gated: 'The gated PixelCNN', own: 'The trained network' };
    const choosePlace = i => { const w = tab.last?.data.w || 28; tab.set({ row: Math.floor(i / w), col: i % w }); };
    const panels = Object.fromEntries(Object.entries(PANELS).map(([name, title]) => {
      const host = el('section', { 'aria-label': title }, el('h3', {}, title));
      part('fields').append(host);
      const made = board(host, { label: `${title}: choose a pixel with the pointer or the arrow keys`, pick: choosePlace, drag: true });
      const kernel = el('div', { class: 'ar-kernels', 'aria-hidden': 'true' });
      host.append(kernel);
      return [name, { ...made, kernel }];
    }));
    part('key').append(...[['seen', 'seen'], ['blind', 'blind spot: drawn before, never seen'], ['far', 'drawn before, too far away'], ['next', 'not drawn yet']]
      .map(([name, text]) => el('li', {}, el('i', { class: `ar-${name}`, 'aria-hidden': 'true' }), text)));
    /** One window of a layer; `open(r, c)` says which of its cells are looked at. */
    const small = (k, text, open) => {
      const grid = el('div', { class: 'ar-kernel' }, ...Array.from({ length: k * k }, (_, i) => el('i', { class: open(Math.floor(i / k), i % k) })));
      grid.style.setProperty('--k', k);
      return el('figure', {}, grid, el('figcaption', {}, text));
    };
    const showSees = ({ data }, asked) => {
      const { w, h, row, col, fields, before } = data, k = +asked.kernel, m = k >> 1, at = row * w + col;
      const page = greys(w, h, i => (data.bits[i] === '1' ? 0.92 : 0.1));
      const sees = name => i => fields[name][i] === '1';
      for (const name of Object.keys(PANELS)) {
        const seen = sees(name), reach = sees('gated'), all = Array.from({ length: w * h }, (_, i) => i);
        const teal = cells(w, h, i => [20, 184, 166, seen(i) ? 160 : 0]);
        panels[name].at = at;
        panels[name].show(w, h, tools => {
          tools.pen.drawImage(page, 0, 0, tools.width, tools.height);
          tools.pen.drawImage(teal, 0, 0, tools.width, tools.height);
          if (name === 'first') hatch(tools, all.filter(i => reach(i) && !seen(i)), 'rgb(249 115 22 / .8)', '#7c2d12', 5);
          unknown(tools, all.filter(i => i > at));
          ring(tools, at);
        });
        const n = all.filter(seen).length;
        panels[name].note.textContent = before ? `sees ${n} of the ${before} pixels before it` : 'nothing comes before the first pixel';
        panels[name].say(`${large(where(at, w))}: ${panels[name].note.textContent}`);
      }
      const past = (r, c) => (r < m || r === m && c < m ? 'ar-on' : r === m && c === m ? 'ar-mid' : '');
      panels.first.kernel.replaceChildren(small(k, 'one masked window', past));
      panels.gated.kernel.replaceChildren(small(k, 'rows above', r => (r < m ? 'ar-on' : '')), small(k, 'and the row itself', (r, c) => (r === m && c < m ? 'ar-on' : r === m && c === m ? 'ar-mid' : '')));
      panels.own.kernel.replaceChildren(el('p', { class: 'pg-caption' }, `${data.title}: traced back through its own weights.`));
    };

    /* ------------------------------------------------------------ all modes */

    const HINTS = {
      watch: 'Space plays, ← and → go pixel by pixel, R rolls other dice. Change the temperature: the dice stay, the odds move.',
      branch: 'Point at a place, press to hold it, and choose another value (or press B). R rolls the rest again.',
      complete: 'Cover a side or paint over a part. The network makes it up eight times. R rolls other dice.',
      surprise: 'Point at the picture. Draw something that is no digit, or upload a picture. R takes another test picture.',
      'what it sees': 'Press anywhere on the pictures, then add layers: the blind spot of the first PixelCNN does not go away.',
    };
    const show = { watch: showWatch, branch: showBranch, complete: showComplete, surprise: showSurprise, 'what it sees': showSees };
    const mode = values => {
      tab.hint = HINTS[values.mode];
      tab.spec.streams = values.mode === 'complete';  // eight completions take seconds; all else is drawn at once
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = section.dataset.mode !== values.mode;
      if (values.mode !== 'complete' && tab.running) { tab.running.ticket = null; tab.stop(); }  // late rows are not shown
      if (values.mode !== 'watch') stop();
      tab.find('.pg-progress').hidden = values.mode !== 'complete';
    };
    const marks = values => {
      for (const one of paces) one.setAttribute('aria-pressed', one.textContent === values.pace);
      for (const one of sides) one.setAttribute('aria-pressed', one.dataset.hole === values.hole);
    };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) mode(values);
      marks(values);
      if (changed.includes('mask') || changed.includes('hole') && values.hole !== 'brush') veiled = '';
      if (values.mode === 'branch' && tree.lanes.length && (changed.includes('lane') || changed.includes('pixel'))) { drawLanes(); paintBranch(); }
      if (values.mode === 'branch' && ['temperature', 'top_k', 'top_p'].some(name => changed.includes(name))) paintBranch();  // at once; the pictures follow
    });
    tab.on('reply', (reply, asked) => { if (asked.mode === tab.values.mode) show[asked.mode](reply, asked); });
    tab.on('again', () => {
      const { mode: name, source } = tab.values;
      if (name === 'branch') again();
      else if (['surprise', 'what it sees'].includes(name) && source === 'test') anotherTest();
      else return false;
      return true;
    });
    tab.on('restore', () => { watched.was = null; veiled = ''; veil.clear(); });  // an old picture stands at once; the answer brings the hole
    tab.on('file', upload);
    document.addEventListener('keydown', event => {
      if (pg.active !== 'autoregressive' || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      if (pg.typing(target) && target.type !== 'range' || target.closest?.('[role=tab], [role=radiogroup], .pg-right')) return;
      if (event.key.toLowerCase() === 'b' && tab.values.mode === 'branch') { event.preventDefault(); flip(); }
      if (target === document.body && tab.values.mode === 'watch' && watched.lane && steer(event)) event.preventDefault();
    });
    button();
    mode(tab.values);
    marks(tab.values);
  };
})();
