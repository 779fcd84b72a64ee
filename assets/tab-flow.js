/* The flow tab's stage: a wall, a walk, faces, and what its modes share. The plane, the pictures and the surprise add
 * themselves as `pg.flow.<mode>` in tab-flow-<mode>.js. */
(() => {
  const COUNT = 500;
  const power = value => { const [m, e] = value.toExponential(0).split('e'); return `${m}·10${[...String(+e)].map(c => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(c)]).join('')}`; };
  const small = p => (p >= 0.0005 ? p.toFixed(3) : p < 1e-30 ? '0' : power(p));

  pg.flow = { power, small };

  pg.stages.flow = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const act = name => body.querySelector(`[data-do=${name}]`);
    const plane = pg.flow.plane(tab, part, act);
    const input = pg.flow.pictures(tab, body, part, act);
    const surprise = pg.flow.surprise(tab, part);

    const samples = pg.sheet(part('seeds'), { label: 'Sample',
      pick: i => tab.set({ mode: 'pictures', source: 'sample', seed: tab.last.data.seeds[i] }) });
    const walk = pg.filmstrip(part('walk'), { label: 'Place on the walk', step: frame => tab.set({ frame }, { draw: false }) });
    const corners = ['a', 'b', 'c', 'd'].map(name => {
      const image = pg.el('img', { alt: '' });
      part('pickers').append(pg.el('button', { type: 'button', 'aria-label': `Corner ${name.toUpperCase()}: another picture`,
        onclick: () => tab.set({ [name]: Math.floor(Math.random() * COUNT) }) }, image, pg.el('span', {}, name.toUpperCase())));
      return image;
    });

    const show = {
      plane: plane.show,
      pictures: input.show,
      surprise: surprise.show,
      samples({ picture, data }) {
        const bits = i => `${data.bits[i].toFixed(2)} bits per dimension`;
        samples.show({ src: picture, n: data.n, columns: data.columns, labels: data.seeds.map((s, i) => `seed ${s}, ${bits(i)}`) });
        samples.mark(-1);
        samples.element.style.setProperty('--shape', data.columns / Math.ceil(data.n / data.columns));
        part('extremes').textContent = `Likeliest: seed ${data.seeds[data.best]}, ${bits(data.best)}. `
          + `Least likely: seed ${data.seeds[data.worst]}, ${bits(data.worst)}. Choose one to send it to its noise and back.`;
      },
      async between({ data }, asked) {
        corners.forEach((image, i) => { image.src = data.ends[i]; });
        part('corners').src = data.grid;
        const labels = Array.from({ length: data.film.frames }, (_, i) => `${Math.round(100 * i / (data.film.frames - 1))} %`);
        await walk.show(data.film, { at: asked.frame, labels });
      },
      faces({ data }) {
        for (const name of ['before', 'after', 'wall']) part(name).src = data[name];
        part('after-note').textContent = data.note;
      },
    };

    const HINTS = {
      plane: 'Scrub with ← and →, space plays. Hover: the exact density, and the way of that very point. A click or the arrow keys move the mark.',
      pictures: 'Draw a digit, a letter, anything; then see it among the others under Surprise. R draws the noise between the grey levels again.',
      samples: 'Turn the temperature down to 0.6, then up to 1.2. Choose a sample to take it apart.',
      between: 'Scrub with ← and →, space plays. Choose other pictures for the corners.',
      faces: 'With all sliders at zero the very same pixels come back. Then give everybody glasses.',
      surprise: 'Point at a dot, or walk with the arrow keys: every picture has two answers.',
    };
    const mode = name => {
      tab.hint = HINTS[name];
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = section.dataset.mode !== name;
      if (name !== 'plane') plane.rest();
    };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) mode(values.mode);
      if (changed.includes('frame')) walk.go(values.frame, true);
      plane.changed(values, changed);
    });
    tab.on('reply', (reply, asked) => show[asked.mode](reply, asked));
    tab.on('restore', values => { if (values.source === 'drawing' && values.drawing) input.load(values.drawing); });
    tab.on('file', input.upload);
    mode(tab.values.mode);
    plane.open();
  };
})();
