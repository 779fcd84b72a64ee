/* Autoregressive: a picture is watched as it is drawn, place by place, with the chance each had. */
(() => {
  const { el, clamp } = pg;
  const { per, floats, where, large, board, greys, unknown, ring, unpack } = pg.autoregressiveTools;
  const PACES = { slow: 12, steady: 60, fast: 320, instant: Infinity };  // pixels a second

  pg.autoregressive.watch = ({ tab, body, part, colour, words, listed }) => {
    const watched = { lane: null, dice: null, film: null, now: 0, clock: 0, was: null, wish: false };
    const die = part('die');
    const screen = board(part('watch'), { label: 'The picture as it is drawn. Arrow keys go back and forth, space plays.',
      hover: i => look(i), leave: () => look(null), pick: i => reach(i), key: event => steer(event) });
    const chance = board(part('chance'), { label: 'Probability at each place', hover: i => look(i), leave: () => look(null),
      pick: i => reach(i), key: event => steer(event) });
    chance.element.tabIndex = -1;
    const play = el('button', { type: 'button', class: 'ar-play', onclick: () => toggle() });
    const slider = el('input', { type: 'range', min: 0, max: 784, value: 784, 'aria-label': 'How much is drawn' });
    const count = el('output', { class: 'pg-count' });
    const paces = Object.keys(PACES).map(name => el('button', { type: 'button', 'aria-pressed': 'false', onclick: () => tab.set({ pace: name }, { draw: false }) }, name));
    part('transport').append(play, slider, count, el('div', { class: 'ar-segment', role: 'group', 'aria-label': 'Speed' }, ...paces));
    slider.addEventListener('input', event => { event.stopPropagation(); stop(); go(+slider.value); tellPlace(); });
    part('transport').addEventListener('keydown', event => { if (event.key === ' ' && event.target === slider) { event.preventDefault(); toggle(); } });

    let pointed = null;
    const reach = i => { if (watched.lane) { stop(); go(watched.lane.place[i] + 1); tellPlace(); } };
    const look = i => { pointed = i; paintDie(); };
    const steer = event => {
      const { lane, now } = watched;
      if (!lane) return false;
      const jump = event.shiftKey ? lane.w : 1;
      const to = { ArrowLeft: now - jump, ArrowRight: now + jump, ArrowUp: now - lane.w, ArrowDown: now + lane.w, Home: 0, End: lane.total }[event.key];
      if (event.key === ' ') { toggle(); return true; }
      if (to === undefined) return false;
      stop(); go(to); tellPlace();
      return true;
    };
    const paintFilm = () => {
      const { lane, film, now } = watched;
      if (!lane) return;
      const ahead = lane.order.slice(now), values = tab.values;
      screen.show(lane.w, lane.h, tools => {
        if (lane.coded) {
          const { pen, width, height } = tools;
          pen.imageSmoothingEnabled = false;
          pen.drawImage(film.image, now % film.columns * film.w, Math.floor(now / film.columns) * film.h, film.w, film.h, 0, 0, width, height);
        } else tools.pen.drawImage(watched.picture, 0, 0, tools.width, tools.height);
        unknown(tools, ahead);
        if (now && now < lane.total) ring(tools, lane.order[now - 1]);
      });
      chance.show(lane.w, lane.h, tools => {
        tools.pen.drawImage(watched.chances, 0, 0, tools.width, tools.height);
        unknown(tools, ahead);
        if (now && now < lane.total) ring(tools, lane.order[now - 1]);
      });
      chance.note.textContent = lane.coded ? 'How likely each word was that was drawn: white is certain, black one in ten thousand.'
        : `The odds of white at each pixel${values.temperature === 1 ? '' : `, at temperature ${values.temperature.toFixed(2)}`}, just before it was drawn.`;
      slider.max = lane.total;
      slider.value = now;
      const unit = lane.coded ? 'word' : 'pixel';
      count.textContent = `${unit} ${now} of ${lane.total}`;
      slider.setAttribute('aria-valuetext', now ? `${count.textContent}, ${where(lane.order[now - 1], lane.w)}` : 'nothing drawn yet');
      screen.say(slider.getAttribute('aria-valuetext'));
      paintDie();
    };
    const paintDie = () => {
      const { lane, dice, now } = watched;
      if (!lane) return;
      const at = pointed !== null ? pointed : now ? lane.order[now - 1] : null;
      if (at === null || (pointed === null && now === lane.total)) {
        die.replaceChildren(el('p', { class: 'pg-caption' }, now ? `Point at a ${lane.coded ? 'patch' : 'pixel'} to see its odds${lane.coded ? '' : ' and its die'}, or press play.` : 'Nothing is drawn yet.'));
        return;
      }
      if (lane.place[at] >= now) { die.replaceChildren(el('h3', {}, large(where(at, lane.w))), el('p', { class: 'pg-caption' }, 'Not drawn yet: its odds depend on what comes before.')); return; }
      const head = el('h3', {}, `${large(where(at, lane.w))}: ${lane.coded ? `word ${lane.value[at]}` : colour(lane.value[at])}`);
      if (lane.coded) { die.replaceChildren(head, el('ol', { class: 'ar-choices' }, ...listed(lane, at, null, 4))); return; }
      const [[, white]] = lane.odds(at, tab.values), fell = dice[at];
      const bar = el('div', { class: 'ar-odds', 'aria-hidden': 'true' }, el('i', {}), el('u', {}));
      bar.firstChild.style.width = `${100 * white}%`;
      bar.lastChild.style.left = `${100 * fell}%`;
      die.replaceChildren(head, bar, el('p', { class: 'pg-caption' },
        `The white part is ${per(white)} of the bar. The die fell at ${(100 * fell).toFixed(0)} of 100${(white > 0.5) === !!lane.value[at] ? '' : ', against the odds'}: ${colour(lane.value[at])}.`));
    };
    const go = to => { watched.now = clamp(Math.round(to), 0, watched.lane?.total ?? 0); paintFilm(); };
    const tellPlace = () => {
      const { lane, now } = watched;
      if (!lane) return;
      if (now >= lane.total) { tab.say(tab.last.sentence); return; }
      if (!now) { tab.say('Nothing is drawn yet. The first pixel has no others before it to go by.'); return; }
      const i = lane.order[now - 1], p = lane.chance(i, tab.values);
      tab.say(`${lane.coded ? 'Word' : 'Pixel'} ${now} of ${lane.total}, ${where(i, lane.w)}: ${lane.coded ? `word ${lane.value[i]}` : colour(lane.value[i])}, which the network had given a chance of ${per(p)} after looking at the ${now - 1} before it.`);
    };
    const button = () => { play.textContent = watched.clock ? 'Pause' : 'Play'; play.setAttribute('aria-label', watched.clock ? 'Pause' : 'Play from here'); };
    const stop = () => { cancelAnimationFrame(watched.clock); watched.clock = 0; button(); };
    const run = () => {
      const { lane } = watched, speed = () => PACES[tab.values.pace] * (lane.coded ? 0.12 : 1);
      let at = watched.now, before = performance.now();
      const beat = time => {
        at += speed() * Math.max(0, time - before) / 1000;
        before = time;
        go(Math.min(at, lane.total));
        if (watched.now >= lane.total || tab.values.mode !== 'watch') { stop(); tellPlace(); return; }
        watched.clock = requestAnimationFrame(beat);
      };
      if (PACES[tab.values.pace] === Infinity) { go(lane.total); tellPlace(); return; }
      watched.clock = requestAnimationFrame(beat);
      button();
    };
    const toggle = () => {
      if (!watched.lane) return;
      if (watched.clock) { stop(); tellPlace(); return; }
      if (watched.now >= watched.lane.total) go(0);
      run();
    };
    const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
    /** Another picture is played from its first pixel; the same dice at another temperature stay where they are. */
    const showWatch = async (reply, asked) => {
      const { data, facts } = reply;
      const key = [facts.model, asked.seed, asked.label, asked.order].join('|'), fresh = watched.was !== null && watched.was !== key;
      const lane = unpack(data, data.kind === 'codes' ? { codes: data.codes, logits: data.logits } : data.lane);
      if (lane.coded) {
        const image = await pg.image(data.film.src);
        await words(facts.model);
        if (reply !== tab.last) return;  // a newer picture has come while this one was unpacked
        watched.film = { ...data.film, image };
      } else watched.dice = floats(data.dice);
      body.querySelector('.ar-watch').classList.toggle('ar-coded', lane.coded);
      const atEnd = !watched.lane || watched.now >= watched.lane.total;
      Object.assign(watched, { lane, was: key });
      if (!lane.coded) watched.picture = greys(lane.w, lane.h, i => lane.value[i]);
      watched.chances = greys(lane.w, lane.h, i => (lane.coded ? 1 + Math.log10(Math.max(lane.chance(i, asked), 1e-4)) / 4 : lane.odds(i, asked)[0][1]));
      if (fresh && !calm()) { stop(); go(0); run(); } else go(atEnd ? lane.total : watched.now);
    };
    button();
    return {
      show: showWatch, stop, steer,
      state(values) { for (const one of paces) one.setAttribute('aria-pressed', one.textContent === values.pace); },
      restore() { watched.was = null; },
    };
  };
})();
