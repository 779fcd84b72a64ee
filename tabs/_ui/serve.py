"""From tabs to a running server."""

from __future__ import annotations

import functools
import json
import logging
import threading
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import gradio as gr
from PIL import Image
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from playground.api import PlaygroundError
from playground.engine import Engine
from tabs import name_of
from tabs._ui import page
from tabs._ui.picture import MAX_PIXELS

log = logging.getLogger("playground")
KEEP_FILES = (600, 3600)  # Gradio's temporary files: looked through every 10 minutes, kept for an hour


class NoSniff:
    """Adds the header that keeps a browser from guessing a file's type."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        await self.app(scope, receive, with_header if scope["type"] == "http" else send)


def build(engine: Engine, tabs: Sequence[ModuleType]) -> gr.Blocks:
    """The page. A tab that cannot be built says why in its place; the others stay."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Gradio decodes uploads itself: no decompression bombs
    with gr.Blocks(title=page.TITLE, delete_cache=KEEP_FILES, analytics_enabled=False) as demo:
        page.header(engine)
        with gr.Tabs(elem_id="pg-tabs"):
            for module in tabs:
                name = name_of(module)
                with gr.Tab(module.TITLE, id=name, elem_id=f"tab-{name}") as tab:
                    _build_tab(module, engine)
                tab.select(None, None, None, js=f"() => pg.select({json.dumps(name)})", queue=False)
    return demo.queue(max_size=64)


def _build_tab(module: ModuleType, engine: Engine) -> None:
    try:
        module.build(engine)
    except PlaygroundError as error:
        gr.Markdown(f"## {module.TITLE}\n\n{error}")


def appearance(tabs: Sequence[ModuleType]) -> dict[str, Any]:
    """What `launch` and `mount_gradio_app` both want to know."""
    names = [name_of(module) for module in tabs]
    return {
        "theme": page.theme(),
        "css": page.css(names),
        "head": page.head(names),
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
    }


def launch(
    engine: Engine, tabs: Sequence[ModuleType], *, host: str = "127.0.0.1", port: int = 7860, share: bool = False
) -> gr.Blocks:
    """Starts the server in the background; a port of 0 takes any free one."""
    demo = build(engine, tabs)
    middleware = [Middleware(GZipMiddleware, minimum_size=1000), Middleware(NoSniff)]
    demo.launch(
        server_name=host,
        server_port=port or None,
        share=share,
        prevent_thread_lock=True,
        max_file_size="5mb",
        strict_cors=True,
        ssr_mode=False,
        app_kwargs={"middleware": middleware},
        _frontend=False,  # Gradio would give up if the page did not answer itself within seconds: on a busy machine
        **appearance(tabs),
    )
    return demo


def warm_up(engine: Engine, tabs: Sequence[ModuleType]) -> None:
    """Opens every checkpoint and does the tabs' own preparations in the background: no visitor waits for them."""
    light, heavy = [], []
    for card in engine.cards():  # a diffusers pipeline folder drags in a library that takes seconds to import
        (heavy if (card.folder / "model_index.json").is_file() else light).append(card.name)
    prepare = [functools.partial(module.warm, engine) for module in tabs if hasattr(module, "warm")]
    open_light, open_heavy = ([functools.partial(engine.model, name) for name in names] for names in (light, heavy))
    tasks = [*open_light, *prepare, *open_heavy]

    def work() -> None:
        for task in tasks:
            try:
                task()
            except PlaygroundError as error:
                log.warning("%s", error)

    threading.Thread(target=work, name="warm-up", daemon=True).start()


def wait() -> None:
    """Until Ctrl+C."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass
