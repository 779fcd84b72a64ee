"""What a model can do beside sampling: find a picture's code, say how likely it is, name it."""

from __future__ import annotations

import inspect
import math
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from playground import data as datasets
from playground import metrics
from playground.api import Likelihood, ModelCard
from playground.data import densities, faces
from playground.engine import Engine
from playground.evaluate.judging import check_heads, in_batches
from playground.evaluate.samples import Sampled

INDEXED = 20_000  # training pictures in the index: about 10 MB of digits
INDEX_BYTES = 14_000_000  # of pictures and features; where a picture takes more, there are fewer
BOUND_SAMPLES = 100  # K of the importance-weighted bound
LIKELIHOOD_VALUES = 8_000_000  # pixel values that pass through a network for its likelihood: 10,000 digits, 651 faces
ACTIVE_VARIANCE = 0.01  # a latent is active if its posterior mean varies more than this (Burda et al. 2016)


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
    if data != "faces":
        features = classifier.features(train.pictures(slice(1))).shape[1]
        count = min(count, INDEX_BYTES // (train.images[0].numel() // 2 + 2 * features))
    (found,) = in_batches(engine, lambda i: [classifier.features(train.pictures(i))], count)
    if data == "faces":
        return metrics.Index.of_seeds(found, torch.tensor(faces.TRAIN_SEEDS[:count]), draw_face)
    return metrics.Index.of_pictures(found, train.images[:count].squeeze(1))


def draw_face(seed: int) -> Any:
    """uint8 (64, 64, 3): what the index of faces needs to show one of them."""
    return faces.draw(faces.sample(seed))
