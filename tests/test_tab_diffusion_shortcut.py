"""The diffusion tab's shortcut: who is whose student, and what each row shows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from playground import PlaygroundError
from tabs import diffusion
from tabs.diffusion import modes, shortcut
from tabs.diffusion.desk import Desk
from tabs.diffusion.shortcut import NOISES, ORDER
from tabs.diffusion.state import declare

STAGE = "diffusion-stage"
PAIRS = {"diffusion-mnist": "diffusion-mnist-student", "diffusion-faces": "diffusion-faces-student"}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Few steps of the teacher: what is tested does not depend on their number."""
    monkeypatch.setattr(shortcut, "STEPS", 3)


@pytest.fixture(scope="module")
def state(engine):
    return declare(engine)


@pytest.fixture
def desk(engine):
    """Nothing kept from other tests."""
    return Desk(engine)


def answers(desk, state, **values):
    return list(modes.stream(desk, state.check({"mode": "shortcut", **values})))


def rows_of(shown):
    """The pictures of each row by name, (NOISES, C, H, W)."""
    return dict(zip(ORDER, shown.picture.split(NOISES)))


def test_the_recipes_tell_who_is_whose_student(engine):
    assert shortcut.students(engine) == PAIRS


@pytest.mark.parametrize("model", PAIRS)
def test_every_row_is_made_from_the_same_noises(engine, desk, state, model):
    final = answers(desk, state, model=model, seed=40)[-1]
    rows, seeds = rows_of(final), list(range(40, 40 + NOISES))
    asked = {"labels": 3} if model == "diffusion-mnist" else {}
    guided = {"guidance": 1.5} if asked else {}
    walked = engine.run(model, seeds, scheduler="DDIM", steps=3, eta=0.0, watch=False, **asked, **guided).images
    assert torch.equal(rows["teacher"], walked)
    for looks, name in shortcut.LOOKS.items():
        assert torch.equal(rows[name], engine.run(PAIRS[model], seeds, steps=looks, watch=False, **asked).images)
    model = engine.model(model)
    assert torch.allclose(rows["noise"], engine.call(lambda: model.to_pixels(model.latents(seeds))))
    assert final.columns == NOISES and final.step == final.total


def test_the_student_is_there_before_its_teacher_has_begun(desk, state):
    shown = answers(desk, state, seed=41)
    there = [[row["name"] for row in told.data["rows"] if row["calls"]] for told in shown]
    assert there[:2] == [["one look"], ["one look", "two looks"]]
    assert there[-1] == ["teacher", "one look", "two looks"]
    assert [told.step for told in shown] == sorted({told.step for told in shown})
    noise, teacher = shown[0].data["rows"][:2]
    assert noise["src"] == teacher["src"]  # where it starts


@pytest.mark.parametrize("model, calls", [("diffusion-mnist", 6), ("diffusion-faces", 3)])
def test_each_row_tells_its_calls_and_its_time(desk, state, model, calls):
    final = answers(desk, state, model=model)[-1]
    rows = {row["name"]: row for row in final.data["rows"]}
    assert [rows[name]["calls"] for name in ORDER] == [0, calls, 1, 2]
    assert all(rows[name]["ms"] > 0 for name in ORDER[1:]) and "times as fast" in final.sentence
    assert set(final.data["distance"]) == {"one look", "two looks"}


def test_one_look_ends_near_the_teacher_s_picture(desk, state, monkeypatch):
    monkeypatch.setattr(shortcut, "STEPS", 20)
    rows = rows_of(answers(desk, state, seed=7)[-1])
    apart = (rows["one look"] - rows["teacher"]).abs().mean()
    other = (rows["teacher"].roll(1, 0) - rows["teacher"]).abs().mean()
    assert apart < 0.4 * other


def test_each_class_in_turn_begins_with_the_chosen_one(desk, state):
    final = answers(desk, state, label="6", each=True)[-1]
    assert final.data["labels"] == list("67890123")
    assert answers(desk, state, label="6")[-1].data["labels"] == ["6"] * NOISES


def test_what_was_made_is_kept_and_shown_at_once(desk, state, monkeypatch):
    first = answers(desk, state, seed=42)[-1]
    monkeypatch.setattr(shortcut, "made", lambda *_: pytest.fail("made again"))
    (again,) = answers(desk, state, seed=42)
    assert torch.equal(again.picture, first.picture) and again.data == first.data


def test_a_model_without_a_student_gives_way_to_one_that_has_one(desk, state):
    final = answers(desk, state, model="diffusion-emoji")[-1]
    assert final.patch == {"model": "diffusion-faces"} and final.model == "diffusion-faces"
    assert final.sentence.startswith("Diffusion of emoji has no student, so this is Latent diffusion of faces.")
    assert "classes" in final.disabled["label"] and "classes" in final.disabled["each"]
    assert not answers(desk, state, model="diffusion-faces")[-1].patch


def test_without_any_student_the_page_says_what_to_do(engine, state, monkeypatch):
    cards = {name: card for name, card in engine._cards.items() if name not in PAIRS.values()}
    monkeypatch.setattr(engine, "_cards", cards)
    with pytest.raises(PlaygroundError, match="python -m playground train diffusion-mnist-student"):
        answers(Desk(engine), state)


def test_a_student_whose_teacher_is_gone_does_not_count(engine, monkeypatch):
    monkeypatch.setattr(engine, "_cards", {n: c for n, c in engine._cards.items() if n != "diffusion-mnist"})
    assert list(shortcut.students(engine)) == ["diffusion-faces"]


def test_a_card_without_scores_shows_no_distance(engine, desk, state, monkeypatch):
    bare = replace(engine.card("diffusion-mnist-student"), scores={})
    monkeypatch.setattr(engine, "_cards", {**engine._cards, bare.name: bare})
    assert answers(desk, state)[-1].data["distance"] == {}


@pytest.mark.parametrize("values", [{"seed": 5, "each": True}, {"model": "diffusion-faces"}, {"seed": 2**32 - 3}])
def test_the_code_makes_the_same_pictures(desk, state, values):
    final = answers(desk, state, **values)[-1]
    names: dict = {}
    exec(final.code, names)
    made = [names[name] for name in ("walked", "one", "two")]
    assert torch.allclose(torch.cat(made).cpu(), final.picture[NOISES:], atol=1e-5)


def test_a_closed_page_ends_the_run_within_a_step(desk, state):
    run = modes.stream(desk, state.check({"mode": "shortcut", "seed": 43}))
    next(run)
    run.close()
    assert desk.engine.call(lambda: 1) == 1 and not desk._kept


def test_the_endpoint_draws_and_saves_it(make_client):
    tab = make_client([diffusion])
    state = {"mode": "shortcut", "model": "diffusion-faces", "seed": 44}
    reply = tab.call(STAGE, "pg_draw", {"state": state})
    assert json.dumps(reply) and len(reply["data"]["rows"]) == len(ORDER)
    saved = tab.call(STAGE, "pg_save", {"state": state})
    assert saved["name"] == "diffusion-diffusion-faces-44.png"
    assert "error" in tab.call(STAGE, "pg_draw", {"state": state | {"each": "perhaps"}})
