"""Every shipped card is complete, honest about its files, and small enough."""

import json
import math
from pathlib import Path

import pytest
from checkpoints import shipped

from playground import data as datasets
from playground import registry

LARGEST = 16 * 2**20  # bytes of a weight file
FILES = {".md", ".json", ".safetensors", ".svg"}
GENERATIVE = {"pictures", "variety", "memorisation", "speed"}


@pytest.fixture(params=shipped())
def card(request):
    return registry.read_card(registry.CHECKPOINTS / request.param)


def test_every_folder_has_a_readable_card():
    folders = sorted(p.name for p in registry.CHECKPOINTS.iterdir() if p.is_dir())
    assert folders == list(registry.discover())


def test_words_and_credit_are_there(card):
    for key in ("title", "summary", "paper", "license", "credit", "hardware", "recipe"):
        assert str(getattr(card, key)).strip(), f"{card.name} says nothing of its {key}"
    assert 1950 < card.year < 2100
    assert card.family in registry.families() and card.data in datasets.NAMES
    assert card.parameters > 0 and (card.minutes > 0 or "recall" in card.scores)  # a memory is stored in one step


def test_the_shape_is_that_of_the_data(card):
    shapes = {
        "mnist": (1, 28, 28), "faces": (3, 64, 64), "densities": (2, 1, 1), "emoji": (3, 32, 32),
        "stackedmnist": (3, 28, 28),
    }  # fmt: skip
    assert card.shape == shapes[card.data]


def test_the_recipe_exists_and_is_for_this_data(card):
    from playground.training import recipes

    assert recipes()[card.recipe].data == card.data and recipes()[card.recipe].family == card.family


def test_only_safetensors_and_text_and_nothing_large(card):
    for path in card.folder.rglob("*"):
        if path.is_file():
            assert path.suffix in FILES, f"{path.name} is neither weights in safetensors nor text"
            assert path.stat().st_size <= LARGEST, f"{path.name} has {path.stat().st_size / 2**20:.1f} MB"


def test_every_weight_file_has_the_digest_on_the_card(card):
    files = {str(p.relative_to(card.folder)): registry.sha256(p) for p in card.folder.rglob("*.safetensors")}
    assert files and dict(card.digests) == files


def test_configs_are_json_and_name_no_place_on_a_machine(card):
    for path in card.folder.rglob("*.json"):
        config = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(config, dict)
        places = [value for value in config.values() if isinstance(value, str) and Path(value).is_absolute()]
        assert not places


def test_scores_were_measured_and_say_how(card):
    special = {"classifier": {"accuracy"}, "densities": {"density"}}.get(
        card.family if card.family == "classifier" else card.data
    )
    groups = special or GENERATIVE | ({"control"} if card.labels else set())
    if "recall" in card.scores:  # a memory makes no pictures of its own
        groups = {"recall"}
    assert groups <= set(card.scores), f"run: python -m playground evaluate {card.name}"
    for group, values in card.scores.items():
        assert values["protocol"].strip(), f"{card.name}: no protocol for {group}"
        numbers = [v for v in values.values() if isinstance(v, int | float)]
        assert numbers and all(math.isfinite(v) for v in numbers)
        least = 288 if card.data == "emoji" else 1000  # there are no more held-out emoji
        assert values.get("samples", 1000) >= least or group == "speed" or values["standard_error"] > 0


def test_a_classifier_has_its_index(card):
    from playground.metrics import Index

    if card.family != "classifier" or card.name.startswith("reader-"):  # which teaches, and examines nobody
        return
    index = Index.load(card.folder)
    there = {"emoji": 1000}.get(card.data, 10_000)  # of few pictures, all
    assert len(index) >= there and index.embeddings.isfinite().all()
