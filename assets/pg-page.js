/* The page around the tabs: saved pictures, the address, keys, the header. */
(() => {
  /** Plain http has no clipboard: then the text is selected, ready for Ctrl+C. */
  pg.copy = async (source, button) => {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = 'Selected: press Ctrl+C';
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  };

  /* -------------------------------------------------------------------- saved pictures */

  /** The recipe in a PNG's text chunk "playground", or null. */
  pg.recipe = buffer => {
    const view = new DataView(buffer), text = new TextDecoder('latin1');
    const is = (at, word) => text.decode(new Uint8Array(buffer, at, word.length)) === word;
    if (buffer.byteLength < 24 || !is(1, 'PNG')) return null;
    for (let at = 8; at + 12 <= buffer.byteLength;) {
      const size = view.getUint32(at);
      if (at + 12 + size > buffer.byteLength) return null;
      if (is(at + 4, 'tEXt')) {
        const [key, body] = text.decode(new Uint8Array(buffer, at + 8, size)).split('\0');
        if (key === 'playground') { try { return JSON.parse(body); } catch { return null; } }
      }
      at += 12 + size;
    }
    return null;
  };

  /** A dropped or chosen file: a saved picture brings its tab and state back, any other is offered to the tab. */
  pg.open = async (file, tab = pg.tabs[pg.active]) => {
    const recipe = pg.recipe(await file.arrayBuffer());
    if (recipe && pg.names.includes(recipe.tab)) {
      pg.pending = { tab: recipe.tab, state: recipe.state };
      document.getElementById(`tab-${recipe.tab}-button`)?.click();
      const there = pg.tab(recipe.tab);
      await there.mounted;
      const asked = pg.take(recipe.tab);
      if (asked) await there.restore(asked);
      return;
    }
    const accepted = tab.emit('file', file).some(Boolean);
    if (!accepted) tab.error('This picture carries no recipe. Open one that was saved here, or use it where a picture is asked for.');
  };

  /** A file as a data URI, photographs scaled down first so that a phone's twelve megapixels may come too. */
  pg.fileUri = async (file, side = 1024) => {
    if (file.type === 'image/jpeg' && file.size > 500000) {
      const bitmap = await createImageBitmap(file).catch(() => null);
      if (bitmap) {
        const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
        const canvas = pg.el('canvas', { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
        canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
        return canvas.toDataURL('image/jpeg', 0.9);
      }
    }
    return new Promise(resolve => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result).replace('data:application/octet-stream', 'data:image/x-unknown'));
      reader.readAsDataURL(file);
    });
  };

  /* -------------------------------------------------------------------- models the visitor trained */

  const OWN = 'pg-own';
  pg.own = {
    /** [{name, title, family, data}], the latest first. */
    list() { try { return JSON.parse(localStorage.getItem(OWN) || '[]'); } catch { return []; } },
    names() { return this.list().map(model => model.name); },
    /** Remembers a model; every tab's list of models has it at once. */
    add(model) {
      const list = [model, ...this.list().filter(known => known.name !== model.name)].slice(0, 24);
      try { localStorage.setItem(OWN, JSON.stringify(list)); } catch { /* a forbidden store: it lasts for this page */ }
      window.dispatchEvent(new Event('pg-own'));
    },
  };

  /* -------------------------------------------------------------------- address, tabs, keys */

  pg.take = name => {
    const asked = pg.pending?.tab === name ? pg.pending.state : null;
    if (asked) pg.pending = null;
    return asked;
  };

  /** A tab was opened. Gradio's own first selection is not a visitor's wish, and on a busy machine it comes late. */
  pg.select = name => {
    const stale = document.getElementById(`tab-${name}-button`)?.getAttribute('aria-selected') === 'false';
    if (name !== pg.active && (!pg.booted || stale)) return;
    pg.active = name;
    pg.booted = true;
    if (pg.tabs[name]?.spec) pg.tabs[name].address();
    else if (pg.pending?.tab !== name) history.replaceState(null, '', `?tab=${name}`);
  };

  pg.boot = names => {
    pg.names = names;
    const query = Object.fromEntries(new URLSearchParams(location.search));
    const wanted = names.includes(query.tab) ? query.tab : names[0];
    pg.active = wanted;
    delete query.tab;
    if (Object.keys(query).length) pg.pending = { tab: wanted, state: query };
    const look = () => {
      const button = document.getElementById(`tab-${wanted}-button`);
      if (!button) { requestAnimationFrame(look); return; }
      if (wanted !== names[0]) button.click();
      pg.booted = true;
    };
    look();
  };

  document.addEventListener('keydown', event => {
    const tab = pg.tabs[pg.active];
    if (!tab?.spec || pg.typing(event.target)) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') {
      event.preventDefault();
      event.shiftKey ? tab.redo() : tab.undo();
    } else if (event.key.toLowerCase() === 'r' && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (!tab.emit('again').some(Boolean)) tab.again();
    }
  });
  document.addEventListener('dragover', event => event.preventDefault());
  document.addEventListener('drop', event => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) pg.open(event.dataTransfer.files[0]);
  });

  /* -------------------------------------------------------------------- header */

  const remembered = { get: key => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window */ } } };

  pg.header = (element, { server }) => {
    const [projector, theme] = element.querySelectorAll('button');
    const beamer = on => {
      document.documentElement.classList.toggle('pg-projector', on);
      projector.setAttribute('aria-pressed', on);
      remembered.set('pg-projector', on ? '1' : '');
    };
    const dark = on => {
      document.body.classList.toggle('dark', on);
      theme.setAttribute('aria-pressed', on);
      remembered.set('pg-dark', on ? '1' : '0');
      document.dispatchEvent(new Event('pg-theme'));
    };
    beamer(!!remembered.get('pg-projector'));
    const wish = remembered.get('pg-dark');
    dark(wish ? wish === '1' : matchMedia('(prefers-color-scheme: dark)').matches);
    projector.addEventListener('click', () => beamer(projector.getAttribute('aria-pressed') !== 'true'));
    theme.addEventListener('click', () => dark(theme.getAttribute('aria-pressed') !== 'true'));
    const status = async () => {
      if (document.hidden) return;
      const reply = await server.pg_status({});
      if (reply?.text) element.querySelector('.pg-status').textContent = reply.text;
    };
    status();
    setInterval(status, 15000);
  };
})();
