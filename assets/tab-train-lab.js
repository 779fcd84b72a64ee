/* The laboratory: lanes that learn on the same clock. The page asks for one moment after the other, draws it and keeps it
 * for scrubbing; the plan of the run comes back with every answer and becomes the tab's state when the hand rests. */
(() => {
  const { el, clamp } = pg;
  const MOST_LANES = 4, MOST_MOMENTS = 400, SPOKEN = 4000, SLOW = 2500;  // ms between sentences, and between parts in slow motion
  const PLAN = ['seed', 'target', 'points', 'learners', 'settings', 'edits', 'updates'], FRESH = { edits: '', updates: '' };
  const PACES = [['part', 'Slow motion', 'One part of an update at a time, with words'], ['1', '1'], ['5', '5'], ['10', '10'], ['25', '25'], ['100', '100']];
  const ONLY = [['both', 'Both', 'Both learn'], ['generator', 'G only', 'Only the generator learns, the discriminator stands still'], ['discriminator', 'D only', 'Only the discriminator learns, the generator stands still']];
  const MEASURES = { times_floor: ['Wasserstein', '× perfect samples'], mmd: ['MMD', 'MMD²'], modes: ['Heaps', 'heaps covered'], kl: ['KL', 'nats, exact'] };
  const STYLES = [{ colour: '--pg-accent' }, { colour: '--pg-ink', dash: [6, 3] }, { colour: '--pg-quiet', dash: [2, 2] }, { colour: '--pg-warn', dash: [9, 3, 2, 3] }];
  const NEEDS = { gamma: 'relativistic', penalty: 'wasserstein penalty', clip: 'wasserstein clipped' };  // knobs of one loss alone
  const short = v => (v === null || v === undefined ? '–' : String(+(+v).toPrecision(3)));
  const frame = () => new Promise(requestAnimationFrame);
  const wait = ms => new Promise(resolve => setTimeout(resolve, ms));

  /* ------------------------------------------------------------------ the plan as lanes, see tabs/train/lab_plan.py */

  const split = (text, mark) => text.split(mark).filter(Boolean);
  const lanesOf = values => {
    const names = split(values.learners, ','), reached = split(values.updates || '0', ',');
    return names.map((learner, i) => ({
      learner, reached: reached[i] ?? reached[0],
      settings: split(values.settings, ';').filter(s => s[0] === String(i + 1)).map(s => s.slice(1)),
      edits: split(values.edits, ';').map(e => e.split(':')).filter(([, what]) => what[0] === String(i + 1)).map(([at, what]) => [at, what.slice(1)]),
    }));
  };
  const textsOf = lanes => {
    const reached = lanes.map(lane => lane.reached), same = reached.every(r => r === reached[0]);
    return {
      learners: lanes.map(lane => lane.learner).join(','),
      settings: lanes.flatMap((lane, i) => lane.settings.map(s => `${i + 1}${s}`)).join(';'),
      edits: lanes.flatMap((lane, i) => lane.edits.map(([at, what]) => `${at}:${i + 1}${what}`)).join(';'),
      updates: same ? (reached[0] === '0' ? '' : reached[0]) : reached.join(','),
    };
  };

  let panel = null, fill = () => {};
  pg.train.panel = element => { panel = element.querySelector('.tr-panel'); fill(); };

  pg.train.laboratory = ({ tab, part, press }) => {
    const families = Object.fromEntries(JSON.parse(part('learners').dataset.json).map(f => [f.name, f]));
    const ticket = [...crypto.getRandomValues(new Uint8Array(16))].map(b => b.toString(16).padStart(2, '0')).join('');
    const sprayBox = part('spray');
    const look = { arrows: 1, field: true, points: true };
    let lanes = [], ground = null, texts = null, base = null, lesson = null, ahead = false;  // what the bench is at
    let playing = null, pace = '5', only = 'both', seen = null, chosen = 0, measure = 'times_floor', spoken = 0, turns = 0, queue = Promise.resolve();
    const hint = 'Press Play, turn a knob while it runs, and look back with the slider. Space plays, → makes one step, ← looks back.';

    /* ---------------------------------------------------------------- asking */

    const send = (name, payload) => { const next = queue.then(() => tab.call(name, { ticket, ...payload })); queue = next.catch(() => null); return next; };
    const keyOf = values => JSON.stringify(PLAN.map(name => values[name]));
    const standing = () => (texts ? keyOf({ ...base, ...texts }) : '');
    const present = () => (ahead ? { ...tab.values, ...texts } : tab.values);  // the bench may have gone on from the state
    const ready = async () => (texts && standing() === keyOf(present())) || reach();
    /** Does something at the bench; one that was cleared away meanwhile is built again first. */
    const ask = async (name, payload) => {
      const turn = turns;
      let reply = await send(name, payload);
      if (turn !== turns) return null;  // another run was asked for meanwhile
      if (reply?.gone) {
        texts = null;
        reply = await reach() ? await send(name, payload) : null;
      }
      if (!reply) { halt(); return null; }
      ahead = true;
      take(reply);
      return reply;
    };

    /** Brings the bench to the state's run, however far that is; false if the visitor has moved on or it cannot be done. */
    const reach = async () => {
      const asked = { ...tab.values }, row = part('repeat');
      if (keyOf(asked) === standing()) return true;
      halt();
      const turn = ++turns;
      const begun = performance.now();
      for (let first = true; ; first = false) {
        const reply = await send('train_reach', { state: asked, first });
        if (!reply || turn !== turns || keyOf(tab.values) !== keyOf(asked)) { row.hidden = true; return false; }  // the visitor has moved on
        base = { seed: asked.seed, target: asked.target, points: asked.points };
        ahead = false;
        if (first) arrange(asked, reply);
        take(reply);
        if (reply.done) break;
        const left = (performance.now() - begun) / Math.max(1, reply.made) * (reply.of - reply.made) / 1000;
        row.hidden = false;
        row.querySelector('progress').value = reply.made / reply.of;
        row.querySelector('span').textContent = `Learning this run again: ${reply.made} of ${reply.of} updates, ${left.toFixed(0)} s left`;
        await frame();
        if (row.dataset.halt) break;
      }
      delete row.dataset.halt;
      row.hidden = true;
      tab.set(texts, { draw: false });
      show();
      fill();
      return true;
    };

    /* ---------------------------------------------------------------- what comes back */

    /** Lanes in the order of the state; what was recorded of a learner that stays is kept. */
    const arrange = (values, reply) => {
      ground = reply.ground || ground;
      const free = [...lanes];
      const base_ = JSON.stringify([values.seed, values.target, values.points]);
      lanes = lanesOf(values).map(({ learner, settings }) => {
        const key = `${base_} ${learner} ${settings}`, at = free.findIndex(lane => lane.key === key);
        return at >= 0 ? free.splice(at, 1)[0] : { key, family: families[learner], moments: [], between: null };
      });
      chosen = clamp(chosen, 0, lanes.length - 1);
      seen = null;
      build();
    };

    const take = reply => {
      ground = reply.ground || ground;
      texts = reply.texts;
      reply.lanes.forEach((newest, i) => {
        const lane = lanes[i];
        if (!newest || !lane) return;
        for (const moment of [...reply.past?.[i] || [], newest]) {
          lane.moments = lane.moments.filter(m => m.update < moment.update + !moment.whole);
          if (moment.whole) lane.moments.push(moment);
        }
        if (lane.moments.length > MOST_MOMENTS) lane.moments = [...lane.moments.slice(0, -1).filter((_, k) => k % 2 === 0), newest];
        lane.between = newest.whole ? null : newest;
        lane.now = newest;
      });
      lesson = reply.lesson;
      tab.hint = lesson ? lesson.says : hint;
      tab.lesson();
      const cure = part('cure');
      cure.hidden = !lesson?.cure;
      cure.textContent = lesson?.cure || '';
      if (!playing || performance.now() - spoken > (pace === 'part' ? SLOW - 500 : SPOKEN)) { spoken = performance.now(); tab.say(reply.sentence); }
      show();
    };

    /* ---------------------------------------------------------------- lanes on the page */

    const build = () => {
      const own = tab.values.target === 'sprayed';
      sprayBox.hidden = !own;
      const figures = lanes.map((lane, i) => {
        const canvas = el('canvas', { role: 'img', 'aria-label': lane.family.title });
        const title = el('button', { type: 'button', class: 'tr-name', 'aria-pressed': String(i === chosen), title: 'Show its knobs and losses', onclick: () => choose(i) }, lane.family.title);
        const again = el('button', { type: 'button', class: 'tr-small', title: `Another ${lane.family.title} beside it, to try other settings`, 'aria-label': `Another ${lane.family.title}`, disabled: lanes.length >= MOST_LANES, onclick: () => relane(list => [...list.slice(0, i + 1), structuredClone(list[i]), ...list.slice(i + 1)]) }, '+');
        const away = el('button', { type: 'button', class: 'tr-small', title: 'Take this lane away', 'aria-label': `Take ${lane.family.title} away`, disabled: lanes.length < 2, onclick: () => relane(list => list.filter((_, k) => k !== i)) }, '×');
        const box = el('div', { class: 'tr-square' }, canvas), numbers = el('p', { class: 'tr-numbers' }), caption = el('figcaption', {});
        const alarm = el('div', { class: 'tr-alarm', role: 'alert', hidden: true });
        box.append(alarm);
        Object.assign(lane, { canvas, title, numbers, caption, alarm, view: pg.train.lane(canvas, lane.family) });
        const who = el('div', { class: 'tr-segment tr-only', role: 'group', 'aria-label': 'Who learns' });
        lane.pressOnly = lane.family.name === 'gan' ? pg.train.segment(who, ONLY, value => { only = value; for (const other of lanes) other.pressOnly?.(value); }) : null;
        lane.pressOnly?.(only);
        return el('figure', { class: 'tr-lane' }, el('div', { class: 'tr-lane-head' }, title, ...(lane.pressOnly ? [who] : []), again, away), box, numbers, caption);
      });
      part('lanes').replaceChildren(...(own ? [sprayBox] : []), ...figures);
      part('lab').dataset.count = lanes.length + own;
      chips();
      fill();
    };

    const choose = i => {
      chosen = i;
      lanes.forEach((lane, k) => lane.title.setAttribute('aria-pressed', String(k === chosen)));
      fill();
      charts();
    };

    /** Changes the lanes: others keep what they have learned, a new one catches up. */
    const relane = change => { halt(); tab.set(textsOf(change(lanesOf(present())))); };

    const buttons = Object.values(families).map(family => el('button', { type: 'button', 'data-learner': family.name, onclick: event => {
      if (event.currentTarget.getAttribute('aria-disabled') === 'true') { tab.tell(event.currentTarget.title); return; }
      relane(list => (list.some(lane => lane.learner === family.name) ? list.filter(lane => lane.learner !== family.name)
        : [...list, { learner: family.name, settings: [], edits: [], reached: String(Math.max(...list.map(lane => parseInt(lane.reached, 10)))) }]));
    } }));
    part('chips').replaceChildren(...buttons);
    const chips = () => {
      const names = lanesOf(present()).map(lane => lane.learner);
      for (const button of buttons) {
        const family = families[button.dataset.learner], count = names.filter(name => name === family.name).length;
        const full = !count && names.length >= MOST_LANES, only_ = count === names.length;
        button.textContent = count > 1 ? `${family.title} ×${count}` : family.title;
        button.title = full ? 'Four lanes are the most. Take one away first.' : only_ ? 'At least one learner stays.' : family.paper;
        button.setAttribute('aria-pressed', String(count > 0));
        button.setAttribute('aria-disabled', String(full || only_));
      }
    };

    const last = lane => lane.moments[lane.moments.length - 1];
    const shownOf = lane => (seen === null ? lane.between || last(lane) : lane.moments.findLast(m => m.update <= seen) || lane.moments[0]);
    const marks = () => [...new Set(lanes.flatMap(lane => lane.moments.map(m => m.update)))].sort((a, b) => a - b);
    const clock = () => Math.max(0, ...lanes.map(lane => lane.now?.update ?? 0));

    const show = () => {
      if (!ground) return;
      for (const lane of lanes) {
        const moment = shownOf(lane);
        if (!moment) continue;
        lane.view.show(moment, ground, look);
        const { distances, force, update } = moment, exact = ground.exact;
        const said = [`update ${update}`, `${short(distances.times_floor)} ×`, `MMD² ${short(distances.mmd)}`];
        if ('modes' in distances) said.push(`${distances.modes} of ${exact.modes} heaps`);
        if ('kl' in distances) said.push(`KL ${short(distances.kl)}`);
        said.push(`force ${short(force)}`);
        lane.numbers.textContent = said.join(' · ');
        lane.canvas.setAttribute('aria-label', `${lane.family.title} at ${said.join(', ')}`);
        const clouds = Object.keys(moment.clouds).join(' and ');
        lane.caption.textContent = moment.part && seen === null ? `${moment.part}: ${moment.says}${clouds ? ` Circles: ${clouds}.` : ''}`
          : `${moment.means} ${look.arrows ? `Arrows: ${lane.family.arrows}` : ''}`;
        alarm(lane);
      }
      const places = marks(), slider = part('scrub'), at = seen === null ? places.length - 1 : places.findLastIndex(u => u <= seen);
      slider.max = Math.max(0, places.length - 1);
      slider.value = at;
      const rate = playing?.rate ? ` · ${playing.rate.toFixed(playing.rate < 10 ? 1 : 0)} a second` : '';
      part('clock').textContent = seen === null ? `update ${clock()}${rate}` : `update ${seen} of ${clock()}`;
      slider.setAttribute('aria-valuetext', part('clock').textContent);
      part('from').hidden = seen === null;
      part('now').hidden = seen === null;
      charts();
    };

    /** Over a lane that came to grief: why, and two ways on. */
    const alarm = lane => {
      const { trouble, mends, update } = lane.now || {}, text = seen === null && trouble || '';
      if (lane.alarm.dataset.said === text) return;
      lane.alarm.dataset.said = text;
      lane.alarm.hidden = !text;
      if (!text) { lane.alarm.replaceChildren(); return; }
      const i = lanes.indexOf(lane), [name, value] = Object.entries(mends)[0];
      const label = lane.family.knobs.find(knob => knob.name === name).label;
      lane.alarm.replaceChildren(el('p', {}, text), el('div', { class: 'tr-buttons' },
        el('button', { type: 'button', class: 'tr-go', onclick: async () => { if (await ask('train_turn', { lane: i, settings: mends })) { fill(); play(); } } }, `${label} back to ${short(value)}, and go on`),
        el('button', { type: 'button', onclick: async () => { await ask('train_rewind', { update }); commit(); } }, `Back to the last good state (${update})`)));
    };

    /* ---------------------------------------------------------------- curves */

    const far = pg.train.chart(part('far'), { label: 'Distance to the points' });
    const loss = pg.train.chart(part('loss'), { label: 'Losses' });
    let drawn = 0;
    const charts = pg.pump(async () => {
      const pause = 90 - (performance.now() - drawn);
      if (pause > 0) await wait(pause);
      drawn = performance.now();
      if (!ground || !lanes.length) return;
      const there = Object.keys(MEASURES).filter(name => lanes.some(lane => last(lane) && name in last(lane).distances));
      if (!there.includes(measure)) measure = there[0] || 'times_floor';
      if (part('measure').dataset.there !== String(there)) {
        part('measure').dataset.there = there;
        pressMeasure = pg.train.segment(part('measure'), there.map(name => [name, MEASURES[name][0]]), name => { measure = name; charts(0); });
      }
      pressMeasure(measure);
      const end = Math.max(50, clock()), best = ground.exact[measure === 'times_floor' ? 'times_floor' : measure] ?? 0;
      const log = measure === 'times_floor' || measure === 'kl';
      const lines = lanes.map((lane, i) => ({ ...STYLES[i], name: lanes.length > 1 ? lane.family.title : '', wide: i === chosen ? 2.2 : 1.4,
        values: lane.moments.filter(m => measure in m.distances).map(m => [m.update, m.distances[measure]]) }));
      const levels = measure === 'kl' ? [] : [{ y: best, label: measure === 'modes' ? `all ${best}` : `perfect samples: ${short(best)}` }];
      far.show({ lines, levels, log, x: [0, end], y: measure === 'modes' ? [0, best] : null, xname: 'updates' }, seen);
      const now = lanes.map(lane => `${lane.family.title} ${short(shownOf(lane)?.distances[measure])}`).join(', ');
      const says = `${MEASURES[measure][0]}, ${MEASURES[measure][1]}: ${now}; perfect samples ${measure === 'kl' ? '0' : short(best)}.`;
      part('far-note').textContent = says;
      far.say(says);
      const lane = lanes[chosen], names = [...new Set(lane.moments.flatMap(m => Object.keys(m.losses)))];
      loss.show({ lines: names.map((name, i) => ({ ...STYLES[i], name, values: lane.moments.map(m => [m.update, m.losses[name]]) })), x: [0, end], xname: 'updates' }, seen);
      const values = Object.entries(shownOf(lane)?.losses || {}).map(([name, v]) => `${name} ${short(v)}`).join(', ');
      part('loss-title').textContent = lanes.length > 1 ? `Losses of ${lane.family.title}` : 'Losses';
      part('loss-note').textContent = values ? `Now ${values}.` : 'Nothing learned yet.';
      loss.say(`Losses of ${lane.family.title}: ${values || 'none yet'}`);
    });
    let pressMeasure = () => {};

    press('curves', ({ currentTarget }) => {
      const open = part('curves').hidden;
      part('curves').hidden = !open;
      currentTarget.setAttribute('aria-expanded', String(open));
      if (!open) return;
      const box = document.getElementById('train-plot-box');
      if (box && !part('curves').contains(box)) {
        box.setAttribute('role', 'group');
        box.setAttribute('aria-label', 'Finished curves of all lanes, to zoom into and read off');
        part('curves').append(box);
      }
      plot();
    });
    const plot = () => { if (!part('curves').hidden) pg.trainPlot?.({ ticket, dark: pg.dark(), at: Date.now() }); };
    document.addEventListener('pg-theme', plot);

    /* ---------------------------------------------------------------- going on */

    /** Stops; what was reached becomes the state with `commit`. */
    const halt = () => {
      if (!playing) return;
      playing.over = true;
      playing = null;
      part('play').textContent = 'Play';
      part('play').setAttribute('aria-pressed', 'false');
    };
    const commit = () => { if (texts && ahead) tab.set(texts); fill(); plot(); };
    const pause = async () => { halt(); await queue; commit(); show(); };
    const move = () => (pace === 'part' ? ask('train_part', {}) : ask('train_play', { updates: +pace, only: only === 'both' ? null : only }));

    const play = async () => {
      if (playing) return;
      if (!(await ready()) || playing) return;
      const mine = playing = { over: false, rate: 0 };
      seen = null;
      part('play').textContent = 'Pause';
      part('play').setAttribute('aria-pressed', 'true');
      let before = performance.now(), next = move();
      while (!mine.over) {
        const reply = await next;
        if (mine.over) return;
        if (!reply || !part('lab').offsetParent || lanes.every(lane => lane.now?.trouble)) { pause(); return; }
        next = pace === 'part' ? null : move();  // it learns on while this moment is painted
        await frame();
        const now = performance.now();
        mine.rate = 0.8 * mine.rate + 0.2 * 1000 / (now - before);
        before = now;
        for (let waited = 0; !next && !mine.over && waited < SLOW; waited += 50) await wait(50);
        if (!mine.over) next ??= move();
      }
    };
    const toggle = () => (playing ? pause() : play());
    const step = async () => {
      halt();
      if (!(await ready())) return;
      seen = null;
      const reply = pace === 'part' ? await ask('train_part', {}) : await ask('train_play', { updates: 1, only: only === 'both' ? null : only });
      if (reply) commit();
    };
    const back = way => {
      const places = marks(), at = seen === null ? places.length - 1 : places.findLastIndex(u => u <= seen), to = clamp(at + way, 0, places.length - 1);
      if (playing) pause();
      seen = to >= places.length - 1 ? null : places[to];
      show();
    };

    part('play').setAttribute('aria-pressed', 'false');
    press('play', toggle);
    press('step', step);
    press('from', async () => { const update = seen; if (await ask('train_rewind', { update })) { seen = null; commit(); show(); } });
    press('now', () => { seen = null; show(); });
    press('start', () => {
      halt();
      tab.set(textsOf(lanesOf(present()).map((lane, i) => {
        const usual = Object.fromEntries(families[lane.learner].knobs.map(knob => [knob.name, knob.default]));
        const set = Object.entries(lanes[i]?.now?.settings || {}).filter(([name, value]) => value !== usual[name]);
        return { ...lane, reached: '0', edits: [], settings: set.map(([name, value]) => `.${name}=${value}`) };
      })));
    });
    press('cure', async () => { const was = playing; if (await ask('train_cure', {})) { fill(); if (!was) play(); } });
    press('halt', () => { part('repeat').dataset.halt = '1'; });
    part('scrub').addEventListener('input', event => { event.stopPropagation(); const places = marks(); if (playing) pause(); seen = +event.target.value >= places.length - 1 ? null : places[+event.target.value]; show(); });
    const pressPace = pg.train.segment(part('pace'), PACES, value => { pace = value; pressPace(value); });
    pressPace(pace);

    /* ---------------------------------------------------------------- knobs of the chosen lane */

    const turn = async (i, settings) => { if (await ask('train_turn', { lane: i, settings })) { if (!playing) commit(); else fill(); } else fill(); };
    fill = () => {
      const group = document.getElementById('train-group-knobs');
      if (group) group.hidden = tab.values.mode !== 'laboratory';
      const lane = lanes[chosen];
      if (!panel || !lane?.now) return;
      if (panel.contains(document.activeElement) && document.activeElement.matches('input') && panel.dataset.lane === `${chosen} ${lane.family.name}`) { refreshKnobs(lane); return; }
      panel.dataset.lane = `${chosen} ${lane.family.name}`;
      const number = lanes.length > 1 ? ` (lane ${chosen + 1})` : '';
      const reset = el('button', { type: 'button', class: 'pg-link', 'aria-label': `Reset the knobs of ${lane.family.title}`, onclick: () => turn(chosen, Object.fromEntries(lane.family.knobs.map(k => [k.name, k.default]).filter(([name, value]) => lane.now.settings[name] !== value))) }, 'Reset');
      const seeing = el('div', { class: 'tr-knob' });
      const arrows = el('div', { class: 'tr-segment', role: 'group', 'aria-label': 'Arrows' });
      const pressArrows = pg.train.segment(arrows, [['0', 'Off'], ['1', 'On'], ['10', '× 10']], value => { look.arrows = +value; pressArrows(value); show(); });
      pressArrows(look.arrows);
      const tick = (name, label) => el('button', { type: 'button', 'aria-pressed': String(look[name]), onclick: event => { look[name] = !look[name]; event.target.setAttribute('aria-pressed', String(look[name])); show(); } }, label);
      const ticks = el('div', { class: 'tr-segment', role: 'group', 'aria-label': 'Also drawn' }, tick('field', 'Colour'), tick('points', 'Points'));
      seeing.append(el('span', { class: 'tr-label' }, 'Arrows and colour'), el('div', { class: 'tr-buttons' }, arrows, ticks));
      panel.replaceChildren(el('div', { class: 'pg-group-head' }, el('h3', {}, `Knobs of ${lane.family.title}${number}`), reset),
        ...lane.family.knobs.map(knob => knobOf(lane, knob)), seeing);
      refreshKnobs(lane);
    };

    const knobOf = (lane, knob) => {
      const id = `tr-knob-${knob.name}`, i = () => lanes.indexOf(lane), builds = lane.family.rebuilds.includes(knob.name);
      const label = el('label', { class: 'tr-label', for: id, title: knob.info }, knob.label, ...(builds ? [el('i', { title: 'A new value builds new networks' }, ' new nets')] : []));
      if (knob.kind === 'choice') {
        const select = el('select', { id, onchange: event => turn(i(), { [knob.name]: event.target.value }) }, ...knob.choices.map(c => el('option', { value: c }, c)));
        return el('div', { class: 'tr-knob', 'data-knob': knob.name }, label, select, el('small', {}, knob.info));
      }
      const log = knob.name.startsWith('lr') || knob.high >= 1000;
      const floor = Math.max(knob.low, log ? (knob.low > 0 ? knob.low : 0.01) : knob.low), roof = knob.name.startsWith('lr') ? 1 : knob.high;
      const to = v => (log ? Math.log10(Math.max(v, floor)) : v), from = x => (log ? +(10 ** x).toPrecision(2) : +x);
      const slider = el('input', { type: 'range', min: to(floor), max: to(roof), step: log ? 0.05 : knob.step || 0.01, 'aria-label': `${knob.label}, slider` });
      const box = el('input', { id, type: 'text', inputmode: 'decimal', autocomplete: 'off' });
      const later = pg.later(250, () => turn(i(), { [knob.name]: from(slider.value) }));
      slider.addEventListener('input', event => { event.stopPropagation(); box.value = from(slider.value); later(); });
      box.addEventListener('change', () => turn(i(), { [knob.name]: box.value.trim() }));
      Object.assign(slider, { to });
      return el('div', { class: 'tr-knob', 'data-knob': knob.name }, label, box, slider, el('small', {}, knob.info));
    };

    const refreshKnobs = lane => {
      for (const [name, value] of Object.entries(lane.now.settings)) {
        const row = panel.querySelector(`[data-knob="${name}"]`);
        if (!row) continue;
        row.hidden = !!NEEDS[name] && lane.now.settings.loss !== NEEDS[name];
        const [select, box, slider] = ['select', 'input[type=text]', 'input[type=range]'].map(s => row.querySelector(s));
        if (select) select.value = value;
        if (box && box !== document.activeElement) box.value = value;
        if (slider && slider !== document.activeElement) slider.value = slider.to(value);
      }
    };

    /* ---------------------------------------------------------------- points of one's own */

    const pad = pg.train.sprayPad(sprayBox, { change: points => tab.set({ points, ...FRESH }) });

    /* ---------------------------------------------------------------- the tab */

    const [draw, input, save, reset] = [tab.drawNow, tab.input, tab.save, tab.reset].map(method => method.bind(tab));
    const here = () => tab.values.mode === 'laboratory';
    tab.drawNow = async () => {
      if (!here()) return draw();
      if (tab.values.target === 'sprayed' && !tab.values.points) tab.say('Spray some points on the pad: drag over it, or move with the arrow keys and press space.');
      else if (await reach()) return draw();
      tab.failed = true;
    };
    /* A run belongs to its points and its seed: with others it begins anew. */
    tab.input = (name, value) => {
      if (!here() || value === null || value === undefined || !['target', 'seed'].includes(name)) { input(name, value); return; }
      tab.set({ [name]: value, ...FRESH }, { quiet: true });
    };
    tab.reset = names => {
      if (here() && names?.length && names.some(name => ['target', 'seed'].includes(name))) tab.set({ ...Object.fromEntries(names.map(n => [n, tab.rest(n)])), ...FRESH });
      else reset(names);
    };
    tab.save = async () => { if (here() && playing) await pause(); return save(); };

    const open = active => {
      if (!active) halt();
      const group = document.getElementById('train-group-knobs');
      if (group) group.hidden = !active;
      if (active && texts) commit();
    };
    arrange(tab.values, {});
    return {
      hint, open,
      state(values, changed) { ahead = false; chips(); if (changed.includes('points') || changed.includes('target')) pad.set(values.points); if (changed.includes('target')) build(); },
      restore(values) { pad.set(values.points); },
      again() { if (tab.locked) return true; tab.set({ seed: crypto.getRandomValues(new Uint32Array(1))[0] % 100000, ...FRESH }); return true; },
      key(event) {
        if (event.key === ' ') toggle();
        else if (event.target.type === 'range') return false;
        else if (event.key === 'ArrowRight') { if (seen === null) step(); else back(1); }
        else if (event.key === 'ArrowLeft') back(-1);
        else return false;
        return true;
      },
    };
  };
})();
