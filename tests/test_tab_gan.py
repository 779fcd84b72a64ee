"""The GAN tab behind its server functions: every mode draws, says what it shows, and its Python does the same."""

from __future__ import annotations

import base64
import io
import itertools

import pytest
import torch
from PIL import Image

from playground import PlaygroundError, metrics, render
from tabs._ui.examples import COUNT, digits
from tabs.gan import directions, diversity, modes, project, verdict
from tabs.gan.desk import Verdicts, desk_of, following
from tabs.gan.state import COMPONENTS, MODES, declare
from tabs.gan.traits import FACES, Looks, has, names_of, strokes

EVERY = tuple(mode.lower() for mode in MODES)
MODELS = ("gan-faces", "gan-mnist")


@pytest.fixture(scope="module")
def desk(engine):
    return desk_of(engine)


@pytest.fixture(scope="module")
def state(engine):
    return declare(engine)


@pytest.fixture(scope="module")
def show(desk, state):
    return lambda **given: modes.draw(desk, state.check({"model": "gan-mnist", **given}))


def png(image: Image.Image) -> str:
    out = io.BytesIO()
    image.save(out, "PNG")
    return render.data_uri("image/png", out.getvalue())


def size_of(uri: str) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).size


# ------------------------------------------------------------------------------------------------ modes


@pytest.mark.parametrize("mode, model", itertools.product(EVERY, MODELS))
def test_every_mode_draws_the_same_twice(show, mode, model):
    first, again = (show(mode=mode, model=model, source="sample") for _ in range(2))
    assert torch.isfinite(first.picture).all() and torch.equal(first.picture, again.picture)
    assert len(first.sentence) > 40 and first.sentence.endswith((".", "?")) and first.model == model


@pytest.mark.parametrize("given", [
    {"mode": "walk", "seed": 12, "dx": 0.25, "dy": -0.5, "truncation": 0.6},
    {"mode": "walk", "model": "gan-faces", "seed": 2**32 - 1, "dx": 0.5},
    {"mode": "mix", "cut": 2, "seed": 3, "seed_b": 9},
    {"mode": "directions", "p1": 1.5, "strength": -2, "digit_trait": "wide", "label": "8"},
    {"mode": "directions", "model": "gan-faces", "p2": -3},
    {"mode": "verdict", "test": 3},
    {"mode": "verdict", "source": "sample", "seed": 4, "label": "5"},
    {"mode": "project", "test": 200},
    {"mode": "diversity", "seed": 5},
    {"mode": "walk", "model": "gan-faces", "dx": 0.4, "ask_hat": "crown", "ask_hair": "curly"},
    {"mode": "mix", "model": "gan-faces", "ask_background": "mint"},
    {"mode": "directions", "model": "gan-faces", "ask_glasses": "dark", "p1": 1},
])  # fmt: skip
def test_copied_python_makes_the_same_picture(desk, state, show, given):
    values = state.check({"model": "gan-mnist", **given})
    if given["mode"] == "project":
        *_, shown = modes.search(desk, values)
    else:
        shown = show(**given)
    names: dict = {}
    exec(shown.code, names)
    part = {"mix": slice(1, 2), "verdict": slice(0, 1), "project": slice(1, 2)}.get(given["mode"], slice(None))
    assert torch.allclose(names["picture"].cpu(), shown.picture[part], atol=1e-5)


def test_presets_draw_and_differ(state, desk):
    pictures = [modes.draw(desk, state.check(preset.values)) for preset in state.presets]
    assert [p.kind for p in state.presets] == ["works", "fails", "surprises"]
    assert len({shown.sentence for shown in pictures}) == 3


# ------------------------------------------------------------------------------------------------ walk


@pytest.mark.parametrize("model", MODELS)
def test_a_whole_step_is_the_picture_of_the_seed(engine, show, model):
    labels = None if model == "gan-faces" else [4]
    wanted = engine.run(model, [1234], truncation=0.5, labels=labels).images
    got = show(mode="walk", model=model, seed=1234, truncation=0.5, label="4").picture
    assert torch.equal(got, wanted)


def test_what_is_asked_for_is_drawn_and_told(engine, show):
    plain, shown = (show(mode="walk", model="gan-faces", seed=7, **ask) for ask in ({}, {"ask_clothes": "stripes"}))
    wanted = engine.run("gan-faces", [7], truncation=0.8, clothes="stripes").images
    assert torch.allclose(shown.picture, wanted, atol=1e-6) and not torch.equal(shown.picture, plain.picture)
    assert "with clothes stripes" in shown.sentence
    asked = show(mode="walk", model="gan-mnist", seed=7, ask_clothes="stripes")
    assert torch.equal(asked.picture, show(mode="walk", model="gan-mnist", seed=7).picture), "digits wear none"


def test_the_way_from_seed_to_seed_has_no_break(show):
    """Half a step right of 7 is half a step left of 8, and one row up is a hundred seeds on."""
    assert torch.allclose(show(seed=7, dx=0.5).picture, show(seed=8, dx=-0.5).picture, atol=1e-6)
    assert torch.allclose(show(seed=7, dy=0.5).picture, show(seed=107, dy=-0.5).picture, atol=1e-6)
    small = (show(seed=7, dx=0.2).picture - show(seed=7, dx=0.201).picture).abs().max()
    assert 0 < small < 0.1


def test_beside_the_walk_stand_the_four_seeds_and_the_mean(desk, state):
    beside = modes.around(desk, state.check({"model": "gan-mnist", "seed": 7, "dx": -0.3, "dy": 0.1}))
    assert beside["seeds"] == [106, 107, 6, 7] and beside["psi"][0] == 0
    other = modes.around(desk, state.check({"model": "gan-mnist", "seed": 88}))
    assert beside["mean"] == other["mean"] and beside["corners"] != other["corners"]


def test_without_truncation_room_every_seed_is_the_mean_picture(show):
    assert torch.allclose(show(seed=1, truncation=0.0).picture, show(seed=2, truncation=0.0).picture, atol=1e-6)


def test_seeds_go_round_at_their_end():
    assert following(2**32 - 2, 4) == [2**32 - 2, 2**32 - 1, 0, 1]


# ------------------------------------------------------------------------------------------------ mix


def test_the_cut_goes_from_all_of_b_to_all_of_a(show, desk):
    layers = desk.model("gan-mnist").layers
    a, b = (show(mode="walk", seed=s, truncation=1.0).picture for s in (3, 9))
    for cut, wanted in ((0, b), (layers, a)):
        shown = show(mode="mix", seed=3, seed_b=9, cut=cut, truncation=1.0)
        assert torch.allclose(shown.picture[1:2], wanted, atol=1e-5) and "own picture" in shown.sentence
    middle = show(mode="mix", seed=3, seed_b=9, cut=2, truncation=1.0).picture[1:2]
    assert (middle - a).abs().max() > 1e-3 and (middle - b).abs().max() > 1e-3


def test_a_cut_beyond_the_last_layer_is_moved_and_said(show, desk):
    assert show(mode="mix", cut=8).patch == {"cut": desk.model("gan-mnist").layers}


def test_the_grid_has_its_parents_in_the_margins():
    a, b = torch.full((modes.DOWN, 1, 2, 2), 0.3), torch.full((modes.ACROSS, 1, 2, 2), 0.7)
    page = modes.mixing_page(a, b, torch.ones(modes.DOWN * modes.ACROSS, 1, 2, 2))
    levels = page.flatten(1).mean(1).reshape(modes.DOWN + 1, modes.ACROSS + 1)
    assert levels[0, 0] == 0 and (levels[0, 1:] == 0.7).all() and (levels[1:, 0] == 0.3).all()
    assert (levels[1:, 1:] == 1).all()


# ------------------------------------------------------------------------------------------------ directions


def test_nothing_moves_at_rest_and_every_slider_moves(show, state, desk):
    at_rest = state.check({"model": "gan-mnist", "mode": "directions"})
    assert not modes.step_of(desk, at_rest).any()
    for name in (*COMPONENTS, "strength"):
        there, back = (modes.step_of(desk, at_rest | {name: v}) for v in (2.0, -2.0))
        assert there.norm() > 0 and torch.allclose(there, -back)


@pytest.mark.parametrize("model", MODELS)
def test_principal_directions_are_orthonormal_and_fall(desk, model):
    found = directions.components(desk, model)
    n = torch.stack([direction.n for direction in found])
    assert torch.allclose(n @ n.T, torch.eye(len(COMPONENTS)), atol=1e-4)
    assert all(a.sigma >= b.sigma > 0 for a, b in itertools.pairwise(found))


def test_a_direction_does_what_it_is_called_on_fresh_seeds(desk):
    found = directions.dose(desk, "gan-mnist", "3", "thick strokes")
    assert found.shares[-1] > found.shares[2] > found.shares[0] or found.shares[-1] - found.shares[0] > 0.5
    assert directions.dose(desk, "gan-mnist", "3", "thick strokes") is found  # worked out once


def test_an_attribute_nobody_has_gets_no_direction(desk, show, monkeypatch):
    pool = directions.pool_of(desk, "gan-mnist")
    monkeypatch.setattr(directions, "has", lambda *_: torch.zeros(len(pool.w), dtype=torch.bool))
    assert directions._attribute(desk, "gan-mnist", "wide") is None
    monkeypatch.setattr(directions, "attribute", lambda *_: None)
    with pytest.raises(PlaygroundError, match="too few"):
        show(mode="directions", digit_trait="wide", strength=1.0)


def test_every_attribute_of_faces_is_one_the_classifier_knows(engine):
    heads = engine.model("classifier-faces").heads
    for head, wanted in FACES.values():
        assert set(wanted) <= set(heads[head])
    assert set(names_of("faces")) == set(FACES)


def test_attributes_are_read_off_the_answers():
    values = {"glasses": ("none", "round", "square", "dark")}
    looks = Looks({"glasses": torch.tensor([0, 1, 3])}, values, {})
    assert has("glasses", looks, {}).tolist() == [False, True, True]
    assert has("dark glasses", looks, {}).tolist() == [False, False, True]


def test_strokes_are_measured_as_they_are_drawn():
    thin, thick, leaning, wide = (torch.zeros(1, 1, 28, 28) for _ in range(4))
    thin[..., 4:24, 13:15] = 1
    thick[..., 4:24, 10:18] = 1
    wide[..., 10:18, 4:24] = 1
    for row in range(4, 24):
        leaning[..., row, 20 - row // 2 : 22 - row // 2] = 1
    of = {k: strokes(x) for k, x in (("thin", thin), ("thick", thick), ("leaning", leaning), ("wide", wide))}
    assert of["thick"]["thick strokes"] > 2 * of["thin"]["thick strokes"]
    assert of["leaning"]["leans right"] > 0.4 and abs(of["thin"]["leans right"]) < 1e-6
    assert of["wide"]["wide"] > 2 * of["thick"]["wide"]


# ------------------------------------------------------------------------------------------------ verdict


def test_the_verdict_is_a_rank_in_words():
    usual = Verdicts(real=torch.tensor([1.0, 2, 3, 4]), made=torch.tensor([-2.0, -1, 0, 1.5]))
    assert verdict.in_words(-3, usual).startswith("A fake")
    assert verdict.in_words(5, usual).startswith("More than real")
    assert "100 of 100 made pictures and than 50 of 100 real" in verdict.in_words(2.5, usual)
    assert verdict.in_words(-0.5, usual).startswith("Rather a fake")
    assert verdict.skill(usual) == 15 / 16
    assert verdict.skill(Verdicts(usual.real, usual.real)) == 0.5


def test_walls_are_in_the_order_of_conviction(show):
    data = show(mode="verdict").data
    for name in ("fake_logits", "real_logits"):
        assert data[name] == sorted(data[name], reverse=True)
    assert sorted(data["seeds"]) == list(range(7, 7 + verdict.MADE))


def test_a_test_digit_is_taken_for_what_it_is(show):
    assert show(mode="verdict", test=499, label="0").patch == {"label": str(digits()[1][499])}
    assert show(mode="verdict", test=0, label="0").patch == {}


def test_a_drawing_is_judged_and_kept_small(show):
    page = Image.new("L", (280, 280))
    page.paste(255, (130, 60, 150, 220))
    shown = show(mode="verdict", source="drawing", drawing=png(page), label="1")
    assert size_of(shown.patch["drawing"]) == (28, 28) and "Your picture" in shown.sentence


def test_an_empty_drawing_is_explained(show):
    with pytest.raises(PlaygroundError, match="Nothing is drawn"):
        show(mode="project", source="drawing")


# ------------------------------------------------------------------------------------------------ project


def test_a_search_shows_every_step_and_is_kept(desk, state, show):
    values = state.check({"model": "gan-mnist", "mode": "project", "test": 321, "seed": 99})
    assert show(**values).data["pending"]
    shown = list(modes.search(desk, values))
    last = shown[-1]
    assert last.step == last.total == last.data["film"]["frames"] == len(last.data["labels"])
    assert [s.step for s in shown] == sorted({s.step for s in shown})
    assert all("Test picture 321" in s.sentence for s in shown)
    kept = show(**values)
    assert "pending" not in kept.data and torch.equal(kept.picture, last.picture)


def test_a_search_comes_nearer(desk, state):
    values = state.check({"model": "gan-mnist", "mode": "project", "source": "sample", "seed": 5})
    *_, last = modes.search(desk, values)
    errors = [float(label.split()[-1]) for label in last.data["labels"]]
    assert errors[-1] < errors[0]


def test_a_stopped_search_leaves_nothing_behind(desk, state, show):
    values = state.check({"model": "gan-mnist", "mode": "project", "test": 77})
    run = modes.search(desk, values)
    next(run)
    run.close()
    assert show(**values).data["pending"]


def test_only_the_last_projections_are_kept(engine):
    desk = type(desk_of(engine))(engine)
    for i in range(40):
        desk.remember((i,), i)
    assert desk.found((0,)) is None and desk.found((39,)) == 39


def test_likeness_is_said_in_words():
    assert "close likeness" in project.likeness("It", 0.001, 0.1, 80)
    assert "quite different" in project.likeness("It", 0.1, 0.2, 80)


# ------------------------------------------------------------------------------------------------ diversity


def test_counts_add_up_and_the_mean_picture_has_no_spread(show):
    data = show(mode="diversity", truncation=0.0, seed=3).data
    for row in data["counts"]:
        assert sum(v["made"] for v in row["values"]) == sum(v["real"] for v in row["values"]) == diversity.COUNT
    made = [v for row in data["counts"] for v in row["values"]]
    assert len(data["missing"]) == sum(v["made"] == 0 for v in made) and data["kinds"] == len(made) == 10
    faces = show(mode="diversity", model="gan-faces", truncation=0.0)
    assert faces.data["spread"] < 0.01 * faces.data["real_spread"] and "nearer together" in faces.sentence


def test_the_nearest_picture_of_a_copy_is_itself(desk, state, monkeypatch):
    values = state.check({"model": "gan-mnist", "mode": "diversity", "truncation": 1.0})
    made, _, _ = diversity.samples(desk, values)
    features, _ = desk.look("gan-mnist", made)
    index = metrics.Index.of_pictures(features, (made[:, 0] * 255).round().to(torch.uint8))
    monkeypatch.setattr(desk, "index", lambda name: index)
    monkeypatch.setattr(desk, "keep", lambda key, make: make())
    reply = diversity.nearest(desk, values)
    assert max(reply["distances"]) < 0.05 * reply["usual"] and reply["searched"] == diversity.COUNT
    assert size_of(reply["nearest"]) == (8 * 28, 8 * 28)


def test_a_missing_index_is_explained(desk, state, monkeypatch):
    monkeypatch.setattr(desk, "index", lambda name: None)
    assert "evaluate classifier-mnist" in diversity.nearest(desk, state.check({"model": "gan-mnist"}))["none"]


# ------------------------------------------------------------------------------------------------ endpoints


@pytest.mark.parametrize("function", ["gan_around", "gan_meanings", "gan_dose", "gan_nearest", "gan_upload", "pg_draw"])
@pytest.mark.parametrize("payload", [None, 7, [], "x", {}, {"state": {"model": "../../etc"}}, {"state": {"dx": "NaN"}},
                                     {"state": {"seed": -1}}, {"state": {"truncation": 1e9}}, {"state": {"mode": "h"}},
                                     {"state": {"label": "11"}}, {"state": {"test": COUNT}}])  # fmt: skip
def test_nonsense_posted_to_an_endpoint_is_answered_plainly(client, function, payload):
    reply = client.call("gan-stage", function, payload)
    assert len(reply["error"]) > 20 and "wrong here" not in reply["error"]


def test_uploads_are_read_or_refused_in_words(client):
    def upload(picture):
        return client.call("gan-stage", "gan_upload", {"state": {"model": "gan-faces"}, "picture": picture})

    assert size_of(upload(png(Image.new("RGBA", (300, 200), "teal")))["drawing"]) == (64, 64)
    huge = png(Image.new("1", (12_000, 12_000)))
    for bad in (None, 5, "hello", huge, "data:image/png;base64,AAAA", png(Image.new("L", (40, 40)))[:90]):
        reply = upload(bad)
        assert len(reply["error"]) > 20 and "wrong here" not in reply["error"]


def test_a_class_the_network_does_not_know_is_refused(desk):
    with pytest.raises(PlaygroundError, match="Choose one of"):
        desk.labels("gan-mnist", "eleven", 1)
    assert desk.labels("gan-faces", "eleven", 1) is None
