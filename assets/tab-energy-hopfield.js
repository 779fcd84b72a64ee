/* The energy tab's memories: a Hopfield network that recalls, until there are too many. */
(() => {
  const { el } = pg;
  const { SIDE, calm, chart, reel, STYLES } = pg.energyKit;
  const COUNT = 500;

  pg.energy.hopfield = ({ tab, part, press }) => {
    let told = null, curves = null;
    const tokens = () => tab.values.memories.split('.').filter(Boolean);
    const full = list => { if (list.length <= tab.fields.which.high) return false; tab.error(`There is room for ${tab.fields.which.high} memories. Forget one before the next.`); return true; };
    const keep = (list, more = {}) => { if (!full(list)) tab.set({ memories: list.join('.'), ...more }); };
    const paper = pg.drawPad(part('pad'), { label: 'Draw a pattern', width: 26, change: (uri, done) => {
      if (uri && done && tab.values.cue === 'drawing') tab.set({ drawing: uri });
      if (!uri) tab.say('The pad is empty. Draw a pattern, then remember it or begin with it.');
    } });
    const drawn = () => { const uri = paper.uri(); if (!uri) tab.error('The pad is empty. Draw a pattern on it first.'); return uri; };
    press('remember', async () => {
      const uri = drawn(), reply = uri && await tab.call('energy_remember', { drawing: uri });
      if (reply) keep([...tokens(), reply.token], { cue: 'memory', which: tokens().length + 1 });
    });
    press('recall', () => { const uri = drawn(); if (uri) tab.set({ cue: 'drawing', drawing: uri }); });
    press('store-test', () => {
      const has = new Set(tokens());
      let token;
      do token = `t${Math.floor(Math.random() * COUNT)}`; while (has.has(token));
      keep([...tokens(), token]);
    });
    press('store-noise', () => {
      const first = 1 + Math.max(0, ...tokens().filter(t => t[0] === 'n').map(t => +t.slice(1)));
      keep([...tokens(), ...Array.from({ length: 20 }, (_, i) => `n${first + i}`)]);
    });
    press('forget', () => tab.set({ memories: tokens().slice(0, 2).join('.'), which: Math.min(tab.values.which, 2) }));
    const film = reel(part('recall'), { label: 'Units asked', step: i => { fall.at(told.x[i] ?? null); overlaps(i); } });
    const fall = chart(part('fall'), { label: 'Energy while it settles', height: 190 });
    const capacity = chart(part('capacity'), { label: 'Share of memories recalled against their number', height: 190 });
    let bars = [];
    const overlaps = index => bars.forEach((bar, m) => {
      const value = told.overlaps[m]?.[index];
      if (value === undefined) return;  // the film before still plays while the next one loads
      bar.style.width = `${100 * Math.abs(value)}%`;
      bar.classList.toggle('en-inverse', value < 0);
      bar.closest('button').setAttribute('aria-label', `Memory ${m + 1}, overlap ${value.toFixed(2)}. Begin with it.`);
    });
    const gallery = async data => {
      const image = await pg.image(data.memories.src);
      bars = [];
      part('memories').replaceChildren(...data.overlaps.map((_, m) => {
        const canvas = el('canvas', { width: SIDE, height: SIDE, 'aria-hidden': 'true' }), bar = el('i', {});
        canvas.getContext('2d').drawImage(image, (m % data.memories.columns) * SIDE, Math.floor(m / data.memories.columns) * SIDE, SIDE, SIDE, 0, 0, SIDE, SIDE);
        bars.push(bar);
        return el('div', {}, el('button', { type: 'button', 'aria-pressed': String(tab.values.cue === 'memory' && tab.values.which === m + 1),
          onclick: () => tab.set({ cue: 'memory', which: m + 1 }) }, canvas, el('b', {}, bar)),
        el('button', { type: 'button', class: 'en-forget', 'aria-label': `Forget memory ${m + 1}`, title: 'Forget it', disabled: data.overlaps.length < 2,
          onclick: () => { const list = tokens(); list.splice(m, 1); tab.set({ memories: list.join('.'), which: Math.min(tab.values.which, list.length) }); } }, '×'));
      }));
      part('memories').classList.toggle('en-many', data.overlaps.length > 30);
      part('memories-title').textContent = `Memories: ${data.overlaps.length} of ${data.neurons} pixels each`;
      part('memories-note').textContent = data.note;
    };
    const plot = async data => {
      curves ??= await tab.call('energy_capacity', {});
      if (!curves || told !== data) return;
      const lines = curves.lines.map((line, i) => ({ ...line, ...STYLES[i % 4], wide: 2 }));
      capacity.show({ lines, y: [0, 1.02], x: [0, curves.most], xname: 'memories ÷ pixels, P / N', yname: 'recalled',
        marks: [{ x: 0.138, label: '0.138 (Hebb)', down: 60 }], points: [{ ...data.own, x: Math.min(data.own.x, curves.most), label: 'yours' }] });
      part('capacity-note').textContent = `${data.crowd} ${curves.note}`;
      capacity.say(`${data.crowd} ${curves.note}`);
    };
    return {
      hint: 'Draw something and let it be remembered, add test digits one by one, damage one, and watch it come back, or not.',
      async reply({ data }) {
        told = data;
        await gallery(data);
        if (told !== data) return;
        await film.show(data.film, { at: calm() ? data.film.frames - 1 : 0, labels: data.labels, captions: data.captions });
        fall.show({ lines: [{ values: data.energy.map((e, i) => [data.x[i], e]), wide: 2 }], xname: 'units asked', yname: 'energy' }, data.x[film.strip.index]);
        fall.say(data.falls);
        part('fall-note').textContent = data.falls;
        overlaps(film.strip.index);
        plot(data);
        if (!calm()) film.strip.play();
      },
      restore(values) { if (values.cue === 'drawing' && values.drawing) paper.load(values.drawing); },
    };
  };
})();
