"""The page: `python app.py`, then open the address it prints."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # or the server calls other hosts
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000")  # or pandas aggregates after every event

import argparse
import threading

threading.Thread(target=__import__, args=("torch",)).start()  # much of it is loading libraries: beside Gradio's import

import tabs
from playground.engine import Engine
from tabs._ui import serve


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets a class in")
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default 7860)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="where networks run")
    parser.add_argument("--share", action="store_true", help="a public link through Gradio's relay (leaves this host)")
    return parser.parse_args(arguments)


def main() -> None:
    """Opens the page, then imports what is heavy while the first visitor is already looking."""
    given = options()
    engine = Engine(given.device)
    modules = tabs.discover()
    serve.launch(engine, modules, host=given.host, port=given.port, share=given.share)
    serve.warm_up(engine, modules)
    serve.wait()


if __name__ == "__main__":
    main()
