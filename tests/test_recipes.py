"""Every recipe: the loss falls on one batch, gradients reach every weight, and a stopped run resumes bit for bit."""

import dataclasses
import math
from collections import defaultdict

import pytest
import torch
from checkpoints import tiny_data

from playground import data as datasets
from playground import registry
from playground.api import PlaygroundError
from playground.training import Batch, cosine, flat, loop, recipes, train
from playground.training.precision import computing

PICTURES = 5  # a batch; small, since every recipe is tried, but a memory of five digits needs five to choose from
PHASES = (0.1, 0.6)  # fractions of a run; latent diffusion learns its code early and diffusion late
STEPS = 4  # in each phase
DESCENT = ("loss", "autoencoder", "pixels", "seen")  # losses that must fall on a repeated batch; a generator's need not
LENGTH = 3  # updates of a run that is stopped before the last
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    return {name: tiny_data(name, 16) for name in datasets.NAMES}


@pytest.fixture(params=sorted(recipes()))
def recipe(request):
    return recipes()[request.param]


def fresh(recipe):
    """A learner that starts the same every time, and its noise."""
    torch.manual_seed(0)
    return recipe.learner(CPU), torch.Generator().manual_seed(0)


def batch_of(dataset, noise, step, done):
    return Batch(dataset.pictures(slice(PICTURES)), dataset.labels[:PICTURES], noise, step * PICTURES, done)


def moments(learner):
    """(weight, what its optimiser gathered from its gradients), for every weight that is trained."""
    for optimizer in learner.optimizers.values():
        for group in optimizer.param_groups:
            for weight in group["params"]:
                gathered = [
                    v for v in optimizer.state[weight].values() if torch.is_tensor(v) and v.shape == weight.shape
                ]
                yield weight, gathered


def test_losses_fall_on_a_repeated_batch_and_gradients_reach_every_weight(recipe, data):
    learner, noise = fresh(recipe)
    course = defaultdict(list)  # name of a loss → its values
    for step in range(2 * STEPS):
        noise.manual_seed(0)  # the same noise every time, so that a few steps are enough to tell
        losses = learner.step(batch_of(data[recipe.data], noise, step, PHASES[step // STEPS]))
        assert losses and all(math.isfinite(value) for value in losses.values())
        for key, value in losses.items():
            course[key].append(value)
    for key in [key for key in DESCENT if key in course]:
        assert sum(course[key][-2:]) < sum(course[key][:2]), f"{key}: {course[key]}"
    if "d" in course:  # a critic's falls at once; then the generator answers, and it may rise again
        assert sum(course["d"][1:4]) / 3 < 0.9 * course["d"][0], course["d"]
    names = {weight: name for module in learner.modules.values() for name, weight in module.named_parameters()}
    unreached = [names[weight] for weight, gathered in moments(learner) if not any(v.any() for v in gathered)]
    assert not unreached


def test_every_weight_that_can_be_trained_is_in_an_optimiser(recipe):
    learner, _ = fresh(recipe)
    trained = {id(p) for o in learner.optimizers.values() for group in o.param_groups for p in group["params"]}
    forgotten = [
        f"{key}.{name}"
        for key, module in learner.modules.items()
        for name, weight in module.named_parameters()
        if weight.requires_grad and id(weight) not in trained
    ]
    assert not forgotten


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_every_precision_gives_finite_losses_and_weights(recipe, data, precision):
    learner, noise = fresh(recipe)
    for step, done in enumerate(PHASES if precision == "bf16" else PHASES[:1]):
        with computing(precision, CPU):
            losses = learner.step(batch_of(data[recipe.data], noise, step, done))
        assert all(math.isfinite(value) for value in losses.values())
    assert all(torch.isfinite(weight).all() for weight, _ in moments(learner))


def follow(folder, recipe, data, monkeypatch, stop_after=None):
    """Trains with few pictures, `LENGTH` updates in all; the progress seen."""
    short = dataclasses.replace(recipe, batch=PICTURES)
    monkeypatch.setattr(loop, "recipes", lambda: {recipe.name: short})
    options = {"images": LENGTH * PICTURES, "device": "cpu", "dataset": data[recipe.data]}
    progress = train(recipe.name, out=folder / "out", state=folder / "state", **options)
    seen = []
    for now in progress:
        seen.append(now.images)
        if len(seen) == stop_after:
            progress.close()
    return seen


def test_a_stopped_run_resumes_bit_for_bit(recipe, data, tmp_path, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    assert len(follow(whole, recipe, data, monkeypatch)) == LENGTH
    assert follow(parted, recipe, data, monkeypatch, stop_after=2) == [PICTURES, 2 * PICTURES]
    assert follow(parted, recipe, data, monkeypatch) == [3 * PICTURES]
    files = {path.relative_to(whole): path for path in (whole / "out").rglob("*.safetensors")}
    assert files
    for name, path in files.items():
        assert registry.sha256(path) == registry.sha256(parted / name), f"{name} differs"
    card = registry.read_card(parted / "out")
    assert registry.load(card).card.recipe == recipe.name


def test_a_finished_run_has_nothing_left_to_learn(data, tmp_path, monkeypatch):
    recipe = recipes()["vae-mnist-2d"]
    follow(tmp_path, recipe, data, monkeypatch)
    digests = registry.read_card(tmp_path / "out").digests
    assert follow(tmp_path, recipe, data, monkeypatch) == []
    assert registry.read_card(tmp_path / "out").digests == digests


def test_a_broken_state_says_what_to_do(data, tmp_path):
    (tmp_path / "state.pt").write_bytes(b"half a file")
    with pytest.raises(PlaygroundError, match="Delete it to start anew"):
        next(train("vae-mnist-2d", device="cpu", dataset=data["mnist"], state=tmp_path))


def test_an_unknown_recipe_lists_the_known_ones():
    with pytest.raises(PlaygroundError, match=r"no recipe 'nope'.*vae-mnist"):
        next(train("nope"))


def test_every_recipe_is_named_after_what_it_makes(recipe):
    data = {"densities": "2d"}.get(recipe.data, recipe.data)
    assert f"-{data}-" in f"{recipe.name}-" or "-" not in recipe.name  # a name of one word is the idea's own
    assert recipe.family in registry.families()
    assert recipe.title and recipe.summary and recipe.paper and recipe.images > 0


@pytest.mark.parametrize("rate", [cosine, flat])
def test_learning_rates_warm_up_and_end_near_zero(rate):
    values = [rate(i / 100) for i in range(101)]
    assert values[0] < 0.1 and max(values) == pytest.approx(1, abs=0.01) and abs(values[-1]) < 1e-9
    assert all(0 <= value <= 1 for value in values)
