"""Samples of fixed seeds, and how near they come to the real pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import fmean, median, pstdev
from typing import Any

import torch
from torch import Tensor, nn

from playground import data as datasets
from playground import metrics
from playground.api import ANY, Askable, ModelCard, PlaygroundError, check_settings, fields_by_name
from playground.engine import Engine
from playground.evaluate.judging import Judge, look
from playground.evaluate.tables import Scores
from playground.metrics.frechet import draws
from playground.metrics.memorisation import compare_distances, to_nearest

NEIGHBOURS = 5  # k of precision, recall, density and coverage


@dataclass(frozen=True)
class Sampled:
    """Pictures of one block of seeds.

    Attributes:
        images: float32 (N, C, H, W), rounded to the 256 levels real pictures have (points are not).
        labels: the classes asked for, int64 (N,), or the attributes, (N, A), or None.
        milliseconds: per picture, median over the batches but the first; calls: of the network, per picture.
    """

    images: Tensor
    labels: Tensor | None
    milliseconds: float
    calls: float | None


def is_picture(card: ModelCard) -> bool:
    """Whether the card is of pictures; otherwise of points of the plane."""
    return min(card.shape[1:]) > 1


def collect(engine: Engine, name: str, first: int, count: int, batch: int, settings: Mapping[str, Any]) -> Sampled:
    """Samples of the seeds first … first + count − 1.

    A class-conditional model is asked for each class in turn, one of attributes for those the seeds have drawn.
    """
    classes = len(engine.card(name).labels)
    images, spent, calls, asked = [], [], [], []
    model = engine.model(name)
    levels = quantised if is_picture(engine.card(name)) else finite
    for start in range(first, first + count, batch):
        seeds = range(start, min(start + batch, first + count))
        labels = [seed % classes for seed in seeds] if classes else None
        began = time.perf_counter()
        frame = engine.run(name, list(seeds), labels=labels, **settings)
        images.append(levels(name, frame.images.cpu()))  # .cpu() also waits for the device
        spent.append((time.perf_counter() - began) * 1000 / len(seeds))
        calls.append(frame.info.get("calls"))
        if isinstance(model, Askable):
            asked.append(model.asked(frame.state).cpu())
        elif labels:
            asked.append(torch.tensor(labels))
    return Sampled(torch.cat(images), torch.cat(asked) if asked else None, median(spent[1:] or spent), calls[0])


def quantised(name: str, images: Tensor) -> Tensor:
    """Rounded to 256 levels, as a picture on a disk is."""
    return (finite(name, images) * 255).round().clamp(0, 255) / 255


def finite(name: str, images: Tensor) -> Tensor:
    """The pictures as they are, if they are numbers."""
    if not torch.isfinite(images).all():
        raise PlaygroundError(f"{name} made a picture with NaN or infinity in it. Train it again.")
    return images


def unwatched(model: nn.Module, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings, without the decoding of steps that nobody looks at here."""
    return {"watch": False, **settings} if "watch" in fields_by_name(model.controls) else settings


def how(model: nn.Module, settings: Mapping[str, Any], blocks: int) -> str:
    """How the samples were made, in words."""
    controls = check_settings(model.controls, settings)
    chosen = ", ".join(f"{key} {value}" for key, value in controls.items() if key != "watch" and value != ANY)
    return f"mean over {blocks} blocks of fresh seeds from 0, controls: {chosen or 'none'}"


def compare(engine: Engine, real: Judge, sampled: list[Sampled], made: str) -> Scores:
    """Scores of the samples against the real pictures, averaged over the blocks."""
    seen = [look(engine, real.classifier, block.images.__getitem__, len(block.images)) for block in sampled]
    clouds = [found for found, _ in seen]
    logits = [torch.cat(parts) for parts in zip(*(answers for _, answers in seen))]
    count = {"samples": len(sampled[0].images), "blocks": len(sampled)}
    scores = {
        "pictures": closeness(real, clouds) | count,
        "variety": variety(real, clouds, logits) | count,
        "memorisation": learnt_by_heart(real, clouds) | count,
        "speed": speed(engine, sampled),
    }
    if sampled[0].labels is not None:
        asked = torch.cat([block.labels for block in sampled])
        found = torch.stack([head.argmax(1) for head in logits], 1)
        scores["control"] = (obeyed(found[:, 0], asked) if asked.dim() == 1 else agreed(real, found, asked)) | count
    for values in scores.values():
        values["protocol"] += f"; {made}"
    return scores


def obeyed(found: Tensor, asked: Tensor) -> dict[str, Any]:
    """Share (N,) of pictures in which the class asked for is found."""
    right = (found == asked).double().mean().item()
    return {
        "accuracy": right,
        "protocol": "share in which the classifier finds the class asked for; classes asked for in turn",
    }


def agreed(real: Judge, found: Tensor, asked: Tensor) -> dict[str, Any]:
    """Share of pictures in which all attributes asked for are found, (N, A) each, and in which each one is.

    What a picture cannot show (eyes behind dark glasses) counts as right for all, and is left out for each.
    """
    shown = datasets.visible(real.data, asked)
    right, of_real = found == asked, torch.stack(real.answers, 1) == real.truth
    each = {
        name: right[shown[:, k], k].double().mean().item() for k, name in enumerate(real.heads) if shown[:, k].any()
    }
    return {
        "accuracy": (right | ~shown).all(1).double().mean().item(),
        "accuracy_of_real": (of_real | ~real.shown).all(1).double().mean().item(),
        **each,
        "protocol": f"accuracy: share in which the classifier finds all {len(real.heads)} attributes asked for, those "
        "the picture cannot show apart (eyes behind dark glasses); accuracy_of_real: the same of the test pictures, "
        "which is what the classifier itself gets right; then each attribute; drawn by their shares in the data",
    }


def closeness(real: Judge, clouds: list[Tensor]) -> dict[str, Any]:
    """Fréchet distance over its floor; precision, recall, density, coverage, and what real pictures reach."""
    count, seeds = min(len(clouds[0]), len(real.test)), range(len(clouds))
    clouds = [cloud[:count] for cloud in clouds]
    tests = [real.test[i] for i in draws(len(real.test), count, seeds)]
    distances = [metrics.frechet_distance(cloud, test) for cloud, test in zip(clouds, tests)]
    floor = metrics.frechet_floor(real.train, real.test, count, seeds=(0, 1, 2))
    four = mean_of([asdict(metrics.prdc(test, cloud, NEIGHBOURS)) for cloud, test in zip(clouds, tests)])
    train = real.train[draws(len(real.train), count, [0])[0]]
    reached = asdict(metrics.prdc(tests[0], train, NEIGHBOURS))
    return {
        "fd": fmean(distances),
        "fd_spread": pstdev(distances),
        "fd_floor": floor,
        "fd_over_floor": fmean(distances) / floor,
        **four,
        **{f"{key}_of_real": value for key, value in reached.items()},
        "protocol": f"features of the data set's own classifier; {count} samples and as many test pictures, a fresh "
        "draw per block; the "
        "floor is the Fréchet distance of as many training and test pictures, mean of three draws; "
        f"precision, recall, density, coverage with k = {NEIGHBOURS}",
    }


def variety(real: Judge, clouds: list[Tensor], logits: list[Tensor]) -> dict[str, Any]:
    """Spread of the samples, and the values the classifier never or seldom finds in them."""
    count, seeds = min(len(clouds[0]), len(real.test)), range(len(clouds))
    tests = [real.test[i] for i in draws(len(real.test), count, seeds)]
    spread = fmean(metrics.mean_pairwise_distance(cloud) for cloud in clouds)
    shares = [metrics.histogram(head.argmax(1), head.shape[1]) for head in logits]
    wanted = [metrics.histogram(found, head.shape[1]) for found, head in zip(real.answers, logits)]
    gaps = [metrics.total_variation(share, reference) for share, reference in zip(shares, wanted)]
    lost = [
        f"{attribute}: {values[k]}"
        for (attribute, values), share in zip(real.heads.items(), shares)
        for k in metrics.missing(share)
    ]
    surest = torch.quantile(real.sureness, 0.01)
    return {
        "distance_over_real": spread / fmean(metrics.mean_pairwise_distance(test) for test in tests),
        "total_variation": fmean(gaps),
        "total_variation_worst": max(gaps),
        "missing": lost,
        "recognised": (metrics.confidence(logits) >= surest).double().mean().item(),
        "protocol": "mean pairwise feature distance over that of as many test pictures; total variation of the "
        "classifier's answers from its answers on the test pictures, mean and worst over attributes; recognised: "
        "share as sure for the classifier as 99 % of the test pictures are",
    }


def learnt_by_heart(real: Judge, clouds: list[Tensor]) -> dict[str, Any]:
    """Memorisation test against all training pictures, with the test pictures as held-out ones."""
    return {
        **mean_of([asdict(compare_distances(to_nearest(cloud, real.train), real.held_out)) for cloud in clouds]),
        "protocol": f"distance to the nearest of {len(real.train)} training pictures in the classifier's features, "
        f"against that of {len(real.test)} held-out ones; auc: chance that a sample is nearer, 0.5 is honest; "
        "within_1, within_50: share nearer than the 1 % and 50 % quantile, 0.01 and 0.5 are honest",
    }


def speed(engine: Engine, sampled: list[Sampled]) -> dict[str, Any]:
    """Milliseconds a picture, and how often the network is called for it (where the frames tell)."""
    where = torch.cuda.get_device_name(engine.device) if engine.device.type == "cuda" else engine.device.type
    threads = f", {torch.get_num_threads()} threads" if engine.device.type == "cpu" else ""
    scores = {
        "milliseconds": median(block.milliseconds for block in sampled),
        "protocol": f"per picture, in batches, on {where}{threads}, median without the first batch",
    }
    return scores if sampled[0].calls is None else scores | {"calls": int(sampled[0].calls)}


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Key by key mean of dictionaries with the same keys."""
    return {key: fmean(row[key] for row in rows) for key in rows[0]}
