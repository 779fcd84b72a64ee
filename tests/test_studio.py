"""Trainings of visitors: plans, what they learn from, jobs that survive a kill, and checkpoints that travel."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from playground import Engine, film, registry
from playground.api import PlaygroundError
from playground.models.gan import GAN
from playground.models.vae import VAE
from playground.training.recipe import Batch
from playground.training.run import Run
from playground.training.state import Folder
from playground.training.studio import Jobs, Plan, grow, job, parcel
from playground.training.studio.data import Course, Store, augmented, example_drawings
from playground.training.studio.nets import recipe_of
from playground.training.studio.plan import WHATS, join, pack_drawing, unpack_drawings
from playground.training.studio.record import FRAMES, Record, due

ME, OTHER = "visitor-one", "visitor-two"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory):
    return Engine("cpu", own=tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def store(own_engine):
    return Store(own_engine)


@pytest.fixture
def jobs(own_engine, store, tmp_path):
    made = Jobs(own_engine, tmp_path / "jobs")
    made.store = store
    yield made
    made.close()


def drawings(count: int = 8) -> str:
    pictures, labels = example_drawings(count)
    return join([pack_drawing(x / 255, int(y)) for x, y in zip(pictures, labels)])


def small(**changes) -> Plan:
    return Plan(**{"updates": 20, "pictures": 64, **changes})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    ours, theirs = weights(a), weights(b)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


# ---------------------------------------------------------------------- plans


def test_a_plan_is_checked_value_by_value_and_as_a_whole():
    assert Plan.of({}).told() == {}
    assert Plan.of({"updates": "60"}).updates == 60
    for bad in ({"updates": 5}, {"rate": float("nan")}, {"rate": 1e10}, {"what": "transformer"}, {"seed": -1}):
        with pytest.raises(PlaygroundError, match="must be"):
            Plan.of(bad)
    with pytest.raises(PlaygroundError, match="too much here"):
        Plan(what="rbm", data="faces")
    with pytest.raises(PlaygroundError, match="grow"):
        Plan(grow=True)
    with pytest.raises(PlaygroundError, match="one after another"):
        Plan(data="faces", course="two halves")
    assert "blank" in Plan().why_not("freeze") and Plan(start="checkpoint").why_not("freeze") == ""


def test_drawings_travel_in_the_plan_with_sixteen_levels_of_grey():
    pictures, labels = example_drawings(20)
    text = join([pack_drawing(x / 255, int(y)) for x, y in zip(pictures, labels)])
    back, named = unpack_drawings(text)
    assert torch.equal(named, labels) and (back.float() - pictures.float()).abs().max() <= 8.5
    assert labels.unique().tolist() == list(range(10))


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "no drawings yet"), (drawings(1), "One drawing is not enough"), (drawings(2), "too few"),
     ("3abc.4def.5ghi", "did not arrive whole"), (".".join(["x" * 524] * 3), "did not arrive whole"),
     (".".join([drawings(1)] * 200), None)],
)  # fmt: skip
def test_too_few_or_broken_drawings_are_explained(text, says):
    if says is None:
        assert Plan(data="drawings", drawings=text).shape == (1, 28, 28)
        return
    with pytest.raises(PlaygroundError, match=says):
        Plan(data="drawings", drawings=text)


# ---------------------------------------------------------------------- pictures


def test_digits_need_no_download_and_are_named_right(store, monkeypatch):
    monkeypatch.delenv("PLAYGROUND_DATA", raising=False)
    material = store.material(Plan(pictures=200, seed=3))
    assert material.train.images.shape == (200, 1, 28, 28) and len(material.features) == 200
    assert len(material.held) == 250 and material.held.labels.bincount().tolist() == [25] * 10
    again, other = store.material(Plan(pictures=200, seed=3)), store.material(Plan(pictures=200, seed=4))
    assert torch.equal(again.train.images, material.train.images)
    assert not torch.equal(other.train.images, material.train.images)
    judged = store.engine.model("classifier-mnist").classify(material.train.pictures(slice(None)))[0].argmax(1)
    assert (judged == material.train.labels).float().mean() > 0.97  # 16 grey levels change hardly any verdict


def test_drawings_are_split_once_and_never_mixed(store):
    material = store.material(Plan(data="drawings", drawings=drawings(10), held=0.3))
    assert (len(material.train), len(material.held)) == (7, 3)
    both = torch.cat([material.train.images, material.held.images])
    assert len(torch.unique(both, dim=0)) == 10


def test_a_course_shows_new_classes_and_replays_old_ones(store):
    plan = Plan(course="two halves", pictures=500, replay=0.0)
    train = store.material(plan).train

    def old(plan: Plan, done: float) -> float:
        index = torch.cat([Course(train, plan).index(64, seen, done) for seen in range(0, 640, 64)])
        return float((train.labels[index] < 5).float().mean())

    assert old(plan, 0.2) == 1.0 and old(plan, 0.7) == 0.0
    assert 0.4 < old(Plan(course="two halves", pictures=500, replay=0.5), 0.7) < 0.6


def test_augmentation_moves_a_little_and_follows_the_stream():
    x = example_drawings(8)[0].float() / 255
    y = torch.arange(8)
    one, labels = augmented(x, y, torch.Generator().manual_seed(1))
    two, _ = augmented(x, y, torch.Generator().manual_seed(1))
    assert torch.equal(one, two) and torch.equal(labels, y) and one.shape == x.shape
    assert 0.01 < (one - x).abs().mean() < 0.2 and one.min() >= 0 and one.max() <= 1


# ---------------------------------------------------------------------- networks


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("start", ["scratch", "checkpoint"])
def test_every_family_learns_resumes_and_leaves_a_checkpoint(store, tmp_path, what, start):
    plan = Plan(what=what, start=start, data="drawings", drawings=drawings(6), freeze=start == "checkpoint",
                dropout=0.2, decay=0.1, ema=what != "gan", updates=20)  # fmt: skip
    material = store.material(plan)
    recipe = recipe_of(plan, registry.CHECKPOINTS, len(material.train))
    with Run(recipe, state=tmp_path / "a", dataset=material.train, augment=augmented) as run:
        frozen = [p.clone() for layer in run.learner.early() for p in layer.parameters()]
        run.step()
        run.save()
        after = run.step().losses
        now = [p for layer in run.learner.early() for p in layer.parameters()]
        assert not plan.freeze or all(torch.equal(a, b) for a, b in zip(frozen, now))
        assert plan.freeze or not frozen or not all(torch.equal(a, b) for a, b in zip(frozen, now))
        x, y = material.held.pictures(slice(None)), material.held.labels
        assert run.learner.losses(x, y).shape == (len(x),)
        assert torch.equal(run.learner.losses(x, y), run.learner.losses(x, y))  # no dropout outside a step
        run.export(tmp_path / "out")
    with Run(recipe, state=tmp_path / "a", dataset=material.train, augment=augmented) as again:
        assert again.resume() and again.step().losses == after
    model = registry.load(registry.read_card(tmp_path / "out"))
    for frame in model.sample([0], labels=torch.tensor([1]) if model.card.labels else None):
        assert frame.images.shape == (1, 1, 28, 28)


def test_switching_averaging_off_shows_the_last_weights(store, tmp_path):
    for what in ("vae", "gan", "pixelcnn"):
        for ema in (True, False):
            plan = Plan(what=what, ema=ema, pictures=64, updates=20)
            material = store.material(plan)
            recipe = recipe_of(plan, registry.CHECKPOINTS, 64)
            with Run(recipe, state=tmp_path / f"{what}{ema}", dataset=material.train) as run:
                run.step()
                run.step()
                pairs = zip(run.learner.shown.parameters(), run.learner.model.parameters())
                assert all(torch.equal(a, b) for a, b in pairs) == (not ema), (what, ema)


def test_weight_decay_shrinks_matrices_only(store, tmp_path):
    plan = Plan(rate=0.0, decay=1.0, pictures=64, updates=20)
    with Run(recipe_of(plan, registry.CHECKPOINTS, 64), state=tmp_path, dataset=store.material(plan).train) as run:
        before = [p.clone() for p in run.learner.model.parameters()]
        run.step()
        assert all(torch.equal(a, b) for a, b in zip(before, run.learner.model.parameters()))  # no rate, no decay
        for group in run.learner.optimizers["model"].param_groups:
            group["lr"] = 0.5
        run.learner._shrink()
        for a, b in zip(before, run.learner.model.parameters()):
            assert torch.allclose(b, a * 0.5 if a.dim() > 1 else a)


# ---------------------------------------------------------------------- growing


def batch(done: float, n: int = 4) -> Batch:
    noise = torch.Generator().manual_seed(0)
    return Batch(torch.rand(n, 3, 64, 64, generator=noise), torch.zeros(n, dtype=torch.int64), noise, 0, done)


@pytest.mark.parametrize("kind", [grow.VAEGrowth, grow.GANGrowth])
def test_nothing_jumps_when_a_finer_rung_comes(kind):
    torch.manual_seed(0)
    growth = kind(CPU)
    z, x = torch.randn(2, grow.LATENT), torch.rand(4, 3, 64, 64)
    for k, start in enumerate(grow.STARTS[1:], 1):
        growth.step(batch(start - 1e-6))
        with torch.no_grad():
            before, told = growth.sample(z), coded(growth, x)
            growth.advance(start)
            assert growth.at == (k, 0.0)
            assert torch.allclose(growth.sample(z), before, atol=1e-6) and before.shape == (2, 3, 64, 64)
            assert torch.allclose(coded(growth, x), told, atol=1e-4)
            growth.advance(start + grow.FADE / 2)
            assert not torch.allclose(growth.sample(z), before, atol=1e-3), "half-way it is another"
    growth.advance(1.0)
    assert growth.ripe()


def coded(growth, x):
    """What the encoder or critic says of pictures."""
    net, x = growth.net, growth.pooled(x)
    return net.posterior(x, *growth.at)[0] if isinstance(growth, grow.VAEGrowth) else net.judge(2 * x - 1, *growth.at)


@pytest.mark.parametrize("kind", [grow.VAEGrowth, grow.GANGrowth])
def test_rungs_in_use_learn_and_finer_ones_wait(kind):
    torch.manual_seed(0)
    growth = kind(CPU)
    for done, finest in ((0.05, 0), (0.99, 3)):
        before = {name: p.clone() for name, p in growth.net.named_parameters()}
        growth.step(batch(done))
        moved = {name for name, p in growth.net.named_parameters() if not torch.equal(p, before[name])}
        if finest == 0:
            assert {n for n in moved if n.startswith("paint")} and not any(n.startswith("paint.1") for n in moved)
        still = {n for n in before if n not in moved and "labels" not in n and not n.startswith(("paint", "read"))}
        assert bool(still) == (finest == 0), still


def test_what_has_grown_is_what_its_plain_network_makes():
    growth = grow.VAEGrowth(CPU)
    growth.step(batch(0.99))
    z, x = torch.randn(2, grow.LATENT), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(growth.sample(z), growth.shown.net.decode(z))
        torch.testing.assert_close(growth.net.posterior(x, 3, 1.0)[0], growth.net.net.encode(x).mean)
    growth = grow.GANGrowth(CPU)
    growth.step(batch(0.99))
    with torch.no_grad():
        g, d = growth.net.net.generator, growth.net.net.discriminator
        picture = g.synthesise(g.map(z, None)[:, None].expand(-1, g.layers, -1))
        torch.testing.assert_close(growth.net.draw(z, 3, 1.0), picture)
        torch.testing.assert_close(growth.net.judge(picture, 3, 1.0), d(picture))


def test_a_grown_network_is_a_plain_checkpoint_and_an_unripe_one_is_none(tmp_path):
    plan = Plan(data="faces", grow=True, updates=20)
    pupil = grow.Grower(plan, CPU)
    pupil.step(batch(0.2))
    with pytest.raises(PlaygroundError, match="16 × 16"):
        pupil.save(tmp_path)
    pupil.step(batch(0.99))
    pupil.save(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert isinstance(grow.VAEGrowth(CPU).net.net, VAE) and isinstance(grow.GANGrowth(CPU).net.net, GAN)


# ---------------------------------------------------------------------- records and films


def test_a_film_is_bounded_begins_at_once_and_ends_at_the_end():
    for updates in (20, 2000, 30_000):
        plan = due(updates)
        assert plan[0] == 0 and plan[-1] == updates and len(plan) <= FRAMES + 1
    early, late = np.diff(due(2000))[:5], np.diff(due(2000))[-5:]
    assert early.mean() < late.mean()


def test_a_record_forgets_what_a_resumed_training_will_see_again(tmp_path):
    record = Record(tmp_path)
    for update in (0, 5, 9):
        record.picture(update, torch.rand(16, 1, 28, 28))
        record.add("losses", update, 1.0, float("nan") if update == 99 else 2.0)
    record.save()
    again = Record(tmp_path)
    again.cut(5)
    assert [u for u, _ in again.pictures()] == [0, 5] and [p[0] for p in again.lines["losses"]] == [0, 5]
    (tmp_path / "record.json").write_text("{broken")
    assert Record(tmp_path).lines == {}


def test_films_are_gif_strip_and_mp4_or_a_plain_word(monkeypatch):
    frames = [np.full((112, 112, 3), 40 * i, np.uint8) for i in range(5)]
    with Image.open(io.BytesIO(film.export("gif", frames))) as moving:
        assert moving.n_frames == 5 and moving.size == (336, 336)
    with Image.open(io.BytesIO(film.export("png", frames))) as strip:
        assert strip.size == (5 * 116 - 4, 112)
    if film.ffmpeg():
        assert film.export("mp4", frames)[4:8] == b"ftyp"
    monkeypatch.setattr(film, "ffmpeg", lambda: "")
    with pytest.raises(PlaygroundError, match="pip install imageio-ffmpeg"):
        film.export("mp4", frames)
    for bad in (("avi", frames), ("gif", [])):
        with pytest.raises(PlaygroundError):
            film.export(*bad)


# ---------------------------------------------------------------------- jobs


def test_a_training_ends_in_a_model_of_every_picker(jobs, own_engine):
    name = jobs.start(small(), ME)
    jobs.wait(name)
    done = jobs.find(name)
    assert (done.status, done.update) == ("done", 20), done.message
    assert own_engine.run(done.model, [1]).images.shape == (1, 1, 28, 28)
    card = own_engine.card(done.model)
    assert card.title == "Own VAE of digits" and card.family == "vae"
    front, _ = registry.read_front(card.folder)
    assert front["playground"]["plan"]["updates"] == 20 and front["playground"]["updates"] == 20
    pictures = [u for u, _ in done.record.pictures()]
    assert pictures[0] == 0 and pictures[-1] == 20
    update, train, held = done.record.lines["losses"][-1]
    assert update == 20 and train < done.record.lines["losses"][0][1] and held > 0
    assert done.record.lines["fd"][-1][1] > 0 and 5 < done.record.facts["floor"] < 100  # real digits, all classes
    near = done.record.facts["neighbours"]
    assert len(near["train"]) == len(near["held"]) == 16 and 0 <= near["nearer"] <= 1
    with pytest.raises(PlaygroundError, match="reached its end"):
        jobs.go_on(name, ME)


def test_the_same_plan_ends_in_the_same_weights_and_a_stop_changes_nothing(jobs):
    plan = small(updates=30, augment=True)
    through = jobs.start(plan, ME)
    jobs.wait(through)
    stopped = jobs.start(plan, ME)
    while jobs.find(stopped).update < 5:
        time.sleep(0.005)
    jobs.stop(stopped)
    jobs.wait(stopped)
    between = jobs.find(stopped)
    assert between.status in ("stopped", "done") and (between.folder / "result" / "README.md").is_file()
    if between.status == "stopped":
        jobs.go_on(stopped, ME)
        jobs.wait(stopped)
    assert jobs.find(stopped).status == "done"
    assert same(jobs.root / through / "result", jobs.root / stopped / "result")


KILLED = """
import sys, time
from playground import Engine
from playground.training.studio import Jobs, Plan, job
job.SAVE_EVERY = 0.05
jobs = Jobs(Engine("cpu", own=sys.argv[1] + "/own"), sys.argv[1] + "/jobs")
print(jobs.start(Plan(what="vae", updates=100, pictures=64, dropout=0.1, augment=True), "visitor-one"), flush=True)
time.sleep(600)
"""


def test_a_killed_server_loses_nothing_and_goes_on_bit_for_bit(own_engine, tmp_path, store):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        name = process.stdout.readline().strip()
        state, until = tmp_path / "jobs" / name / "state" / "state.previous.pt", time.monotonic() + 60
        while not (state.is_file() and torch.load(state, weights_only=True)["seen"] > 0):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    jobs = Jobs(own_engine, tmp_path / "jobs")
    found = jobs.find(name)
    assert found.status == "interrupted" and "go on" in found.message
    found.record.add("losses", 99, 0.0, 0.0)  # seen, but killed before the state was written
    found.record.save()
    jobs.go_on(name, OTHER)  # whoever knows the link may go on
    jobs.wait(name, 120)
    ended = jobs.find(name)
    assert (ended.status, ended.update) == ("done", 100), ended.message
    looked = [point[0] for point in ended.record.lines["losses"]]
    assert looked == sorted(set(looked))  # what lay after the last state was forgotten and seen again
    whole = jobs.start(found.plan, ME)
    jobs.wait(whole, 120)
    assert same(jobs.root / whole / "result", jobs.root / name / "result")
    jobs.close()


def test_one_training_per_visitor_and_the_others_wait_in_turn(jobs):
    long = small(updates=30_000)
    first = jobs.start(long, ME)
    with pytest.raises(PlaygroundError, match="one at a time"):
        jobs.start(long, ME)
    second, third = jobs.start(long, OTHER), jobs.start(long, "visitor-three")
    assert (jobs.place(first), jobs.place(second), jobs.place(third)) == (0, 1, 2)
    assert jobs.find(second).status == "waiting"
    with pytest.raises(PlaygroundError, match="under way"):
        jobs.go_on(first, "visitor-four")
    jobs.stop(second)
    assert jobs.find(second).status == "stopped" and jobs.place(third) == 1
    jobs.stop(first)
    jobs.wait(first)
    while jobs.find(third).status == "waiting":
        time.sleep(0.005)
    jobs.stop(third)
    jobs.wait(third)
    assert jobs.find(third).status == "stopped"


def test_steps_of_a_training_and_of_others_take_turns(jobs, own_engine):
    name = jobs.start(small(updates=30_000), ME)
    while jobs.find(name).update < 3:
        time.sleep(0.005)
    waits = []
    for _ in range(5):
        began = time.perf_counter()
        own_engine.run("vae-mnist-2d", [0])
        waits.append(time.perf_counter() - began)
    assert sorted(waits)[2] < 1.0  # a whole training would be minutes
    jobs.stop(name)
    jobs.wait(name)


def test_a_learning_rate_of_a_billion_stops_and_the_last_good_state_goes_on(jobs):
    name = jobs.start(small(rate=1e9), ME)
    jobs.wait(name)
    ended = jobs.find(name)
    assert (
        ended.status == "diverged" and "1e+09 times the usual" in ended.message and str(jobs.root) not in ended.message
    )
    jobs.go_on(name, ME, rate=1.0)
    jobs.wait(name)
    ended = jobs.find(name)
    assert (ended.status, ended.update) == ("done", 20), ended.message
    good = jobs.start(small(), ME)
    jobs.wait(good)
    assert same(jobs.root / good / "result", jobs.root / name / "result")  # as if it had never exploded


def test_a_damaged_state_falls_back_on_the_one_before_and_two_are_explained(jobs):
    name = jobs.start(small(updates=2000), ME)
    while jobs.find(name).update < 5:
        time.sleep(0.005)
    jobs.stop(name)
    jobs.wait(name)
    state = jobs.root / name / "state"
    (state / "state.pt").write_bytes(b"not a state")
    jobs.go_on(name, ME)
    while jobs.find(name).status in ("waiting", "running") and "one before" not in jobs.find(name).message:
        time.sleep(0.005)
    assert "one before" in jobs.find(name).message
    jobs.stop(name)
    jobs.wait(name)
    assert jobs.find(name).status == "stopped"
    for path in state.glob("*.pt"):
        path.write_bytes(b"not a state")
    jobs.go_on(name, ME)
    jobs.wait(name)
    assert jobs.find(name).status == "failed" and "damaged" in jobs.find(name).message


def test_a_full_disk_stops_a_training_and_keeps_its_last_good_state(jobs, monkeypatch):
    name = jobs.start(small(updates=2000), ME)
    while jobs.find(name).update < 5:
        time.sleep(0.005)
    write = Folder.write
    monkeypatch.setattr(job, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(Folder, "write", _full)
    jobs.wait(name)
    ended = jobs.find(name)
    assert ended.status == "failed" and "No space left" in ended.message and str(jobs.root) not in ended.message
    monkeypatch.setattr(Folder, "write", write)
    jobs.go_on(name, ME)
    while jobs.find(name).update < 5:
        time.sleep(0.005)
    jobs.stop(name)
    jobs.wait(name)
    assert jobs.find(name).status == "stopped"
    monkeypatch.setattr(job, "write", _full)
    with pytest.raises(PlaygroundError, match="make room"):
        jobs.start(small(), ME)


def _full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_ids_are_checked_and_cannot_leave_the_folder(jobs):
    for bad in ("", "../../etc/passwd", "a" * 15, None, 3, "a" * 15 + "/", "A" * 16):
        with pytest.raises(PlaygroundError):
            jobs.find(bad)
    for owner in ("", "x", "a b c d e f g", None, "y" * 65):
        with pytest.raises(PlaygroundError, match="Reload"):
            jobs.start(small(), owner)


def test_old_trainings_are_removed_and_those_under_way_are_not(own_engine, store, tmp_path):
    jobs = Jobs(own_engine, tmp_path, keep_days=1, keep_most=2)
    jobs.store = store
    folders = []
    for i in range(4):
        folder = tmp_path / f"{'o' * 15}{i}"
        job.Job.create(own_engine, store, folder, small(), ME)
        folders.append(folder)
        moment = time.time() - (5 - i) * 60 - (2 * 86_400 if i == 3 else 0)
        os.utime(folder / "job.json", (moment, moment))
    stray = tmp_path / "not a training"
    stray.mkdir()
    jobs.tidy()
    assert [f.exists() for f in folders] == [False, True, True, False] and stray.exists()


def test_continual_learning_forgets_is_recorded(jobs):
    name = jobs.start(small(what="vae", course="two halves", pictures=200, updates=20), ME)
    jobs.wait(name)
    ended = jobs.find(name)
    assert ended.status == "done", ended.message
    assert len(ended.record.lines["classes"][-1]) == 11 and len(ended.record.lines["class losses"][-1]) == 11


# ---------------------------------------------------------------------- checkpoints that travel


@pytest.fixture(scope="module")
def parcel_of_vae(own_engine, store, tmp_path_factory):
    plan = Plan(pictures=64, updates=20)
    folder = tmp_path_factory.mktemp("parcel")
    with Run(recipe_of(plan, registry.CHECKPOINTS, 64), state=folder / "s", dataset=store.material(plan).train) as run:
        run.step()
        run.export(folder / "out")
    return parcel.pack(folder / "out")


def test_a_checkpoint_travels_as_a_zip(own_engine, parcel_of_vae):
    card = parcel.unpack(parcel_of_vae, own_engine)
    assert own_engine.run(card.name, [3]).images.shape == (1, 1, 28, 28)
    assert card.name.startswith("own-") and card.title == "Own VAE of digits"


def repacked(content: bytes, **changes: bytes | None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.namelist():
            if entry not in changes:
                new.writestr(entry, old.read(entry))
        for entry, data in changes.items():
            if data is not None:
                new.writestr(entry, data)
    return out.getvalue()


def test_a_zip_from_outside_is_looked_at_closely(own_engine, parcel_of_vae):
    before = set(own_engine.own.glob("own-*"))
    config = json.loads(zipfile.ZipFile(io.BytesIO(parcel_of_vae)).read("config.json"))
    card = zipfile.ZipFile(io.BytesIO(parcel_of_vae)).read("README.md")
    bad = {
        "not a .zip": b"hello",
        "outside its folder": repacked(parcel_of_vae, **{"../evil.py": b"x"}),
        "no part of a checkpoint": repacked(parcel_of_vae, **{"evil.py": b"x"}),
        "no README.md": repacked(parcel_of_vae, **{"README.md": None}),
        "no weights": repacked(parcel_of_vae, **{"model.safetensors": None}),
        "weights in model.safetensors are damaged": repacked(parcel_of_vae, **{"model.safetensors": b"x" * 99}),
        "do not fit": repacked(parcel_of_vae, **{"config.json": json.dumps(config | {"latent_size": 9}).encode()}),
        "no family": repacked(parcel_of_vae, **{"README.md": card.replace(b"family: vae", b"family: os")}),
        "cannot be read": repacked(parcel_of_vae, **{"README.md": b"hello"}),
        "too much": repacked(parcel_of_vae, **{f"unet/{i}": b"" for i in range(30)}),
    }
    for says, content in bad.items():
        with pytest.raises(PlaygroundError, match=says):
            parcel.unpack(content, own_engine)
    with pytest.raises(PlaygroundError, match="64 MB"):
        parcel.unpack(b"x" * (parcel.LARGEST + 1), own_engine)
    assert set(own_engine.own.glob("own-*")) == before
