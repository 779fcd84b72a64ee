/* The train tab: its modes, and what they share. A mode adds itself as `pg.train.<mode> = kit => ({hint, reply, …})`
 * in tab-train-<part>.js; the handlers it may return are those of `tab.on`, and `key(event)`. */
(() => {
  const { el, clamp } = pg;
  pg.train = {};

  pg.stages.train = (tab, body) => {
    const part = name => body.querySelector(`[data-part="${name}"]`);
    const press = (name, task) => body.querySelectorAll(`[data-do="${name}"]`).forEach(b => b.addEventListener('click', event => task(event)));
    const names = tab.fields.mode.choices.filter(name => pg.train[name]);
    const modes = Object.fromEntries(names.map(name => [name, pg.train[name]({ tab, body, part, press })]));
    const now = () => modes[tab.values.mode] || {};

    const show = name => {
      tab.hint = modes[name]?.hint || '';
      tab.find('.pg-progress').hidden = !modes[name]?.runs;  // a row for runs that stream
      if (tab.running && name !== tab.running.asked.mode) tab.stop();
      for (const section of body.querySelectorAll('[data-mode]')) section.hidden = section.dataset.mode !== name;
      tab.element.querySelectorAll('[data-preset]').forEach((button, i) => {
        button.hidden = (tab.spec.presets[i].values.mode ?? tab.rest('mode')) !== name;
      });
      for (const other of names) modes[other].open?.(other === name);
    };
    tab.on('state', (values, changed) => {
      if (changed.includes('mode')) show(values.mode);
      now().state?.(values, changed);
    });
    tab.on('reply', (reply, asked) => (asked.mode === tab.values.mode ? now().reply?.(reply, asked) : null));
    tab.on('restore', values => { for (const name of names) modes[name].restore?.(values); });
    tab.on('preset', index => { tab.error(null); now().preset?.(index); });
    tab.on('ended', () => now().ended?.());
    tab.on('again', () => now().again?.() || false);
    tab.on('file', file => now().file?.(file) || false);
    document.addEventListener('keydown', event => {
      if (pg.active !== 'train' || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      if (pg.typing(target) && target.type !== 'range' || target.closest?.('button, summary, a, [role=tab], [role=radiogroup], [role=application], .pg-right, .pg-filmstrip')) return;
      if (now().key?.(event)) event.preventDefault();
    });
    show(tab.values.mode);
  };

  /** Bytes of base64, as numbers of a kind. */
  pg.train.typed = (text, Kind) => new Kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);

  /** A row of buttons of which one is pressed: returns a function that presses it. names: [[value, text, title?] …]. */
  pg.train.segment = (host, names, take) => {
    const buttons = names.map(([value, text, title]) => el('button', { type: 'button', 'data-value': value, title: title || null, onclick: () => take(value) }, text));
    host.replaceChildren(...buttons);
    return value => buttons.forEach(b => b.setAttribute('aria-pressed', b.dataset.value === String(value)));
  };

  /** Curves that grow. `show({lines, x, y, log, levels, xname}, at)`; lines: [{values: [[x, y] …], name, dash, faint, wide}],
   *  levels: [{y, label}] drawn across, `at`: a place on the x axis to mark. */
  pg.train.chart = (host, { label, height = 130 }) => {
    const canvas = el('canvas', { role: 'img', 'aria-label': label, class: 'tr-chart' });
    canvas.style.height = `${height}px`;
    host.append(canvas);
    let given = null, at = null;
    const number = v => (v === 0 ? '0' : Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : Math.abs(v) >= 0.1 ? v.toFixed(2) : v.toPrecision(1));
    const redraw = () => {
      if (!given || !canvas.clientWidth) return;
      const [pen, width, high] = pg.sharp(canvas), { lines, levels = [], log, xname = '' } = given;
      const scale = v => (log ? Math.log10(Math.max(v, 1e-9)) : v);
      const good = lines.map(line => line.values.filter(([, v]) => Number.isFinite(v) && (!log || v > 0)));
      const all = good.flat(), heights = [...all.map(p => scale(p[1])), ...levels.map(l => scale(l.y))];
      const span = (fixed, list) => fixed || (list.length ? [Math.min(...list), Math.max(...list)] : [0, 1]);
      let [x0, x1] = span(given.x, all.map(p => p[0])), [y0, y1] = span(given.y?.map(scale), heights);
      if (!(x1 > x0)) x1 = x0 + 1;
      if (!(y1 > y0)) { y0 -= 0.5; y1 += 0.5; }
      const names = lines.some(l => l.name), head = names ? 20 : 8, left = 40;
      const X = x => left + (width - left - 10) * (x - x0) / (x1 - x0), Y = v => head + (high - head - 22) * (1 - (clamp(scale(v), y0, y1) - y0) / (y1 - y0));
      pen.font = '11px system-ui, sans-serif';
      pen.fillStyle = pg.css('--pg-quiet');
      pen.strokeStyle = pg.css('--pg-line');
      const write = (text, x, y, align) => { pen.textAlign = align; pen.fillText(text, x, y); };
      const across = (y, dash) => { pen.setLineDash(dash); pen.beginPath(); pen.moveTo(left, y); pen.lineTo(width - 10, y); pen.stroke(); pen.setLineDash([]); };
      pen.lineWidth = 1;
      const real = v => (log ? 10 ** v : v);
      for (const end of [y0, y1]) { across(Y(real(end)), []); write(number(real(end)), left - 5, Y(real(end)) + 4, 'right'); }
      for (const level of levels) {
        pen.strokeStyle = pg.css('--pg-quiet');
        across(Y(level.y), [2, 3]);
        write(level.label, left + 4, Y(level.y) + (Y(level.y) < head + 16 ? 12 : -4), 'left');
      }
      write(String(Math.round(x0)), left, high - 6, 'left');
      write(String(Math.round(x1)), width - 10, high - 6, 'right');
      write(xname, (left + width) / 2, high - 6, 'center');
      lines.forEach((line, i) => {
        pen.strokeStyle = pg.css(line.colour || '--pg-accent');
        pen.globalAlpha = line.faint ? 0.35 : 1;
        pen.lineWidth = line.wide || 1.6;
        pen.setLineDash(line.dash || []);
        pen.beginPath();
        for (const [x, v] of good[i]) pen.lineTo(X(x), Y(v));
        pen.stroke();
      });
      pen.setLineDash([]);
      pen.globalAlpha = 1;
      let legend = width - 10;
      for (const line of lines.filter(l => l.name).reverse()) {
        const wide = pen.measureText(line.name).width;
        if (legend - wide - 30 < 0) break;
        pen.fillStyle = pg.css('--pg-quiet');
        write(line.name, legend, 11, 'right');
        legend -= wide + 5;
        pen.strokeStyle = pg.css(line.colour || '--pg-accent');
        pen.globalAlpha = line.faint ? 0.35 : 1;
        pen.lineWidth = 2;
        pen.setLineDash(line.dash || []);
        pen.beginPath(); pen.moveTo(legend - 18, 7); pen.lineTo(legend, 7); pen.stroke();
        pen.setLineDash([]);
        pen.globalAlpha = 1;
        legend -= 30;
      }
      if (at === null || at < x0 || at > x1) return;
      pen.strokeStyle = pg.css('--pg-ink');
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(X(at), head); pen.lineTo(X(at), high - 22); pen.stroke();
    };
    new ResizeObserver(redraw).observe(canvas);
    document.addEventListener('pg-theme', redraw);
    return { canvas, show(next, mark = null) { given = next; at = mark; redraw(); }, say(text) { canvas.setAttribute('aria-label', text); } };
  };
})();
