"""The flow tab behind its server functions: every mode draws, says what it shows, and its Python does the same."""

from __future__ import annotations

import base64
import io
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from playground import Engine, PlaygroundError, render
from playground.data import densities
from tabs._ui import examples
from tabs.flow import modes, plane, surprise
from tabs.flow.clothes import shirts
from tabs.flow.desk import desk_of, drawn_pair
from tabs.flow.state import ATTRIBUTES, CORNERS, FRAMES, MODES, declare, fits


@pytest.fixture(scope="module")
def desk(engine):
    return desk_of(engine)


@pytest.fixture(scope="module")
def state(engine):
    return declare(engine)


@pytest.fixture(scope="module")
def show(desk, state):
    def draw(**given):
        need(desk, given.get("mode", "plane"))
        return modes.draw(desk, state.check(given))

    return draw


def need(desk, mode):
    """Skips where no flow for the mode is shipped."""
    if not desk.cards(mode):
        pytest.skip(f"no flow for {mode} is here")


def shorts(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<i2")


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


# ------------------------------------------------------------------------------------------------ every mode


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_draws_the_same_twice(show, mode):
    first, again = show(mode=mode), show(mode=mode)
    assert torch.isfinite(first.picture).all() and torch.equal(first.picture, again.picture)
    assert first.picture.min() >= 0 and first.picture.max() <= 1
    assert len(first.sentence) > 40 and first.sentence.endswith((".", "?")) and first.model


@pytest.mark.parametrize("given", [
    {"mode": "plane", "density": "ring", "at": 0.4, "seed": 3},
    {"mode": "plane", "way": "data to noise", "grid": False, "at": 0.9},
    {"mode": "pictures", "test": 3, "seed": 5},
    {"mode": "pictures", "source": "sample", "temperature": 0.7},
    {"mode": "samples", "temperature": 0.4, "seed": 12},
    {"mode": "between", "a": 0, "b": 499},
    {"mode": "between", "path": "straight line"},
    {"mode": "faces", "glasses": 1.5, "seed": 4},
    {"mode": "surprise"},
])  # fmt: skip
def test_copied_python_makes_the_same_picture(show, given):
    shown = show(**given)
    names: dict = {}
    exec(shown.code, names)
    wanted = {"faces": shown.picture[1:2]}.get(given["mode"], shown.picture)
    got = names["picture"].cpu()
    if given["mode"] == "between":
        wanted = wanted[:FRAMES]
    assert torch.allclose(got.clamp(0, 1), wanted, atol=2e-3)  # half a grey level
    if given["mode"] == "plane":
        assert abs(float(names["log_p"]) - shown.data["point"]["log_p"]) < 1e-3


def test_a_model_that_does_not_fit_the_mode_is_changed_and_said(show, desk, state):
    flat = desk.cards("plane")[0].name
    for mode in ("pictures", "faces"):
        if desk.cards(mode):
            assert show(mode=mode, model=flat).patch["model"] == desk.cards(mode)[0].name
    assert "model" not in show(mode="plane", model=flat).patch


def test_presets_draw_and_are_of_three_kinds(state, show):
    kinds = [p.kind for p in state.presets]
    assert kinds[:2] == ["works", "fails"] and set(kinds) <= {"works", "fails", "surprises"}
    for preset in state.presets:
        show(**preset.values)


def test_without_a_checkpoint_the_tab_says_what_to_train(engine, tmp_path):
    with pytest.raises(PlaygroundError, match="train"):
        declare(Engine("cpu", tmp_path))
    bare = desk_of(Engine("cpu", tmp_path))
    for mode in MODES:
        with pytest.raises(PlaygroundError, match="python -m playground train"):
            bare.fitting("realnvp-2d", mode)


def test_a_damaged_checkpoint_does_not_stand_in_the_others_way(desk, tmp_path):
    need(desk, "plane")
    good = desk.cards("plane")[0]
    for name in (good.name, "a-broken-one"):
        shutil.copytree(good.folder, tmp_path / name)
    (tmp_path / "a-broken-one" / "model.safetensors").write_bytes(b"not weights")
    other = desk_of(Engine("cpu", tmp_path))
    assert [card.name for card in other.cards("plane")] == [good.name]
    assert other.fitting("a-broken-one", "plane") == good.name


# ------------------------------------------------------------------------------------------------ the plane


def test_a_journey_goes_from_noise_to_data_and_the_other_way(desk, state):
    need(desk, "plane")
    values = state.check({"density": "ring"})
    out = plane.journey(desk, values | {"model": desk.cards("plane")[0].name})
    start = out.lattice[0].reshape(-1, 2)
    assert torch.allclose(start, plane.square(plane.REACH), atol=2e-3), "it sets out from a regular lattice of noise"
    label = desk.density(desk.cards("plane")[0].name, "ring")
    ends = desk.from_noise(desk.cards("plane")[0].name, start, label)
    assert torch.allclose(ends, out.lattice[-1].reshape(-1, 2), atol=1e-3)
    back = plane.journey(desk, values | {"model": desk.cards("plane")[0].name, "way": "data to noise"})
    assert torch.equal(back.lattice[0].reshape(-1, 2), plane.square(densities.EXTENT))
    assert len(back.lattice) == len(out.lattice) == len(desk.model(desk.cards("plane")[0].name).layers) + 1


def test_cells_keep_their_mass_and_their_shade_is_the_density(desk, state):
    """An oracle: mass over area of a small cell at the data's end is the flow's exact density there."""
    need(desk, "plane")
    name = desk.cards("plane")[0].name
    road = plane.journey(desk, state.check({}) | {"model": name})
    assert 0.99 < float(road.mass.sum()) < 1.0
    corners = road.lattice[-1]
    area = plane.areas(corners)
    middle = plane.cells(corners)
    exact = desk.trip(name, middle.reshape(-1, 2), desk.density(name, "two moons")).log_p.exp().reshape(area.shape)
    tiny = (area < area.median()) & (road.mass > 1e-4)
    ratio = (road.mass / area)[tiny] / exact[tiny]
    assert 0.9 < float(ratio.median()) < 1.1


def test_the_density_under_the_cursor_is_the_models_own(client, desk):
    need(desk, "plane")
    name = desk.cards("plane")[0].name
    asked = {"state": {"model": name, "density": "spiral"}, "px": 0.4, "py": -1.1, "space": "data"}
    got = client.call("flow-stage", "flow_point", asked)
    model, point = desk.model(name), torch.tensor([[0.4, -1.1]])
    label = torch.tensor([desk.density(name, "spiral")])
    wanted = float(desk.engine.call(lambda: model.log_prob(densities.to_picture(point), label)))
    assert abs(got["log_p"] - wanted) < 1e-3
    assert abs(got["base"] + sum(got["dets"]) - got["log_p"]) < 1e-2
    assert abs(got["true"] - float(densities.log_density("spiral", point))) < 1e-3
    z = got["path"][-1]
    back = client.call("flow-stage", "flow_point", asked | {"px": z[0], "py": z[1], "space": "noise"})
    assert max(abs(a - b) for a, b in zip(back["x"], got["x"])) < 2e-2
    assert len(got["path"]) == len(got["dets"]) + 1


def test_the_packed_journey_is_the_journey(client, desk, state):
    need(desk, "plane")
    given = {"density": "grid", "model": desk.cards("plane")[0].name}
    got = client.call("flow-stage", "flow_journey", {"state": given})
    road = plane.journey(desk, state.check(given))
    packed = shorts(got["lattice"]).reshape(road.lattice.shape) / got["fine"]
    assert np.abs(packed - road.lattice.clamp(-15.9, 15.9).numpy()).max() < 1 / got["fine"]
    assert shorts(got["dots"]).size == got["stages"] * got["points"] * 2
    assert np.allclose(np.frombuffer(base64.b64decode(got["mass"]), "<f4"), road.mass.flatten().numpy())


def test_temperature_narrows_the_noise_only(show, desk, state):
    need(desk, "plane")
    name = desk.cards("plane")[0].name
    warm, cold = (plane.journey(desk, state.check({"temperature": t}) | {"model": name}).points for t in (1.0, 0.25))
    assert torch.allclose(cold[0], 0.25 * warm[0], atol=1e-2)
    assert "temperature" in show(mode="plane", way="data to noise").disabled
    assert torch.isfinite(show(mode="plane", temperature=0.0).picture).all()


def test_the_gap_to_the_truth_is_said(show):
    data = show(mode="plane").data
    assert math.isfinite(data["gap"]) and 0.8 < data["inside"] < 1.05


# ------------------------------------------------------------------------------------------------ pictures


def test_a_picture_comes_back_from_its_noise(show, desk, state):
    for card in desk.cards("pictures"):
        data = show(mode="pictures", model=card.name, test=60).data
        assert len(data["scores"]) >= 1 and abs(sum(data["histogram"]) * 2 * modes.WIDEST / modes.BINS - 1) < 1e-3
        back = modes.back_again(desk, state.check({"mode": "pictures", "model": card.name, "test": 60}))
        assert back["off"] < 1e-3
        level = 255 / (2 ** desk.model(card.name).bits - 1)
        assert np.abs(pixels(back["back"]).astype(int) - pixels(data["input"])).max() <= level + 1


def test_a_drawing_is_weighed_and_kept_small(show):
    page = np.zeros((280, 280), np.uint8)
    page[60:220, 130:150] = 255
    uri = render.data_uri("image/png", render.png(np.stack([page] * 3, -1)))
    shown = show(mode="pictures", source="drawing", drawing=uri)
    assert pixels(shown.patch["drawing"]).shape[0] in (28, 64) and "Your picture" in shown.sentence
    again = show(mode="pictures", source="drawing", drawing=shown.patch["drawing"])
    assert torch.allclose(shown.picture[0], again.picture[0], atol=0.01)


def test_an_empty_drawing_is_explained(show):
    with pytest.raises(PlaygroundError):
        show(mode="pictures", source="drawing", drawing="")


def test_bits_per_dimension_are_what_the_protocol_says(show, desk):
    shown = show(mode="pictures", test=9)
    name = desk.cards("pictures")[0].name
    x = desk.examples(name, [9])
    mine = next(s for s in shown.data["scores"] if s["name"] == name)
    wanted = -float(desk.engine.call(lambda: desk.model(name).log_prob(x))) / (x.numel() * math.log(2))
    assert abs(mine["value"] - wanted) < 1e-4
    assert "dequantisation" in shown.data["protocol"]


# ------------------------------------------------------------------------------------------------ other modes


def test_samples_at_temperature_zero_are_one_picture(show):
    cold = show(mode="samples", temperature=0.0).picture
    assert cold.std(0).max() < 1e-4
    data = show(mode="samples").data
    assert data["bits"][data["best"]] == min(data["bits"]) and data["n"] == len(data["seeds"])


def test_walks_begin_and_end_at_the_pictures(show, desk):
    shown = show(mode="between")
    x = desk.examples(shown.model, list(CORNERS.values()))
    through, faded = shown.picture.split(FRAMES)
    for lane in (through, faded):
        assert (lane[0] - x[0]).abs().max() < 0.05 and (lane[-1] - x[1]).abs().max() < 0.05
    weights = modes.corner_grid(torch.eye(4), 5, True)
    assert torch.allclose(weights.square().sum(1), torch.ones(25)), "blended noise keeps the length of noise"


def test_faces_come_back_exactly_and_move_when_asked(show):
    rest = show(mode="faces", seed=3)
    assert (rest.picture[0] - rest.picture[1]).abs().max() < 0.02 and "no pixel is off" in rest.sentence
    moved = show(mode="faces", seed=3, glasses=1.5)
    assert torch.equal(moved.picture[0], rest.picture[0])
    assert (moved.picture[1] - rest.picture[1]).abs().mean() > 1e-3 and "+1.5 glasses" in moved.sentence


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_pair_of_drawn_faces_differs_in_one_thing(attribute):
    a, b = drawn_pair(5, attribute)
    changed = (a - b).abs().max(0).values > 0.05
    assert 0.002 < float(changed.float().mean()) < 0.7


def test_the_groups_of_the_surprise_are_what_they_say():
    found = {group.name: group.pictures for group in surprise.groups()}
    assert {tuple(x.shape[1:]) for x in found.values()} == {(1, 28, 28)}
    assert len(found["letters"]) == 26 and len(found["shirts"]) == len(shirts()) == 24
    assert len({tuple(x.flatten().tolist()) for x in found["letters"]}) == 26
    assert found["plain"][:, 0, 0, 0].tolist() == [0.0, 0.5, 1.0]
    for x in found.values():
        assert x.min() >= 0 and x.max() <= 1


def test_noise_is_told_from_digits_by_likelihood_and_a_blank_is_not(show):
    data = show(mode="surprise").data
    rows = {row["name"]: row for row in data["rows"]}
    assert rows["noise"]["by_bits"] > 0.99
    assert rows["plain"]["bits"][0] < rows["test digits"]["mean"], "black is denser than any digit"
    assert data["n"] == sum(len(row["bits"]) for row in data["rows"])
    assert surprise.told_apart(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])) == 0.875


# ------------------------------------------------------------------------------------------------ bad requests


@pytest.mark.parametrize("function", ["flow_journey", "flow_point", "flow_heat", "flow_back", "pg_draw", "pg_save"])
@pytest.mark.parametrize("payload", [
    None, 7, [], "x", {"state": {"model": "../../etc"}}, {"state": {"x": 1e9}}, {"state": {"mode": "hack"}},
    {"state": {"density": "heart"}}, {"state": 3},
])  # fmt: skip
def test_nonsense_posted_to_an_endpoint_is_answered_plainly(client, function, payload):
    reply = client.call("flow-stage", function, payload)
    assert len(reply["error"]) > 20 and "wrong here" not in reply["error"]


@pytest.mark.parametrize("place", [{"px": "NaN"}, {"px": 1e9}, {"px": None}, {"space": "elsewhere"}, {"py": []}])
def test_a_place_that_is_none_is_refused(client, desk, place):
    need(desk, "plane")
    asked = {"state": {}, "px": 0.0, "py": 0.0, "space": "data"} | place
    reply = client.call("flow-stage", "flow_point", asked)
    assert len(reply["error"]) > 20 and "wrong here" not in reply["error"]


def test_numbers_outside_the_sheet_are_refused(state):
    for name in (*CORNERS, "test"):
        with pytest.raises(PlaygroundError):
            state.check({name: examples.COUNT})


def test_a_saved_plane_carries_its_recipe(client, desk):
    need(desk, "plane")
    saved = client.call("flow-stage", "pg_save", {"state": {"density": "spiral", "at": 0.5}})
    image = Image.open(io.BytesIO(base64.b64decode(saved["src"].partition(",")[2])))
    assert image.size == (plane.SIDE, plane.SIDE) and '"density": "spiral"' in image.text["playground"]


def test_flows_are_found_by_what_they_are(engine):
    for card in engine.cards():
        if card.family == "flow":
            assert any(fits(card, mode) for mode in MODES), f"{card.name} is shown nowhere"
