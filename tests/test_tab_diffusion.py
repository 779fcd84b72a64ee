"""The diffusion tab behind the page: its endpoints, its streams, and branches made again from the recipe."""

from __future__ import annotations

import base64
import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from playground import PlaygroundError, render
from tabs import diffusion
from tabs._ui import Clock
from tabs._ui import clock as clocks
from tabs.diffusion import desk as desks
from tabs.diffusion import modes, shortcut
from tabs.diffusion.desk import Desk
from tabs.diffusion.lanes import lanes_of
from tabs.diffusion.state import MODES, SCHEDULERS, declare

MODELS = ("diffusion-mnist", "diffusion-faces")
STAGE = "diffusion-stage"
TWO = json.dumps([{"from": 0, "step": 2, "label": "8"}, {"from": 1, "step": 1, "scheduler": "DDPM", "seed": 5}])


@pytest.fixture(scope="module")
def tab(make_client):
    return make_client([diffusion])


@pytest.fixture(scope="module")
def state(engine):
    return declare(engine)


@pytest.fixture
def desk(engine):
    """Nothing kept from other tests."""
    return Desk(engine)


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


def final(desk, state, **values):
    return modes.last(modes.stream(desk, state.check({"steps": 3, **values})))


def test_the_names_of_the_schedulers_are_the_engine_s():
    from playground.models.diffusion import SCHEDULERS as known

    assert set(SCHEDULERS) == set(known)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_ends_in_a_picture_a_sentence_and_code(desk, state, mode, model, monkeypatch):
    monkeypatch.setattr(shortcut, "STEPS", 3)
    shown = final(desk, state, mode=mode, model=model)
    assert shown.step == shown.total and shown.model == model
    assert torch.isfinite(shown.picture).all() and shown.picture.min() >= 0 and shown.picture.max() <= 1
    assert shown.picture.std() > 0 and len(shown.sentence) > 40
    assert json.dumps(shown.data)
    compile(shown.code, "code", "exec")


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0}, {"steps": 101}, {"steps": 2.5}, {"steps": "many"}, {"steps": None}, {"guidance": 10.5},
        {"guidance": "nan"}, {"eta": 1.5}, {"eta": -0.1}, {"label": "12"}, {"label": 3}, {"seed": -1}, {"seed": 2**32},
        {"scheduler": "Nope"}, {"mode": "nope"}, {"model": "gan-mnist"}, {"t": 1000}, {"start": 0}, {"test": 500},
        {"branches": "x" * 3000}, {"nothing": 1},
    ],
)  # fmt: skip
def test_values_outside_their_range_are_refused_by_the_endpoint(tab, bad):
    for function in ("pg_draw", "pg_save"):
        reply = tab.call(STAGE, function, {"state": bad})
        assert set(reply) == {"error"} and len(reply["error"]) > 20


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "3", "{}", "[3]", "[{}]", '[{"from":0}]', '[{"from":1,"step":1}]', '[{"from":0,"step":0}]',
        '[{"from":0,"step":101}]', '[{"from":0,"step":1,"steps":0}]', '[{"from":0,"step":1,"label":"x"}]',
        '[{"from":0,"step":1,"mode":"forward"}]', '[{"from":-1,"step":1}]', "[" * 1500,
        json.dumps([{"from": 0, "step": 1}] * 7), '[{"from":0,"step":1,"guidance":NaN}]',
    ],
)  # fmt: skip
def test_branches_that_make_no_sense_are_explained(tab, text):
    reply = tab.call(STAGE, "pg_draw", {"state": {"steps": 2, "branches": text}})
    assert "not your doing" not in reply["error"] and len(reply["error"]) > 30


@pytest.mark.parametrize("request_", [None, [], 3, {}, {"state": {}}, {"state": {}, "lane": 1}, {"model": "x"}])
def test_the_tab_s_own_functions_answer_any_json(tab, request_):
    assert "not your doing" not in tab.call(STAGE, "diffusion_film", request_)["error"]
    reply = tab.call(STAGE, "diffusion_schedule", request_)
    assert "bar" in reply or "not your doing" not in reply["error"]


def test_the_schedule_is_the_model_s(tab, engine):
    reply = tab.call(STAGE, "diffusion_schedule", {"model": "diffusion-mnist"})
    bars = engine.model("diffusion-mnist").alpha_bar
    assert reply["t"][0] == 0 and reply["t"][-1] == 999
    assert all(math.isclose(bar, float(bars[t]), rel_tol=1e-6) for t, bar in zip(reply["t"], reply["bar"]))


@pytest.mark.parametrize("mode", ["forward", "from a drawing", "inpaint"])
@pytest.mark.parametrize("drawing", ["", "hello", "data:image/png;base64,AAAA", "http://127.0.0.1/x.png"])
def test_a_bad_drawing_is_explained(desk, state, mode, drawing):
    with pytest.raises(PlaygroundError, match=r"picture"):
        final(desk, state, mode=mode, source="own", drawing=drawing)


def test_an_empty_mask_is_explained(desk, state):
    with pytest.raises(PlaygroundError, match="painted"):
        final(desk, state, mode="inpaint", mask=render.png_uri(torch.zeros(1, 1, 64, 64)))


def test_a_start_below_the_last_step_is_explained(desk, state):
    with pytest.raises(PlaygroundError, match=r"start earlier"):
        final(desk, state, mode="from a drawing", start=10)


# ------------------------------------------------------------------------------------------------ lanes


def test_a_run_equals_the_engine_s(engine, desk, state):
    shown = final(desk, state, scheduler="DPM-Solver++", steps=4, label="5", seed=11, guidance=2.0)
    there = engine.run("diffusion-mnist", [11], labels=5, scheduler="DPM-Solver++", steps=4, guidance=2.0).images
    assert torch.equal(shown.picture, there.mul(255).round() / 255)


def test_a_branch_with_the_same_settings_repeats_the_run(desk, state):
    for scheduler in ("DDIM", "DDPM"):
        shown = final(desk, state, steps=5, scheduler=scheduler, branches='[{"from":0,"step":3}]')
        assert torch.equal(shown.picture[0], shown.picture[1])


def test_branches_are_made_again_from_the_recipe_alone(engine, state):
    one = final(Desk(engine), state, steps=4, branches=TWO)
    two = final(Desk(engine), state, steps=4, branches=TWO)
    assert torch.equal(one.picture, two.picture) and len(one.picture) == 3
    assert not torch.equal(one.picture[0], one.picture[1]) and not torch.equal(one.picture[1], one.picture[2])
    assert [lane["left"] for lane in one.data["lanes"]] == [0, 2, 1]


def test_a_branch_inherits_what_it_does_not_change(engine, state):
    values = state.check({"steps": 9, "guidance": 3.0, "branches": TWO})
    run, first, second = lanes_of(values, engine.card("diffusion-mnist"), modes.branch_fields(Desk(engine)))
    assert (first.label, first.steps, first.guidance, first.scheduler) == (8, 9, 3.0, "DDIM")
    assert (second.label, second.scheduler, second.seed) == (8, "DDPM", 5)
    assert second.parent == first and first.parent == run and len({run.key, first.key, second.key}) == 3


def test_a_kept_lane_is_not_run_again(desk, state, monkeypatch):
    final(desk, state, steps=4)
    model, asked = desk.model("diffusion-mnist"), []
    whole = type(model).predict
    monkeypatch.setattr(type(model), "predict", lambda *a, **k: asked.append(1) or whole(*a, **k))
    final(desk, state, steps=4)
    assert not asked
    final(desk, state, steps=4, branches='[{"from":0,"step":3,"label":"1"}]')
    assert len(asked) == 2  # steps 3 and 4, not the two before the branch


def test_few_lanes_are_kept(desk, state, monkeypatch):
    monkeypatch.setattr(desks, "KEPT", 2)
    for seed in range(4):
        final(desk, state, steps=1, seed=seed)
    assert len(desk._kept) == 2


def test_a_stream_stops_within_a_step(desk, state, monkeypatch):
    model, asked = desk.model("diffusion-mnist"), []
    whole = type(model).predict
    monkeypatch.setattr(type(model), "predict", lambda *a, **k: asked.append(1) or whole(*a, **k))
    run = modes.stream(desk, state.check({"steps": 100}))
    next(run)
    run.close()
    assert len(asked) == 1
    assert desk.engine.call(lambda: 1) == 1  # the device is free again


def test_at_most_fifteen_pictures_a_second(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(clocks.time, "monotonic", lambda: now[0])
    clock, shown = Clock(), 0
    for _ in range(200):
        shown += clock.due()
        now[0] += 0.005
    assert 13 <= shown <= 16


# ------------------------------------------------------------------------------------------------ what is sent


@pytest.mark.parametrize("model", MODELS)
def test_the_film_holds_every_frame_of_every_lane(desk, state, model):
    shown = final(desk, state, model=model, steps=3)
    film = shown.data["lanes"][0]["film"]
    assert film["names"] == ["x_t", "x0", "eps"] and film["frames"] == 4
    page, cell = pixels(film["src"]), 2 * 4 - 1  # the last guess
    y, x = cell // film["columns"] * film["h"], cell % film["columns"] * film["w"]
    there = np.asarray(render.array(shown.picture)[0], int)
    assert np.abs(page[y : y + film["h"], x : x + film["w"]].astype(int) - there).mean() < 3
    if model == "diffusion-mnist":
        assert (page[y : y + 28, x : x + 28] == there).all()


def test_the_page_can_ask_for_a_film_it_has_lost(tab):
    reply = tab.call(STAGE, "diffusion_film", {"state": {"steps": 2, "branches": '[{"from":0,"step":1}]'}, "lane": 1})
    assert reply["film"]["frames"] == 3 and len(reply["key"]) == 16


def test_a_saved_picture_carries_its_branches(tab):
    reply = tab.call(STAGE, "pg_save", {"state": {"steps": 3, "branches": TWO}})
    image = Image.open(io.BytesIO(base64.b64decode(reply["src"].partition(",")[2])))
    recipe = json.loads(image.text[render.RECIPE])["state"]
    assert recipe["branches"] == TWO and image.width == 3 * image.height


def test_the_forward_process_mixes_as_the_formula_says(engine, desk, state):
    shown = final(desk, state, mode="forward", t=300, seed=4)
    model = engine.model("diffusion-mnist")
    alpha, sigma = model.level(300)
    x = 2 * desk.picture(state.check({}) | {"source": "test"}) - 1
    mixed = (alpha * x + sigma * model.latents([4])) / 2 + 0.5
    assert torch.allclose(shown.picture[2:3], mixed.clamp(0, 1), atol=1e-5)
    assert shown.data["t"][0] == 0 and shown.data["t"][-1] == 999


def test_an_upload_becomes_small_enough_for_the_state(desk, state):
    photo = render.data_uri("image/png", render.png(np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)))
    shown = final(desk, state, mode="forward", model="diffusion-faces", source="own", drawing=photo)
    assert shown.patch["drawing"] != photo and len(shown.patch["drawing"]) < 30_000
    again = final(desk, state, mode="forward", model="diffusion-faces", source="own", drawing=shown.patch["drawing"])
    assert torch.equal(again.picture, shown.picture)


def test_inpainting_keeps_what_was_not_painted(desk, state):
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32, :] = 1
    shown = final(desk, state, mode="inpaint", mask=render.png_uri(mask))
    whole = desk.picture(state.check({}))
    assert shown.picture.shape[0] == 4
    assert torch.allclose(shown.picture[1:, :, 15:], whole[:, :, 15:].expand(3, -1, -1, -1), atol=1e-5)
    assert not torch.allclose(shown.picture[1], shown.picture[2])


def test_both_walks_meet_at_their_ends(desk, state):
    rows = final(desk, state, mode="between", seed=1, other=2).picture
    assert rows.shape == (2, 1, 28, 7 * 28)
    assert torch.equal(rows[0, ..., :28], rows[1, ..., :28]) and torch.equal(rows[0, ..., -28:], rows[1, ..., -28:])
    assert not torch.allclose(rows[0, ..., 84:112], rows[1, ..., 84:112], atol=1e-3)
    run = final(desk, state, seed=1).picture
    assert torch.allclose(rows[0, ..., :28], run[0], atol=0.01)


def test_schedulers_tell_how_often_they_asked(desk, state):
    rows = final(desk, state, mode="schedulers", steps=4, guidance=2.0).data["rows"]
    calls = {row["name"]: row["calls"] for row in rows}
    assert list(calls) == list(SCHEDULERS) and calls["DDIM"] == 8 and calls["Heun"] == 14
    assert rows[0]["apart"] == 0 and all(row["ms"] > 0 for row in rows)


def test_controls_without_effect_say_why(desk, state):
    assert "classes" in final(desk, state, model="diffusion-faces").disabled["label"]
    assert "DDIM" in final(desk, state, scheduler="Euler").disabled["eta"]
    assert not final(desk, state).disabled


@pytest.mark.parametrize("mode", ["denoise", "forward", "from a drawing", "between"])
def test_the_code_makes_the_same_picture(desk, state, mode):
    shown = final(desk, state, mode=mode, t=500)
    names: dict = {}
    exec(shown.code, names)
    made = {"forward": "noisy", "between": "pictures"}.get(mode, "picture")
    there = {"forward": shown.picture[2:3], "from a drawing": shown.picture[2:3]}.get(mode, shown.picture)
    if mode == "between":
        names[made] = names[made].permute(1, 2, 0, 3).flatten(2)[None]
        there = shown.picture[:1]
    assert torch.allclose(names[made].cpu(), there, atol=0.01)


def test_the_code_of_a_branch_makes_the_same_pictures(desk, state):
    shown = final(desk, state, steps=3, branches=TWO)
    names: dict = {}
    exec(shown.code, names)
    assert torch.allclose(torch.cat(names["pictures"]).cpu(), shown.picture, atol=0.01)
