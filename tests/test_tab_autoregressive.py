"""The autoregressive tab behind its server functions: every mode draws, says what it shows, and its Python agrees."""

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
from playground.models.autoregressive import blind_spot_field
from tabs import _ui as ui
from tabs._ui.examples import COUNT, digits
from tabs.autoregressive import codes, modes, pictures
from tabs.autoregressive.desk import CAN, desk_of
from tabs.autoregressive.lanes import Recipe
from tabs.autoregressive.state import ENDINGS, MOST_LANES, declare

DIGITS, FACES, ORDERED = "pixelcnn-mnist", "imagegpt-faces", "pixelcnn-orders-mnist"
QUICK = {"mode": "complete", "particles": 1}


@pytest.fixture(scope="module")
def desk(engine):
    return desk_of(engine)


@pytest.fixture(scope="module")
def state(engine):
    return declare(engine)


@pytest.fixture(scope="module")
def show(desk, state):
    return lambda **given: modes.draw(desk, state.check(given))


@pytest.fixture
def faces(state):
    if FACES not in state.field("model").choices:
        pytest.skip(f"no {FACES} here")
    return FACES


@pytest.fixture
def ordered(state):
    if ORDERED not in state.field("model").choices:
        pytest.skip(f"no {ORDERED} here")
    return ORDERED


def floats(text: str, kind=np.float32) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def branch(*entries: tuple[int, int, int]) -> str:
    return json.dumps([{"from": a, "at": b, "value": c} for a, b, c in entries])


# ------------------------------------------------------------------------------------------------ every mode


EVERY = ("watch", "branch", "complete", "surprise", "what it sees")


@pytest.mark.parametrize("mode", EVERY)
def test_every_mode_draws_the_same_twice(engine, state, mode):
    given = state.check({**QUICK, "mode": mode})
    first, again = (modes.draw(type(desk_of(engine))(engine), given) for _ in range(2))  # nothing kept from before
    assert torch.isfinite(first.picture).all() and torch.equal(first.picture, again.picture)
    assert len(first.sentence) > 40 and first.sentence.endswith((".", "?")) and first.model


@pytest.mark.parametrize("given", [
    {"mode": "watch", "label": "5", "seed": 12, "temperature": 0.8},
    {"mode": "branch", "branches": branch((0, 300, 1), (1, 450, 0), (0, 200, 1))},
    {**QUICK, "particles": 2, "hole": "left", "told": "8", "source": "sample", "seed": 3},
    {"mode": "surprise", "test": 60},
    {"mode": "surprise", "test": 60, "told": "7"},
    {"mode": "what it sees", "row": 9, "col": 20, "layers": 3, "kernel": "5"},
])  # fmt: skip
def test_copied_python_makes_the_same_picture(show, given):
    shown = show(**given)
    names: dict = {}
    exec(shown.code, names)
    got, wanted = names["picture"].cpu(), shown.picture
    if given["mode"] == "surprise":
        got, wanted = (got / 4).clamp(0, 1), wanted[1:]
    if given["mode"] == "what it sees":
        fields = [torch.tensor([c == "1" for c in f]) for f in shown.data["fields"].values()]
        wanted = torch.stack(fields).view(3, 28, 28)
    assert torch.allclose(got.float(), wanted.float(), atol=1e-4)


@pytest.mark.parametrize("mode", ["watch", "branch", "surprise"])
def test_copied_python_of_faces(show, faces, mode):
    more = {"branches": branch((0, 20, 7))} if mode == "branch" else {}
    shown = show(model=faces, mode=mode, top_k=50, top_p=0.9, **more)
    names: dict = {}
    exec(shown.code, names)
    if mode == "surprise":
        assert np.allclose(names["picture"].cpu().numpy()[0], floats(shown.data["nats"]), atol=1e-4)
    else:
        assert torch.allclose(names["picture"].cpu(), shown.picture, atol=1e-5)


def test_three_kinds_of_presets_draw(state, desk):
    kinds = [p.kind for p in state.presets]
    assert kinds[:2] == ["works", "fails"] and "surprises" in kinds
    for preset in state.presets:
        quick = {"particles": 1}
        assert isinstance(modes.draw(desk, state.check({**preset.values, **quick})), ui.Shown)


def test_a_model_that_does_not_fit_the_mode_is_changed_and_said(show, state, desk):
    for mode, able in CAN.items():
        if mode == "complete":
            continue
        for name in state.field("model").choices:
            shown = show(mode=mode, model=name, pixel=-1)
            assert (shown.patch == {}) == able(desk.model(name)) and able(desk.model(shown.model))
            assert shown.patch.get("model", name) == shown.model


def test_controls_without_effect_say_why(show, faces):
    assert {"top_k", "top_p"} <= set(show().disabled) and "label" not in show().disabled
    drawn = show(model=faces).disabled
    assert "label" in drawn and not {"top_k", "top_p"} & set(drawn)
    assert all(len(why) > 20 for why in (*drawn.values(), *show(mode="surprise", source="sample").disabled.values()))


# ------------------------------------------------------------------------------------------------ watch


def test_the_die_decides_every_pixel(show):
    """White where the die fell within the network's odds: what the page shows under the picture is what happened."""
    for heat in (0.6, 1.0, 1.7):
        data = show(temperature=heat, seed=5).data
        chance = 1 / (1 + np.exp(-floats(data["lane"]["logits"]).astype(np.float64) / heat))
        bits = np.array([c == "1" for c in data["lane"]["bits"]])
        assert np.mean((floats(data["dice"]) < chance) == bits) > 0.999  # a rounding of the logits may flip one


def test_another_temperature_keeps_the_dice(show):
    cold, hot = show(temperature=0.7).data, show(temperature=1.4).data
    assert cold["dice"] == hot["dice"] and cold["lane"]["bits"] != hot["lane"]["bits"]


def test_faces_grow_word_by_word(show, desk, faces):
    data = show(model=faces).data
    film = pixels(data["film"]["src"])
    assert len(data["codes"]) == 64 and data["film"]["frames"] == 65
    assert film.shape[1] == data["film"]["columns"] * 64
    logits = floats(data["logits"], np.float16).reshape(64, -1)
    assert logits.shape[1] == data["kinds"] == desk.kinds(faces)


def test_an_order_is_another_path(show, ordered):
    rows, columns = (show(model=ordered, order=order).data for order in ("rows", "columns"))
    assert rows["path"] is None and columns["path"][:3] == [0, 28, 56] and sorted(columns["path"]) == list(range(784))


# ------------------------------------------------------------------------------------------------ branch


def test_a_branch_keeps_what_came_before_and_changes_one_pixel(show):
    one = show(mode="branch").picture.flatten()
    at = 400
    value = 1 - int(one[at])
    shown = show(mode="branch", branches=branch((0, at, value)))
    first, second = (p.flatten() for p in shown.picture)
    assert torch.equal(first, one) and torch.equal(second[:at], one[:at]) and second[at] == value
    lanes = shown.data["lanes"]
    assert [lane["from"] for lane in lanes] == [-1, 0] and lanes[1]["at"] == at and lanes[1]["seed"] == lanes[0]["seed"]


def test_putting_the_same_value_there_changes_nothing(show):
    """With the same dice, a branch that puts back what was drawn must give the picture it left."""
    one = show(mode="branch").picture.flatten()
    again = show(mode="branch", branches=branch((0, 350, int(one[350])))).picture[1].flatten()
    assert torch.equal(one, again)


def test_other_dice_give_another_rest(show):
    entries = [{"from": 0, "at": 200, "value": 1, "seed": seed} for seed in (1, 2)]
    picture = show(mode="branch", branches=json.dumps(entries)).picture
    one, two = (p.flatten() for p in picture[1:])
    assert torch.equal(one[:201], two[:201]) and not torch.equal(one, two)


def test_a_branch_in_another_order_keeps_the_columns_before_it(show, ordered):
    given = {"mode": "branch", "model": ordered, "order": "columns"}
    at = 14 * 28 + 14  # row 15, column 15
    one, two = show(**given, branches=branch((0, at, 1))).picture[:, 0]
    assert torch.equal(one[:, :14], two[:, :14]) and torch.equal(one[:14, 14], two[:14, 14]) and two[14, 14] == 1


def test_a_branch_of_a_face_keeps_the_words_before_it(show, faces):
    lanes = show(model=faces, mode="branch", branches=branch((0, 20, 7)), lane=1).data["lanes"]
    assert lanes[0]["codes"][:20] == lanes[1]["codes"][:20] and lanes[1]["codes"][20] == 7
    assert "logits" in lanes[1] and "logits" not in lanes[0]  # only those of the picture one branches from


@pytest.mark.parametrize("text", [
    "x", "{}", "[1]", '[{"from": 0}]', '[{"from": 1, "at": 3, "value": 1}]', '[{"from": 0, "at": 784, "value": 1}]',
    '[{"from": 0, "at": 3, "value": 2}]', '[{"from": 0, "at": 3, "value": 1, "seed": -1}]',
    json.dumps([{"from": 0, "at": 3, "value": 1}] * MOST_LANES),
])  # fmt: skip
def test_unusable_branches_are_explained(show, text):
    with pytest.raises(PlaygroundError):
        show(mode="branch", branches=text)


# ------------------------------------------------------------------------------------------------ complete


@pytest.mark.parametrize("hole", ["top", "right"])
def test_what_is_not_covered_is_kept(show, hole):
    shown = show(**QUICK, hole=hole, test=40)
    x = (digits()[0][[40]] > 0.5).float()
    known = 1 - pictures.hole_of({"hole": hole}, (28, 28))
    assert len(shown.picture) == ENDINGS and torch.equal(shown.picture * known, (x * known).expand(ENDINGS, -1, -1, -1))
    assert len({tuple(p.flatten().tolist()) for p in shown.picture}) > 1
    assert len(shown.data["cells"]) == ENDINGS and all(cell["nats"] > 0 for cell in shown.data["cells"])


def test_a_brushed_hole(show):
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 24:40, 24:40] = 1
    shown = show(**QUICK, hole="brush", mask=render.png_uri(mask))
    hole = pixels(shown.data["hole"]) > 127
    assert hole.shape == (28, 28) and 36 <= hole.sum() <= 64 and hole[14, 14]


def test_an_empty_hole_is_explained(show):
    with pytest.raises(PlaygroundError, match="Paint"):
        show(**QUICK, hole="brush", mask="")


def test_completing_streams_row_by_row(desk, state):
    run = list(modes.stream(desk, state.check({**QUICK, "seed": 91})))
    assert len(run) > 5 and [s.step for s in run] == sorted(s.step for s in run) and run[-1].step == run[-1].total
    assert all(len(s.picture) == ENDINGS for s in run) and run[-1].code and not run[0].code


def test_faces_are_completed_too(show, faces):
    shown = show(**QUICK, model=faces, hole="right")
    assert shown.picture.shape == (ENDINGS, 3, 64, 64) and shown.model == faces


# ------------------------------------------------------------------------------------------------ surprise


def test_the_map_is_the_models_own_likelihood(show, desk):
    shown = show(mode="surprise", test=123)
    model, x = desk.model(DIGITS), (digits()[0][[123]] > 0.5).float()
    own = desk.engine.call(lambda: model.surprise(x)).flatten()
    assert np.allclose(floats(shown.data["nats"]), own, atol=1e-3)
    assert shown.data["total"] == pytest.approx(-float(desk.engine.call(lambda: model.log_prob(x))[0]), abs=1e-2)
    assert shown.data["bpd"] == pytest.approx(shown.data["total"] / 784 / math.log(2))


def test_the_posterior_ends_at_the_class_that_makes_it_likeliest(show):
    data = show(mode="surprise", test=7).data
    posterior = floats(data["posterior"], np.uint8).reshape(784, 10)
    assert posterior[0].max() < 60 and posterior[-1].argmax() == int(np.argmin(data["classes"]))  # even at first


def test_told_the_class_it_costs_what_the_class_says(show):
    free, told = show(mode="surprise", test=7).data, show(mode="surprise", test=7, told="0").data
    assert told["total"] == pytest.approx(free["classes"][0], rel=1e-5)


def test_a_drawing_is_judged_and_kept_small(show):
    page = np.zeros((280, 280), np.uint8)
    page[60:220, 130:150] = 255
    uri = render.data_uri("image/png", render.png(np.stack([page] * 3, -1)))
    shown = show(mode="surprise", source="own", drawing=uri)
    assert pixels(shown.patch["drawing"]).shape == (28, 28) and len(shown.patch["drawing"]) < 1500
    again = show(mode="surprise", source="own", drawing=shown.patch["drawing"])
    assert again.data["total"] == pytest.approx(shown.data["total"])


def test_an_empty_drawing_is_explained(show):
    with pytest.raises(PlaygroundError, match="Draw"):
        show(mode="surprise", source="own", drawing="")


def test_the_letter_surprises(show, state):
    letter = next(p for p in state.presets if p.values.get("source") == "own")
    data = show(**letter.values).data
    assert data["total"] > 1.3 * data["usual"]


def test_four_orders_are_compared_where_a_network_knows_them(show, desk, ordered):
    orders = show(mode="surprise", test=9).data["orders"]
    model, x = desk.model(ordered), (digits()[0][[9]] > 0.5).float()
    assert len(orders["names"]) == len(orders["nats"]) == 4 and len(set(orders["nats"])) == 4
    assert orders["nats"][2] == pytest.approx(-float(model.log_prob(x, order=2)[0]), abs=1e-3)


def test_words_of_a_face_have_nats_of_their_own(show, desk, faces):
    shown = show(mode="surprise", model=faces, test=5)
    nats = floats(shown.data["nats"])
    assert nats.shape == (64,) and shown.data["bpd"] is None and "cannot be compared" in shown.sentence
    assert shown.data["total"] == pytest.approx(float(nats.sum()), rel=1e-4)


# ------------------------------------------------------------------------------------------------ what it sees


def test_fields_are_what_the_masks_allow(show):
    data = show(mode="what it sees", row=14, col=14, layers=4).data
    first, gated, own = (torch.tensor([c == "1" for c in data["fields"][k]]) for k in ("first", "gated", "own"))
    assert not (first | gated | own)[14 * 28 + 14 :].any()  # nothing of the present or the future
    assert not (first & ~gated).any() and (gated & ~first).any()  # the blind spot
    assert torch.equal(first, blind_spot_field(4, 3, 14, 14, gated=False).flatten().bool())
    up_right = torch.tensor([[12, 18], [11, 18]])  # within reach of the gated one, behind the first one's corner
    assert not first[up_right[:, 0] * 28 + up_right[:, 1]].all()


def test_the_first_pixel_sees_nothing(show):
    shown = show(mode="what it sees", row=0, col=0)
    assert "nothing before it" in shown.sentence and not any("1" in f for f in shown.data["fields"].values())


# ------------------------------------------------------------------------------------------------ endpoints


def test_every_word_has_a_patch(client, desk, faces):
    found = client.call("autoregressive-stage", "autoregressive_codes", {"model": faces})
    rows = math.ceil(desk.kinds(faces) / codes.ACROSS)
    assert pixels(found["src"]).shape == (rows * found["h"], codes.ACROSS * found["w"], 3)
    assert client.call("autoregressive-stage", "autoregressive_codes", {"model": DIGITS})["src"] is None


@pytest.mark.parametrize("function", ["autoregressive_codes", "pg_draw", "pg_save"])
@pytest.mark.parametrize("payload", [
    None, 7, [], "x", {"model": "../../etc"}, {"state": {"temperature": 1e9}}, {"state": {"mode": "hack"}},
    {"state": {"row": "NaN"}}, {"state": {"mode": "surprise", "source": "own", "drawing": "data:image/png;base64,xx"}},
])  # fmt: skip
def test_nonsense_posted_to_an_endpoint_is_answered_plainly(client, function, payload):
    reply = client.call("autoregressive-stage", function, payload)
    if function == "autoregressive_codes" and isinstance(payload, dict) and "state" in payload:
        assert "error" in reply or reply["src"] is None  # it asks for nothing but the model
    else:
        assert len(reply["error"]) > 20 and "wrong here" not in reply["error"]


def test_test_pictures_outside_the_sheet_are_refused(state):
    with pytest.raises(PlaygroundError):
        state.check({"test": COUNT})


def test_a_lane_is_a_function_of_its_recipe_alone(desk):
    recipe = Recipe(DIGITS, 3, 2, (("temperature", 1.0),))
    assert torch.equal(desk.lane(recipe).x, type(desk)(desk.engine).lane(recipe).x)
