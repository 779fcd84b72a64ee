"""Runs of many steps: a watched trajectory beside diffusers' own pipeline, and what the engine adds to a frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from playground.api import Frame
from playground.benchmark.measure import Measurements, Result, Skipped, side_by_side
from playground.engine import Engine

TRAJECTORY = {"model": "diffusion-faces", "steps": 50, "pictures": 1}
EMPTY_FRAMES = 2000


def trajectory(engine: Engine, repeats: int) -> Iterator[Result]:
    """Fifty DDIM steps with every step decoded, and without, against diffusers' own pipeline on the same weights."""
    name, steps, count = TRAJECTORY["model"], TRAJECTORY["steps"], TRAJECTORY["pictures"]
    if name not in {card.name for card in engine.cards()}:
        raise Skipped(f"needs {name}")
    import diffusers

    folder = engine.card(name).folder
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32).to(engine.device)
    pipeline.set_progress_bar_config(disable=True)
    seeds = list(range(count))

    def ours(watch: bool) -> Frame:
        return engine.run(name, seeds, scheduler="DDIM", steps=steps, eta=0.0, watch=watch)

    def theirs() -> Any:
        streams = [torch.Generator().manual_seed(seed) for seed in seeds]
        return pipeline(
            batch_size=count, generator=streams, num_inference_steps=steps, eta=0.0, output_type="np"
        ).images

    tasks = [lambda: ours(True), lambda: ours(False), theirs]
    (watched, frame), (unwatched, _), (usual, pictures) = side_by_side(tasks, engine.device, repeats)
    difference = (frame.images.cpu().permute(0, 2, 3, 1) - torch.from_numpy(pictures)).abs().max().item() * 255
    same = f"largest difference {difference:.2g} of 255 levels"
    yield Result(
        f"{steps} DDIM steps of {name}, x_t, x̂₀ and ε̂ of each decoded", watched, usual, "ms",
        f"the pipeline returns the last picture only; {same}",
    )  # fmt: skip
    yield Result(f"{steps} DDIM steps of {name}, last picture only", unwatched, usual, "ms", same)


def streaming(engine: Engine, repeats: int) -> Iterator[Result]:
    """What the engine adds to a frame: a turn on the device, gradients off, errors guarded."""
    frame = Frame(torch.zeros(1, 1, 28, 28))

    def bare() -> Iterator[Frame]:
        for _ in range(EMPTY_FRAMES):
            yield frame

    def drain(frames: Iterator[Frame]) -> None:
        for _ in frames:
            pass

    tasks = [lambda: drain(engine.steps(bare)), lambda: drain(bare())]
    (engine_ms, _), (bare_ms, _) = side_by_side(tasks, engine.device, repeats)
    added = (engine_ms - bare_ms) * 1000 / EMPTY_FRAMES
    yield Result("overhead of a streamed frame", added, None, "µs", "engine.steps beside the bare generator")


MEASUREMENTS: Measurements = {"trajectory": trajectory, "streaming": streaming}
