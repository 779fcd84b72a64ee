/* One lane of the laboratory: a canvas with the field, the points, samples and arrows of one moment. */
(() => {
  const { el } = pg;
  const EXTENT = 4, LATTICE = 8, LONGEST = 0.8, DEEPEST = 0.62;
  const typed = (text, Kind) => pg.train.typed(text, Kind);
  const rgb = name => {
    const hex = pg.css(name).slice(1), full = hex.length === 3 ? [...hex].map(c => c + c).join('') : hex;
    return [0, 2, 4].map(i => parseInt(full.slice(i, i + 2), 16));
  };
  const lattice = Float32Array.from({ length: 2 * LATTICE ** 2 }, (_, i) => {
    const cell = i % 2 ? (i >> 1) % LATTICE : Math.floor((i >> 1) / LATTICE);
    return -EXTENT + 2 * EXTENT * (cell + 0.5) / LATTICE;
  });

  /** A moment's numbers, unpacked when first drawn. */
  const unpacked = moment => (moment.open ??= {
    samples: typed(moment.samples, Int16Array), arrows: typed(moment.arrows, Float32Array), field: typed(moment.field, Uint8Array),
    clouds: Object.fromEntries(Object.entries(moment.clouds).map(([name, text]) => [name, typed(text, Int16Array)])),
  });

  /** `show(moment, ground, look)`: look = {arrows: 0 | 1 | 10, field, points} */
  pg.train.lane = (canvas, family) => {
    const small = el('canvas');
    let shown = null;

    const soil = (field, side) => {
      if (small.width !== side) { small.width = side; small.height = side; }
      const pen = small.getContext('2d'), image = pen.createImageData(side, side), two = family.name === 'gan';
      const [dry, wet, cold] = [rgb('--pg-well'), rgb('--pg-accent'), rgb('--pg-quiet')];
      for (let ix = 0; ix < side; ix += 1) for (let iy = 0; iy < side; iy += 1) {
        const v = field[ix * side + iy] / 255, t = two ? (2 * v - 1) ** 2 : v, to = two && v < 0.5 ? cold : wet;
        const deep = t * (two && v < 0.5 ? 0.45 : DEEPEST), o = 4 * ((side - 1 - iy) * side + ix);
        for (let c = 0; c < 3; c += 1) image.data[o + c] = dry[c] + (to[c] - dry[c]) * deep;
        image.data[o + 3] = 255;
      }
      pen.putImageData(image, 0, 0);
    };

    /** The line on which the discriminator is undecided. */
    const border = (pen, field, side, P) => {
      const at = i => -EXTENT + 2 * EXTENT * (i + 0.5) / side, level = 127.5;
      pen.beginPath();
      for (let i = 0; i < side - 1; i += 1) for (let j = 0; j < side - 1; j += 1) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]].map(([x, y]) => [x, y, field[x * side + y]]), ends = [];
        corners.forEach(([x, y, p], k) => {
          const [x1, y1, q] = corners[(k + 1) % 4];
          if ((p < level) === (q < level)) return;
          const t = (level - p) / (q - p);
          ends.push(P(at(x + t * (x1 - x)), at(y + t * (y1 - y))));
        });
        for (let k = 0; k + 1 < ends.length; k += 2) { pen.moveTo(...ends[k]); pen.lineTo(...ends[k + 1]); }
      }
      pen.stroke();
    };

    const dots = (pen, cloud, unit, P, size, round) => {
      for (let i = 0; i < cloud.length; i += 2) {
        const [x, y] = P(cloud[i] / unit, cloud[i + 1] / unit);
        if (round) { pen.moveTo(x + size, y); pen.arc(x, y, size, 0, 7); } else pen.rect(x - size / 2, y - size / 2, size, size);
      }
    };

    const redraw = () => {
      if (!shown || !canvas.clientWidth) return;
      const { moment, ground, look } = shown, [pen, width, high] = pg.sharp(canvas), open = unpacked(moment), { unit, side } = ground;
      const P = (x, y) => [(x / EXTENT + 1) * width / 2, (1 - y / EXTENT) * high / 2];
      pen.fillStyle = pg.css('--pg-well');
      pen.fillRect(0, 0, width, high);
      if (look.field) {
        soil(open.field, side);
        pen.imageSmoothingEnabled = true;
        pen.imageSmoothingQuality = 'high';
        pen.drawImage(small, 0, 0, width, high);
        if (family.name === 'gan') {
          pen.strokeStyle = pg.css('--pg-quiet');
          pen.lineWidth = 1;
          border(pen, open.field, side, P);
        }
      }
      const [ink, quiet, accent] = ['--pg-ink', '--pg-quiet', '--pg-accent'].map(pg.css);
      if (look.points) {
        pen.fillStyle = quiet;
        pen.globalAlpha = 0.6;
        pen.beginPath(); dots(pen, ground.open ??= typed(ground.points, Int16Array), unit, P, Math.max(1.5, width / 320)); pen.fill();
        pen.globalAlpha = 1;
      }
      if (look.arrows) {
        const from = family.on === 'grid' ? lattice : open.samples, by = family.on === 'grid' ? 1 : unit;
        pen.strokeStyle = ink;
        pen.fillStyle = ink;
        pen.globalAlpha = 0.75;
        pen.lineWidth = Math.max(1, width / 420);
        pen.beginPath();
        for (let i = 0; i < open.arrows.length; i += 2) {
          const [x, y] = [from[i] / by, from[i + 1] / by];
          let [dx, dy] = [open.arrows[i] * family.length * look.arrows, open.arrows[i + 1] * family.length * look.arrows];
          const long = Math.hypot(dx, dy);
          if (long > LONGEST) { dx *= LONGEST / long; dy *= LONGEST / long; }
          const [a, b] = [P(x, y), P(x + dx, y + dy)], reach = Math.hypot(b[0] - a[0], b[1] - a[1]);
          if (reach < 1) continue;
          pen.moveTo(...a); pen.lineTo(...b);
          const tip = Math.min(5, reach / 2), turn = Math.atan2(b[1] - a[1], b[0] - a[0]);
          for (const way of [2.6, -2.6]) { pen.moveTo(...b); pen.lineTo(b[0] + tip * Math.cos(turn + way), b[1] + tip * Math.sin(turn + way)); }
        }
        pen.stroke();
        pen.globalAlpha = 1;
      }
      const crowd = Object.entries(open.clouds);
      pen.globalAlpha = crowd.length ? 0.25 : 1;
      pen.fillStyle = ink;
      pen.beginPath(); dots(pen, open.samples, unit, P, Math.max(1.3, width / 300), true); pen.fill();
      pen.globalAlpha = 1;
      crowd.forEach(([, cloud], k) => {
        pen.lineWidth = 1.2;
        pen.strokeStyle = k ? ink : accent;
        pen.fillStyle = pg.css('--pg-card');
        pen.beginPath(); dots(pen, cloud, unit, P, Math.max(2.2, width / 190), true); pen.fill(); pen.stroke();
      });
    };
    new ResizeObserver(redraw).observe(canvas);
    document.addEventListener('pg-theme', redraw);
    return { show(moment, ground, look) { shown = { moment, ground, look }; redraw(); }, redraw };
  };
})();
