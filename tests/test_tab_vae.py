"""The VAE tab behind its server functions: every mode draws, says what it shows, and its Python does the same."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from playground import PlaygroundError, render
from playground.api import Posterior
from tabs import _ui as ui
from tabs._ui.examples import COUNT, digits
from tabs.vae import modes
from tabs.vae.desk import desk_of, shows
from tabs.vae.state import ATTRIBUTES, CORNERS, FRAMES, declare


@pytest.fixture(scope="module")
def desk(engine):
    return desk_of(engine)


@pytest.fixture(scope="module")
def state(engine):
    return declare(engine)


@pytest.fixture(scope="module")
def show(desk, state):
    return lambda **given: modes.draw(desk, state.check(given))


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


# ------------------------------------------------------------------------------------------------ the examples


def test_the_shipped_digits_are_what_their_order_says(engine):
    images, labels = digits()
    assert images.shape == (COUNT, 1, 28, 28) and [labels.count(d) for d in range(10)] == [50] * 10
    judge = engine.model("classifier-mnist")
    said = engine.call(lambda: judge.classify(images))[0].argmax(1)
    assert (said == torch.tensor(labels)).float().mean() > 0.97


# ------------------------------------------------------------------------------------------------ modes


EVERY = ("map", "draw", "samples", "sliders", "between", "faces")


@pytest.mark.parametrize("mode", EVERY)
def test_every_mode_draws_the_same_twice(show, mode):
    first, again = show(mode=mode), show(mode=mode)
    assert torch.isfinite(first.picture).all() and torch.equal(first.picture, again.picture)
    assert len(first.sentence) > 40 and first.sentence.endswith((".", "?")) and first.model


@pytest.mark.parametrize("given", [
    {"mode": "map", "x": 1.25, "y": -0.5},
    {"mode": "draw", "model": "vae-mnist", "test": 3},
    {"mode": "samples", "temperature": 0.4, "seed": 12},
    {"mode": "sliders", "model": "vae-mnist", "start": "seed", "k1": 1.5, "k3": -2},
    {"mode": "sliders", "model": "vae-mnist", "start": "test", "k2": 0.5},
    {"mode": "between", "a": 0, "b": 499},
    {"mode": "faces", "glasses": 1.5, "seed": 4},
    {"mode": "faces", "origin": "prior", "hat": -1},
    {"mode": "samples", "model": "cvae-faces", "ask_hat": "crown", "ask_hair": "curly"},
    {"mode": "sliders", "model": "cvae-faces", "start": "seed", "k1": 1, "ask_glasses": "dark"},
    {"mode": "draw", "model": "cvae-faces", "test": 3},
])  # fmt: skip
def test_copied_python_makes_the_same_picture(show, given):
    shown = show(**given)
    names: dict = {}
    exec(shown.code, names)
    wanted = {"draw": shown.picture[1:2], "faces": shown.picture[1:2]}.get(given["mode"], shown.picture)
    got = names["picture"].cpu()
    if given["mode"] == "between":
        got, wanted = got[:: (FRAMES - 1) // 8], wanted[:9]
    assert torch.allclose(got, wanted, atol=1e-5)


def test_a_model_that_does_not_fit_the_mode_is_changed_and_said(show):
    assert show(mode="map", model="vae-mnist").patch == {"model": "vae-mnist-2d"}
    assert show(mode="map", model="ae-mnist").patch == {}
    assert show(mode="sliders", model="vae-mnist-2d").patch["model"] not in ("vae-mnist-2d", "ae-mnist")


def test_the_map_says_how_far_the_nearest_example_is(show, desk):
    atlas = desk.atlas("vae-mnist-2d")
    x, y = atlas.means[0].tolist()
    near = show(mode="map", x=round(x, 2), y=round(y, 2))
    assert "a 0, 0.0" in near.sentence and "empty" not in near.sentence
    assert "empty region" in show(mode="map", x=4.9, y=4.9).sentence


def test_drawing_moves_the_ellipse_and_R_moves_only_the_draw(show):
    one, other = show(mode="draw", test=60), show(mode="draw", test=10)
    assert one.data["ellipse"] != other.data["ellipse"]
    again = show(mode="draw", test=60, seed=8)
    assert again.data["ellipse"] == one.data["ellipse"] and again.data["draw"] != one.data["draw"]
    assert torch.equal(again.picture[1], one.picture[1]) and not torch.equal(again.picture[2], one.picture[2])


def test_the_draw_comes_from_the_posterior(show):
    shown = [show(mode="draw", test=60, seed=s).data for s in range(200)]
    draws = torch.tensor([d["draw"] for d in shown])
    x, y, sx, sy = shown[0]["ellipse"]
    assert torch.allclose(draws.mean(0), torch.tensor([x, y]), atol=4 * max(sx, sy) / 200**0.5)
    assert torch.allclose(draws.std(0), torch.tensor([sx, sy]), rtol=0.25)


def test_a_drawing_is_encoded_and_kept_small(show):
    page = np.zeros((280, 280), np.uint8)
    page[60:220, 130:150] = 255
    uri = render.data_uri("image/png", render.png(np.stack([page] * 3, -1)))
    shown = show(mode="draw", source="drawing", drawing=uri)
    assert pixels(shown.patch["drawing"]).shape == (28, 28) and len(shown.patch["drawing"]) < 1500
    again = show(mode="draw", source="drawing", drawing=shown.patch["drawing"])
    assert torch.allclose(shown.picture, again.picture, atol=0.01)


def test_an_empty_drawing_is_explained(show):
    with pytest.raises(PlaygroundError):
        show(mode="draw", source="drawing", drawing="")


def test_kl_of_the_bars_is_autograd_free_and_right():
    q = Posterior(torch.tensor([[0.0, 1.0, -2.0]]), torch.tensor([[1.0, 0.5, 0.1]]))
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(normal(q.mean, q.std), normal(0.0, 1.0))
    assert torch.allclose(modes.divergence(q), wanted, atol=1e-6)
    assert modes.divergence(Posterior(torch.ones(1, 2), torch.zeros(1, 2))).tolist() == [[0, 0]]


def test_dead_latents_are_marked(show, desk):
    items = show(mode="draw", model="vae-mnist").data["kl"]
    usual = desk.model("vae-mnist").kl_per_latent
    assert len(items) == len(usual) == 40
    assert [item["dim"] for item in items] == [float(usual[int(item["label"][1:]) - 1]) < modes.DEAD for item in items]
    assert items[0]["label"] == f"z{int(usual.argmax()) + 1}"


def test_temperature_zero_is_one_picture(show):
    cold = show(mode="samples", temperature=0.0).picture
    assert cold.std(0).max() < 1e-6
    spreads = [show(mode="samples", temperature=t).picture.std(0).mean() for t in (0.3, 1.0)]
    assert spreads[0] < spreads[1]


def test_a_slider_moves_its_own_latent_only(show, desk):
    rest, moved = (show(mode="sliders", model="vae-mnist", k2=v).data for v in (0.0, 1.5))
    change = torch.tensor(moved["now"]) - torch.tensor(rest["now"])
    assert change.abs().argmax() == 1 and abs(change[1] - 1.5) < 1e-5 and (change != 0).sum() == 1


def test_walks_begin_and_end_at_the_pictures_codes(show, desk):
    shown = show(mode="between")
    codes = desk.encode("vae-mnist-2d", desk.examples("vae-mnist-2d", [103, 351, 12, 428])).mean
    ends = desk.decode("vae-mnist-2d", codes)
    lanes = shown.picture.reshape(-1, 9, 1, 28, 28)
    assert len(lanes) == 3 and shown.data["film"]["frames"] == FRAMES
    for lane in lanes[:2]:
        assert torch.allclose(lane[0], ends[0], atol=1e-4) and torch.allclose(lane[-1], ends[1], atol=1e-4)
    corners = modes.corner_grid(codes)[[0, 8, 72, 80]]
    assert torch.allclose(corners, codes, atol=1e-6)


BLURRED = pytest.mark.xfail(reason="the shipped vae-faces is too blurred around the mouth: train longer", strict=True)


@pytest.mark.parametrize("attribute", [pytest.param("smile", marks=BLURRED), "glasses", "hat"])
def test_a_direction_adds_its_attribute(show, desk, engine, attribute):
    """The frozen judge, which knows nothing of the VAE, must see the attribute more often after the step."""
    judge, heads = engine.model("classifier-faces"), list(faces_heads())
    codes = modes.face_codes(desk, "vae-faces", list(range(60)), "drawn")
    step = desk.directions("vae-faces")[attribute]

    def share(x):
        logits = dict(zip(heads, engine.call(lambda: judge.classify(x))))
        return {
            "smile": logits["mouth"].softmax(1)[:, :2].sum(1), "glasses": 1 - logits["glasses"].softmax(1)[:, 0],
            "hat": 1 - logits["hat"].softmax(1)[:, 0],
        }[attribute].mean()  # fmt: skip

    assert share(desk.decode("vae-faces", codes + 1.5 * step)) > share(desk.decode("vae-faces", codes)) + 0.15


def faces_heads():
    from playground.data import faces

    return faces.ATTRIBUTES


def test_attributes_split_the_drawn_faces():
    from playground.data import faces

    people = [faces.sample(seed) for seed in range(300)]
    for attribute in ATTRIBUTES:
        share = np.mean([shows(p, attribute) for p in people])
        assert 0.1 < share < 0.9, attribute


# ------------------------------------------------------------------------------------------------ endpoints


def test_the_survey_holds_every_example_within_its_limits(client):
    found = client.call("vae-stage", "vae_survey", {"model": "vae-mnist-2d"})
    assert len(found["points"]) == COUNT and found["axes"] in ([1, 2], [2, 1])
    assert all(abs(v) <= found["limit"] for x, y, _ in found["points"] for v in (x, y))
    assert pixels(found["terrain"]).shape == (560, 560, 3)


def test_a_glimpse_is_the_decoded_point(client, desk):
    got = client.call("vae-stage", "vae_glimpse", {"model": "vae-mnist-2d", "x": 1.0, "y": -1.0})
    wanted = render.array(desk.decode("vae-mnist-2d", torch.tensor([[1.0, -1.0]])))[0]
    assert np.abs(pixels(got["picture"]).astype(int) - wanted).mean() < 4


@pytest.mark.parametrize("function", ["vae_survey", "vae_glimpse", "pg_draw", "pg_save"])
@pytest.mark.parametrize("payload", [
    None, 7, [], "x", {"model": "../../etc"}, {"model": "vae-mnist-2d", "x": "NaN", "y": 0}, {"state": {"x": 1e9}},
    {"state": {"mode": "hack"}},
])  # fmt: skip
def test_nonsense_posted_to_an_endpoint_is_answered_plainly(client, function, payload):
    reply = client.call("vae-stage", function, payload)
    if function == "vae_survey" and isinstance(payload, dict) and payload.get("model") == "vae-mnist-2d":
        assert "points" in reply  # it asks for nothing but the model
    else:
        assert len(reply["error"]) > 20 and "wrong here" not in reply["error"]


def test_corners_and_test_pictures_outside_the_sheet_are_refused(state):
    for name in (*CORNERS, "test"):
        with pytest.raises(PlaygroundError):
            state.check({name: COUNT})


def test_three_presets_draw(state, desk):
    kinds = [p.kind for p in state.presets]
    assert kinds[:2] == ["works", "fails"] and set(kinds) <= {"works", "fails", "surprises"}
    for preset in state.presets:
        assert isinstance(modes.draw(desk, state.check(preset.values)), ui.Shown)


# ------------------------------------------------------------------------------------------------ wishes


def test_what_is_asked_for_is_shown_and_told(engine, show):
    plain, shown = (show(mode="samples", model="cvae-faces", **ask) for ask in ({}, {"ask_hat": "crown"}))
    seeds = shown.data["seeds"]
    assert torch.equal(shown.picture, engine.run("cvae-faces", seeds, temperature=1.0, hat="crown").images)
    assert not torch.equal(shown.picture, plain.picture)
    assert "with hat crown" in shown.sentence and "with" not in plain.sentence.partition("at temperature")[0]


def test_wishes_are_nothing_to_a_model_that_cannot_be_asked(show):
    plain, shown = (show(mode="samples", model="vae-faces", **ask) for ask in ({}, {"ask_hat": "crown"}))
    assert torch.equal(plain.picture, shown.picture) and plain.sentence == shown.sentence


def test_an_unknown_wish_is_refused(state):
    with pytest.raises(PlaygroundError, match="Hat was 'helmet'"):
        state.check({"ask_hat": "helmet"})


def test_z_holds_what_nobody_said(show, engine):
    """With all attributes said, turning z moves the head and leaves the colours of clothes and background."""
    data = show(mode="sliders", model="cvae-faces", start="seed").data
    assert len(data["latents"]) == engine.model("cvae-faces").free
    row = engine.model("cvae-faces")
    z = row.latents([7]).repeat(3, 1)
    z[:, data["latents"][0] - 1] = torch.tensor([-1.5, 0.0, 1.5])
    with torch.no_grad():
        pictures = row.decode(z)
    head, corner = pictures[:, :, 16:44, 16:48], pictures[:, :, :6, :6]
    assert float(head.std(0).mean()) > 5 * float(corner.std(0).mean())
