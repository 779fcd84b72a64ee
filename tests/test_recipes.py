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

PICTURES = 8
PHASES = (0.1, 0.6)  # fractions of a run; latent diffusion learns its code early and diffusion late
STEPS = 10  # in each phase
DESCENT = ("loss", "autoencoder", "d")  # losses that must fall on a repeated batch; a generator's need not
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data():
    return {name: tiny_data(name, 64) for name in datasets.NAMES}


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
        losses = learner.step(batch_of(data[recipe.data], noise, step, PHASES[step // STEPS]))
        assert losses and all(math.isfinite(value) for value in losses.values())
        for key, value in losses.items():
            course[key].append(value)
    for key in [key for key in DESCENT if key in course]:
        assert sum(course[key][-4:]) < sum(course[key][:4]), f"{key}: {course[key]}"
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


def test_a_stopped_run_resumes_bit_for_bit(recipe, data, tmp_path, monkeypatch):
    short = dataclasses.replace(recipe, batch=PICTURES)
    monkeypatch.setattr(loop, "recipes", lambda: {recipe.name: short})
    options = {"images": 6 * PICTURES, "device": "cpu", "dataset": data[recipe.data], "save_every": 0.0}

    def run(folder, stop_after=None):
        progress = train(recipe.name, out=folder / "out", state=folder / "state", **options)
        seen = []
        for now in progress:
            seen.append(now)
            if len(seen) == stop_after:
                progress.close()
        return seen

    assert len(run(tmp_path / "whole")) == 6
    assert len(run(tmp_path / "parted", stop_after=3)) == 3
    rest = run(tmp_path / "parted")
    assert [now.images for now in rest] == [4 * PICTURES, 5 * PICTURES, 6 * PICTURES]
    files = {p.relative_to(tmp_path / "whole"): p for p in (tmp_path / "whole" / "out").rglob("*.safetensors")}
    assert files
    for name, path in files.items():
        assert registry.sha256(path) == registry.sha256(tmp_path / "parted" / name), f"{name} differs"
    card = registry.read_card(tmp_path / "parted" / "out")
    assert registry.load(card).card.recipe == recipe.name
    assert run(tmp_path / "parted") == [], "a finished run has nothing left to learn"
    assert registry.read_card(card.folder).digests == card.digests


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
