/* The diffusion tab's race: one noise a column; a row for the noise, the teacher's steps and each of its student's looks. */
(() => {
  const { el } = pg;
  const ROWS = { noise: 'Noise', teacher: 'Teacher', 'one look': 'Student, one look', 'two looks': 'Student, two looks' };
  const ABOUT_FD = 'Fréchet distance to real pictures, over that of the teacher’s; measured beforehand and kept on the student’s card.';
  const time = ms => (ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms >= 9.95 ? 0 : 1)} ms`);
  const calls = n => `${n} call${n === 1 ? '' : 's'}`;

  /** `show(data)` fills the rows in `host`; a chosen picture goes to the teacher's denoising of its noise. */
  pg.diffusionRace = (tab, host) => {
    const rows = {};
    let told = null;

    const go = i => tab.set({ ...told.go, seed: told.seeds[i], ...(told.labels ? { label: told.labels[i] } : {}) });
    const mark = i => { for (const { sheet } of Object.values(rows)) sheet.mark(i); };
    for (const [name, title] of Object.entries(ROWS)) {
      const parts = { title: el('h3', {}, title), cost: el('p', { title: 'Calls of the network, and the time of one picture, measured in this run' }), bar: el('i', {}), score: el('p', { title: ABOUT_FD }), figure: el('figure', {}) };
      const { cost, bar, score, figure } = parts, noise = name === 'noise';
      const words = el('div', { class: 'dif-words' }, parts.title, cost, el('b', { hidden: noise, 'aria-hidden': 'true' }, bar), score);
      if (noise) parts.title.append(' x', el('sub', {}, 'T'));
      rows[name] = { ...parts, sheet: pg.sheet(figure, { label: title, pick: go, hover: mark }) };
      host.append(el('section', { class: 'dif-run', 'aria-label': title }, words, figure));
    }

    const spent = ({ name, calls: n, ms }) => {
      if (name === 'noise') return `seeds ${told.seeds[0]} to ${told.seeds.at(-1)}`;
      return n ? `${calls(n)} · ${time(ms)} a picture` : 'waits for the student';
    };
    const fill = (row, slowest) => {
      const { title, cost, bar, score, figure, sheet } = rows[row.name];
      figure.classList.toggle('dif-stale', !row.src);
      if (!row.src) return;
      if (row.name === 'teacher') title.textContent = `Teacher, ${told.steps} steps`;
      cost.textContent = spent(row);
      bar.style.width = `${100 * row.ms / slowest}%`;
      const distance = told.distance[row.name];
      score.textContent = distance ? `FD ${distance.toFixed(2)} × the teacher’s` : '';
      const labels = told.seeds.map((seed, i) => `${title.textContent}, seed ${seed}${told.labels ? `, class ${told.labels[i]}` : ''}: watch its denoising`);
      sheet.element.style.aspectRatio = `${labels.length} / 1`;
      sheet.show({ src: row.src, n: labels.length, columns: labels.length, labels });
    };
    return { show(data) {
      told = data;
      const slowest = Math.max(...data.rows.map(row => row.ms), 1e-9);
      for (const row of data.rows) fill(row, slowest);
    } };
  };
})();
