/* The energy tab's machine: a crowd of particles that dream while pixels are held, and the hidden units. */
(() => {
  const { el, clamp } = pg;
  const { SIDE, bytes, base64, calm, pack, player, cellPad, BLANK } = pg.energyKit;

  pg.energy.rbm = ({ tab, part }) => {
    const KEEP = 600, BLOCK = 24, SHOWN = 8;
    let frames = [], chosen = 0, filters = null, asked = null, busy = false, epoch = 0, lit = [], restart = false;
    const pad = cellPad(part('clamp'), {
      label: 'Hold pixels on or off', change: text => { tab.set({ clamp: text }, { draw: false }); held(); cut(); steps.play(); },
      tools: [{ value: 1, name: 'Hold on', colour: '--pg-accent' }, { value: 2, name: 'Hold off', colour: '--pg-warn', hatch: true }, { value: 0, name: 'Let go' }],
    });
    const held = () => {
      const [on, off] = [1, 2].map(v => pad.cells.reduce((n, c) => n + (c === v), 0));
      part('clamp-note').textContent = on + off ? `${on} pixels held on (filled), ${off} held off (hatched), in all sixteen particles.`
        : 'The chosen particle. Paint pixels and hold them: the rest must make sense of them.';
    };
    const sheet = pg.sheet(part('crowd'), { label: 'Particle', pick: i => { chosen = i; cut(); more(); } });
    const crowd = el('canvas', { width: 4 * SIDE, height: 4 * SIDE, 'aria-hidden': 'true' });
    sheet.element.querySelector('img').replaceWith(crowd);
    const units = el('canvas', { role: 'img', class: 'en-units', 'aria-label': 'Hidden units, lit by how likely each is on' });
    part('units').append(units);
    const views = Array.from({ length: SHOWN }, () => {
      const canvas = el('canvas', { width: SIDE, height: SIDE, role: 'img', 'aria-label': 'A filter' }), note = el('figcaption', {});
      part('filters').append(el('figure', {}, canvas, note));
      return { canvas, note };
    });
    const draw = index => {
      const { image, cell, columns, hidden } = frames[index], side = 4 * SIDE, x = (cell % columns) * side, y = Math.floor(cell / columns) * side;
      crowd.getContext('2d').drawImage(image, x, y, side, side, 0, 0, side, side);
      pad.back.drawImage(image, x + (chosen % 4) * SIDE, y + Math.floor(chosen / 4) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
      if (hidden) { if (index % 8 === 0 || !steps.playing) choose(hidden); light(hidden); }
    };
    const light = hidden => {
      if (!units.clientWidth) return;
      const [pen, width, height] = pg.sharp(units), columns = Math.ceil(Math.sqrt(hidden.length * width / height)), rows = Math.ceil(hidden.length / columns);
      const [w, h] = [width / columns, height / rows];
      pen.fillStyle = pg.css('--pg-accent');
      hidden.forEach((p, j) => { pen.globalAlpha = 0.06 + 0.94 * p / 255; pen.fillRect((j % columns) * w + 0.5, Math.floor(j / columns) * h + 0.5, w - 1, h - 1); });
      pen.globalAlpha = 1;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.lineWidth = 1.5;
      for (const j of lit) pen.strokeRect((j % columns) * w, Math.floor(j / columns) * h, w, h);
    };
    const choose = hidden => {
      if (!filters) return;
      lit = [...hidden.keys()].sort((a, b) => (hidden[b] - filters.mean[b]) - (hidden[a] - filters.mean[a])).slice(0, SHOWN);
      lit.forEach((j, i) => {
        views[i].canvas.getContext('2d').drawImage(filters.image, (j % filters.columns) * SIDE, Math.floor(j / filters.columns) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
        views[i].note.textContent = `unit ${j + 1}`;
      });
    };
    const steps = player(part('rbm-player'), { label: 'Sweep', rate: () => 15, show: index => frames[index] && draw(index), more: () => more(),
      name: index => `sweep ${frames[index]?.sweep ?? 0}`, paused: index => pause(index) });
    const pause = index => {
      const frame = frames[index];
      tab.set({ sweeps: Math.min(frame.sweep, tab.fields.sweeps.high) }, { draw: false });
      choose(frame.hidden);
      light(frame.hidden);
    };
    /** What comes after the present picture is no longer true: other pixels are held, or another particle is looked at. */
    const cut = () => { epoch += 1; frames = frames.slice(0, steps.now + 1); steps.length(frames.length); };
    const more = async () => {
      if (busy || !frames.length) return;
      busy = true;
      const mine = epoch, last = frames.at(-1), count = Math.min(BLOCK, frames.length < 3 ? 8 : BLOCK);
      const reply = await tab.call('energy_sweeps', { state: tab.values, chains: base64(last.state), sweep: last.sweep, chosen, count });
      const image = reply && await pg.image(reply.film.src);
      busy = false;
      if (!reply) { steps.stop(); return; }
      if (mine !== epoch) { more(); return; }
      const states = bytes(reply.states), hidden = bytes(reply.hidden), size = last.state.length, n = hidden.length / (reply.count + 1);
      last.hidden = hidden.slice(0, n);
      for (let i = 0; i < reply.count; i += 1) {
        frames.push({ image, cell: i, columns: reply.film.columns, sweep: reply.sweeps[i], state: states.slice(i * size, (i + 1) * size), hidden: hidden.slice((i + 1) * n, (i + 2) * n) });
      }
      if (frames.length > KEEP) { const gone = frames.length - KEEP, at = steps.now - gone, on = steps.playing; frames = frames.slice(gone); steps.stop(); steps.length(frames.length); steps.go(at); if (on) steps.play(); }
      steps.length(frames.length);
      if (!steps.playing) draw(steps.now);
      tab.say(reply.sentence);
      part('units-note').textContent = reply.lit;
    };
    const learn = async () => {
      const found = await tab.call('energy_filters', { state: tab.values });
      if (found) filters = { ...found, image: await pg.image(found.src), mean: bytes(found.mean) };
      if (filters && frames.length) draw(steps.now);
    };
    return {
      hint: 'Paint on the large picture to hold pixels on or off; choose another particle on the right. Space stops and goes on.',
      async reply(reply, now) {
        const { data } = reply, fresh = restart || !frames.length || !asked || ['seed', 'begin', 'model'].some(name => asked[name] !== now[name]);
        const image = fresh && await pg.image(reply.picture);
        asked = now;
        restart = false;
        if (!filters) learn();
        if (fresh) {
          epoch += 1;
          frames = [{ image, cell: 0, columns: 1, sweep: data.sweep, state: bytes(data.states), hidden: bytes(data.hidden) }];
          sheet.show({ src: BLANK, n: 16, columns: 4, labels: Array.from({ length: 16 }, (_, i) => `Particle ${i + 1}`) });
          sheet.mark(chosen);
          steps.length(1);
          steps.go(0);
        } else cut();
        held();
        if (calm()) more(); else steps.play();
      },
      restore(values) { pad.set(values.clamp); held(); restart = true; },
      state(values, changed) { if (changed.includes('clamp') && pack(pad.cells) !== values.clamp) { pad.set(values.clamp); held(); } },
      key: event => steps.key(event),
      steps,
    };
  };
})();
