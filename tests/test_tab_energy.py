"""The energy tab behind its server functions: every mode draws, says what it shows, and its Python does the same."""

from __future__ import annotations

import base64
import io
import itertools
import re

import numpy as np
import pytest
import torch
from PIL import Image

from playground import PlaygroundError, render
from playground.data import densities
from tabs import _ui as ui
from tabs import energy
from tabs._ui.page import ASSETS
from tabs.energy import landscape, learn, machine, memory, modes, pictures
from tabs.energy.cells import COUNT, pack, pack_bits, unpack, unpack_bits
from tabs.energy.desk import Desk, desk_of, tile
from tabs.energy.regions import SIDE, divide
from tabs.energy.stage import BODY, about, bracket
from tabs.energy.state import MODES, SAMPLERS, declare

STAGE = "energy-stage"
QUICK = {"steps": 60, "walkers": 12}  # of a landscape


@pytest.fixture(scope="module")
def desk(engine):
    return desk_of(engine)


@pytest.fixture(scope="module")
def state(engine):
    return declare(engine)


@pytest.fixture(scope="module")
def show(desk, state):
    return lambda **given: modes.draw(desk, state.check(given))


@pytest.fixture(scope="module")
def tab(make_client):
    return make_client([energy])


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def positions(data) -> np.ndarray:
    return np.frombuffer(base64.b64decode(data["walk"]), np.int16).reshape(*data["shape"], 2) / landscape.UNIT


# ------------------------------------------------------------------------------------------------ every mode

SETTINGS = {
    "landscape": QUICK, "rbm": {"sweeps": 3, "clamp": pack([1] * 20 + [2] * 20 + [0] * 744)}, "repair": {"test": 60},
    "dream": {"label": "4", "seed": 3}, "hopfield": {"flip": 0.1}, "learn": {"updates": 30, "hidden": 20},
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_draws_the_same_twice_and_its_python_makes_it_again(show, mode):
    first, again = (show(mode=mode, **SETTINGS[mode]) for _ in range(2))
    assert torch.isfinite(first.picture).all() and torch.equal(first.picture, again.picture)
    assert first.picture.min() >= 0 and first.picture.max() <= 1
    assert len(first.sentence) > 40 and first.sentence.endswith((".", "?")) and first.model
    names: dict = {}
    exec(first.code, names)
    assert torch.allclose(names["picture"].detach().cpu().float(), first.picture, atol=1e-5)


def test_presets_draw_and_have_every_kind(show, state):
    assert next(p.kind for p in state.presets) == "works" and {"fails", "surprises"} <= {p.kind for p in state.presets}
    for preset in state.presets:
        assert isinstance(show(**preset.values), ui.Shown)


def test_every_part_the_script_asks_for_is_on_the_stage():
    script = "".join(path.read_text(encoding="utf-8") for path in ASSETS.glob("tab-energy*.js"))
    for name in re.findall(r"part\('([a-z-]+)'\)", script):
        assert f'data-part="{name}"' in BODY, name
    for name in re.findall(r"press\('([a-z-]+)'", script):
        assert f'data-do="{name}"' in BODY, name


def test_the_page_opens_without_any_checkpoint_and_says_what_is_missing(tmp_path):
    from playground import Engine

    bare = Engine("cpu", tmp_path)
    desk, state = Desk(bare), declare(bare)
    shown = modes.draw(desk, state.check({"walkers": 3, "steps": 50}))
    assert shown.patch == {"kind": "exact"} and "ebm-2d" in shown.disabled["kind"]
    for mode, recipe in {"rbm": "rbm-mnist", "repair": "rbm-mnist", "dream": "dbn-mnist"}.items():
        with pytest.raises(PlaygroundError, match=recipe):
            modes.draw(desk, state.check({"mode": mode}))
    assert modes.draw(desk, state.check({"mode": "hopfield"})).model == "hopfield"


def test_the_explanation_carries_the_bracket_of_log_z(engine):
    assert "between 1.0 and 3.0" in bracket({"log_z": 2, "low": 1, "high": 3}) and bracket({}) == ""
    assert "BRACKET" not in about(engine)


# ------------------------------------------------------------------------------------------------ landscape


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_walks_and_a_dropped_walker_starts_where_it_was_dropped(show, sampler):
    data = show(**QUICK, sampler=sampler, points="1.5,-0.5;-2,2").data
    walk = positions(data)
    assert data["crowd"] == 12 and walk.shape[1] == 14 and not data["bad"]
    assert np.allclose(walk[0, 12:], [[1.5, -0.5], [-2, 2]], atol=1e-3)
    assert (len(data["accept"]) == len(walk) - 1) == (sampler in ("mala", "hmc", "metropolis"))
    assert np.abs(walk[-1] - walk[0]).max() > 0.05


def test_a_dropped_walker_leaves_the_crowd_alone(show):
    alone, joined = positions(show(**QUICK).data), positions(show(**QUICK, points="1,1").data)
    assert np.abs(alone - joined[:, :12]).max() < 0.002


def test_a_step_too_large_says_so_and_keeps_what_went_well(show):
    shown = show(density="grid", kind="exact", step=1.0)
    assert "step size 1 is too large" in shown.data["bad"] and "left the plane" in shown.sentence
    assert 1 <= shown.data["shape"][0] < 50 and torch.isfinite(shown.picture).all()


def test_walkers_that_start_on_one_island_are_called_stuck(show):
    stuck = show(density="eight gaussians", kind="exact", start="here", points="2.6,0", step=0.05, **QUICK)
    assert "Stuck" in stuck.sentence and "1 of 8 islands" in stuck.sentence


@pytest.mark.parametrize("name", densities.NAMES)
def test_regions_are_what_the_density_says(name):
    parts = divide(name)
    points = densities.sample(name, 20_000, torch.Generator().manual_seed(0))
    share = torch.bincount(parts.of(points), minlength=len(parts.shares)) / len(points)
    assert len(parts.shares) == {"two moons": 2, "grid": 25}.get(name, 8) and parts.cells.shape == (SIDE, SIDE)
    assert abs(float(parts.shares.sum()) - 1) < 1e-9 and (share - parts.shares).abs().max() < 0.02


def test_only_an_arrival_counts_as_a_change():
    parts = divide("eight gaussians")
    there, between, back = parts.centres[0], parts.centres.mean(0), parts.centres[1]
    walk = torch.stack([there, between, there, back, between, back])[:, None].float()
    assert parts.changes(walk).tolist() == [1]


def test_the_exact_energy_is_finite_everywhere_and_has_a_slope(desk, state):
    points = (8 * torch.rand(200, 2, generator=torch.Generator().manual_seed(1)) - 4).requires_grad_()
    for name in densities.NAMES:
        found = landscape.exact(name, points)
        assert torch.isfinite(found).all() and torch.autograd.grad(found.sum(), points)[0].isfinite().all()


def test_gibbs_reads_the_energy_off_a_table(desk, state):
    values = state.check({"density": "ring"})
    points = 3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64).clamp(-1.2, 1.2)
    table = landscape.tabled(landscape.grid_of(desk, values, landscape.FINE))
    wanted = desk.engine.call(lambda: landscape.energy_of(desk, values)(points))
    assert (table(points) - wanted).abs().median() < 0.05


@pytest.mark.parametrize("given", [
    {"points": "1"}, {"points": "1,2,3"}, {"points": "9,0"}, {"points": "a,b"}, {"points": ";".join(["0,0"] * 17)},
    {"walkers": 0}, {"step": 0}, {"temperature": 0}, {"density": "moon"},
])  # fmt: skip
def test_what_cannot_be_walked_is_explained(show, given):
    with pytest.raises(PlaygroundError) as error:
        show(**given)
    assert len(str(error.value)) > 30


def test_the_map_and_the_surface(tab, desk, state):
    found = tab.call(STAGE, "energy_map", {"state": {"density": "ring"}})
    assert found["n"] == SIDE and len(base64.b64decode(found["cells"])) == 4 * SIDE**2
    assert abs(sum(found["shares"]) - 1) < 1e-9 and found["ring"]
    chart = landscape.figure(desk, {"state": {}, "at": [[0, 0], [9, 9], "x"], "dark": True}, state)
    assert [t.type for t in chart.data] == ["surface", "scatter3d"] and len(chart.data[1].x) == 1


# ------------------------------------------------------------------------------------------------ the machine


def test_sweeps_in_blocks_are_the_sweeps_of_one_run(desk, state):
    values = state.check({"mode": "rbm"})
    model = desk.model(machine.machine_of(desk, {"model": "rbm-mnist"}))
    v = machine.beginning(model, values)
    whole = machine.sweeps(model, v, values, 0, 6)[0]
    first = machine.sweeps(model, v, values, 0, 2)[0]
    assert torch.equal(whole[2:], machine.sweeps(model, first[-1], values, 2, 4)[0])


def test_held_pixels_stay_and_the_rest_moves(tab):
    cells = [0] * COUNT
    cells[300:310], cells[400:410] = [1] * 10, [2] * 10
    ask = {"state": {"mode": "rbm", "clamp": pack(cells)}, "chains": pack_bits(torch.rand(16, COUNT) < 0.1),
           "sweep": 5, "chosen": 3, "count": 4}  # fmt: skip
    reply = tab.call(STAGE, "energy_sweeps", ask)
    states = unpack_bits(reply["states"], 64).reshape(4, 16, COUNT)
    assert states[..., 300:310].min() == 1 and states[..., 400:410].max() == 0
    assert not torch.equal(states[0], states[-1]) and reply["sweeps"] == [6, 7, 8, 9]
    assert "10 pixels are held on and 10 off" in reply["sentence"] and pixels(reply["film"]["src"]).shape == (
        112,
        448,
        3,
    )
    assert tab.call(STAGE, "energy_sweeps", ask)["states"] == reply["states"]


def test_heat_shakes_more_pixels(tab):
    start = {"chains": pack_bits(torch.zeros(16, COUNT)), "sweep": 0, "chosen": 0, "count": 10}
    moved = []
    for heat in (0.5, 2.0):
        reply = tab.call(STAGE, "energy_sweeps", start | {"state": {"mode": "rbm", "heat": heat}})
        moved.append(float(reply["sentence"].split()[0]))
    assert moved[0] < moved[1]


def test_filters_come_with_their_usual_level(tab, desk):
    found = tab.call(STAGE, "energy_filters", {"state": {}})
    count = len(base64.b64decode(found["mean"]))
    assert count == desk.model(machine.machine_of(desk, {"model": "rbm-mnist"})).W.shape[1]
    assert pixels(found["src"]).shape == (28 * -(-count // 25), 28 * 25)


# ------------------------------------------------------------------------------------------------ repair, dream


def test_every_network_that_can_mends_a_hole_and_keeps_what_is_known(show, desk, state):
    values = state.check({"mode": "repair", "test": 60})
    shown = show(mode="repair", test=60)
    names = pictures.menders(desk, values)
    assert len(shown.picture) == len(names) + 1 and shown.data["film"]["names"] == [
        pictures.short(desk, n) for n in names
    ]
    known = unpack(values["hole"]) == 0
    original = desk.picture(values).flatten()
    for picture in shown.picture[1:]:
        assert torch.allclose(picture.flatten()[known], original[known], atol=1e-6)


def test_noise_is_taken_off(show, desk, state):
    x = desk.picture(state.check({"test": 60}))
    shown = show(mode="repair", test=60, damage="noise", noise=0.5)
    before = (shown.picture[0] - x).abs().mean()
    off = [float((mended - x).abs().mean()) for mended in shown.picture[1:]]
    assert off and min(off) < before / 2


def test_nothing_cut_out_and_no_picture_are_explained(show):
    for given in ({"hole": ""}, {"hole": "nonsense"}, {"source": "own"}, {"source": "own", "drawing": "data:,x"}):
        with pytest.raises(PlaygroundError):
            show(mode="repair", **given)


def test_runs_count_their_steps_and_end(desk, state):
    shown = list(modes.stream(desk, state.check({"mode": "repair"})))
    assert [s.step for s in shown] == sorted(s.step for s in shown) and shown[-1].step == shown[-1].total
    assert all(s.step < s.total for s in shown[:-1])


def test_a_network_dreams_what_it_is_asked_for(show, desk):
    for name in desk.names("sample"):
        shown = show(mode="dream", model=name, label="7", every=True)
        assert shown.model == name and shown.picture.shape == (10, 1, 28, 28)
        assert len(shown.data["mean"]) == shown.data["film"]["frames"] and np.isfinite(shown.data["mean"]).all()
        assert ("label" in shown.disabled) and bool(desk.engine.card(name).labels) == ("every" not in shown.disabled)


# ------------------------------------------------------------------------------------------------ memories


@pytest.mark.parametrize("rule", memory.RULES)
def test_a_damaged_memory_comes_back_and_the_energy_never_rises(show, rule):
    shown = show(mode="hopfield", rule=rule, which=2, flip=0.15, memories="t0.t52")
    assert "settled into memory 2" in shown.sentence
    energy = shown.data["energy"]
    assert all(b <= a + 1e-6 for a, b in itertools.pairwise(energy)) and energy[-1] < energy[0]
    assert shown.data["overlaps"][1][-1] > memory.RECALLED and shown.data["own"]["y"] == 1


def test_a_third_digit_is_too_much_for_hebb_but_not_for_the_pseudo_inverse(show):
    crowded = show(mode="hopfield", memories="t0.t52.t103")
    assert "spurious" in crowded.sentence and crowded.data["own"]["y"] < 1
    assert show(mode="hopfield", memories="t0.t52.t103", rule="pseudo-inverse").data["own"]["y"] == 1


def test_three_random_patterns_have_the_mixture_of_the_textbook(show):
    shown = show(mode="hopfield", memories="n1.n2.n3", cue="all", flip=0.0)
    last = [line[-1] for line in shown.data["overlaps"]]
    assert "spurious" in shown.sentence and all(0.4 < v < 0.6 for v in last)


def test_a_drawing_is_remembered_as_text(tab, show):
    page = np.zeros((280, 280), np.uint8)
    page[60:220, 130:150] = 255
    uri = render.data_uri("image/png", render.png(np.stack([page] * 3, -1)))
    token = tab.call(STAGE, "energy_remember", {"drawing": uri})["token"]
    assert token.startswith("p") and len(token) < 140
    shown = show(mode="hopfield", memories=f"t0.{token}", which=2)
    assert "memory 2" in shown.sentence and len(shown.data["overlaps"]) == 2
    assert "Your drawing" in show(mode="hopfield", cue="drawing", drawing=uri, memories=f"t0.{token}").sentence


@pytest.mark.parametrize("memories", ["", "t9999", "tx", "p!!", "q1", ".".join(["t1"] * 121)])
def test_unusable_memories_are_explained(show, memories):
    with pytest.raises(PlaygroundError):
        show(mode="hopfield", memories=memories)


def test_the_capacity_curve_breaks_where_theory_says(tab):
    lines = {line["name"]: dict(map(tuple, line["values"])) for line in tab.call(STAGE, "energy_capacity", {})["lines"]}
    assert lines["hebb"][0.06] > 0.9 and lines["hebb"][0.25] < 0.3 and min(lines["pseudo-inverse"].values()) > 0.9


# ------------------------------------------------------------------------------------------------ learn


def test_a_small_machine_learns(state):
    values = state.check({"mode": "learn", "rate": 0.3})
    for now in learn.course(values, 80):
        last = now
    assert last.updates == 80 and not last.bad and last.error[-1][1] < 0.85 * last.error[0][1]


def test_training_goes_on_where_it_stopped(desk, state):
    shown = list(learn.stream(desk, state.check({"mode": "learn", "updates": 2960})))
    assert shown[-1].data["updates"] == 3000 and shown[-1].step == shown[-1].total
    with pytest.raises(PlaygroundError, match="afresh"):
        next(learn.stream(desk, state.check({"mode": "learn", "updates": 3000})))


def test_a_learning_rate_too_large_says_so_and_stops(desk, state):
    shown = list(learn.stream(desk, state.check({"mode": "learn", "rate": 5.0})))
    assert "too large" in shown[-1].data["bad"] and shown[-1].step == shown[-1].total
    assert shown[-1].data["updates"] < 100 and "Stopped" in shown[-1].sentence


# ------------------------------------------------------------------------------------------------ endpoints


@pytest.mark.parametrize(
    "function", ["pg_draw", "pg_save", "energy_map", "energy_sweeps", "energy_filters", "energy_remember"]
)
@pytest.mark.parametrize("payload", [
    None, 7, [], "x", {}, {"state": 3}, {"state": {"mode": "hack"}}, {"state": {"walkers": 1e9}}, {"drawing": 3},
    {"state": {"mode": "rbm", "clamp": "?"}, "chains": "x", "sweep": -1, "chosen": 99, "count": 10**9},
])  # fmt: skip
def test_nonsense_posted_to_an_endpoint_is_answered_plainly(tab, function, payload):
    reply = tab.call(STAGE, function, payload)
    if function in ("energy_map", "energy_filters") and "error" not in reply:
        return  # the last state is a good one for a mode that asks for less
    assert len(reply["error"]) > 20 and "wrong here" not in reply["error"]


def test_cells_and_bits_survive_their_text():
    cells = torch.randint(0, 3, (COUNT,), generator=torch.Generator().manual_seed(0))
    assert torch.equal(unpack(pack(cells.numpy())), cells.to(torch.uint8)) and pack([0] * COUNT) == ""
    bits = (torch.rand(3, COUNT, generator=torch.Generator().manual_seed(1)) < 0.5).float()
    assert torch.equal(unpack_bits(pack_bits(bits), 3), bits)
    for bad in ("x", "?" * 262, "A" * 10):
        with pytest.raises(PlaygroundError):
            unpack(bad)


def test_tiles_stand_in_reading_order():
    page = tile(torch.arange(6.0).reshape(6, 1, 1, 1), 3)
    assert page.squeeze().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_saved_landscape_carries_its_recipe(tab):
    reply = tab.call(STAGE, "pg_save", {"state": {**QUICK, "points": "1,1"}})
    image = Image.open(io.BytesIO(base64.b64decode(reply["src"].partition(",")[2])))
    assert '"points": "1,1"' in image.text[render.RECIPE] and image.size == (landscape.PIXELS,) * 2
