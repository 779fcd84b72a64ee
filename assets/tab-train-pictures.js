/* The train tab's pictures: a plan, the training of a job that goes on without the page, its film and its curves. */
(() => {
  const { el, clamp } = pg;
  const AGAIN = 700, HIDDEN = 4000, STRIP = 12, DIGIT = 28;
  const EXAMPLES = 'examples', OWNER = 'pg-owner', LAST = 'pg-training';
  const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
  const stored = {
    get: key => { try { return localStorage.getItem(key) || ''; } catch { return ''; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* a forbidden store: lasts for this page */ } },
  };
  /** Who this visitor is, for "one training each": an id that the page makes and keeps. */
  let me = stored.get(OWNER);
  const owner = () => {
    if (!/^[\w-]{16,64}$/.test(me)) {
      me = Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, '0')).join('');
      stored.set(OWNER, me);
    }
    return me;
  };

  /** A packed drawing (tabs: class, then base64 of two pixels a byte) → canvas. */
  const thumb = packed => {
    const bytes = Uint8Array.from(atob(packed.slice(1).replace(/-/g, '+').replace(/_/g, '/')), c => c.charCodeAt(0));
    const canvas = el('canvas', { width: DIGIT, height: DIGIT, 'aria-hidden': 'true' }), pen = canvas.getContext('2d');
    const data = pen.createImageData(DIGIT, DIGIT);
    for (let i = 0; i < DIGIT * DIGIT; i += 1) {
      const grey = 17 * (i % 2 ? bytes[i >> 1] & 15 : bytes[i >> 1] >> 4);
      data.data.set([grey, grey, grey, 255], 4 * i);
    }
    pen.putImageData(data, 0, 0);
    return canvas;
  };

  /** Lines over updates: [{name, values: [[x, y] …], colour, dash?}], a level line, marks, a cursor. */
  const chart = (host, { label, height = 150 }) => {
    const canvas = el('canvas', { role: 'img', 'aria-label': label, class: 'ts-chart' });
    canvas.style.height = `${height}px`;
    host.append(canvas);
    let given = null, cursor = null;
    const number = v => (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 1 ? v.toFixed(1) : v.toFixed(3));
    const redraw = () => {
      if (!given || !canvas.clientWidth) return;
      const [pen, width, high] = pg.sharp(canvas), left = 44, right = width - 10, head = 20, foot = high - 18;
      const points = given.lines.map(line => line.values.filter(p => Number.isFinite(p[1])));
      const ys = [...points.flat().map(p => p[1]), ...(Number.isFinite(given.level?.y) ? [given.level.y] : [])].sort((a, b) => a - b);
      let [low, top] = given.y || [ys[0] ?? 0, ys[Math.floor(0.97 * (ys.length - 1))] ?? 1];  // the first, huge values would hide the rest
      if (!given.y && ys.length) low = Math.min(low, ys[0]);
      if (!(top > low)) top = low + 1;
      const X = x => left + (right - left) * x / Math.max(1, given.until), Y = y => head + (foot - head) * (1 - (clamp(y, low, top) - low) / (top - low));
      pen.font = '11px system-ui, sans-serif';
      pen.strokeStyle = pg.css('--pg-line');
      pen.fillStyle = pg.css('--pg-quiet');
      pen.lineWidth = 1;
      pen.beginPath();
      for (const y of [low, top]) { pen.moveTo(left, Y(y)); pen.lineTo(right, Y(y)); }
      pen.stroke();
      const write = (text, x, y, align) => { pen.textAlign = align; pen.fillText(text, x, y); };
      write(number(top), left - 6, Y(top) + 4, 'right');
      write(number(low), left - 6, Y(low) + 4, 'right');
      write('0', left, high - 4, 'left');
      write(`${given.until} updates`, right, high - 4, 'right');
      const dashed = (draw, colour = '--pg-quiet') => { pen.setLineDash([3, 3]); pen.strokeStyle = pg.css(colour); pen.beginPath(); draw(); pen.stroke(); pen.setLineDash([]); };
      for (const x of given.marks || []) dashed(() => { pen.moveTo(X(x), head); pen.lineTo(X(x), foot); });
      if (Number.isFinite(given.level?.y)) { dashed(() => { pen.moveTo(left, Y(given.level.y)); pen.lineTo(right, Y(given.level.y)); }); write(given.level.name, right, Y(given.level.y) - 4, 'right'); }
      given.lines.forEach((line, i) => {
        pen.strokeStyle = pg.css(line.colour);
        pen.lineWidth = 2;
        pen.setLineDash(line.dash || []);
        pen.beginPath();
        for (const [x, y] of points[i]) pen.lineTo(X(x), Y(y));
        pen.stroke();
        pen.setLineDash([]);
        if (points[i].length === 1) { pen.fillStyle = pg.css(line.colour); pen.beginPath(); pen.arc(X(points[i][0][0]), Y(points[i][0][1]), 2.5, 0, 7); pen.fill(); }
      });
      let place = left;
      for (const line of given.lines.filter(l => l.name)) {
        pen.strokeStyle = pg.css(line.colour);
        pen.lineWidth = 2;
        pen.setLineDash(line.dash || []);
        pen.beginPath(); pen.moveTo(place, 8); pen.lineTo(place + 18, 8); pen.stroke();
        pen.setLineDash([]);
        pen.fillStyle = pg.css('--pg-quiet');
        write(line.name, place + 24, 12, 'left');
        place += 40 + pen.measureText(line.name).width;
      }
      if (cursor !== null) { pen.strokeStyle = pg.css('--pg-ink'); pen.lineWidth = 1; pen.beginPath(); pen.moveTo(X(cursor), head); pen.lineTo(X(cursor), foot); pen.stroke(); }
    };
    new ResizeObserver(redraw).observe(canvas);
    document.addEventListener('pg-theme', redraw);
    return { show(next, text) { given = next; if (text) canvas.setAttribute('aria-label', `${label}. ${text}`); redraw(); }, at(x) { cursor = x; redraw(); } };
  };

  pg.train.pictures = ({ tab, part, press }) => {
    const id = name => part(`pic-${name}`);
    const set = values => tab.set(values);
    const lossChart = chart(id('loss'), { label: 'Loss' });
    const fdChart = chart(id('fd'), { label: 'FD' });
    const classChart = chart(id('classes'), { label: 'Old and new classes' });
    const bar = tab.body.querySelector('.ts-standing progress');
    const button = name => tab.body.querySelector(`[data-do="pic-${name}"]`);
    let film = [], images = [], now = 0, follow = true, playing = 0, seen = null, job = '', timer = 0, asking = false, mending = null, first = null, lossName = 'Loss', open = false;

    /* ------------------------------------------------------------ the film */

    const paint = (canvas, image) => {
      if (!image) return;
      if (canvas.width !== image.width || canvas.height !== image.height) Object.assign(canvas, { width: image.width, height: image.height });
      canvas.getContext('2d').drawImage(image, 0, 0);
    };
    const go = index => {
      if (!film.length) return;
      now = clamp(index, 0, film.length - 1);
      paint(id('screen'), images[now]);
      const when = `after ${film[now][0]} updates`;
      id('when').textContent = when;
      id('scrub').value = now;
      id('scrub').setAttribute('aria-valuetext', when);
      id('screen').setAttribute('aria-label', `Sixteen samples ${when}, always of the same seeds`);
      for (const c of [lossChart, fdChart, classChart]) c.at(film[now][0]);
      [...id('strip').children].forEach(li => li.firstChild.setAttribute('aria-current', String(+li.dataset.index === now)));
    };
    const stop = () => { clearInterval(playing); playing = 0; button('play').textContent = 'Play'; };
    const play = () => {
      if (playing) { stop(); return; }
      if (now >= film.length - 1) go(0);
      follow = false;
      button('play').textContent = 'Pause';
      playing = setInterval(() => { if (now >= film.length - 1 || !id('screen').offsetParent) { stop(); return; } go(now + 1); }, 83);
    };
    const strip = () => {
      const count = Math.min(STRIP, film.length);
      const chosen = Array.from({ length: count }, (_, i) => Math.round(i * (film.length - 1) / Math.max(1, count - 1)));
      id('strip').replaceChildren(...chosen.map(index => {
        const canvas = el('canvas', { 'aria-hidden': 'true' });
        paint(canvas, images[index]);
        const choose = el('button', { type: 'button', 'aria-label': `After ${film[index][0]} updates`, title: `after ${film[index][0]} updates`, onclick: () => { stop(); follow = index === film.length - 1; go(index); } }, canvas);
        return el('li', { 'data-index': index }, choose);
      }));
      id('scrub').max = Math.max(0, film.length - 1);
      id('scrub').disabled = button('play').disabled = film.length < 2;
    };
    const take = async frames => {
      const mine = job, loaded = await Promise.all(frames.map(([, src]) => pg.image(src)));
      if (mine !== job) return;
      frames.forEach(([update], i) => {  // a resumed training takes some pictures again
        const at = film.findIndex(([u]) => u >= update);
        const replaced = at >= 0 && film[at][0] === update ? 1 : 0;
        film.splice(at < 0 ? film.length : at, replaced, [update]);
        images.splice(at < 0 ? images.length : at, replaced, loaded[i]);
      });
      if (frames.length) { strip(); go(follow ? film.length - 1 : now); }
    };
    const forget = () => { film = []; images = []; now = 0; follow = true; seen = null; stop(); };
    id('scrub').addEventListener('input', event => { event.stopPropagation(); stop(); follow = false; go(+id('scrub').value); });
    press('pic-play', play);

    /* ------------------------------------------------------------ how it stands */

    const under = () => seen && (seen.status === 'running' || seen.status === 'waiting');
    const time = s => (s < 90 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`);
    const standing = () => {
      if (!seen) return '';
      if (seen.status === 'waiting') return seen.place > 1 ? `waiting, ${seen.place - 1} before you` : 'waiting, next in turn';
      const where = `update ${seen.update} of ${seen.updates}, ${time(seen.seconds)}`;
      if (seen.status === 'running') return seen.update ? `${where}, ${time(seen.left)} left` : seen.message;
      return `${where}. ${seen.message}`;
    };
    const buttons = () => {
      const ours = tab.values.pic_data === 'drawings' && !tab.values.job;
      const more = seen?.again;
      button('train').hidden = !!under();
      button('train').textContent = more ? 'Go on' : seen ? 'Train again' : 'Train';
      button('stop').hidden = !under();
      button('slower').hidden = seen?.status !== 'diverged';
      if (seen?.status === 'diverged') button('train').hidden = true;
      button('cure').hidden = !mending || !!under();
      button('cure').textContent = mending?.label || '';
      bar.value = seen ? seen.update / Math.max(1, seen.updates) : 0;
      bar.hidden = !seen;
      if (id('standing').textContent !== standing()) id('standing').textContent = standing();
      id('drawings').hidden = !ours;
      tab.body.querySelector('.ts-stage').hidden = ours && !film.length;
      id('keep').hidden = film.length < 2;
      for (const name of ['zip']) tab.body.querySelector(`[data-keep=${name}]`).disabled = !seen?.result;
      button('use').disabled = !seen?.result;
      tab.body.querySelector('[data-keep=zip]').title = button('use').title = seen?.result ? '' : 'There is a checkpoint once the training has stopped or ended';
    };
    const column = (points, k) => (points || []).map(p => [p[0], p[k]]);
    const mean = (points, from, to) => (points || []).map(p => [p[0], p.slice(1 + from, 1 + to).reduce((a, b) => a + (b ?? 0), 0) / (to - from)]);
    const curves = () => {
      const { lines, updates, floor, phases } = seen, marks = Array.from({ length: phases - 1 }, (_, i) => updates * (i + 1) / phases);
      const losses = lines.losses || [], last = losses.at(-1);
      id('loss-name').textContent = lossName;
      const say = v => (Number.isFinite(v) ? v.toFixed(Math.abs(v) < 10 ? 3 : 1) : '–');
      const words = last ? `Learned pictures ${say(last[1])}, pictures kept aside ${say(last[2])}.` : 'Measured as soon as it learns.';
      lossChart.show({ until: updates, marks, lines: [{ name: 'learned', values: column(losses, 1), colour: '--pg-accent' }, { name: 'kept aside', values: column(losses, 2), colour: '--pg-warn', dash: [6, 3] }] }, words);
      id('loss-note').textContent = words;
      const fd = lines.fd || [];
      id('fd-box').hidden = !fd.length;
      const far = fd.length ? `${fd.at(-1)[1].toFixed(0)} now${floor ? `, ${(fd.at(-1)[1] / floor).toFixed(1)} times that of real pictures (${floor.toFixed(0)})` : ''}.` : '';
      fdChart.show({ until: updates, marks, level: { y: floor, name: 'real pictures' }, lines: [{ values: column(fd, 1), colour: '--pg-accent' }] }, far);
      id('fd-note').textContent = far;
      const split = tab.values.pic_what === 'gan' ? lines.classes : lines['class losses'];  // a critic's loss says nothing of classes
      id('classes-box').hidden = !split;
      if (!split) return;
      const cut = { 'two halves': 5, 'two more': 8, 'in pairs': 2 }[tab.values.pic_course] || 5, old = mean(split, 0, cut), young = mean(split, cut, 10);
      const share = split === lines.classes, ends_ = [old.at(-1)[1], young.at(-1)[1]].map(v => v.toFixed(share ? 2 : 0));
      const names = [`first, 0–${cut - 1}`, cut < 9 ? `later, ${cut}–9` : 'later, 9'];
      const note = share ? `Share of its samples that the judge takes for them; 1 is fair. Now ${ends_[0]} and ${ends_[1]}.`
        : `Loss of digits kept aside: lower is better known. First digits ${ends_[0]} now, at best ${Math.min(...old.map(p => p[1])).toFixed(0)}; later ones ${ends_[1]}.`;
      classChart.show({ until: updates, marks, lines: [{ name: names[0], values: old, colour: '--pg-accent' }, { name: names[1], values: young, colour: '--pg-warn', dash: [6, 3] }] }, note);
      id('classes-note').textContent = note;
    };
    const ends = async () => {
      const there = film.length > 1 && !under();
      id('ends').hidden = !there;
      if (!there) return;
      paint(id('before'), images[0]);
      paint(id('after'), images.at(-1));
      const mine = job;
      const found = seen.near && await tab.call('train_near', { job });
      if (mine !== job) return;
      id('near-box').hidden = !found?.src;
      if (found?.src) { id('near').src = found.src; id('near').alt = found.alt; id('near-note').textContent = found.note; }
    };
    const model = name => { id('model').textContent = name ? `It stands in the other tabs' lists as “${name.title}”, ${name.name}.` : ''; };
    const welcome = async () => {
      if (!seen.result || !seen.model) return;
      const made = await tab.call('train_use', { job });
      if (made) { pg.own.add(made); model(made); }
    };

    const ask = async () => {
      clearTimeout(timer);
      if (!job || asking) return;
      asking = true;
      const mine = job, since = film.length && under() ? film.at(-1)[0] : -1;
      const reply = await tab.call('train_look', { job: mine, since });
      asking = false;
      if (mine !== job) { ask(); return; }
      if (!reply && !seen && stored.get(LAST) === mine) stored.set(LAST, '');  // it is no longer there
      if (!reply) { buttons(); if (under()) timer = setTimeout(ask, HIDDEN); return; }
      const before = seen?.status;
      if (since < 0 && film.length) { film = []; images = []; }
      seen = reply;
      await take(reply.frames);
      if (mine !== job) return;
      curves();
      buttons();
      if (reply.update && tab.values.mode === 'pictures') tab.say(reply.sentence);
      if (under()) { timer = setTimeout(ask, document.hidden || !open ? HIDDEN : AGAIN); id('ends').hidden = true; return; }
      ends();
      welcome();
      if (before && before !== reply.status) tab.redraw();
    };
    /** A training that is open by its link, or the visitor's last one, which is not open. */
    const found = () => {
      const last = stored.get(LAST), other = !job && /^[\w-]{16}$/.test(last);
      id('found').hidden = !other && (!job || begun.has(job));
      id('found').replaceChildren(other ? 'Your last training is kept. ' : 'Found again: this training is kept by its link.');
      if (other) id('found').append(el('button', { type: 'button', class: 'pg-link', onclick: () => tab.set({ job: last }) }, 'Show it'));
    };
    const begun = new Set();  // trainings that this page has begun
    const attach = next => {
      if (next === job) return;
      job = next;
      forget();
      found();
      id('ends').hidden = true;
      model(null);
      if (next) { stored.set(LAST, next); ask(); } else { strip(); buttons(); show(first); }
    };

    /* ------------------------------------------------------------ before there is a training */

    const show = async data => {
      first = data || first;
      if (job || !first) return;
      const image = first.known || first.first;
      if (image) paint(id('screen'), await pg.image(image));
      if (job) return;
      id('when').textContent = first.known ? 'before it learns' : 'what it will see';
      id('screen').setAttribute('aria-label', first.known ? 'What the trained network draws now' : 'Sixteen of the pictures it will learn from');
      id('strip').replaceChildren();
      id('keep').hidden = true;
      for (const c of [lossChart, fdChart]) { c.at(null); c.show({ until: tab.values.pic_updates, lines: [{ values: [], colour: '--pg-accent' }] }); }
      id('loss-note').textContent = 'The loss of learned pictures and of pictures kept aside, once it learns.';
      id('fd-note').textContent = 'How far its samples are from real pictures, as a judge sees them: lower is better.';
      id('fd-box').hidden = tab.values.pic_data === 'drawings';
      id('classes-box').hidden = true;
      id('loss-name').textContent = lossName;
    };
    const train = async () => {
      button('train').disabled = true;
      const reply = seen?.again ? await tab.call('train_go', { job, owner: owner() }) : await tab.call('train_start', { state: { ...tab.values, job: '' }, owner: owner() });
      button('train').disabled = false;
      if (!reply) return;
      tab.error(null);
      if (reply.job) { begun.add(reply.job); tab.set({ job: reply.job }, { draw: false }); } else { seen.status = 'waiting'; buttons(); ask(); }
      tab.settle();
      tab.redraw();
    };
    press('pic-train', train);
    press('pic-stop', async () => { button('stop').disabled = true; await tab.call('train_stop', { job }); button('stop').disabled = false; ask(); });
    press('pic-slower', async () => { if (await tab.call('train_go', { job, owner: owner(), rate: 1 })) { seen.status = 'waiting'; ask(); } });
    press('pic-cure', () => { if (mending) set({ ...mending.values, job: '' }); });
    press('pic-use', async () => { const made = await tab.call('train_use', { job }); if (made) { pg.own.add(made); model(made); } });
    const files = tab.body.querySelector('.ts-row input[type=file]');
    press('pic-load', () => files.click());
    files.addEventListener('change', async () => {
      const file = files.files[0];
      files.value = '';
      if (!file) return;
      const made = await tab.call('train_load', { file: await pg.fileUri(file) });
      if (made) { tab.error(null); pg.own.add(made); model(made); }
    });
    tab.body.querySelectorAll('[data-keep]').forEach(choice => choice.addEventListener('click', async () => {
      choice.disabled = true;
      const file = await tab.call('train_keep', { job, kind: choice.dataset.keep });
      choice.disabled = false;
      if (file) el('a', { href: file.src, download: file.name }).click();
    }));

    /* ------------------------------------------------------------ drawings */

    let label = 0;
    const pad = pg.drawPad(id('pad'), { label: 'Draw a digit', width: 24 });
    id('digits').append(...Array.from({ length: 10 }, (_, k) => el('button', { type: 'button', role: 'radio', 'aria-checked': String(k === 0), onclick: () => name(k) }, String(k))));
    const name = k => { label = k; [...id('digits').children].forEach((b, i) => b.setAttribute('aria-checked', String(i === k))); };
    const list = async () => {
      if (tab.values.pic_drawings !== EXAMPLES) return tab.values.pic_drawings.split('.').filter(Boolean);
      examples ??= (await tab.call('train_examples', {}))?.drawings ?? null;
      return (examples || '').split('.').filter(Boolean);
    };
    let examples = null;
    const keepDrawings = drawings => set({ pic_drawings: drawings.join('.'), job: '' });
    const thumbs = async () => {
      if (tab.values.pic_data !== 'drawings') return;
      const drawings = await list();
      id('count').textContent = tab.values.pic_drawings === EXAMPLES ? `${drawings.length} example drawings` : `Your drawings: ${drawings.length}`;
      id('thumbs').replaceChildren(...drawings.map((packed, i) => el('li', {},
        el('button', { type: 'button', title: 'Delete', 'aria-label': `Delete drawing ${i + 1}, a ${packed[0]}`, onclick: async () => keepDrawings((await list()).filter((_, k) => k !== i)) }, thumb(packed), el('span', {}, packed[0])))));
      button('back').disabled = button('none').disabled = !drawings.length;
    };
    press('pic-add', async () => {
      const drawing = pad.uri();
      if (!drawing) { tab.error('The pad is empty. Draw a digit on it first.'); return; }
      const reply = await tab.call('train_digit', { drawing, label });
      if (!reply) return;
      tab.error(null);
      const before = tab.values.pic_drawings === EXAMPLES ? [] : await list();
      keepDrawings([...before, reply.packed]);
      pad.clear();
      name((label + 1) % 10);
    });
    press('pic-back', async () => keepDrawings((await list()).slice(0, -1)));
    press('pic-none', () => keepDrawings([]));
    press('pic-examples', () => set({ pic_drawings: EXAMPLES, job: '' }));

    /* ------------------------------------------------------------ the tab */

    const PLAN = name => name.startsWith('pic_') || name === 'seed';
    return {
      hint: 'Choose a network and what it learns from, then press Train. It goes on when this page is closed; the link finds it again.',
      open(here) { open = here; found(); if (here && under()) ask(); },
      reply(reply) {
        mending = reply.data.cure;
        lossName = reply.data.loss || lossName;
        id('drawn-box').hidden = !reply.data.drawn;
        if (reply.data.drawn) id('drawn').src = reply.data.drawn;
        if (!tab.values.job) show(reply.data);
        buttons();
      },
      state(values, changed) {
        if (changed.includes('job')) attach(values.job);
        // a plan that is changed is another training; the one under way goes on and stays in the history
        else if (job && seen && !under() && changed.some(name => PLAN(name) && values[name] !== seen.plan[name])) tab.set({ job: '' });
        if (changed.includes('pic_drawings') || changed.includes('pic_data')) thumbs();
        buttons();
      },
      restore(values) { found(); attach(values.job); thumbs(); },
      key(event) {
        const to = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: film.length - 1 }[event.key];
        if (to !== undefined && film.length) { stop(); follow = to >= film.length - 1; go(to); return true; }
        if (event.key === ' ' && film.length > 1 && !calm()) { play(); return true; }
        return false;
      },
    };
  };
})();
