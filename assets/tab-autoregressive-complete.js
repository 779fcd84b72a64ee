/* Autoregressive: a hidden part is made up eight times. */
(() => {
  const { el } = pg;

  pg.autoregressive.complete = ({ tab, part, sources }) => {
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
    return {
      show: showComplete,
      state(values, changed) {
        for (const one of sides) one.setAttribute('aria-pressed', one.dataset.hole === values.hole);
        if (changed.includes('mask') || changed.includes('hole') && values.hole !== 'brush') veiled = '';
      },
      restore() { veiled = ''; veil.clear(); },  // an old picture stands at once; the answer brings the hole
    };
  };
})();
