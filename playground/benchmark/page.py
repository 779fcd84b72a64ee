"""The page: from the start of the process to the first picture, and from a gesture to its picture."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from playground.benchmark.measure import Measurements, Result, Skipped, timed
from playground.engine import Engine

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent.parent
MAP = {"model": "vae-mnist-2d"}
GESTURES = 20  # drags per page, after three to warm up


def start(engine: Engine, repeats: int) -> Iterator[Result]:
    """From the start of the process to the page's answer and to the first decoded picture."""
    answers, first = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        with serving(engine, "app.py") as address:
            answers.append(time.perf_counter() - began)
            first_picture(address)
            first.append(time.perf_counter() - began)
    imports = [sys.executable, "-c", "import gradio, torch, diffusers; diffusers.DDIMPipeline"]
    usual = [
        timed(lambda: subprocess.run(imports, check=True, cwd=ROOT), engine.device)[0] / 1000 for _ in range(repeats)
    ]
    note = "the usual way: importing gradio, torch and diffusers before anything is shown"
    yield Result("start to the page's first answer", median(answers), median(usual), "s", note)
    yield Result("start to the first decoded picture", median(first), median(usual), "s", note + " (imports alone)")


def gesture(engine: Engine, repeats: int) -> Iterator[Result]:
    """From a move of the pointer to the new picture: the latent map against a stock Gradio slider."""
    if MAP["model"] not in {card.name for card in engine.cards()}:
        raise Skipped(f"needs {MAP['model']}")
    with browser() as new_page:
        with serving(engine, "app.py") as address:
            ours = drag(new_page(), f"{address}/?tab=vae", '[data-part="map"] canvas', '[data-part="out"]')
        with serving(engine, "tests/stock_slider.py", "--model", MAP["model"]) as address:
            usual = drag(new_page(), address, '#slider input[type="range"]', "#picture img")
    note = "pointer move to painted picture in Chromium on this machine; the same decoder on both sides"
    yield Result("gesture to picture", median(ours), median(usual), "ms", note)


WATCH = """picture => new Promise(done => {
    let began;
    addEventListener('pointermove', () => { began = performance.now(); }, {capture: true, once: true});
    const loaded = event => {
        if (began === undefined || !event.target.matches?.(picture)) return;
        document.removeEventListener('load', loaded, true);
        requestAnimationFrame(() => done(performance.now() - began));
    };
    document.addEventListener('load', loaded, true);
    setTimeout(() => done(null), 5000);
})"""


def drag(page: Page, address: str, handle: str, picture: str) -> list[float]:
    """Milliseconds from each of `GESTURES` moves along a handle, button held, to the picture they bring."""
    page.goto(address)
    box = page.wait_for_selector(handle).bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], y)
    page.mouse.down()
    taken = []
    for i in range(GESTURES + 3):
        x = box["x"] + (0.32 + 0.4 * i / (GESTURES + 3)) * box["width"]
        page.evaluate(f"window.taken = ({WATCH})({json.dumps(picture)}); null")
        page.mouse.move(x, y)
        taken.append(page.evaluate("window.taken"))
        page.wait_for_timeout(250)  # a move of its own, not one that waits behind the last
    page.mouse.up()
    answered = [ms for ms in taken[3:] if ms is not None]
    if len(answered) < GESTURES / 2:
        raise Skipped(f"only {len(answered)} of {GESTURES} drags brought a picture at {address}")
    return answered


@contextmanager
def browser() -> Iterator[Callable[[], Page]]:
    """A Chromium without a window; yields a function that opens a page."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise Skipped("needs Playwright: pip install playwright") from None
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error:
            raise Skipped("needs a Chromium: python -m playwright install chromium") from None

        def new_page() -> Page:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            return page

        yield new_page
        chromium.close()


@contextmanager
def serving(engine: Engine, script: str, *options: str) -> Iterator[str]:
    """A page in a process of its own, from its first answer on; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, script, "--port", str(port), "--device", engine.device.type, *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GRADIO_ANALYTICS_ENABLED": "False"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            until(lambda: fetch(address), process)
            yield address
        finally:
            process.terminate()


def until(task: Callable[[], Any], process: subprocess.Popen[bytes], seconds: float = 120) -> Any:
    """The first result of `task` that is not None, asked for again and again while the process lives."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if (result := task()) is not None:
            return result
        time.sleep(0.01)
    raise Skipped(f"{' '.join(process.args)} did not come up")


def fetch(address: str, body: Any = None) -> bytes | None:
    """What the address answers to a GET, or to a POST of JSON; None while nobody is there."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.read()
    except (urllib.error.URLError, ConnectionError):
        return None


def first_picture(address: str) -> None:
    """Asks the VAE tab for the picture it opens with, as the page's script does."""
    config = json.loads(fetch(f"{address}/config") or b"{}")
    stages = [c["id"] for c in config.get("components", ()) if c["props"].get("elem_id") == "vae-stage"]
    if not stages:
        raise Skipped("the page has no VAE tab")
    body = {"data": {"state": {}}, "fn_name": "pg_draw", "component_id": stages[0], "session_hash": "benchmark"}
    reply = json.loads(fetch(f"{address}/gradio_api/component_server/", body) or b"{}")
    if "picture" not in reply:
        raise Skipped(f"the VAE tab answered {str(reply)[:100]}")


MEASUREMENTS: Measurements = {"start": start, "gesture": gesture}
