/* Autoregressive: how little each place of a picture was expected. */
(() => {
  const { el, clamp } = pg;
  const { per, bytes, floats, where, large, board, cells, ring } = pg.autoregressiveTools;

  pg.autoregressive.surprise = ({ tab, part, colour, sources }) => {
    const heat = { data: null };
    const map = board(part('heat'), { label: 'Surprise of each place. Arrow keys go from place to place.', hover: i => point(i), leave: () => point(null), pick: i => point(i) });
    sources(part('own-surprise'), false);
    const classes = pg.bars(part('classes'), { label: 'Probability of each class', unit: ' %', digits: 0 });
    const orders = pg.bars(part('orders'), { label: 'Nats of the same picture in each order', unit: ' nats', digits: 1 });
    part('legend').append(el('i', { 'aria-hidden': 'true' }), el('span', {}), el('span', {}), el('span', {}));
    const point = i => {
      const { data } = heat;
      if (!data) return;
      heat.at = i;
      map.redraw();
      const { nats, w, labels } = data, coded = data.kind === 'codes';
      if (i === null) part('here').textContent = `Point at a ${coded ? 'patch' : 'pixel'} to read its surprise${labels.length ? ', and what the network thinks it is by then' : ''}.`;
      else {
        const p = Math.exp(-nats[i]);
        part('here').textContent = `${large(where(i, w))}: ${coded ? 'its word' : colour(data.bits[i] === '1')} had a chance of ${per(p)}, ${nats[i].toFixed(2)} nats.`;
        map.say(part('here').textContent);
      }
      part('classes-box').hidden = !labels.length;
      if (labels.length) {
        const n = (i === null ? nats.length : i + 1) - 1;
        part('classes-title').textContent = i === null ? 'Which class makes it likeliest?' : `What it takes it for after ${n + 1} pixels`;
        const shares = labels.map((label, k) => ({ label, value: 100 * data.posterior[n * labels.length + k] / 255 }));
        classes.show(shares, { max: 100 });
      }
    };
    const showSurprise = async reply => {
      const { data } = reply, coded = data.kind === 'codes', image = await pg.image(data.input);
      if (reply !== tab.last) return;
      heat.data = { ...data, nats: floats(data.nats), posterior: data.posterior && bytes(data.posterior) };
      const { nats } = heat.data, most = coded ? data.most : 4;
      const glow = cells(data.w, data.h, i => [249, 115, 22, (coded ? 190 : 235) * clamp(nats[i] / most, 0, 1) ** (coded ? 1.5 : 0.8)]);
      map.show(data.w, data.h, tools => {
        const { pen, width, height } = tools;
        pen.fillStyle = '#000';
        pen.fillRect(0, 0, width, height);
        pen.globalAlpha = coded ? 0.8 : 0.7;
        pen.drawImage(image, 0, 0, width, height);
        pen.globalAlpha = 1;
        pen.drawImage(glow, 0, 0, width, height);
        if (heat.at != null) ring(tools, heat.at);
      });
      map.note.textContent = coded ? 'The brighter the orange, the less the network expected this patch after those before it.'
        : 'The brighter the orange, the less the network expected this pixel after those before it.';
      const words = part('legend').querySelectorAll('span');
      ['sure', coded ? '' : 'coin toss (0.7 nats)', coded ? `blind guess (${most.toFixed(1)} nats)` : 'shock (4 nats and more)'].forEach((text, i) => { words[i].textContent = text; });
      part('figures').replaceChildren(...[
        [data.total.toFixed(1), 'nats in all'],
        coded ? [(data.total / nats.length).toFixed(1), 'nats a word'] : [data.bpd.toFixed(3), 'bits per dimension'],
        ...(data.usual ? [[data.usual.toFixed(1), 'nats, a usual digit']] : []),
      ].map(([number, text]) => el('div', {}, el('strong', {}, number), el('span', {}, text))));
      part('protocol').textContent = coded ? 'Exact for the 64 words of the face, told by an encoder; not a likelihood of its pixels.'
        : `Exact −log p(x)${data.labels.length ? (tab.shown.told === tab.rest('told') ? ', every class equally likely' : `, told it is a ${tab.shown.told}`) : ''}. Each pixel is black or white (grey above ½ is white). Bits per dimension = nats / (${nats.length} ln 2).`;
      const { names = [], model } = data.orders;
      part('orders').hidden = !names.length;
      orders.show(names.map((label, k) => ({ label, value: data.orders.nats[k] })));
      part('orders-note').textContent = names.length ? `By the network “${model}”, which has learned them all. The same picture, the same pixels: only the order of the questions differs.`
        : coded ? 'The words of faces are learned in one order only.' : 'No network here has learned other orders than row by row.';
      point(map.element.matches(':hover') ? heat.at ?? null : null);
    };
    return { show: showSurprise };
  };
})();
