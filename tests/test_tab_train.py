"""The laboratory behind its server functions: a run is what its link says, bit for bit; every request is checked."""

from __future__ import annotations

import base64
import json
import random
import re

import numpy as np
import pytest
import torch

from playground.api import PlaygroundError
from playground.training.lab import LEARNERS, PRESETS, Session, start
from tabs import _ui as ui
from tabs import train
from tabs._ui.page import ASSETS
from tabs.train import lab_curves, lab_page, lab_spray, lab_wire, lab_words, laboratory, modes, stage
from tabs.train.desk import Desk
from tabs.train.lab_bench import Bench
from tabs.train.lab_plan import LONGEST_TEXT, Alone, Edit, LanePlan, plan_of, texts_of
from tabs.train.lab_shelf import MOST_BENCHES, MOST_LANES, Shelf
from tabs.train.state import declare

STAGE = "train-stage"
TICKET = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def state(engine):
    return declare(engine)


@pytest.fixture
def desk(engine):
    return Desk(engine)


@pytest.fixture
def lab(desk, state):
    """`lab("train_play", updates=10)` at a bench of its own; `lab.at(…)` brings it to a state first."""
    calls = {f.__name__: f for f in laboratory.functions(desk, state)}

    def call(name, ticket=TICKET, **payload):
        reply = calls[name]({"ticket": ticket, **payload})
        if "lanes" in reply:
            call.texts = reply["texts"]
        return reply

    def at(ticket=TICKET, **values):
        while not (reply := call("train_reach", ticket, state=values))["done"]:
            pass
        return reply

    call.at, call.desk, call.state = at, desk, state
    return call


def run(task):
    """Stands in for the engine's turn."""
    with torch.no_grad():
        return task()


def plan(state, **values):
    return plan_of(state.check(values))


def bench_at(wanted) -> Bench:
    bench = Bench(wanted, run)
    while not bench.reach(wanted, run, 5.0):
        pass
    return bench


def same(a: Bench, b: Bench) -> bool:
    """Whether two benches stand at the same bits."""
    pairs = list(zip(a.lanes, b.lanes, strict=True))
    return a.plan() == b.plan() and all(
        torch.equal(x.moment.samples, y.moment.samples)
        and torch.equal(x.moment.arrows, y.moment.arrows)
        and all(
            torch.equal(p, q)
            for m, n in zip(x.session.learner.modules.values(), y.session.learner.modules.values(), strict=True)
            for p, q in zip(m.state_dict().values(), n.state_dict().values(), strict=True)
        )
        for x, y in pairs
    )


def points_of(text: str, kind=np.int16) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


# ------------------------------------------------------------------------------------------------ texts of a link


def clouds():
    chance = random.Random(0)
    far = lab_spray.SIDE**2 - 1
    yield []
    yield [0]
    yield [far]
    yield [5, 5, 5]
    yield [far] * 2000
    yield [chance.randint(0, far) for _ in range(2000)]
    yield [round(i * far / 1999) for i in range(2000)]
    yield [chance.randint(4000, 4400) for _ in range(1999)] + [far]


@pytest.mark.parametrize("cells", clouds(), ids=lambda c: f"{len(c)}")
def test_sprayed_points_survive_their_text_and_fit_into_a_link(cells):
    text = lab_spray.pack(cells)
    assert lab_spray.unpack(text) == sorted(cells) and len(text) <= lab_spray.LONGEST


def test_sprayed_points_lie_in_the_middle_of_their_cells():
    assert lab_spray.points(lab_spray.pack([0])) == [pytest.approx((-4 + 4 / 108, -4 + 4 / 108))]
    assert lab_spray.points(lab_spray.pack([108 * 108 - 1])) == [pytest.approx((4 - 4 / 108, 4 - 4 / 108))]


@pytest.mark.parametrize("text", ["zzz", "A!", "Ü", "_", "A" + "A" * 1500, "A" + "A" * 400, "H" + "_" * 40 + "AAA"])
def test_damaged_points_are_explained(text):
    with pytest.raises(PlaygroundError, match="did not arrive whole"):
        lab_spray.unpack(text)


def test_a_plan_survives_its_texts(state):
    lanes = (
        LanePlan("gan", (("loss", "minimax"), ("lr", 0.03)), (Edit(0, "lr", 0.1), Edit(120, "lr", 1e-5)),
                 (Alone(30, "generator", 20), Alone(60, "discriminator", 1)), 400),
        LanePlan("flow matching", (), (Edit(7, "steps", 3),), (), 37, stuck=True),
    )  # fmt: skip
    texts = texts_of(lanes)
    assert plan(state, **texts).lanes == lanes
    assert texts["updates"] == "400,37!" and "120:1.lr=1e-05" in texts["edits"]


def test_settings_are_kept_in_one_order_and_without_the_usual_ones(state):
    lane = plan(state, learners="gan", settings="1.d_steps=5;1.loss=minimax;1.lr_d=0.002").lanes[0]
    assert lane.settings == (("loss", "minimax"), ("d_steps", 5))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learners": ""}, "0 learners"),
        ({"learners": "gan,gan,gan,gan,gan"}, "5 learners"),
        ({"learners": "witch"}, "no learner 'witch'"),
        ({"settings": "2.lr=1"}, "damaged: '2.lr=1'"),
        ({"settings": "1.beta=1"}, "damaged"),
        ({"settings": "1.lr=NaN"}, "Learning rate was 'NaN'"),
        ({"settings": "1.lr=1e10"}, "must be a number from"),
        ({"edits": "1:9.lr=1"}, "damaged"),
        ({"edits": "99999:1.lr=1"}, "damaged"),
        ({"edits": "5:1!generator*3"}, "damaged"),
        ({"edits": "5:1!pair*8;9:1!pair*2"}, "damaged"),
        ({"updates": "1,2"}, "damaged"),
        ({"updates": "-1"}, "damaged"),
        ({"updates": "20000"}, "from 0 to 10000"),
        ({"target": "sprayed"}, "No points were sprayed"),
        ({"target": "sprayed", "points": "??"}, "did not arrive whole"),
    ],
)
def test_what_cannot_be_a_run_is_explained(state, desk, values, words):
    with pytest.raises(PlaygroundError, match=re.escape(words)):
        modes.draw(desk, state.check(values))


def test_more_edits_than_a_link_can_carry_are_refused_in_words():
    edits = tuple(Edit(1000 + i, "lr", 0.001 * i) for i in range(1, 200))
    with pytest.raises(PlaygroundError, match="more often than a link can remember"):
        texts_of([LanePlan("gan", (), edits, (), 2000)])
    assert LONGEST_TEXT <= 1500  # what the page's script puts into an address


# ------------------------------------------------------------------------------------------------ a run and its link


def test_a_link_brings_back_the_same_bits_whatever_was_done_by_hand(lab, state):
    lab.at(learners="gan,vae", settings="2.beta=4", target="grid", seed=5)
    lab("train_play", updates=10, only=None)
    lab("train_turn", lane=0, settings={"lr": 0.004, "loss": "wasserstein penalty"})
    lab("train_play", updates=7, only="generator")
    lab("train_part")
    lab("train_turn", lane=1, settings={"width": 32})
    lab("train_play", updates=5, only="discriminator")
    lab("train_turn", lane=0, settings={"d_steps": 2})
    values = {"target": "grid", "seed": 5, **lab.texts}
    mine = lab.desk.shelf.get(TICKET)
    assert mine.plan() == plan(state, **values)
    assert len(mine.plan().lanes[0].alone) == 2 and mine.plan().lanes[1].edits == (Edit(18, "width", 32),)
    again = bench_at(plan(state, **values))
    assert same(mine, again)
    run(lambda: [lane.session.train(9) for bench in (mine, again) for lane in bench.lanes])
    for a, b in zip(mine.lanes, again.lanes, strict=True):  # optimisers too
        assert torch.equal(run(a.session.look).samples, run(b.session.look).samples)


def test_different_hands_make_different_bits(state):
    plain, turned = (bench_at(plan(state, learners="gan", updates="30", edits=e)) for e in ("", "10:1!generator*5"))
    assert not torch.equal(plain.lanes[0].moment.samples, turned.lanes[0].moment.samples)


def test_rewinding_is_exact_and_going_on_makes_the_same_run(lab, state):
    lab.at(learners="diffusion", updates="20")
    lab("train_play", updates=10, only=None)
    lab("train_turn", lane=0, settings={"lr": 0.02})
    lab("train_play", updates=10, only=None)
    reply = lab("train_rewind", update=23)
    assert reply["texts"] == {"learners": "diffusion", "settings": "", "edits": "", "updates": "23"}
    bench = lab.desk.shelf.get(TICKET)
    assert same(bench, bench_at(plan(state, learners="diffusion", updates="23")))
    assert lab("train_rewind", update=9000)["texts"]["updates"] == "23"  # nobody has been that far


def test_undo_goes_back_on_the_same_bench_and_redo_learns_it_again(lab, state):
    lab.at(learners="vae", updates="40", edits="20:1.beta=3")
    session = lab.desk.shelf.get(TICKET).lanes[0].session
    lab.at(learners="vae", updates="10")
    assert lab.desk.shelf.get(TICKET).lanes[0].session is session and session.clock == 10
    lab.at(learners="vae", updates="40", edits="20:1.beta=3")
    assert lab.desk.shelf.get(TICKET).lanes[0].session is session
    assert same(lab.desk.shelf.get(TICKET), bench_at(plan(state, learners="vae", updates="40", edits="20:1.beta=3")))
    lab.at(learners="vae", updates="40", edits="15:1.beta=3")
    assert lab.desk.shelf.get(TICKET).lanes[0].session is not session  # another past cannot be reached from here


def test_a_lane_that_joins_catches_up_and_the_others_stay(lab):
    lab.at(learners="autoencoder", updates="30")
    old = lab.desk.shelf.get(TICKET).lanes[0].session
    reply = lab.at(learners="realnvp,autoencoder", updates="30")
    lanes = lab.desk.shelf.get(TICKET).lanes
    assert lanes[1].session is old and lanes[0].session.clock == 30
    assert reply["texts"]["updates"] == "30" and reply["made"] == reply["of"] == 60


def test_a_long_way_is_gone_in_stretches_and_says_how_far_it_is(lab):
    values = {"learners": "vae,gan", "updates": "300"}
    replies = [lab("train_reach", state=values)]
    while not replies[-1]["done"]:
        replies.append(lab("train_reach", state=values))
    made, reply = [told["made"] for told in replies], replies[-1]
    assert len(made) > 1 and made == sorted(made) and made[-1] == reply["of"] == 600
    bench, known = lab.desk.shelf.get(TICKET), []
    for told in replies:
        known += [m["update"] for m in (*told["past"][0], told["lanes"][0])]
    assert list(dict.fromkeys(known)) == [m.update for m in bench.lanes[0].session.moments]  # all of it can be scrubbed
    assert len(set(known)) > 20


@pytest.mark.parametrize("values", [
    {"learners": "flow matching", "updates": "25", "edits": "10:1.lr=0.01"},
    {"learners": "gan,energy", "settings": "1.loss=minimax", "edits": "4:1!generator*3", "updates": "12", "seed": 9},
    {"learners": "autoregressive", "target": "sprayed", "points": lab_spray.pack([5832]), "updates": "5"},
])  # fmt: skip
def test_the_saved_picture_is_the_same_twice_and_its_python_makes_it_again(desk, state, values):
    values = state.check(values)
    first, again = (modes.draw(desk, values) for _ in range(2))
    assert torch.equal(first.picture, again.picture) and first.picture.min() >= 0 and first.picture.max() <= 1
    assert first.picture.shape == (len(values["learners"].split(",")), 3, 384, 384)
    assert first.sentence.endswith(".") and first.model
    names: dict = {}
    exec(first.code, names)
    assert torch.equal(names["picture"], first.picture)


def test_draw_looks_at_the_bench_that_has_done_it(lab, monkeypatch):
    lab.at(learners="vae")
    lab("train_play", updates=10, only=None)
    monkeypatch.setattr(Bench, "reach", None)  # nothing may be repeated
    shown = modes.draw(lab.desk, lab.state.check({"learners": "vae", "updates": "10"}))
    assert "VAE after 10 updates" in shown.sentence


# ------------------------------------------------------------------------------------------------ what is sent


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_is_sent_small_and_whole(lab, learner):
    told = lab.at(learners=learner)
    reply = lab("train_play", updates=3, only=None)
    lane, session = reply["lanes"][0], lab.desk.shelf.get(TICKET).lanes[0].session
    assert len(json.dumps(lane, allow_nan=False)) < 8192
    moment = session.moments[-1]
    samples = points_of(lane["samples"]).reshape(-1, 2) / lab_wire.UNIT
    assert np.abs(samples - moment.samples.numpy().clip(-8.19, 8.19)).max() < 2e-4
    assert np.array_equal(points_of(lane["arrows"], np.float32).reshape(-1, 2), moment.arrows.numpy())
    assert len(points_of(lane["field"], np.uint8)) == told["ground"]["side"] ** 2
    assert lane["means"].startswith("Colour") and lane["settings"] == session.settings and lane["update"] == 3
    assert len(points_of(told["ground"]["points"])) == 2 * len(session.ruler.reference)
    assert learner in {f["name"] for f in lab_words.learners_json()}


def test_colour_is_fixed_for_densities_and_honest_for_a_discriminator():
    session = Session("autoregressive", samples=64)
    session.train(30)
    moment, highest = session.look(), lab_wire.top(session)
    depth = lab_wire.shade(moment, highest)
    assert torch.equal(depth == 0, (moment.field.values <= highest - 6 + 6 / 510))
    with torch.no_grad():
        gan = Session("gan", settings={"loss": "minimax"}, samples=64)
        gan.train(30)
        moment = gan.look()
    sure = lab_wire.shade(moment, 0.0).float() / 127.5 - 1
    assert torch.allclose(sure.sign() * sure.square(), torch.tanh(moment.field.values), atol=0.02)
    with torch.no_grad():
        gan.set("loss", "wasserstein penalty")  # now only differences count: the line halves the plane
        gan.train(10)
        above = (lab_wire.shade(gan.look(), 0.0) > 127).float().mean()
    assert abs(above - 0.5) < 0.02


def test_slow_motion_names_each_part_and_shows_what_it_worked_with(lab):
    lab.at(learners="gan")
    told = [lab("train_part") for _ in range(2)]
    first, second = (reply["lanes"][0] for reply in told)
    assert told[0]["sentence"].startswith("GAN, discriminator: D looks at real points")
    assert (first["part"], second["part"]) == ("discriminator", "generator")
    assert not first["whole"] and first["update"] == 0 and second["whole"] and second["update"] == 1
    assert "tell them apart" in first["says"] and list(first["clouds"]) == ["fakes"]
    assert len(points_of(first["clouds"]["fakes"])) == 512


def test_only_the_parts_of_a_gan_can_learn_alone_and_others_go_on(lab):
    lab.at(learners="gan,vae")
    gan = lab.desk.shelf.get(TICKET).lanes[0].session.learner.modules
    before = [p.clone() for p in gan["discriminator"].parameters()]
    reply = lab("train_play", updates=4, only="generator")
    assert all(torch.equal(p, q) for p, q in zip(before, gan["discriminator"].parameters(), strict=True))
    assert reply["texts"]["updates"] == "4" and reply["texts"]["edits"] == "0:1!generator*4"


# ------------------------------------------------------------------------------------------------ failures and cures


def test_presets_draw_and_have_every_kind(desk, state):
    assert {"works", "fails", "surprises"} <= {p.kind for p in laboratory.PRESETS}
    for preset in laboratory.PRESETS:
        assert isinstance(modes.draw(desk, state.check(preset.values)), ui.Shown)


def test_every_experiment_is_offered_with_its_sentence_and_its_cure(lab):
    offered = {}
    for preset in laboratory.PRESETS[:-1]:
        lesson = lab.at(**preset.values)["lesson"]
        experiment = PRESETS[lesson["name"]]
        assert lesson["says"] == experiment.look and preset.sentence.startswith(experiment.look)
        offered[lesson["name"]] = lesson["cure"]
        theirs, mine = start(lesson["name"]), lab.desk.shelf.get(TICKET).lanes[0].session
        assert theirs.settings == mine.settings and theirs.target.name == mine.target.name
        if lesson["cure"]:
            cured = lab("train_cure")
            assert cured["lesson"] == {**lesson, "says": experiment.cured, "cured": True, "cure": None}
            assert experiment.cure.items() <= mine.settings.items()
    assert offered.keys() == PRESETS.keys() and [n for n, c in offered.items() if c is None] == ["works"]
    assert all(text.startswith("Cure: ") for text in offered.values() if text)


def test_a_learned_failure_is_cured_and_its_link_brings_the_cure_along(lab, state):
    lab.at(learners="diffusion", settings="1.steps=2", updates="150")
    reply = lab("train_cure")
    smeared, mended = lab.desk.shelf.get(TICKET).lanes[0].session.moments[-2:]
    assert mended.update == 150 and mended.distances["mmd"] < 0.5 * smeared.distances["mmd"]
    assert same(lab.desk.shelf.get(TICKET), bench_at(plan(state, **reply["texts"])))


def test_an_explosion_stops_one_lane_and_says_so_and_can_be_mended(lab):
    lab.at(learners="realnvp,vae", settings="1.lr=1")
    for _ in range(2):
        reply = lab("train_play", updates=10, only=None)
    broken = lab.desk.shelf.get(TICKET).lanes[0]
    assert "went back to the last good moment, update 0" in broken.session.trouble
    assert reply["texts"]["updates"] == "0!,20" and "RealNVP stopped at update 0" in reply["sentence"]
    told = lab.at(learners="realnvp,vae", settings="1.lr=1", updates="0!,20")["lanes"][0]
    assert told["mends"] == {"lr": 0.002}
    lab("train_turn", lane=0, settings=told["mends"])
    for _ in range(3):
        reply = lab("train_play", updates=10, only=None)
    assert reply["texts"]["updates"] == "30" and not broken.session.trouble  # it has caught up


def test_an_absurd_learning_rate_while_it_runs_goes_back_to_the_last_good_state(lab):
    lab.at(learners="vae", updates="20")
    assert lab("train_turn", lane=0, settings={"lr": "1e9"})["lanes"][0]["settings"]["lr"] == 1e9
    lane = lab("train_play", updates=10, only=None)["lanes"][0]
    assert "A learning rate of 1e+09 may be too high" in lane["trouble"] and lane["update"] == 20
    assert lane["mends"] == {"lr": 0.003}
    again = lab("train_rewind", update=20)["lanes"][0]
    assert not again["trouble"] and again["update"] == 20


def test_a_link_to_a_stopped_lane_stands_where_it_stopped(lab):
    told = lab.at(learners="realnvp", settings="1.lr=1", updates="0!")
    assert told["done"] and "numbers blew up" in told["lanes"][0]["trouble"]
    assert lab("train_play", updates=10, only=None)["lanes"] == [None]  # it waits for a knob


@pytest.mark.parametrize("value", ["NaN", "a lot", None, True, -1, "1e10", [1]])
def test_an_impossible_setting_is_explained_and_changes_nothing(lab, value):
    lab.at(learners="vae")
    with pytest.raises(PlaygroundError, match=r"Learning rate was .* must be a number from 1e-06 to 1e\+09"):
        lab("train_turn", lane=0, settings={"beta": 3, "lr": value})
    assert lab.desk.shelf.get(TICKET).lanes[0].session.settings["beta"] == 1.0


def test_one_sprayed_point_is_learned_like_any_other(lab):
    reply = lab.at(learners="vae", target="sprayed", points=lab_spray.pack([108 * 54 + 54]))
    assert np.abs(points_of(reply["ground"]["points"]) / lab_wire.UNIT).max() < 0.5
    assert lab("train_play", updates=10, only=None)["texts"]["updates"] == "10"


# ------------------------------------------------------------------------------------------------ requests


@pytest.mark.parametrize(
    ("name", "payload", "words"),
    [
        ("train_play", {"updates": 0}, "from 1 to 200"),
        ("train_play", {"updates": 10, "only": 5}, "no part of an update"),
        ("train_play", {"updates": "many"}, "from 1 to 200"),
        ("train_turn", {"lane": 3, "settings": {"lr": 1}}, "fit no lane"),
        ("train_turn", {"lane": 0, "settings": "lr"}, "fit no lane"),
        ("train_turn", {"lane": 0, "settings": {"ghost": 1}}, "no setting 'ghost'"),
        ("train_rewind", {"update": -1}, "The update was"),
        ("train_cure", {}, "nothing to cure"),
        ("train_reach", {"state": "no"}, "A state is a mapping"),
        ("train_reach", {"state": {"ghost": 1}}, "no control 'ghost'"),
    ],
)
def test_bad_requests_are_explained(lab, name, payload, words):
    lab.at(learners="vae")
    with pytest.raises(PlaygroundError, match=words):
        lab(name, **{"only": None, **payload})


@pytest.mark.parametrize("ticket", [None, "", "short", "g" * 32, "a" * 33, 7, {"a": 1}])
def test_a_ticket_that_is_none_opens_no_bench(lab, ticket):
    for name in ("train_play", "train_reach"):
        with pytest.raises(PlaygroundError, match="does not know this page"):
            lab(name, ticket, updates=10, only=None, state={})


def test_benches_are_apart_and_one_that_was_cleared_away_is_reported(lab):
    other = "f" * 32
    lab.at(learners="vae")
    lab.at(other, learners="vae")
    lab("train_play", updates=10, only=None)
    assert lab("train_part", other)["lanes"][0]["update"] == 0
    assert lab("train_play", "e" * 32, updates=10, only=None) == {"gone": True}


def test_the_clock_has_an_end(lab):
    lab.at(learners="autoencoder")
    lab.desk.shelf.get(TICKET).lanes[0].session.clock = 9_995
    with pytest.raises(PlaygroundError, match="ends at 10,000 updates"):
        lab("train_play", updates=10, only=None)


def test_the_shelf_keeps_the_newest_benches_only(monkeypatch):
    class Few:
        def __init__(self, lanes):
            self.lanes = [None] * lanes

    shelf, names = Shelf(), [f"{i:032x}" for i in range(60)]
    for name in names[:MOST_BENCHES]:
        shelf.put(name, Few(1))
    shelf.get(names[0])  # used just now
    shelf.put(names[50], Few(1))
    assert shelf.get(names[0]) and shelf.get(names[1]) is None and shelf.get(names[50])
    for name in names[30:45]:
        shelf.put(name, Few(4))
    assert sum(shelf.get(name) is not None for name in names) == MOST_LANES // 4
    assert shelf.get(names[44]) and shelf.get(names[30]) is None


def test_the_page_is_served_and_answers_over_http(make_client):
    tab = make_client([train])
    reply = tab.call(STAGE, "train_reach", {"ticket": TICKET, "state": {"learners": "vae"}, "first": True})
    assert reply["done"] and reply["ground"]["exact"]["times_floor"] == 1
    assert tab.call(STAGE, "train_play", {"ticket": TICKET, "updates": 5, "only": None})["texts"]["updates"] == "5"
    assert "from 1 to 200" in tab.call(STAGE, "train_play", {"ticket": TICKET, "updates": 1e9})["error"]
    assert "error" in tab.call(STAGE, "train_part", None)
    drawn = tab.call(STAGE, "pg_draw", {"state": {"learners": "vae", "updates": "5"}})
    assert drawn["picture"].startswith("data:image/jpeg") and "VAE after 5 updates" in drawn["sentence"]


# ------------------------------------------------------------------------------------------------ page and curves


def test_every_part_the_script_asks_for_is_on_the_stage():
    script = (ASSETS / "tab-train-lab.js").read_text(encoding="utf-8")
    for name in re.findall(r"part\('([a-z-]+)'\)", script):
        assert f'data-part="{name}"' in lab_page.BODY, name
    for name in re.findall(r"press\('([a-z-]+)'", script):
        assert f'data-do="{name}"' in lab_page.BODY, name


def test_finished_curves_are_a_figure_of_every_lane(lab):
    lab.at(learners="gan,vae", updates="30")
    chart = lab_curves.curves(lab.desk.shelf.get(TICKET), dark=True)
    assert {"GAN", "VAE", "GAN: d", "VAE: kl"} <= {trace.name for trace in chart.data}
    assert list(chart.data[0].x) == [0, 10, 20, 30] and all(v > 0 for v in chart.data[0].y)


def test_every_family_is_explained_with_a_formula_and_a_paper():
    text = stage.about()
    for kind in LEARNERS.values():
        assert f"**{kind.title}**" in text
    assert laboratory.ABOUT.count("$$") == 2 * len(LEARNERS)
