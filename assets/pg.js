/* The page's side of a tab: it holds the declared state while the visitor plays.
 *
 * A gesture calls `tab.set({name: value})`. The newest state goes to the server, one request in flight; the answer
 * replaces the picture. When the hand rests, the state is put on the history strip and into the address.
 * The page around the tabs is in pg-page.js, widgets are in pg-widgets.js, and a tab's own stage is in tab-<name>.js:
 * `pg.stages.vae = (tab, body) => {…}`.
 */
(() => {
  const pg = (window.pg = { tabs: {}, stages: {}, active: null });
  const REST = 600;        // ms without a gesture after which a state is worth keeping
  const KEPT = 24;         // entries of a history strip
  const LONGEST = 1500;    // characters of a text value that still goes into an address

  pg.tab = name => (pg.tabs[name] ??= new Tab(name));
  pg.el = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, '');
      else if (value !== false && value != null) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };
  pg.clamp = (value, low, high) => Math.max(low, Math.min(high, value));
  pg.later = (wait, task) => {
    let timer;
    return () => { clearTimeout(timer); timer = setTimeout(task, wait); };
  };
  pg.image = src => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error('not a picture'));
    image.src = src;
  });
  pg.dark = () => document.body.classList.contains('dark');
  pg.typing = target => !!target.closest?.('input, textarea, select, [contenteditable]');

  /** One request in flight, the newest wins: returns a function that may be called at any rate. */
  pg.pump = task => {
    let busy = false, next = null;
    const go = async () => {
      if (busy || !next) return;
      busy = true;
      const [payload] = next;
      next = null;
      try { await task(payload); } finally { busy = false; go(); }
    };
    return payload => { next = [payload]; go(); };
  };

  class Tab {
    constructor(name) {
      this.name = name;
      this.values = {};
      this.handlers = {};
      this.groups = [];
      this.entries = [];
      this.at = -1;
      this.locked = false;
      this.hint = '';  // what to do here, said while no preset's sentence stands in its place
      this.disabled = {};
      this.taken = -1;  // number of the preset whose state this is
      this.running = null;
      this.told = null;  // a refusal that stands under the picture, and what was said meanwhile
      this.mounted = new Promise(resolve => { this.ready = resolve; });
      this.redraw = pg.pump(() => this.drawNow());
      this.settle = pg.later(REST, () => this.keep());
      this.apply = pg.later(80, () => this.context?.trigger('apply', {}));
    }

    /* ---------------------------------------------------------------- life */

    async mount(element, spec, context) {
      Object.assign(this, { element, spec, context, server: context.server });
      this.fields = Object.fromEntries(spec.fields.map(field => [field.name, field]));
      this.values = { ...spec.first };
      this.body = element.querySelector('.pg-body');
      this.find = selector => element.querySelector(selector);
      this.find('.pg-progress').hidden = !spec.runs;  // keeps its place where runs are long, so that nothing jumps
      this.wire();
      context.watch('value', () => this.streamed(context.props.value));
      pg.stages[this.name]?.(this, this.body);
      const asked = pg.take(this.name);
      this.recall();
      if (asked) await this.restore(asked);
      else this.own();
      window.addEventListener('pg-own', () => this.own());
      this.arrived = true;  // from here on the address follows the state; before, a reload must find what was asked
      this.refresh();
      this.ready();
      if (spec.streams) this.rerun();
      else this.redraw();
      this.settle();
    }

    on(event, handler) { (this.handlers[event] ??= []).push(handler); return this; }
    emit(event, ...details) { return (this.handlers[event] || []).map(handler => handler(...details)); }

    wire() {
      const on = (selector, task) => this.element.querySelectorAll(selector)
        .forEach(button => button.addEventListener('click', () => task(button)));
      on('[data-preset]', button => this.preset(+button.dataset.preset));
      on('[data-tool]', button => this[button.dataset.tool]());
      on('.pg-error button', () => this.error(null));
      on('.pg-copy', button => pg.copy(this.find('.pg-share code'), button));
      const file = this.find('.pg-tools input[type=file]');
      file.addEventListener('change', () => { if (file.files[0]) pg.open(file.files[0], this); file.value = ''; });
      this.find('.pg-address').addEventListener('focus', event => event.target.select());
    }

    /* ---------------------------------------------------------------- state */

    /** Changes some values. `quiet` leaves the Gradio controls alone (they made the change). */
    set(patch, { quiet = false, draw = true } = {}) {
      const changed = Object.keys(patch).filter(name => name in this.values && this.values[name] !== patch[name]);
      if (!changed.length) return;
      for (const name of changed) this.values[name] = patch[name];
      if (!quiet) this.apply();
      this.refresh();
      this.emit('state', this.values, changed);
      if (draw && !this.spec.streams) this.redraw();
      if (draw && this.spec.streams) this.rerun();
      this.settle();
    }

    input(name, value) {
      if (value === null || value === undefined) return;  // an emptied number box: wait for the digits
      this.set({ [name]: value }, { quiet: true });
    }

    /** The visitor's own models join the list of models; the server leaves out those that do not suit this tab. */
    own() {
      if (!('model' in this.values)) return;
      const names = pg.own.names();
      if (/^own-/.test(this.values.model) && !names.includes(this.values.model)) names.unshift(this.values.model);
      if (names.length) this.context.trigger('own', { names });
    }

    rest(name) { return this.fields[name].default; }

    /** What the Gradio controls are set to, in the order asked for. */
    pull(names) {
      const shared = this.held();
      return names.map(name => {
        const why = this.disabled[name];
        const info = (why !== shared && why) || this.fields[name].info || null;
        return { __type__: 'update', value: this.values[name], interactive: !why, info };
      });
    }

    /** The reason why controls rest, if it is the same for most of them: it is said once, above them, not by each. */
    held() {
      const [reason, ...others] = new Set(Object.values(this.disabled));
      return reason && !others.length && Object.keys(this.disabled).length > 3 ? reason : '';
    }

    reset(names = Object.keys(this.values)) {
      const keep = this.locked ? ['seed'] : [];
      this.set(Object.fromEntries(names.filter(n => !keep.includes(n)).map(n => [n, this.rest(n)])));
    }

    preset(index) {
      const { values } = this.spec.presets[index];
      const next = { ...Object.fromEntries(Object.keys(this.values).map(n => [n, this.rest(n)])), ...values };
      if (this.locked) next.seed = this.values.seed;
      this.emit('preset', index);
      this.set(next);
    }

    /** Takes over a state from an address or a saved file; the server replaces what cannot be used. */
    async restore(state) {
      const reply = await this.call('pg_restore', { state });
      if (reply) { this.set(reply.state); this.own(); this.emit('restore', this.values); }
    }

    again() {
      if (!('seed' in this.values) || this.locked) return;
      this.set({ seed: crypto.getRandomValues(new Uint32Array(1))[0] % 100000 });
    }

    /* ---------------------------------------------------------------- answers */

    /** Calls a server function; null after an error, which then stands over the picture. */
    async call(name, payload) {
      let reply;
      try { reply = await this.server[name](payload); } catch { reply = undefined; }
      if (reply === undefined || reply === null) reply = { error: 'The server did not answer. Is it still running?' };
      if (reply.error) { this.error(reply.error); return null; }
      return reply;
    }

    async drawNow() {
      const asked = { ...this.values };
      const reply = await this.call('pg_draw', { state: asked });
      this.failed = !reply;
      if (reply) this.show(reply, asked);
    }

    show(reply, asked) {
      this.error(null);
      this.last = reply;
      this.shown = asked;
      this.take(reply.patch, asked);
      if (JSON.stringify(reply.disabled || {}) !== JSON.stringify(this.disabled)) {
        this.disabled = reply.disabled || {};
        this.apply();
        this.lesson();
      }
      this.say(reply.sentence);
      this.find('.pg-facts').textContent = `${reply.facts.ms} ms · ${reply.facts.model} · ${reply.facts.device}`;
      this.find('.pg-share code').textContent = reply.code;
      this.emit('reply', reply, asked);
      this.settle();
    }

    /** Values the server had to change, unless the visitor has moved on. */
    take(patch, asked) {
      const fresh = Object.entries(patch || {}).filter(([name]) => this.values[name] === asked[name]);
      if (fresh.length) this.set(Object.fromEntries(fresh), { draw: false });
    }

    say(sentence) {
      if (this.told) { this.told.after = sentence; return; }
      const line = this.find('.pg-sentence');
      if (sentence && line.textContent !== sentence) line.textContent = sentence;
    }

    /** Says why nothing came of a gesture. It stands until the next one, though answers to earlier ones may still come. */
    tell(sentence) {
      this.told = null;
      this.say(sentence);
      this.told = { after: null };
      const heard = new AbortController();
      const over = () => { const { after } = this.told ?? {}; this.told = null; heard.abort(); this.say(after); };
      for (const gesture of ['pointerdown', 'keydown']) window.addEventListener(gesture, over, { capture: true, signal: heard.signal });
    }

    error(message) {
      const box = this.find('.pg-error');
      box.hidden = !message;
      box.querySelector('p').textContent = message || '';
    }

    /* ---------------------------------------------------------------- long runs */

    /** Starts the tab's stream with the present state; a run under way is stopped first. */
    run(extra = {}) {
      if (this.running) { this.running.next = extra; this.stop(); return; }
      this.running = { ticket: `${Date.now()}-${Math.random()}`, asked: { ...this.values }, next: null };
      this.context.trigger('run', { ticket: this.running.ticket, state: this.running.asked, ...extra });
      this.progress(0, 1);
    }

    rerun = pg.later(150, () => this.run());

    stop() { if (this.running && !this.running.halting) { this.running.halting = true; this.context.trigger('halt', {}); } }

    halted() { if (this.running?.halting) this.ended(); }

    ended() {
      const next = this.running?.next;
      this.running = null;
      this.find('.pg-progress').classList.add('pg-idle');
      this.emit('ended');
      if (next) this.run(next);
    }

    streamed(value) {
      if (!value || value.ticket !== this.running?.ticket) return;
      if (value.reply?.error) this.error(value.reply.error);
      else if (value.reply) { this.show(value.reply, this.running.asked); this.progress(value.reply.step, value.reply.total); }
      if (value.end && !this.running.halting) this.ended();
    }

    progress(step, total) {
      const row = this.find('.pg-progress');
      const now = performance.now();
      if (!step) this.running.start = now;
      row.classList.remove('pg-idle');
      row.querySelector('progress').value = step / total;
      const left = step ? ((now - this.running.start) / step) * (total - step) / 1000 : 0;
      row.querySelector('span').textContent = step ? `step ${step} of ${total}, ${left.toFixed(1)} s left` : 'starting';
    }

    /* ---------------------------------------------------------------- history and address */

    async keep() {
      if (!this.last || this.failed) return;  // a state that cannot be drawn is no place to come back to
      if (this.running) { this.settle(); return; }
      const state = { ...this.values };
      this.address();
      const { picture, sentence } = this.last, here = this.entries[this.at];
      const same = here && JSON.stringify(here.state) === JSON.stringify(state);
      if (same && this.pictured === picture) return;
      this.pictured = picture;
      const entry = { state, thumb: await thumbnail(picture), sentence };
      if (same) Object.assign(here, entry);  // a training has gone on: its step shows what has become of it
      else {
        this.entries = [...this.entries, entry].slice(-KEPT);
        this.at = this.entries.length - 1;
      }
      this.store();
      this.strip();
    }

    go(index) {
      if (index < 0 || index >= this.entries.length) return;
      this.at = index;
      this.set(this.entries[index].state);
      this.emit('restore', this.values);
      this.strip();
    }

    undo() { this.go(this.at - 1); }
    redo() { this.go(this.at + 1); }

    /** Survives a reload of the page; a full or forbidden store only means a shorter memory. */
    store() {
      try { sessionStorage.setItem(`pg-${this.name}`, JSON.stringify(this.entries)); } catch { /* see above */ }
    }

    recall() {
      try { this.entries = JSON.parse(sessionStorage.getItem(`pg-${this.name}`) || '[]'); } catch { this.entries = []; }
      this.at = -1;
      this.strip();
    }

    strip() {
      const list = this.find('.pg-history');
      list.replaceChildren(...this.entries.map((entry, index) => {
        const image = pg.el('img', { src: entry.thumb, alt: '' });
        const label = `Step ${index + 1}: ${entry.sentence}`;
        return pg.el('li', {}, pg.el('button', {
          type: 'button', 'aria-label': label, title: entry.sentence,
          'aria-current': index === this.at ? 'true' : null, onclick: () => this.go(index),
        }, image));
      }));
      list.scrollLeft = list.scrollWidth;
      this.refresh();
    }

    link() {
      const url = new URL(location.href.split(/[?#]/)[0]);
      url.searchParams.set('tab', this.name);
      for (const [name, value] of Object.entries(this.values)) {
        const said = name === 'model' || name === 'seed' || value !== this.rest(name);
        if (said && String(value).length <= LONGEST) url.searchParams.set(name, value);
      }
      return url;
    }

    address() {
      if (!this.arrived) return;
      this.find('.pg-address').value = this.link();
      if (pg.active === this.name && pg.booted) history.replaceState(null, '', this.link());
    }

    async save() {
      const reply = await this.call('pg_save', { state: this.values });
      if (reply) pg.el('a', { href: reply.src, download: reply.name }).click();
    }

    open() { this.find('.pg-tools input[type=file]').click(); }

    /* ---------------------------------------------------------------- controls */

    group(element, { names, when }) {
      const button = element.querySelector('button');
      const box = document.getElementById(element.closest('.pg-group')?.id) || element.parentElement;
      button.addEventListener('click', () => this.reset(names));
      this.groups.push({ button, box, names, when });
      this.refresh();
    }

    seedButtons(element) {
      const [dice, lock] = element.querySelectorAll('button');
      dice.addEventListener('click', () => this.again());
      lock.addEventListener('click', () => {
        this.locked = !this.locked;
        lock.setAttribute('aria-pressed', this.locked);
        dice.disabled = this.locked;
        dice.title = this.locked ? 'The seed is locked. Open the lock first.' : 'Another seed (R)';
      });
    }

    /** Buttons that have nothing to do are greyed, groups that do not belong are away. */
    refresh() {
      if (!this.spec) return;
      const moved = names => names.some(name => this.values[name] !== this.rest(name));
      for (const { button, box, names, when } of this.groups) {
        able(button, moved(names), 'Back to the defaults', 'Everything here is at its default');
        box.hidden = !Object.entries(when).every(([name, allowed]) => allowed.includes(this.values[name]));
      }
      const tool = name => this.find(`[data-tool=${name}]`);
      able(tool('reset'), moved(Object.keys(this.values)), 'Everything back to its default', 'Everything is at its default');
      able(tool('undo'), this.at > 0, 'One step back (Ctrl+Z)', 'There is nothing before this');
      able(tool('redo'), this.at < this.entries.length - 1, 'One step on (Ctrl+Shift+Z)', 'There is nothing after this');
      this.lesson();
    }

    lesson() {
      const taken = this.spec.presets.findIndex(preset => Object.entries(this.values).every(([name, value]) =>
        value === (preset.values[name] ?? this.rest(name)) || (name === 'seed' && this.locked)));
      const buttons = this.element.querySelectorAll('[data-preset]');
      buttons.forEach((button, index) => button.setAttribute('aria-pressed', index === taken));
      if (taken >= 0 && taken !== this.taken) {  // on a phone they are a row to swipe, and it may lie outside
        const row = buttons[taken].parentElement;
        row.scrollLeft = buttons[taken].offsetLeft - row.offsetLeft - 12;
      }
      this.taken = taken;
      const line = this.find('.pg-lesson');
      line.hidden = !this.spec.presets.length;
      line.textContent = this.held() || (taken >= 0 ? this.spec.presets[taken].sentence : this.hint);
    }
  }

  /** A button that cannot be used says why. */
  function able(button, usable, does, why) {
    button.disabled = !usable;
    button.title = usable ? does : why;
  }

  async function thumbnail(src) {
    const image = await pg.image(src);
    const canvas = pg.el('canvas', { width: 56, height: 56 });
    const pen = canvas.getContext('2d');
    const side = Math.min(image.width, image.height);
    pen.imageSmoothingEnabled = side > 56;
    pen.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, 56, 56);
    return canvas.toDataURL('image/jpeg', 0.8);
  }
})();
