"""Shared fixtures: the engine, a running page, and a browser that tolerates no request to another host."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

HERE = {"127.0.0.1", "localhost"}
SERIOUS = {"serious", "critical"}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """The shipped checkpoints on the CPU, and an empty place for visitors' models."""
    from playground import Engine

    return Engine("cpu", own=tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="session")
def open_page(engine) -> Iterator[Callable]:
    """Starts a server for any list of tab modules; all are closed in the end."""
    from tabs._ui import serve

    started = []

    def start(modules) -> str:
        port = free_port()
        started.append(serve.launch(engine, modules, port=port))
        return f"http://127.0.0.1:{port}"

    yield start
    for demo in started:
        demo.close(verbose=False)


@pytest.fixture(scope="session")
def server(open_page) -> str:
    """Address of the running app with all its tabs."""
    import tabs

    return open_page(tabs.discover())


@pytest.fixture(scope="session")
def make_client(engine) -> Callable:
    """Calls server functions over HTTP without a browser: `call(elem_id, function, payload)`."""
    import gradio as gr
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from tabs._ui import serve

    def make(modules) -> SimpleNamespace:
        demo = serve.build(engine, modules)
        client = TestClient(gr.mount_gradio_app(FastAPI(), demo, path="/", **serve.appearance(modules)))
        ids = {block.elem_id: number for number, block in demo.blocks.items() if getattr(block, "elem_id", None)}

        def call(elem_id: str, function: str, payload):
            body = {"data": payload, "fn_name": function, "component_id": ids[elem_id], "session_hash": "test"}
            reply = client.post("/gradio_api/component_server/", json=body)
            assert reply.status_code == 200, reply.text
            return reply.json()

        return SimpleNamespace(http=client, call=call, demo=demo)

    return make


@pytest.fixture(scope="session")
def client(make_client) -> SimpleNamespace:
    """The whole app behind a test client."""
    import tabs

    return make_client(tabs.discover())


@pytest.fixture(scope="session")
def browser():
    """A Chromium: the one installed, or Playwright's own."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as p:
        sync_api.expect.set_options(timeout=60_000)
        chromium = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def make_browser_page(browser) -> Iterator[Callable]:
    """Browser pages that fail the test on a request to another host or an error in a script."""
    contexts, outside, errors = [], [], []

    def make(**options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda r: outside.append(r.url) if not is_here(r.url) else None)
        page.on("pageerror", lambda e: errors.append(str(e)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not outside, f"requests left this host: {outside}"
    assert not errors, f"errors in the page's scripts: {errors}"


def is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "about") or parts.hostname in HERE


@pytest.fixture
def page(make_browser_page):
    """One desktop page, nothing opened yet."""
    return make_browser_page()


@pytest.fixture(scope="session")
def axe() -> Callable:
    """`axe(page)` → ids and places of the serious accessibility violations on the page as it stands."""
    package = pytest.importorskip("axe_playwright_python")
    source = (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

    def run(page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        serious = [v for v in found if v["impact"] in SERIOUS]
        return [f"{v['id']}: {node['html'][:160]}" for v in serious for node in v["nodes"]]

    return run
