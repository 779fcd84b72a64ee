"""Measures a checkpoint and writes the scores into its card.

What is measured follows from what the model can do. Samples are judged in the feature space of the data set's own
classifier, beside the same numbers for real pictures; a model with a likelihood is asked for it; an encoder has to find
its way back to the picture; a classifier has to name the test pictures (and gets its index of training pictures).

Points of the plane need no judge: there the true density is known, and the distance to it is measured in nats.

Everything is drawn from fixed seeds, so that a second run gives the same scores but for the milliseconds. A score
never stands alone: its group says how many pictures it was taken from and by what protocol.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median, pstdev
from typing import Any

import torch
from torch import Tensor, nn

from playground import data as datasets
from playground import metrics, registry
from playground.api import (
    Classifier,
    Decoder,
    Encoder,
    Field,
    Likelihood,
    Measured,
    ModelCard,
    PlaygroundError,
    Sampler,
    check_settings,
    fields_by_name,
)
from playground.data import densities, faces
from playground.engine import Engine
from playground.metrics.frechet import draws
from playground.metrics.memorisation import compare_distances, to_nearest

Scores = dict[str, dict[str, Any]]
Report = Callable[[str], None]

NEIGHBOURS = 5  # k of precision, recall, density and coverage
INDEXED = 20_000  # training pictures in the index: about 10 MB of digits
BOUND_SAMPLES = 100  # K of the importance-weighted bound
LIKELIHOOD_VALUES = 8_000_000  # pixel values that pass through a network for its likelihood: 10,000 digits, 651 faces
SAMPLES = Field("samples", "int", 2000, 10, 10_000, label="The number of samples")
ACTIVE_VARIANCE = 0.01  # a latent is active if its posterior mean varies more than this (Burda et al. 2016)


@dataclass(frozen=True)
class Judge:
    """A data set seen through its classifier, which is what samples are compared with.

    Attributes:
        train, test: features (N, F) of the training and the test pictures.
        held_out: (N,), distance of each test picture to its nearest training picture.
        answers: classes the classifier gives the test pictures, one int64 (N,) per attribute.
        sureness: (N,), how sure it is of each test picture.
    """

    classifier: nn.Module
    heads: Mapping[str, tuple[str, ...]]
    train: Tensor
    test: Tensor
    held_out: Tensor
    answers: list[Tensor]
    sureness: Tensor


@dataclass(frozen=True)
class Sampled:
    """Pictures of one block of seeds.

    Attributes:
        images: float32 (N, C, H, W), rounded to the 256 levels real pictures have (points are not).
        labels: the classes asked for, int64 (N,), or None.
        milliseconds: per picture, median over the batches but the first; calls: of the network, per picture.
    """

    images: Tensor
    labels: Tensor | None
    milliseconds: float
    calls: float | None


def evaluate(
    engine: Engine,
    name: str,
    *,
    samples: int = 2000,
    blocks: int = 3,
    batch: int = 100,
    settings: Mapping[str, Any] | None = None,
    judges: dict[str, Judge] | None = None,
    report: Report = print,
    store: bool = True,
) -> Scores:
    """Scores of one card, grouped by what was measured.

    Args:
        samples: pictures per block; blocks: how often, each with seeds of its own.
        batch: pictures at a time. settings: values for the model's controls instead of their defaults.
        judges: filled and used by data set, so that several models share one pass over the real pictures.
        report: told what is going on. store: write the scores into the card.

    Raises:
        PlaygroundError: no such model, no classifier for its data, or a score that is not a number.
    """
    model, card = engine.model(name), engine.card(name)
    SAMPLES.check(samples)
    scores: Scores = {}
    if isinstance(model, Classifier):
        report(f"{name}: naming the test pictures")
        scores["accuracy"] = accuracy(engine, model, card.data, batch)
        if store:
            report(f"{name}: indexing training pictures")
            build_index(engine, model, card.data).save(card.folder)
    if isinstance(model, Sampler) and is_picture(card):
        judges = {} if judges is None else judges
        if card.data not in judges:
            report(f"{name}: looking at the real pictures of {card.data}")
            judges[card.data] = judge(engine, card.data)
        settings = unwatched(model, settings or {})
        sampled = []
        for block in range(blocks):
            report(f"{name}: {samples} samples, block {block + 1} of {blocks}")
            sampled.append(collect(engine, name, block * samples, samples, batch, settings))
        report(f"{name}: comparing")
        scores |= compare(engine, judges[card.data], sampled, how(model, settings, blocks))
    if isinstance(model, Sampler) and not is_picture(card):
        report(f"{name}: drawing points")
        settings = unwatched(model, settings or {})
        drawn = collect(engine, name, 0, samples, samples, settings)
        scores["density"] = plane(engine, model, card, drawn, how(model, settings, 1))
    if isinstance(model, Encoder) and isinstance(model, Decoder) and is_picture(card) and loses_something(model):
        report(f"{name}: reconstructing")
        scores["reconstruction"] = reconstruction(engine, model, card.data)
    if isinstance(model, Likelihood) and model.pixels in LIKELIHOODS:
        report(f"{name}: likelihood")
        scores["likelihood"] = likelihood(engine, model, card.data)
    if isinstance(model, Measured):
        report(f"{name}: what only its family has")
        test = datasets.load(card.data, "test")
        scores |= engine.call(lambda: model.own_scores(test))
    scores = {group: {key: checked(name, key, value) for key, value in of.items()} for group, of in scores.items()}
    if store:
        write(engine, name, scores)
    return scores


def write(engine: Engine, name: str, scores: Scores) -> None:
    """Replaces the scores on the card (and renews its digests: an index may have been added)."""
    folder = engine.card(name).folder
    front, body = registry.read_front(folder)
    front["playground"]["scores"] = scores
    registry.write_card(folder, front, body)
    engine.refresh()


def checked(name: str, key: str, value: Any) -> Any:
    """The value as YAML can hold it, to five significant digits; one that is not finite is an error."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise PlaygroundError(f"The score {key!r} of {name} is {value}; nothing was stored. Look at its pictures.")
    return float(f"{value:.5g}")


# ------------------------------------------------------------------------------------------------ real pictures


def judge(engine: Engine, data: str) -> Judge:
    """The data set `data` through `classifier-<data>`."""
    name = f"classifier-{data}"
    if name not in {card.name for card in engine.cards()}:
        raise PlaygroundError(f"Scores on {data} need {name}. Train it first: python -m playground train {name}.")
    classifier = engine.model(name)
    train, test = datasets.load(data, "train"), datasets.load(data, "test")
    check_heads(classifier, test.heads)
    (of_train,) = in_batches(engine, lambda i: [classifier.features(train.pictures(i))], len(train))
    of_test, logits = look(engine, classifier, test.pictures, len(test))
    return Judge(
        classifier=classifier,
        heads=test.heads,
        train=of_train,
        test=of_test,
        held_out=to_nearest(of_test, of_train),
        answers=[head.argmax(1) for head in logits],
        sureness=metrics.confidence(logits),
    )


def check_heads(classifier: nn.Module, heads: Mapping[str, Sequence[str]]) -> None:
    """Raises a `PlaygroundError` unless the classifier answers for the data's attributes, in the data's order."""
    known = {attribute: tuple(values) for attribute, values in classifier.heads.items()}
    wanted = {attribute: tuple(values) for attribute, values in heads.items()}
    if list(known.items()) != list(wanted.items()):
        raise PlaygroundError(
            f"The classifier answers for {', '.join(known)}; the data has {', '.join(wanted)}, or other values. "
            "Labels and answers would be mixed up. Train the classifier again."
        )


def look(
    engine: Engine, classifier: nn.Module, pictures: Callable[[slice], Tensor], count: int
) -> tuple[Tensor, list[Tensor]]:
    """Features (N, F) and logits [(N, K)…] of `count` pictures, each taken from `pictures` by its place."""

    def task(here: slice) -> list[Tensor]:
        x = pictures(here)
        return [classifier.features(x), *classifier.classify(x)]

    found, *logits = in_batches(engine, task, count)
    return found, logits


def in_batches(engine: Engine, task: Callable[[slice], list[Tensor]], count: int, size: int = 500) -> list[Tensor]:
    """Runs `task` on slices of `count` items, a turn each, and joins each of its results on the CPU."""
    parts = []
    for start in range(0, count, size):
        here = slice(start, min(start + size, count))
        parts.append([part.float().cpu() for part in engine.call(lambda here=here: task(here))])
    return [torch.cat(column) for column in zip(*parts)]


# ----------------------------------------------------------------------------------------------------- samples


def collect(engine: Engine, name: str, first: int, count: int, batch: int, settings: Mapping[str, Any]) -> Sampled:
    """Samples of the seeds first … first + count − 1; a conditional model is asked for each class in turn."""
    classes = len(engine.card(name).labels)
    images, spent, calls = [], [], []
    levels = quantised if is_picture(engine.card(name)) else finite
    for start in range(first, first + count, batch):
        seeds = range(start, min(start + batch, first + count))
        labels = [seed % classes for seed in seeds] if classes else None
        began = time.perf_counter()
        frame = engine.run(name, list(seeds), labels=labels, **settings)
        images.append(levels(name, frame.images.cpu()))  # .cpu() also waits for the device
        spent.append((time.perf_counter() - began) * 1000 / len(seeds))
        calls.append(frame.info.get("calls"))
    asked = torch.arange(first, first + count) % classes if classes else None
    return Sampled(torch.cat(images), asked, median(spent[1:] or spent), calls[0])


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
    chosen = ", ".join(f"{key} {value}" for key, value in controls.items() if key != "watch")
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
        right = (logits[0].argmax(1) == asked).double().mean().item()
        scores["control"] = {"accuracy": right, "protocol": "share in which the classifier finds the class asked for; "
                             "classes asked for in turn"} | count  # fmt: skip
    for values in scores.values():
        values["protocol"] += f"; {made}"
    return scores


def closeness(real: Judge, clouds: list[Tensor]) -> dict[str, Any]:
    """Fréchet distance over its floor; precision, recall, density, coverage, and what real pictures reach."""
    count, seeds = len(clouds[0]), range(len(clouds))
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
        "protocol": "features of the data set's own classifier; as many test pictures, a fresh draw per block; the "
        "floor is the Fréchet distance of as many training and test pictures, mean of three draws; "
        f"precision, recall, density, coverage with k = {NEIGHBOURS}",
    }


def variety(real: Judge, clouds: list[Tensor], logits: list[Tensor]) -> dict[str, Any]:
    """Spread of the samples, and the values the classifier never or seldom finds in them."""
    count, seeds = len(clouds[0]), range(len(clouds))
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


# ------------------------------------------------------------------------------ encoders, likelihoods, classifiers


def reconstruction(engine: Engine, model: nn.Module, data: str) -> dict[str, Any]:
    """Squared error of decode(mean of encode(x)) on the test pictures, and how many latents are in use."""
    test = datasets.load(data, "test")

    def task(here: slice) -> list[Tensor]:
        x = test.pictures(here).to(engine.device)
        mean = model.encode(x).mean
        return [(model.decode(mean) - x).square().flatten(1).mean(1), mean]

    errors, means = in_batches(engine, task, len(test))
    return {
        "squared_error": errors.mean().item(),
        "active_latents": int((means.var(0) > ACTIVE_VARIANCE).sum()),
        "latents": means.shape[1],
        "samples": len(test),
        "protocol": "all test pictures; squared error per pixel value in [0, 1], decoded from the posterior's mean; "
        f"active: the posterior's mean varies by more than {ACTIVE_VARIANCE} over the pictures",
    }


LIKELIHOODS = {  # kind of pixels → what is done to the test pictures, what they are then
    "bernoulli": "binarised once with a fixed seed (grey level = chance of white)",
    "dequantised": "whole levels, a uniform draw added within each",
}


def likelihood(engine: Engine, model: nn.Module, data: str) -> dict[str, Any]:
    """−log p(x) in nats on test pictures, or a bound on it; lower is better.

    Black and white pixels are told in nats per picture, grey levels in bits per dimension, as is the custom of each:
    the two cannot be compared.
    """
    test = datasets.load(data, "test")
    passes = max(1, len(model.card.labels))  # a class-conditional likelihood is summed over all classes
    count = min(LIKELIHOOD_VALUES // (test.images[0].numel() * passes), len(test))
    x = test.pictures(slice(count))
    if model.pixels == "bernoulli":
        x = (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < x).float()
    bounded = "samples" in inspect.signature(model.log_prob).parameters
    options = {"samples": BOUND_SAMPLES} if bounded else {}
    kind = f"importance-weighted bound with {BOUND_SAMPLES} samples" if bounded else getattr(model, "protocol", "exact")
    (values,) = in_batches(engine, lambda i: [model.log_prob(x[i], **options)], count, 500 if bounded else 100)
    values = values.double()
    nats, error = -values.mean().item(), (values.std() / math.sqrt(count)).item()
    bits = metrics.bits_per_dimension(-nats, x[0].numel())
    told = {"nats": nats, "standard_error": error, "bits_per_dimension": bits}
    if model.pixels == "dequantised":
        told = {"bits": bits, "standard_error": error / (x[0].numel() * math.log(2))}
    return told | {
        "samples": count,
        "protocol": f"−log p(x), {kind}; first {count} test pictures, {LIKELIHOODS[model.pixels]}",
    }


def loses_something(model: nn.Module) -> bool:
    """Whether a picture comes back from its code changed; a flow's comes back exactly, and it measures that itself."""
    return not (isinstance(model, Likelihood) and model.pixels == "dequantised")


def is_picture(card: ModelCard) -> bool:
    """Whether the card is of pictures; otherwise of points of the plane."""
    return min(card.shape[1:]) > 1


def plane(engine: Engine, model: nn.Module, card: ModelCard, drawn: Sampled, made: str) -> dict[str, Any]:
    """How far a learned density of the plane is from the true one, in nats, and its draws from true draws."""
    test = datasets.load(card.data, "test")
    points = densities.to_plane(test.images)
    learned = engine.call(lambda: model.log_prob(test.images, test.labels)).cpu()
    kl, distance, floor = {}, [], []
    for k, name in enumerate(card.labels):
        here = points[test.labels == k]
        gap = densities.log_density(name, here) - learned[test.labels == k]
        kl[name] = gap.double().mean().item()
        made_here = densities.to_plane(drawn.images[drawn.labels == k])
        first, second = here[: len(made_here)], here[len(made_here) : 2 * len(made_here)]
        distance.append(metrics.sliced_wasserstein(made_here, first))
        floor.append(metrics.sliced_wasserstein(second, first))
    return {
        "kl": fmean(kl.values()),
        **{f"kl of {name}": value for name, value in kl.items()},
        "wasserstein_over_floor": fmean(distance) / fmean(floor),
        "samples": len(drawn.images),
        "protocol": f"kl: mean of log p − log q over {len(test)} true points, nats, p known exactly; mean of all "
        "densities; wasserstein_over_floor: sliced Wasserstein distance of as many drawn as true points, over that of "
        f"two sets of true points; {made}",
    }


def accuracy(engine: Engine, classifier: nn.Module, data: str, batch: int) -> dict[str, Any]:
    """Share of test pictures named rightly, per attribute."""
    test = datasets.load(data, "test")
    check_heads(classifier, test.heads)
    logits = in_batches(engine, lambda i: classifier.classify(test.pictures(i)), len(test), batch)
    truth = test.labels.reshape(len(test), -1).unbind(1)
    shares = {
        attribute: (head.argmax(1) == y).double().mean().item() for attribute, head, y in zip(test.heads, logits, truth)
    }
    return {"mean": fmean(shares.values()), **shares, "samples": len(test), "protocol": "all test pictures"}


def build_index(engine: Engine, classifier: nn.Module, data: str) -> metrics.Index:
    """The classifier's index of the first training pictures."""
    train = datasets.load(data, "train")
    count = min(INDEXED, len(train))
    (found,) = in_batches(engine, lambda i: [classifier.features(train.pictures(i))], count)
    if data == "faces":
        return metrics.Index.of_seeds(found, torch.tensor(faces.TRAIN_SEEDS[:count]), draw_face)
    return metrics.Index.of_pictures(found, train.images[:count, 0])


def draw_face(seed: int) -> Any:
    """uint8 (64, 64, 3): what the index of faces needs to show one of them."""
    return faces.draw(faces.sample(seed))


# ------------------------------------------------------------------------------------------------------- tables

COLUMNS = (  # heading, group, key, format
    ("FD / floor", "pictures", "fd_over_floor", ".2f"),
    ("precision", "pictures", "precision", ".2f"),
    ("recall", "pictures", "recall", ".2f"),
    ("density", "pictures", "density", ".2f"),
    ("coverage", "pictures", "coverage", ".2f"),
    ("class right", "control", "accuracy", ".1%"),
    ("variety", "variety", "distance_over_real", ".2f"),
    ("recognised", "variety", "recognised", ".1%"),
    ("copies (AUC)", "memorisation", "auc", ".2f"),
    ("nats", "likelihood", "nats", ".1f"),
    ("bits/dim", "likelihood", "bits", ".2f"),
    ("KL", "density", "kl", ".3f"),
    ("accuracy", "accuracy", "mean", ".1%"),
    ("ms", "speed", "milliseconds", ".1f"),
)


def table(scores: Mapping[str, Scores]) -> str:
    """Markdown: a row per model, a column per headline score that at least one of them has."""
    used = [c for c in COLUMNS if any(c[2] in groups.get(c[1], {}) for groups in scores.values())]
    lines = ["| model | " + " | ".join(c[0] for c in used) + " |", "|---|" + "--:|" * len(used)]
    for name, groups in scores.items():
        cells = [format(groups[g][k], f) if k in groups.get(g, {}) else "" for _, g, k, f in used]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def details(scores: Scores) -> str:
    """Every score of one model, group by group, with its protocol."""
    lines = []
    for group, values in scores.items():
        lines += ["", f"**{group}** — {values['protocol']}", ""]
        lines += [f"- {key}: {value}" for key, value in values.items() if key != "protocol"]
    return "\n".join(lines)
