/* The energy tab's repair of a damaged picture, and what comes up from noise. */
(() => {
  const { chart, cellPad, reel, STYLES } = pg.energyKit;
  const COUNT = 500;

  pg.energy.repair = ({ tab, body, part, press }) => {
    const pad = cellPad(part('hole'), {
      label: 'Paint over what is to be made up', width: 2.2, change: hole => tab.set({ hole, damage: 'hole' }),
      tools: [{ value: 1, name: 'Cut out', colour: '--pg-warn', hatch: true }, { value: 0, name: 'Put back' }],
    });
    const lanes = reel(part('repair'), { label: 'Step of the repair', step: i => curve.at(i) }, 3);
    const curve = chart(part('repair-chart'), { label: 'Distance from the original', height: 130 });
    const own = drawing => tab.set({ source: 'own', drawing });
    const paper = pg.drawPad(part('sketch'), { label: 'Draw here', width: 24, change: (uri, done) => { if (uri && done) own(uri); } });
    const chooser = body.querySelector('.en-buttons input[type=file]');
    press('test', () => tab.set({ source: 'test', test: Math.floor(Math.random() * COUNT), drawing: '' }));
    press('sketch', event => { part('sketch').hidden = !part('sketch').hidden; event.target.setAttribute('aria-expanded', !part('sketch').hidden); });
    press('upload', () => chooser.click());
    chooser.addEventListener('change', async () => { if (chooser.files[0]) own(await pg.fileUri(chooser.files[0])); chooser.value = ''; });
    return {
      hint: 'Paint over a part of the picture: every network that can fills it in. Scrub the film afterwards with ← and →.',
      async reply({ data, step, total }, asked) {
        if (data.input) pad.load(data.input);
        pad.set(asked.damage === 'hole' ? asked.hole : '');
        if (data.live) { await lanes.live(data.live, step, total); return; }
        await lanes.show(data.film, { at: data.film.frames - 1, labels: data.labels });
        curve.show({ lines: data.lines.map((line, i) => ({ ...line, ...STYLES[i % 4], wide: 2 })), xname: 'picture of the film', yname: 'error' }, data.film.frames - 1);
        part('repair-note').textContent = data.note;
        curve.say(data.note);
      },
      restore(values) { pad.set(values.damage === 'hole' ? values.hole : ''); if (values.source === 'own' && values.drawing) paper.load(values.drawing); },
    };
  };

  pg.energy.dream = ({ part }) => {
    const film = reel(part('dream'), { label: 'Step of the dream', step: i => curve.at(i) }, 2.5);
    const curve = chart(part('dream-chart'), { label: 'Energy at each step', height: 150 });
    return {
      hint: 'Scrub the film with ← and →, space plays. R dreams from other noise.',
      async reply({ data, step, total }) {
        if (data.live) await film.live(data.live, step, total);
        else await film.show(data.film, { at: data.film.frames - 1, labels: data.labels });
        const lines = [...data.each.map(values => ({ values, faint: true, colour: '--pg-quiet', wide: 1 })), { values: data.mean, wide: 2 }];
        curve.show({ lines, xname: 'picture of the film', yname: data.yname, x: [0, Math.max(1, (data.live ? total : data.film.frames) - 1)] }, data.live ? null : data.film.frames - 1);
        part('dream-note').textContent = data.note;
        curve.say(data.note);
      },
    };
  };
})();
