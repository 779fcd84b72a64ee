"""Scores that only some checkpoints have: a student beside its teacher, modes that can be counted, factors in a code.

Which of them mean something follows from the card and the data, as everywhere in `playground.evaluate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

import torch
from torch import Tensor

from playground import data as datasets
from playground import metrics
from playground.api import ModelCard
from playground.engine import Engine
from playground.evaluate.judging import Judge, in_batches, look
from playground.evaluate.samples import Sampled, collect
from playground.evaluate.tables import Scores
from playground.metrics.frechet import draws
from playground.training.recipe import recipes

TAUGHT = 50  # DDIM steps of a teacher beside its student
MODE_SAMPLES = 26_000  # as in the literature (Lin et al., "PacGAN", 2018)
MOST_MODES = 1000  # kinds of picture up to which so many samples can count them
DRAWN = ("faces",)  # data sets whose attributes were drawn one by one, so that they are factors


def of_samples(
    engine: Engine,
    card: ModelCard,
    real: Judge,
    sampled: Sequence[Sampled],
    batch: int,
    settings: Mapping[str, Any],
    report: Callable[[str], None],
) -> Scores:
    """What else can be said of the samples of this card."""
    scores: Scores = {}
    if len(real.heads) > 1 and math.prod(map(len, real.heads.values())) <= MOST_MODES:
        report(f"{card.name}: counting modes among {MODE_SAMPLES} samples")
        made = collect(engine, card.name, 0, MODE_SAMPLES, batch, settings).images
        _, logits = look(engine, real.classifier, made.__getitem__, len(made))
        truth = datasets.load(card.data).labels[:MODE_SAMPLES].unbind(1)
        scores["modes"] = modes([head.argmax(1) for head in logits], truth, [*map(len, real.heads.values())])
    known = recipes()
    teacher = known[card.recipe].teacher if card.recipe in known else ""
    if teacher and teacher not in {other.name for other in engine.cards()}:
        report(f"{card.name}: its teacher {teacher} is not here, so they are not compared")
    elif teacher:
        report(f"{card.name}: its teacher {teacher} beside it")
        scores["distillation"] = beside_teacher(engine, card, teacher, real, sampled, batch)
    return scores


def of_codes(engine: Engine, card: ModelCard, report: Callable[[str], None]) -> Scores:
    """What else can be said of the codes of an encoder: how neatly they lay out the factors of drawn pictures.

    Other runs of the same recipe that stand beside it (with other seeds) give a median.
    """
    if card.data not in DRAWN:
        return {}
    report(f"{card.name}: looking for factors in the code")
    test = datasets.load(card.data, "test")
    others = [other for other in engine.cards(data=card.data) if other.recipe == card.recipe and other != card]
    found = []
    for name in (card.name, *(other.name for other in others)):
        model = engine.model(name)
        (code,) = in_batches(engine, lambda i, model=model: [model.encode(test.pictures(i)).mean], len(test))
        found.append(disentanglement(code, test.labels, list(test.heads)))
    if others:
        gaps = [each["mig"] for each in found]
        found[0] |= {"mig_median": median(gaps), "mig_of_runs": [float(f"{gap:.4g}") for gap in gaps]}
        found[0]["protocol"] += f"; median over {len(gaps)} runs of the recipe with other seeds, this one first"
    return {"disentanglement": found[0]}


def beside_teacher(
    engine: Engine, card: ModelCard, teacher: str, real: Judge, sampled: Sequence[Sampled], batch: int
) -> dict[str, Any]:
    """The distance to real pictures of a student with one look and with two, over that of its teacher."""
    blocks, count = len(sampled), len(sampled[0].images)
    tests = [real.test[i] for i in draws(len(real.test), count, range(blocks))]

    def distance(name: str, steps: int) -> float:
        found = []
        for block, test in enumerate(tests):
            made = collect(engine, name, block * count, count, batch, {"steps": steps, "watch": False}).images
            cloud, _ = look(engine, real.classifier, made.__getitem__, count)
            found.append(metrics.frechet_distance(cloud, test))
        return fmean(found)

    one, two, taught = distance(card.name, 1), distance(card.name, 2), distance(teacher, TAUGHT)
    return {
        "one_look_over_teacher": one / taught,
        "two_looks_over_teacher": two / taught,
        "fd_one_look": one,
        "fd_two_looks": two,
        "fd_teacher": taught,
        "teacher": teacher,
        "samples": count,
        "blocks": blocks,
        "protocol": f"Fréchet distances of the student and of {teacher} with {TAUGHT} DDIM steps in the same run, from "
        "the same seeds and to the same test pictures",
    }


def disentanglement(code: Tensor, factors: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """MIG and DCI of codes (N, d) against int64 factors (N, K), and the three factors with the largest gaps."""
    gaps = metrics.information_gaps(code, factors)
    hot = torch.cat([torch.nn.functional.one_hot(column).float() for column in factors.T], 1)
    dci = metrics.dci(code, hot[:, hot.std(0) > 0])
    best = sorted(zip(gaps.nan_to_num(0.0).tolist(), names), reverse=True)[:3]
    return {
        "mig": gaps.nanmean().item(),
        **{f"gap of {name}": gap for gap, name in best},
        "dci_disentanglement": dci.disentanglement,
        "dci_completeness": dci.completeness,
        "dci_informativeness": dci.informativeness,
        "samples": len(code),
        "protocol": f"posterior means of all test pictures against the {factors.shape[1]} attributes they were drawn "
        "from; mig: mutual information gap, mean over the attributes (latents in 20 bins), and the three largest "
        "gaps; dci: linear probe, attributes one-hot, first half fitted, second half predicted",
    }


def modes(answers: Sequence[Tensor], truth: Sequence[Tensor], sizes: Sequence[int]) -> dict[str, Any]:
    """How many kinds of picture were made, and KL(made ‖ equal shares) in nats.

    Args:
        answers: what the classifier sees in the samples, int64 (N,) per attribute. truth: the same of real pictures,
            which tells what so many draws from all kinds alike would give. sizes: values of each attribute.
    """
    made, real = kinds(answers, sizes), kinds(truth, sizes)
    return {
        "modes": int((made > 0).sum()),
        "modes_in_all": math.prod(sizes),
        "kl": to_equal(made),
        "modes_of_real": int((real > 0).sum()),
        "kl_of_real": to_equal(real),
        "samples": int(made.sum()),
        "protocol": f"kinds of picture (of {math.prod(sizes)}) among the samples, named by the data set's own "
        "classifier, an attribute at a time; kl: of their shares from equal shares, in nats; of_real: the same of "
        f"{int(real.sum())} training pictures, whose kl is not 0 because they are finite",
    }


def kinds(answers: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
    """How often each combination of answers occurs: int64 (Π sizes,)."""
    place = torch.zeros_like(answers[0])
    for answer, size in zip(answers, sizes):
        place = place * size + answer
    return torch.bincount(place, minlength=math.prod(sizes))


def to_equal(counts: Tensor) -> float:
    """KL(p ‖ equal shares) in nats of the shares p of counts (K,)."""
    p = counts.double() / counts.sum()
    return (torch.where(p > 0, p * p.clamp_min(1e-300).log(), 0.0).sum() + math.log(len(p))).item()
