"""Takes the README's pictures from the running app: `python -m tests.screenshots`.

Every tab is opened at its first preset, or as `LOOKS` says, and photographed once its picture stands. `--out DIR
--sizes all --dark` takes the review set (desktop, tablet and phone, light and dark) instead.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import tabs
from playground import Engine
from tabs._ui import serve

SIZES = {"desktop": (1440, 900), "tablet": (1024, 768), "phone": (390, 844)}
LOOKS = {"train": "&target=two+moons&learners=gan,flow+matching&updates=400,400"}  # it opens before anything is learned
LATER = 1500  # ms in which a map or a film may follow the picture
README = Path(__file__).resolve().parent.parent / "assets" / "screenshots"


def main() -> None:
    """Starts the app on a free port, takes the pictures, stops it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=README, help="folder to write to")
    parser.add_argument("--sizes", default="desktop", choices=[*SIZES, "all"], help="window to photograph")
    parser.add_argument("--dark", action="store_true", help="dark pictures too")
    parser.add_argument("--tabs", nargs="*", help="only these tabs (module names)")
    given = parser.parse_args()
    modules = tabs.discover()
    demo = serve.launch(Engine(), modules, port=0)
    names = given.tabs or [m.__name__.split(".")[-1] for m in modules]
    sizes = list(SIZES) if given.sizes == "all" else [given.sizes]
    given.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for scheme in ["light", "dark"] if given.dark else ["light"]:
            for size in sizes:
                width, height = SIZES[size]
                page = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                for name in names:
                    suffix = "" if len(sizes) == 1 and not given.dark else f"-{size}-{scheme}"
                    address = f"{demo.local_url}?tab={name}{LOOKS.get(name, '')}"
                    photograph(page, address, name, given.out / f"{name}{suffix}.jpg")
                page.close()
        chromium.close()
    demo.close(verbose=False)


def photograph(page: Page, address: str, name: str, path: Path) -> None:
    """Waits until the tab has answered, and until nothing runs any more."""
    page.goto(address)
    page.wait_for_function("name => window.pg?.tabs?.[name]?.last", arg=name, timeout=60_000)
    page.wait_for_function("name => !window.pg.tabs[name].running", arg=name, timeout=120_000)
    page.wait_for_timeout(LATER)
    page.wait_for_function(
        "[...document.images].every(i => !i.offsetParent || (i.complete && i.naturalWidth))", timeout=60_000
    )
    page.screenshot(path=path, type="jpeg", quality=85)


if __name__ == "__main__":
    main()
