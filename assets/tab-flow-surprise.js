/* The flow tab's surprise: every picture a dot on two axes, how likely and how typical. */
(() => {
  pg.flow.surprise = (tab, part) => {
    const ROW = 48, PAD = 10;
    const figure = (title, note) => {
      const canvas = pg.el('canvas', { 'aria-hidden': 'true' });
      return [canvas, pg.el('figure', {}, pg.el('h3', {}, title), canvas, pg.el('figcaption', {}, note))];
    };
    const [left, leftBox] = figure('How likely?', 'bits per dimension: the further left, the likelier');
    const [right, rightBox] = figure('How typical?', '|z|² ÷ D: the line is where digits have it, pure noise at 1');
    const host = pg.el('div', { class: 'flow-panels', tabindex: 0, role: 'application',
      'aria-label': 'Every picture as a dot. Arrow keys: up and down between kinds, left and right from likely to unlikely.' }, leftBox, rightBox);
    part('dots').append(host);
    const face = pg.el('canvas', { width: 28, height: 28, 'aria-hidden': 'true' });
    const words = pg.el('p', { 'aria-live': 'polite' });
    const table = pg.el('div', { class: 'flow-table', tabindex: 0, role: 'region', 'aria-label': 'Averages of every kind' });
    part('closer').append(pg.el('div', { class: 'flow-close' }, face, words,
      pg.el('button', { type: 'button', onclick: () => tab.set({ mode: 'pictures' }) }, 'Draw your own')), table);
    let data = null, sheet = null, chosen = null;  // chosen: [row, index within it]

    /* Likely pictures differ by tenths, noise by tens: both axes are logarithmic. */
    const axes = {
      bits: { canvas: left, scale: v => Math.log2(0.25 + Math.max(v, 0)), ticks: [0, 0.25, 0.5, 1, 2, 4, 8, 16, 32] },
      shell: { canvas: right, scale: v => Math.log10(Math.max(v, 0.01)), ticks: [0.01, 0.03, 0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 30, 100, 1000, 1e4, 1e5, 1e6] },
    };
    const place = (key, width) => {
      const { scale } = axes[key], all = data.rows.flatMap(row => row[key]).map(scale);
      const low = Math.min(...all), high = Math.max(...all, low + 0.1), wide = width - 2 * PAD;
      return value => PAD + wide * (scale(value) - low) / (high - low);
    };
    const draw = () => {
      if (!data || !left.clientWidth) return;
      for (const key of ['bits', 'shell']) panel(key);
    };
    const panel = key => {
      const { canvas, ticks } = axes[key];
      canvas.style.height = `${data.rows.length * ROW + 22}px`;
      const [pen, width, height] = pg.sharp(canvas), X = place(key, width);
      pen.font = '12px system-ui, sans-serif';
      pen.textBaseline = 'middle';
      pen.textAlign = 'center';
      let used = -99;
      for (const tick of ticks) {
        const x = X(tick);
        if (x < PAD - 1 || x > width - PAD + 1 || x - used < 34) continue;
        used = x;
        pen.strokeStyle = pg.css('--pg-line');
        pen.beginPath(); pen.moveTo(x, 0); pen.lineTo(x, height - 20); pen.stroke();
        pen.fillStyle = pg.css('--pg-quiet');
        pen.fillText(tick >= 10000 ? `10${tick === 1e4 ? '⁴' : tick === 1e5 ? '⁵' : '⁶'}` : tick, pg.clamp(x, 12, width - 12), height - 9);
      }
      const guide = X(key === 'bits' ? data.rows[0].mean : data.shell);
      pen.setLineDash([4, 3]);
      pen.strokeStyle = pg.css('--pg-ink');
      pen.beginPath(); pen.moveTo(guide, 0); pen.lineTo(guide, height - 20); pen.stroke();
      pen.setLineDash([]);
      data.rows.forEach((row, r) => {
        const y = r * ROW;
        pen.textAlign = 'left';
        const own = r === 0, text = row.name;
        pen.fillStyle = pg.css('--pg-card');
        pen.fillRect(PAD - 4, y + 3, pen.measureText(text).width + 8, 16);
        pen.fillStyle = pg.css(own ? '--pg-ink' : '--pg-quiet');
        pen.fillText(text, PAD, y + 11);
        pen.fillStyle = pg.css(own || row.name === 'your drawing' ? '--pg-accent' : '--pg-ink');
        row[key].forEach((value, i) => {
          pen.globalAlpha = own ? 0.75 : 0.5;
          pen.beginPath();
          pen.arc(X(value), dotY(r, i), row.name === 'your drawing' ? 6 : 4, 0, 2 * Math.PI);
          pen.fill();
        });
        pen.globalAlpha = 1;
      });
      if (!chosen) return;
      const [r, i] = chosen;
      pen.lineWidth = 2;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.beginPath(); pen.arc(X(data.rows[r][key][i]), dotY(r, i), 8, 0, 2 * Math.PI); pen.stroke();
      pen.lineWidth = 1;
    };
    const dotY = (r, i) => r * ROW + 30 + ((i * 7) % 5 - 2) * 2.5;  // a little apart, so that dots do not hide dots

    const choose = (r, i) => {
      chosen = [r, i];
      const row = data.rows[r], cell = data.rows.slice(0, r).reduce((sum, other) => sum + other.bits.length, 0) + i;
      const pen = face.getContext('2d');
      if (sheet) pen.drawImage(sheet, (cell % data.columns) * 28, Math.floor(cell / data.columns) * 28, 28, 28, 0, 0, 28, 28);
      const shell = row.shell[i], close = Math.abs(Math.log(shell / data.shell)) < 0.25;
      words.textContent = `${row.name}, ${i + 1} of ${row.bits.length}: ${row.bits[i].toFixed(2)} bits per dimension, `
        + `${row.bits[i] < data.rows[0].mean ? 'likelier' : 'less likely'} than an average digit. `
        + `|z|²/D = ${shell < 10 ? shell.toFixed(2) : Math.round(shell)}: ${close ? 'where digits are' : shell < data.shell ? 'too near the middle' : 'too far out'}.`;
      draw();
    };
    const nearest = (event, key) => {
      const box = event.target.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top, X = place(key, box.width);
      let best = null, least = 400;
      data.rows.forEach((row, r) => row[key].forEach((value, i) => {
        const far = (X(value) - x) ** 2 + (dotY(r, i) - y) ** 2;
        if (far < least) { least = far; best = [r, i]; }
      }));
      return best;
    };
    for (const key of ['bits', 'shell']) {
      const point = event => { const found = data && nearest(event, key); if (found && String(found) !== String(chosen)) choose(...found); };
      axes[key].canvas.addEventListener('pointermove', point);
      axes[key].canvas.addEventListener('pointerdown', point);
    }
    host.addEventListener('keydown', event => {
      const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!way || !data) return;
      event.preventDefault();
      const [r, i] = chosen || [0, 0], rows = data.rows, order = row => [...row.bits.keys()].sort((a, b) => row.bits[a] - row.bits[b]);
      if (way[0]) { const to = pg.clamp(r + way[0], 0, rows.length - 1), sorted = order(rows[to]); choose(to, sorted[sorted.length >> 1]); return; }
      const sorted = order(rows[r]);
      choose(r, sorted[pg.clamp(sorted.indexOf(i) + way[1], 0, sorted.length - 1)]);
    });

    const fill = () => {
      const { models, names, columns, groups } = data.table, percent = value => `${Math.round(100 * value)} %`;
      const head = pg.el('tr', {}, pg.el('th', { scope: 'col' }, 'bits/dim, average'), ...models.map((title, m) => pg.el('th', { scope: 'col',
        class: names[m] === tab.last.facts.model ? 'flow-mine' : '' }, title)), pg.el('th', { scope: 'col' }, 'told from digits by likelihood'), pg.el('th', { scope: 'col' }, 'by |z|²'));
      const lines = groups.map((name, g) => {
        const row = data.rows[g];
        return pg.el('tr', {}, pg.el('th', { scope: 'row', title: row.about }, name), ...columns.map((column, m) => pg.el('td', { class: names[m] === tab.last.facts.model ? 'flow-mine' : '' }, column[g].toFixed(column[g] < 100 ? 2 : 0))),
          pg.el('td', {}, g ? percent(row.by_bits) : '–'), pg.el('td', {}, g ? percent(row.by_shell) : '–'));
      });
      table.replaceChildren(pg.el('table', {}, pg.el('thead', {}, head), pg.el('tbody', {}, ...lines)));
    };
    new ResizeObserver(draw).observe(host);
    document.addEventListener('pg-theme', draw);
    return {
      async show(reply) {
        data = reply.data;
        sheet = await pg.image(data.sheet);
        fill();
        if (!chosen || !data.rows[chosen[0]]?.bits[chosen[1]]) chosen = [4, 0];
        choose(...chosen);
      },
    };
  };
})();
