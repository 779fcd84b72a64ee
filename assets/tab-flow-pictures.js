/* The flow tab's pictures: one's own, its code, its likelihood, and the way there and back. */
(() => {
  const COUNT = 500;
  const { power } = pg.flow;

  pg.flow.pictures = (tab, body, part, act) => {
    const paper = pg.drawPad(part('paper'), {
      label: 'Draw here', width: 24, colour: true,
      change: uri => {
        if (uri) tab.set({ drawing: uri, source: 'drawing' });
        else tab.say('The pad is empty. Draw something, or take a test picture.');
      },
    });
    const upload = async file => { tab.set({ mode: 'pictures', drawing: await pg.fileUri(file), source: 'drawing' }); return true; };
    const chooser = body.querySelector('.flow-buttons input');
    chooser.addEventListener('change', async () => { if (chooser.files[0]) await upload(chooser.files[0]); chooser.value = ''; });
    act('upload').addEventListener('click', () => chooser.click());
    act('test').addEventListener('click', () => tab.set({ source: 'test', test: Math.floor(Math.random() * COUNT), drawing: '' }));

    part('back').src = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';  // nothing yet
    let last = null;
    const curve = () => {
      const canvas = part('histogram');
      if (!last || !canvas.clientWidth) return;
      const [pen, width, height] = pg.sharp(canvas), n = last.length, wide = 4, top = 0.62, step = width / n;
      pen.fillStyle = pg.css('--pg-accent');
      pen.globalAlpha = 0.55;
      last.forEach((value, i) => { const h = height * Math.min(1, value / top); pen.fillRect(i * step, height - h, Math.max(1, step - 1), h); });
      pen.globalAlpha = 1;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (let x = 0; x <= width; x += 2) {
        const z = (2 * x / width - 1) * wide, h = height * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) / top;
        pen[x ? 'lineTo' : 'moveTo'](x, height - h);
      }
      pen.stroke();
    };
    new ResizeObserver(curve).observe(part('histogram'));
    document.addEventListener('pg-theme', curve);

    const scores = items => {
      const top = Math.max(2, ...items.map(item => Math.max(item.value, item.usual))) * 1.05, share = value => `${100 * pg.clamp(value / top, 0, 1)}%`;
      part('scores').replaceChildren(...items.map(item => {
        const bar = pg.el('i', { style: `width:${share(item.value)}` }), tick = pg.el('s', { style: `left:${share(item.usual)}` });
        const chosen = item.name === tab.last.facts.model;
        return pg.el('div', { class: 'flow-score' },
          pg.el('button', { type: 'button', 'aria-pressed': String(chosen), onclick: () => tab.set({ model: item.name }) }, item.label),
          pg.el('b', {}, bar, tick), pg.el('span', {}, `${item.value.toFixed(2)} `, pg.el('small', {}, `usual ${item.usual.toFixed(2)}`)));
      }));
    };
    const fetchBack = pg.pump(async state => {
      const reply = await tab.call('flow_back', { state: { ...state, drawing: tab.values.drawing } });
      if (!reply || tab.values.mode !== 'pictures') return;
      part('back').src = reply.back;
      part('back-note').textContent = `back again, f⁻¹(z): off by at most ${power(reply.off)}`;
    });
    return {
      upload,
      load: src => paper.load(src),
      show({ data }, asked) {
        for (const name of ['input', 'z']) part(name).src = data[name];
        fetchBack(asked);
        part('paper').classList.toggle('flow-grey', data.kind === 'mnist');
        last = data.histogram;
        curve();
        part('histogram-note').textContent = `deviation ${data.spread.toFixed(2)}, |z|²/D = ${data.share.toFixed(2)}; the line is pure noise`;
        scores(data.scores);
        part('protocol').textContent = data.protocol;
        if (tab.values.source !== 'drawing') paper.load(data.input);  // a late answer must not wipe out a stroke
      },
    };
  };
})();
