"""Evaluation from end to end on tiny networks and tiny data: what it measures, stores, and refuses."""

import math
import shutil

import numpy as np
import pytest
import torch
from checkpoints import FRONT, tiny_data, write_tiny_vae

from playground import Engine, registry
from playground import data as datasets
from playground.api import PlaygroundError
from playground.evaluate import check_heads, checked, details, draw_face, evaluate, judge, table
from playground.metrics import Index
from playground.models.classifier import Classifier, ClassifierLearner
from playground.training import Batch

SMALL = {"samples": 60, "blocks": 2, "batch": 20, "report": lambda text: None}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A VAE, one with classes, and a classifier that has learnt the tiny data."""
    root = tmp_path_factory.mktemp("models")
    write_tiny_vae(root / "tiny")
    write_tiny_vae(root / "asked", labels=list("0123456789"))
    torch.manual_seed(0)
    learner, data = ClassifierLearner(Classifier(widths=(8, 8), features=16), torch.device("cpu")), tiny_data("mnist")
    stream = torch.Generator().manual_seed(0)
    for step in range(30):
        learner.step(Batch(data.pictures(slice(None)), data.labels, stream, step, 0.5))
    learner.save(root / "classifier-mnist")
    front = {"license": "apache-2.0", "playground": {**FRONT, "family": "classifier"}}
    registry.write_card(root / "classifier-mnist", front, "A judge for tests.")
    return root


@pytest.fixture
def engine(folders, monkeypatch):
    splits = {"train": tiny_data("mnist", 512, 1), "test": tiny_data("mnist", 200, 2)}
    monkeypatch.setattr(datasets, "load", lambda name, split="train", progress=None: splits[split])
    return Engine("cpu", folders)


def numbers(scores):
    return {(g, k): v for g, values in scores.items() for k, v in values.items() if isinstance(v, int | float)}


def test_every_group_has_a_protocol_and_finite_numbers(engine):
    scores = evaluate(engine, "tiny", **SMALL, store=False)
    assert set(scores) == {"pictures", "variety", "memorisation", "speed", "reconstruction", "likelihood"}
    assert all(values["protocol"] for values in scores.values())
    assert all(math.isfinite(value) for value in numbers(scores).values())
    assert scores["pictures"]["samples"] == 60 and scores["pictures"]["blocks"] == 2


def test_rubbish_scores_as_rubbish(engine):
    """The VAE is untrained: far from the data, and no two samples differ much."""
    scores = evaluate(engine, "tiny", **SMALL, store=False)
    assert scores["pictures"]["fd_over_floor"] > 5 and scores["pictures"]["precision"] < 0.2
    assert scores["variety"]["distance_over_real"] < 0.5 and len(scores["variety"]["missing"]) > 5
    assert scores["pictures"]["precision_of_real"] > 0.5
    assert scores["memorisation"]["auc"] < 0.1


def test_a_conditional_model_is_asked_for_every_class(engine):
    scores = evaluate(engine, "asked", **SMALL, store=False)
    # the tiny VAE ignores the class, so the classifier's one answer is right in a tenth of the cases
    assert scores["control"]["accuracy"] == pytest.approx(0.1, abs=0.05)


def test_scores_are_stored_and_repeatable(engine, folders):
    first = evaluate(engine, "tiny", **SMALL)
    again = evaluate(engine, "tiny", **SMALL)
    assert engine.card("tiny").scores == again
    same = numbers(first).keys() - {("speed", "milliseconds")}
    assert {k: numbers(first)[k] for k in same} == {k: numbers(again)[k] for k in same}
    registry.load(registry.read_card(folders / "tiny"))  # digests still hold
    assert registry.read_card(folders / "tiny").summary == "A network for tests."


def test_a_classifier_gets_its_accuracy_and_its_index(engine, folders):
    scores = evaluate(engine, "classifier-mnist", **SMALL)
    assert scores["accuracy"]["mean"] == scores["accuracy"]["digit"] > 0.6
    index = Index.load(folders / "classifier-mnist")
    card = registry.read_card(folders / "classifier-mnist")
    assert len(index) == 512 and "index.safetensors" in card.digests
    classifier, train = registry.load(card), datasets.load("mnist")
    found, _ = index.nearest(classifier.features(train.pictures(slice(0, 5))))
    assert found[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert np.abs(index.picture(3)[..., 0].astype(int) - train.images[3, 0].numpy()).max() <= 8


def test_a_reader_teaches_and_gets_no_index(folders):
    shutil.copytree(folders / "classifier-mnist", folders / "reader-mnist")
    (folders / "reader-mnist" / "index.safetensors").unlink(missing_ok=True)
    registry.write_card(folders / "reader-mnist", *registry.read_front(folders / "reader-mnist"))
    scores = evaluate(Engine("cpu", folders), "reader-mnist", **SMALL)
    assert set(scores) == {"accuracy"} and not (folders / "reader-mnist" / "index.safetensors").exists()
    shutil.rmtree(folders / "reader-mnist")


def test_a_classifier_whose_attributes_stand_in_another_order_is_refused():
    classifier = Classifier(heads=(("b", "xy"), ("a", "xyz")), widths=(8,), features=8)
    check_heads(classifier, {"b": ("x", "y"), "a": ("x", "y", "z")})
    for other in ({"a": "xyz", "b": "xy"}, {"b": "xy"}, {"b": "yx", "a": "xyz"}):
        with pytest.raises(PlaygroundError, match="mixed up"):
            check_heads(classifier, other)


def test_not_a_number_is_never_stored():
    with pytest.raises(PlaygroundError, match="'fd' of tiny is nan"):
        checked("tiny", "fd", math.nan)
    assert checked("tiny", "fd", 1.23456789) == 1.2346


def test_pictures_that_are_not_finite_are_refused(engine, monkeypatch):
    model = engine.model("tiny")
    monkeypatch.setattr(model, "decode", lambda z: torch.full((len(z), 1, 28, 28), math.nan))
    with pytest.raises(PlaygroundError, match="NaN"):
        evaluate(engine, "tiny", **SMALL)


def test_a_missing_judge_says_how_to_make_one(engine):
    with pytest.raises(PlaygroundError, match="python -m playground train classifier-nothing"):
        judge(engine, "nothing")


@pytest.mark.parametrize("samples", [1, 0, 10_001])
def test_a_useless_number_of_samples_is_refused(engine, samples):
    with pytest.raises(PlaygroundError, match="number of samples"):
        evaluate(engine, "tiny", **{**SMALL, "samples": samples})


def test_one_look_at_the_real_pictures_serves_every_model(engine):
    judges = {}
    evaluate(engine, "tiny", **SMALL, judges=judges, store=False)
    seen = judges["mnist"]
    evaluate(engine, "asked", **SMALL, judges=judges, store=False)
    assert judges["mnist"] is seen


def test_the_table_has_a_row_per_model_and_only_columns_in_use():
    scores = {"a": {"pictures": {"fd_over_floor": 2.345, "protocol": ""}}, "b": {"accuracy": {"mean": 0.991}}}
    assert table(scores) == "| model | FD / floor | accuracy |\n|---|--:|--:|\n| a | 2.35 |  |\n| b |  | 99.1% |"
    assert "- fd: 1" in details({"pictures": {"fd": 1, "protocol": "how"}})


def test_faces_of_the_index_can_be_drawn_again():
    assert draw_face(5).shape == (64, 64, 3)
