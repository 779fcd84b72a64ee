"""The train tab's pictures behind its server functions: plans are checked, jobs are found by their link and kept."""

from __future__ import annotations

import base64
import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

from playground import Engine, film
from playground.api import PlaygroundError
from playground.training.studio import Plan, examples
from playground.training.studio.data import example_drawings
from tabs import _ui as ui
from tabs import train
from tabs.train import pictures
from tabs.train.desk import desk_of
from tabs.train.state import declare

STAGE, ME = "train-stage", "a-visitor-of-the-tests"
QUICK = {"mode": "pictures", "pic_updates": 20, "pic_pictures": 64}


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory):
    return Engine("cpu", own=tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def jobs(own_engine, tmp_path_factory):
    """Trainings in a folder of the tests."""
    found = pictures.jobs_of(own_engine)
    found.root = tmp_path_factory.mktemp("jobs")
    yield found
    found.close()


@pytest.fixture(scope="module")
def desk(own_engine, jobs):
    return desk_of(own_engine)


@pytest.fixture(scope="module")
def state(own_engine):
    return declare(own_engine)


@pytest.fixture(scope="module")
def ask(desk, state):
    """Calls a server function as the page would: errors come back as words."""
    known = {f.__name__: ui.guard(f) for f in pictures.functions(desk, state)}
    return lambda name, payload=None: known[name](payload)


@pytest.fixture(scope="module")
def show(desk, state):
    return lambda **given: pictures.draw(desk, state.check({"mode": "pictures", **given}))


@pytest.fixture(scope="module")
def finished(ask, jobs):
    """A short training that has ended."""
    job = ask("train_start", {"state": QUICK, "owner": ME})["job"]
    jobs.wait(job)
    return job


def picture(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


# ---------------------------------------------------------------------- before there is a training


def test_every_starting_point_is_a_plan_that_could_be_trained(state, show):
    for preset in pictures.PRESETS:
        values = state.check(preset.values)
        plan = pictures.plan_of(values)
        shown = show(**preset.values)
        assert isinstance(plan, Plan) and "Press Train" in shown.sentence
        assert len(shown.picture) == 16 and not shown.patch


def test_failing_starting_points_have_a_cure_which_is_no_longer_offered_once_taken(state, show):
    for preset in pictures.PRESETS:
        cure = show(**preset.values).data["cure"]
        assert (preset.kind == "fails") == (cure is not None)
        if cure:
            assert show(**preset.values, **cure["values"]).data["cure"] is None
    assert show(pic_rate=1e9).data["cure"]["values"] == {"pic_rate": 1.0}


def test_a_network_that_knows_digits_shows_what_it_draws_now(show, own_engine):
    shown = show(pic_what="gan", pic_start="checkpoint")
    direct = own_engine.run("gan-mnist", range(16), labels=[i % 10 for i in range(16)]).images
    assert torch.allclose(shown.picture, direct, atol=1e-5)
    assert shown.data["known"] and "gan-mnist" in shown.sentence and shown.model == "gan-mnist"
    assert "freeze" not in " ".join(shown.disabled) and "pic_freeze" in show().disabled


def test_without_drawings_the_page_asks_for_them_and_does_not_fail(show, ask):
    assert "no drawings yet" in show(pic_data="drawings").sentence
    one = examples(1)
    assert "One drawing" in show(pic_data="drawings", pic_drawings=one).sentence
    for text in ("", one):
        reply = ask(
            "train_start", {"state": {"mode": "pictures", "pic_data": "drawings", "pic_drawings": text}, "owner": ME}
        )
        assert "Draw" in reply["error"]


def test_what_cannot_go_together_is_mended_or_explained(show):
    assert show(pic_grow=True).patch == {"pic_grow": False}
    assert show(pic_data="faces", pic_course="two halves").patch == {"pic_course": "all"}
    with pytest.raises(PlaygroundError, match="VAE or a GAN"):
        show(pic_what="rbm", pic_data="faces")


def test_copied_python_is_the_plan(state):
    values = state.check(
        {"mode": "pictures", "pic_what": "gan", "pic_data": "drawings", "pic_drawings": "examples", "seed": 4}
    )
    code = pictures.code(pictures.plan_of(values))
    call = next(line for line in code.splitlines() if "Plan(" in line and "import" not in line)
    plan = eval(call[call.index("Plan(") : call.rindex(', "in-python"')], {"Plan": Plan, "examples": examples})
    assert plan == pictures.plan_of(values)


def test_what_the_two_losses_say():
    assert "memorises" in pictures.verdict([[0, 9.0, 9.0], [5, 4.0, 5.0], [9, 1.0, 6.0]])
    assert "less well" in pictures.verdict([[0, 9.0, 9.0], [5, 4.0, 5.0]])
    assert "about as well" in pictures.verdict([[0, 9.0, 9.0], [5, 4.0, 4.1]])
    assert "less well" in pictures.verdict([[0, 0.9, 0.9], [5, 0.2, 0.3], [9, 0.5, 0.7]])  # both rise: a GAN's game
    assert "nothing was kept aside" in pictures.verdict([[0, 9.0, None], [5, 4.0, None]])


def test_a_course_is_told_as_what_it_forgets():
    plan = Plan(course="two halves", updates=100)
    learned, later = [50, *[100.0] * 5, *[300.0] * 5], [100, *[150.0] * 5, *[110.0] * 5]
    assert pictures.forgotten(plan, [learned]) == "", "nothing new has come yet"
    assert pictures.forgotten(plan, [learned, later]).startswith("it forgets; the first digits, 0 to 4, cost 150 now")
    assert pictures.forgotten(plan, [learned, [100, *[103.0] * 10]]).startswith("it remembers")
    assert pictures.forgotten(Plan(), [learned, later]) == ""


def test_a_verdict_on_copies_allows_for_chance():
    told = {"train": [], "held": [], "distance": [], "held distance": []}
    assert "no sign" in pictures.near_note({**told, "nearer": 0.7, "asked": 16})
    assert "it leans" in pictures.near_note({**told, "nearer": 0.7, "asked": 216})
    assert "it copies" in pictures.near_note({**told, "nearer": 0.9, "asked": 16})
    assert pictures.near_note({**told, "nearer": 0.9, "honest": 3.0}).endswith("the nearest it never saw.")  # of 0.6.0


# ---------------------------------------------------------------------- a training


def test_a_training_is_looked_at_and_found_again_by_its_link(ask, show, finished, state):
    seen = ask("train_look", {"job": finished, "since": -1})
    assert (seen["status"], seen["update"], seen["updates"]) == ("done", 20, 20)
    updates = [update for update, _ in seen["frames"]]
    assert updates[0] == 0 and updates[-1] == 20
    assert all(picture(src).size == (112, 112) for _, src in seen["frames"])
    later = ask("train_look", {"job": finished, "since": updates[-2]})
    assert [update for update, _ in later["frames"]] == updates[-1:]
    assert seen["lines"]["losses"][-1][0] == 20 and seen["near"] and seen["result"] and seen["model"].startswith("own-")
    shown = show(job=finished)  # the link alone: everything else stands at its default
    assert shown.patch["pic_pictures"] == 64 and shown.patch["pic_updates"] == 20
    assert state.check({**shown.patch, "mode": "pictures", "job": finished})
    assert shown.picture.shape[-2:] == (112, 112) and shown.model == seen["model"]


def test_neighbours_are_shown_in_three_rows(ask, finished):
    near = ask("train_near", {"job": finished})
    assert picture(near["src"]).size == (8 * 30 - 2, 3 * 30 - 2) and "% of cases" in near["note"]


def test_a_result_is_kept_as_film_and_as_checkpoint_and_comes_back(ask, finished, own_engine):
    gif = ask("train_keep", {"job": finished, "kind": "gif"})
    assert gif["name"] == "vae-mnist-20.gif" and picture(gif["src"]).n_frames >= 2
    assert picture(ask("train_keep", {"job": finished, "kind": "png"})["src"]).size[1] == 112
    mp4 = ask("train_keep", {"job": finished, "kind": "mp4"})
    assert mp4["src"].startswith("data:video/mp4") if film.ffmpeg() else "ffmpeg" in mp4["error"]
    parcel = ask("train_keep", {"job": finished, "kind": "zip"})
    assert parcel["src"].startswith("data:application/zip")
    loaded = ask("train_load", {"file": parcel["src"]})
    assert loaded["family"] == "vae" and loaded["name"] != ask("train_use", {"job": finished})["name"]
    ours, theirs = (
        own_engine.run(n, [3]).images for n in (loaded["name"], ask("train_use", {"job": finished})["name"])
    )
    assert torch.equal(ours, theirs)
    assert (
        "GIF" in ask("train_keep", {"job": finished, "kind": "exe"})["error"]
        or "gif" in ask("train_keep", {"job": finished, "kind": "exe"})["error"]
    )


def test_one_training_each_and_a_stop_within_a_step(ask, jobs):
    long = {**QUICK, "pic_updates": 30_000}
    job = ask("train_start", {"state": long, "owner": ME})["job"]
    assert "one at a time" in ask("train_start", {"state": long, "owner": ME})["error"]
    while ask("train_look", {"job": job, "since": -1})["update"] < 3:
        time.sleep(0.01)
    shown = pictures.draw(
        jobs.engine and desk_of(jobs.engine), declare(jobs.engine).check({"mode": "pictures", "job": job})
    )
    assert "under way" in shown.disabled["pic_what"]
    assert ask("train_stop", {"job": job}) == {"asked": True}
    jobs.wait(job)
    seen = ask("train_look", {"job": job})
    assert seen["status"] == "stopped" and seen["result"] and "nothing is lost" in seen["message"]
    assert ask("train_go", {"job": job, "owner": ME}) == {"asked": True}
    ask("train_stop", {"job": job})
    jobs.wait(job)


def test_whatever_a_page_may_send_is_answered_in_words(ask):
    for name in (
        "train_look",
        "train_stop",
        "train_go",
        "train_keep",
        "train_use",
        "train_near",
        "train_load",
        "train_digit",
        "train_start",
    ):
        for payload in (
            None,
            3,
            [],
            {},
            {"job": "../../x", "owner": ME, "kind": "gif"},
            {"job": "a" * 16, "owner": ME, "kind": 3},
        ):
            reply = ask(name, payload)
            assert "error" in reply and "not your doing" not in reply["error"], (name, payload, reply)
    assert (
        "a number" in ask("train_look", {"job": "a" * 16, "since": "x"})["error"]
        or "whole number" in ask("train_look", {"job": "a" * 16, "since": "x"})["error"]
    )
    for state in ({"pic_what": "x"}, {"pic_updates": 10**9}, {"pic_drawings": 3}, {"job": "x" * 99}):
        assert "error" in ask("train_start", {"state": {"mode": "pictures", **state}, "owner": ME})
    for file in (
        "",
        "data:application/zip;base64,%%%",
        "data:application/zip;base64," + base64.b64encode(b"no zip").decode(),
    ):
        assert "error" in ask("train_load", {"file": file})


def test_a_drawing_is_centred_and_packed(ask):
    canvas = np.zeros((280, 280), np.uint8)
    canvas[60:120, 40:60] = 255
    out = io.BytesIO()
    Image.fromarray(canvas).save(out, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    packed = ask("train_digit", {"drawing": uri, "label": 1})["packed"]
    again = ask("train_digit", {"drawing": uri, "label": 1})["packed"]
    assert packed[0] == "1" and len(packed) == 524 and packed == again
    for bad in ({"drawing": uri, "label": 12}, {"drawing": "x", "label": 1}):
        assert "error" in ask("train_digit", bad)
    assert ask("train_examples", {})["drawings"] == examples() and len(example_drawings()[0]) == 20


def test_the_modes_names_are_its_own(state):
    names = [f.name for f in state.fields]
    assert len(names) == len(set(names)) and "pic_what" in names and "job" in names
    assert train.ORDER == 70
