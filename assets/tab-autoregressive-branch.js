/* Autoregressive: at any place another value is chosen, and the rest is drawn again. */
(() => {
  const { el, clamp } = pg;
  const { per, where, large, board, greys, unknown, ring, unpack } = pg.autoregressiveTools;
  const MOST = 7;

  pg.autoregressive.branch = ({ tab, part, colour, words, listed }) => {
    const tree = { lanes: [], focus: null };
    const canvas = board(part('branch'), { label: 'The picture. Arrow keys go from place to place, B puts the other value there.',
      hover: i => { tree.focus = i; paintBranch(); }, leave: () => { tree.focus = null; paintBranch(); },
      pick: i => hold(i) });
    const hold = i => { tree.focus = null; tab.set({ pixel: i }, { draw: false }); paintBranch(); };
    const unsure = board(part('unsure'), { label: 'Where the network was least sure', caption: 'Bright: here it could have gone otherwise. Press to go there.',
      hover: i => { tree.focus = i; paintBranch(); }, leave: () => { tree.focus = null; paintBranch(); }, pick: i => hold(i) });
    unsure.element.tabIndex = -1;
    const entries = () => {
      let list;
      try { list = JSON.parse(tab.values.branches); } catch { list = null; }
      return Array.isArray(list) ? list : [];
    };
    const active = () => tree.lanes[clamp(tab.values.lane, 0, tree.lanes.length - 1)];
    /** Nats of doubt at each place (the entropy of its distribution), worked out once per lane and setting. */
    const doubts = lane => {
      const { temperature, top_k, top_p } = tab.values, key = [temperature, top_k, top_p].join();
      if (lane.key !== key) Object.assign(lane, { key, doubt: lane.order.map((_, i) => lane.odds(i, tab.values).reduce((sum, [, p]) => sum - (p > 0 ? p * Math.log(p) : 0), 0)) });
      return lane.doubt;
    };
    /** Where the hand rests: the place chosen, or the one at which the network was least sure. */
    const pinned = lane => (tab.values.pixel >= 0 ? Math.min(tab.values.pixel, lane.total - 1) : lane.home ??= doubts(lane).reduce((best, d, i, all) => (d > all[best] ? i : best), 0));
    const picture = (tools, lane) => {
      if (lane.coded) { if (lane.image) tools.pen.drawImage(lane.image, 0, 0, tools.width, tools.height); } else tools.pen.drawImage(lane.small, 0, 0, tools.width, tools.height);
    };
    const paintBranch = () => {
      const lane = active();
      if (!lane?.logits) return;
      const home = pinned(lane), i = tree.focus ?? home, n = lane.place[i];
      canvas.at = home;
      canvas.show(lane.w, lane.h, tools => {
        picture(tools, lane);
        const { pen, width, height } = tools;
        pen.save();
        pen.globalAlpha = 0.72;
        unknown(tools, lane.order.slice(n + 1));
        pen.restore();
        if (lane.from >= 0) ring(tools, lane.at, true);
        if (i !== home) { pen.globalAlpha = 0.5; ring(tools, home); pen.globalAlpha = 1; }
        ring(tools, i);
      });
      part('unsure').hidden = lane.coded;  // the list of words takes its place
      if (!lane.coded) {
        const doubt = doubts(lane), shades = greys(lane.w, lane.h, n => (doubt[n] / Math.LN2) ** 0.7);
        unsure.show(lane.w, lane.h, tools => { tools.pen.drawImage(shades, 0, 0, tools.width, tools.height); ring(tools, i); });
      }
      canvas.note.textContent = lane.from >= 0 ? 'Hatched: drawn later, unknown to this place. Dashed: where the branch left.' : 'Hatched: drawn later, and unknown to this place.';
      const first = lane.odds(i, tab.values);
      canvas.say(`${where(i, lane.w)}: ${first.slice(0, 2).map(([v, p]) => `${lane.coded ? `word ${v}` : colour(v)} ${per(p)}`).join(', ')}`);
      part('choice-title').textContent = `${large(where(i, lane.w))}, after ${n} ${lane.coded ? 'words' : 'pixels'}`;
      part('choices').replaceChildren(...listed(lane, i, value => leave(i, value)));
      const full = entries().length >= MOST;
      part('choice-note').textContent = full ? `At most ${MOST} branches. Remove one first.`
        : `${tree.focus !== null && i !== home ? 'Press here to hold this place. ' : ''}Choose ${lane.coded ? 'another word' : 'the other value'}, or press B, to branch here.`;
    };
    const leave = (at, value) => {
      const list = entries(), lane = active();
      if (value === lane.value[at]) { tab.tell(`${large(where(at, lane.w))} already is ${lane.coded ? `word ${value}` : colour(value)}. Choose another value to leave from here.`); return; }
      if (list.length >= MOST) { tab.tell(`At most ${MOST} branches fit. Remove one first.`); return; }
      list.push({ from: clamp(tab.values.lane, 0, tree.lanes.length - 1), at, value });
      tab.set({ branches: JSON.stringify(list), lane: list.length, pixel: at });
    };
    const flip = () => {
      const lane = active();
      if (!lane?.logits) return;
      const i = tree.focus ?? pinned(lane), other = lane.odds(i, tab.values).find(([v]) => v !== lane.value[i]);
      leave(i, other ? other[0] : lane.coded ? (lane.value[i] + 1) % lane.kinds : 1 - lane.value[i]);
    };
    const remove = number => {
      const list = entries(), gone = new Set([number]), order = [0], kept = [];
      list.forEach((entry, i) => {
        if (gone.has(entry.from)) gone.add(i + 1);
        if (gone.has(i + 1)) return;
        kept.push({ ...entry, from: order[entry.from] });
        order[i + 1] = kept.length;
      });
      tab.set({ branches: JSON.stringify(kept), lane: order[list[number - 1].from] ?? 0 });
    };
    const again = () => {
      const list = entries(), seed = crypto.getRandomValues(new Uint32Array(1))[0] % 100000, { lane } = tab.values;
      if (tab.locked) return;
      if (lane && list[lane - 1]) { list[lane - 1].seed = seed; tab.set({ branches: JSON.stringify(list) }); } else tab.set({ seed, branches: '[]', lane: 0, pixel: -1 });
    };
    const trunk = el('button', { type: 'button', onclick: () => remove(tab.values.lane) }, 'Remove this branch');
    part('lane-buttons').append(el('button', { type: 'button', title: 'Other dice for what comes after the branch (R)', onclick: () => again() }, 'Roll again'), trunk);
    const showBranch = async reply => {
      const { data, facts } = reply, lanes = data.lanes.map(lane => unpack(data, lane));
      await Promise.all(lanes.map(async lane => {
        if (lane.coded) lane.image = await pg.image(lane.picture);
        else lane.small = greys(lane.w, lane.h, i => lane.value[i]);
      }));
      if (data.kind === 'codes') await words(facts.model);
      if (reply !== tab.last) return;
      Object.assign(tree, { lanes, focus: null });
      drawLanes();
      paintBranch();
    };
    const drawLanes = () => {
      const now = clamp(tab.values.lane, 0, tree.lanes.length - 1);
      const focused = part('lanes').contains(document.activeElement);
      part('lanes').replaceChildren(...tree.lanes.map((lane, i) => {
        const small = el('canvas', { width: lane.coded ? 64 : 84, height: lane.coded ? 64 : 84, 'aria-hidden': 'true' }), pen = small.getContext('2d');
        pen.imageSmoothingEnabled = false;
        pen.drawImage(lane.coded ? lane.image : lane.small, 0, 0, small.width, small.height);
        if (lane.from >= 0) ring({ pen, box: n => [n % lane.w * small.width / lane.w, Math.floor(n / lane.w) * small.height / lane.h, small.width / lane.w, small.height / lane.h] }, lane.at);
        const what = lane.coded ? `word ${lane.value[lane.at]}` : colour(lane.value[lane.at]);
        const text = i ? `${i}: from ${lane.from || 'the first'}, ${what} in ${where(lane.at, lane.w)}` : 'The first picture';
        return el('li', {}, el('button', { type: 'button', 'aria-pressed': String(i === now), title: text, 'aria-label': text, onclick: () => tab.set({ lane: i }, { draw: lane.coded }) }, small,
          el('span', {}, i ? `${lane.from ? `${lane.from} → ` : ''}${i}` : 'first')));
      }));
      if (focused) part('lanes').querySelectorAll('button')[now]?.focus();
      trunk.disabled = !now;
      trunk.title = now ? 'And whatever left from it' : 'This is the picture all branches leave from.';
    };
    return { show: showBranch, flip, again, state(values, changed) {
      if (values.mode !== 'branch') return;
      if (tree.lanes.length && (changed.includes('lane') || changed.includes('pixel'))) { drawLanes(); paintBranch(); }
      if (['temperature', 'top_k', 'top_p'].some(name => changed.includes(name))) paintBranch();  // at once; the pictures follow
    } };
  };
})();
