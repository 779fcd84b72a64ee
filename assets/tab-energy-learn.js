/* The energy tab's machine that learns while it is watched. */
(() => {
  const { chart } = pg.energyKit;

  pg.energy.learn = ({ tab, body, part, press }) => {
    const curve = chart(part('learn-chart'), { label: 'Error of the pictures given back', height: 130 });
    const button = body.querySelector('[data-do=train]');
    const label = () => { button.textContent = tab.running ? 'Stop training' : tab.values.updates ? 'Train on' : 'Train'; };
    press('train', () => { if (tab.running) tab.stop(); else tab.run(); label(); });
    press('again', () => { if (tab.running) tab.stop(); tab.set({ updates: 0 }); });
    return {
      hint: 'Press Train: contrastive divergence begins in front of you. Try a large learning rate, too.',
      reply({ data, step }) {
        if (tab.running && !data.run) return;  // what a gesture drew while a training goes on
        part('learn-filters').src = data.filters;
        part('learn-filters').alt = data.alt;
        part('learn-pictures').src = data.pictures;
        part('learn-pictures').alt = 'Rows: real digits, the same given back by the machine, and its own fantasies';
        curve.show({ lines: [{ values: data.error, wide: 2 }], xname: 'updates', x: [0, Math.max(100, data.updates)], y: [0, Math.max(0.3, ...data.error.map(p => p[1]))] });
        part('learn-note').textContent = data.note;
        curve.say(data.note);
        if (data.bad) tab.error(data.bad);
        if (tab.running && !tab.running.halting && step > 1) tab.set({ updates: data.updates }, { draw: false, quiet: true });
        label();
      },
      state(values, changed) {
        if (changed.some(name => ['hidden', 'k', 'rate', 'persistent', 'seed'].includes(name)) && (values.updates || tab.running)) {
          tab.set({ updates: 0 }, { draw: false });
          if (tab.running) tab.run();
        }
        label();
      },
      ended: label,
    };
  };
})();
