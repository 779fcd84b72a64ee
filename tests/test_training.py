"""A training's state, whatever is trained: resumed bit for bit, never half a file, never overwritten by nonsense."""

import dataclasses
import errno
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from playground import registry
from playground.api import PlaygroundError
from playground.benchmark.training import plain
from playground.benchmark.training import weights as tensors
from playground.cli import main
from playground.data import Dataset
from playground.training import Batch, Diverged, Recipe, Run, flat, recipes
from playground.training.curve import POINTS, Curve
from playground.training.precision import computing, mixed
from playground.training.recipe import mirrored

CPU = torch.device("cpu")


class ToyLearner:
    """A little network that fits its pictures through dropout and noise: everything a resumed run has to get right."""

    def __init__(self, lr=1e-2):
        self.model = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 4))
        self.modules = {"model": self.model}
        self.optimizers = {"model": torch.optim.Adam(self.model.parameters(), lr)}

    def step(self, batch):
        x = batch.x + 0.1 * batch.normal(*batch.x.shape)
        loss = (self.model(x) - batch.x.flatten(1)).square().mean() + 0 * batch.y.sum()
        self.optimizers["model"].zero_grad()
        loss.backward()
        self.optimizers["model"].step()
        return {"loss": loss.item()}

    def save(self, folder):
        from safetensors.torch import save_file

        save_file(self.model.state_dict(), folder / "model.safetensors")


def toy(**changes):
    given = {
        "name": "toy", "family": "vae", "data": "mnist", "learner": lambda device: ToyLearner(), "images": 80,
        "batch": 8, "title": "A toy", "summary": "For tests.", "year": 2020, "paper": "none", "rate": flat,
    }  # fmt: skip
    return Recipe(**{**given, **changes})


def pictures(count=20):
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(count, 1, 2, 2, generator=stream)
    return Dataset("mnist", images, torch.arange(count) % 10, {"digit": tuple("0123456789")})


def run(folder, recipe=None, **options):
    return Run(recipe or toy(), state=folder, dataset=pictures(), device="cpu", **options)


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.learner.model.parameters()])


def jitter(x, y, noise):
    return x + torch.rand(x.shape, generator=noise) / 10, y


# ------------------------------------------------------------------------------------------------------ resuming


@pytest.mark.parametrize("options", [{}, {"augment": jitter}, {"seed": 5}], ids=["plain", "augmented", "seeded"])
def test_a_run_that_was_saved_and_dropped_goes_on_bit_for_bit(tmp_path, options):
    with run(tmp_path / "whole", **options) as whole:
        course = [whole.step().losses["loss"] for _ in range(10)]
    with run(tmp_path / "parted", **options) as first:
        assert not first.resume()
        for _ in range(4):
            first.step()
        first.save()
        first.step()  # lost with the process
    torch.manual_seed(99)  # whatever else goes on in the process does not matter
    with run(tmp_path / "parted", **options) as second:
        assert second.resume() and second.seen == 32 and second.updates == 4
        assert [second.step().losses["loss"] for _ in range(6)] == course[4:]
        assert torch.equal(weights(second), weights(whole))
        assert second.curve.points() == whole.curve.points() and second.done == 1


def test_the_caller_s_random_stream_is_left_alone(tmp_path):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with run(tmp_path) as mine:
        mine.step()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_state_of_the_first_version_still_resumes(tmp_path):
    with run(tmp_path) as old:
        old.step()
        old.save()
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    for key in ("recipe", "seed", "curve"):
        del state[key]
    torch.save(state, tmp_path / "state.pt")
    with run(tmp_path) as new:
        assert new.resume() and new.seen == 8 and new.curve.points() == {}


@pytest.mark.parametrize(
    "change, said", [({"seed": 1}, "of seed 0, not 1"), ({"recipe": toy(name="other")}, "of recipe toy, not other")]
)
def test_a_state_of_something_else_is_refused(tmp_path, change, said):
    with run(tmp_path) as first:
        first.save()
    with run(tmp_path, **change) as second, pytest.raises(PlaygroundError, match=said):
        second.resume()


def test_every_picture_comes_once_an_epoch(tmp_path):
    with run(tmp_path) as mine:
        places = []
        for _ in range(5):
            places += mine._index().tolist()
            mine.seen += mine.recipe.batch
    assert sorted(places) == sorted([*range(20), *range(20)]) and places[:20] != places[20:]


def test_half_of_the_pictures_are_mirrored_by_a_recipe_that_says_so(tmp_path):
    with run(tmp_path / "plain") as mine:
        plain_x, y = mine._batch(0.0).x, mine._batch(0.0).y
    with run(tmp_path / "mirrored", toy(augment=mirrored)) as mine:
        batch = mine._batch(0.0)
    same = (batch.x == plain_x).flatten(1).all(1)
    assert 0 < same.sum() < len(same) == 8 and torch.equal(batch.y, y)
    assert torch.equal(batch.x[~same], plain_x[~same].flip(-1))
    with run(tmp_path / "other", toy(augment=mirrored), augment=jitter) as mine:
        assert not any(torch.equal(a, b) or torch.equal(a, b.flip(-1)) for a, b in zip(mine._batch(0.0).x, plain_x))


def test_a_run_takes_the_steps_of_a_plain_loop(tmp_path):
    """Bit for bit, and with a learner whose two halves take turns within a step."""
    from checkpoints import tiny_data

    recipe, data = dataclasses.replace(recipes()["gan-mnist"], batch=4), tiny_data("mnist", 40)
    torch.manual_seed(0)
    learner = recipe.learner(CPU)
    by_hand = plain(learner, recipe, data, CPU, 12)
    with Run(recipe, state=tmp_path, dataset=data, device="cpu", images=12) as mine:
        for _ in range(3):
            assert mine.step().losses == next(by_hand)
        assert all(torch.equal(a, b) for a, b in zip(tensors(mine.learner), tensors(learner)))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as Unix does")
def test_a_killed_process_costs_nothing_but_time(tmp_path):
    """A real `train` is killed in the middle; what resumes it ends with the bits of one that ran through."""
    updates, recipe = 60, "ebm-2d"
    images = str(updates * recipes()[recipe].batch)
    killed, whole = tmp_path / "killed", tmp_path / "whole"

    def arguments(folder):
        places = ["--out", str(folder / "out"), "--state", str(folder / "state"), "--device", "cpu"]
        return ["train", recipe, "--images", images, *places]

    command = [sys.executable, "-m", "playground", *arguments(killed), "--save-every", "0"]
    process = subprocess.Popen(command, cwd=registry.CHECKPOINTS.parent.parent, stderr=subprocess.DEVNULL)
    waited = time.monotonic()
    while not (killed / "state" / "state.previous.pt").is_file() and process.poll() is None:
        time.sleep(0.01)
        assert time.monotonic() - waited < 120
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "out").exists(), "it had ended before it was killed"
    assert main(arguments(killed)) == 0 and main(arguments(whole)) == 0
    digests = [registry.read_card(folder / "out").digests for folder in (killed, whole)]
    assert digests[0] == digests[1]


# ---------------------------------------------------------------------------------------------- what can go wrong


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_state(tmp_path):
    with run(tmp_path) as mine:
        mine.step()
        mine.save()
        with torch.no_grad():
            mine.learner.model[1].weight.fill_(math.inf)
        with pytest.raises(Diverged, match=r"after 8 pictures.*loss.*state after 8 pictures is kept") as stop:
            mine.step()
        assert (stop.value.seen, stop.value.saved) == (8, 8)
        for again in (mine.step, mine.save):
            with pytest.raises(Diverged):
                again()
    with run(tmp_path) as good:
        assert good.resume() and torch.isfinite(weights(good)).all()


def test_a_weight_that_is_no_number_is_never_saved(tmp_path):
    """The loss of a step is taken before its update: the update itself may have been the bad one."""
    with run(tmp_path, toy(learner=lambda device: ToyLearner(lr=math.inf))) as mine:
        mine.step()
        with pytest.raises(Diverged, match="a weight is not a finite number"):
            mine.save()
    assert not (tmp_path / "state.pt").exists()


def test_a_full_disk_costs_no_state(tmp_path, monkeypatch):
    with run(tmp_path) as mine:
        mine.step()
        mine.save()
        mine.step()

        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(PlaygroundError, match=r"No space left on device.*state after 8 pictures is still there"):
            mine.save()
        monkeypatch.undo()
        assert not list(tmp_path.glob("*.part"))
        mine.save()  # room was made: it goes on
    with run(tmp_path) as later:
        assert later.resume() and later.seen == 16


def test_a_damaged_state_says_so_and_the_one_before_it_is_offered(tmp_path):
    with run(tmp_path) as mine:
        for _ in range(2):
            mine.step()
            mine.save()
    whole = (tmp_path / "state.pt").read_bytes()
    for bad in (whole[: len(whole) // 2], b"", b"nothing of the kind"):
        (tmp_path / "state.pt").write_bytes(bad)
        with run(tmp_path) as later:
            with pytest.raises(PlaygroundError, match=r"rename state\.previous\.pt .*Delete it to start anew"):
                later.resume()
            assert later.resume(previous=True) and later.seen == 8
    torch.save({"modules": {}}, tmp_path / "state.pt")
    with run(tmp_path) as later, pytest.raises(PlaygroundError, match="cannot be resumed"):
        later.resume()


def test_killed_between_two_renames_the_previous_state_is_taken(tmp_path):
    with run(tmp_path) as mine:
        mine.step()
        mine.save()
    (tmp_path / "state.pt").rename(tmp_path / "state.previous.pt")
    with run(tmp_path) as later:
        assert later.resume() and later.seen == 8


def test_a_state_carries_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("ran",)

    torch.save({"modules": Evil()}, tmp_path / "state.pt")
    with run(tmp_path) as mine, pytest.raises(PlaygroundError, match="cannot be resumed"):
        mine.resume()


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind")
def test_one_training_of_a_folder_at_a_time(tmp_path):
    with run(tmp_path):
        with pytest.raises(PlaygroundError, match=f"in use by another training.*process {os.getpid()}"):
            run(tmp_path)
        run(tmp_path / "other").close()
    run(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PlaygroundError, match="cannot be written"):
        run(tmp_path / "file" / "state")


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf])
def test_minutes_that_are_no_length_are_refused(tmp_path, minutes):
    with pytest.raises(PlaygroundError, match="above 0"):
        run(tmp_path, minutes=minutes)


@pytest.mark.parametrize(
    "options, said",
    [({"images": 0}, "at least 1"), ({"seed": -1}, "seed"), ({"seed": 2**32}, "seed"), ({"precision": "fp8"}, "fp8")],
)
def test_other_nonsense_is_refused(tmp_path, options, said):
    with pytest.raises(PlaygroundError, match=said):
        run(tmp_path, **options)


def test_no_pictures_are_refused_and_one_is_enough(tmp_path):
    with pytest.raises(PlaygroundError, match="no pictures"):
        Run(toy(), state=tmp_path, dataset=pictures(0), device="cpu")
    with Run(toy(), state=tmp_path, dataset=pictures(1), device="cpu") as mine:
        assert math.isfinite(mine.step().losses["loss"])


# ------------------------------------------------------------------------------------- clock, curve, precision, share


def test_minutes_set_the_pace(tmp_path):
    with run(tmp_path, minutes=1) as mine:
        mine.step()
        mine.seconds = 45.0
        assert mine.done == 0.75 and mine.left_seconds == 15
        mine.seconds = 61.0
        assert mine.done == 1 and mine.left_seconds == 0


def test_time_left_is_counted_from_this_session_s_pace(tmp_path):
    with run(tmp_path) as mine:
        mine.seconds, mine.seen = 100.0, 8
        mine.save()
    with run(tmp_path) as later:
        later.resume()
        later.seconds, later.seen = later.seconds + 2, later.seen + 8
        assert later.left_seconds == pytest.approx(2 * 8)  # 64 pictures are left, at four a second


def test_a_curve_of_any_length_is_thinned_to_the_same_few_points():
    curve, straight = Curve(), Curve()
    for k in range(1, 3 * POINTS + 1):
        losses = {"loss": float(k)} | ({"seldom": 2.0} if k % 8 == 0 else {})
        straight.add(8 * k, losses)
        curve.add(8 * k, losses)
        if k % 100 == 0:
            curve = Curve(curve.state())  # saved and resumed
    lines = curve.points()
    assert lines == straight.points() and curve.span == 4
    assert 250 < len(lines["loss"]) <= POINTS and lines["loss"][0] == (32, 2.5) and lines["loss"][-1][0] == 24 * POINTS
    assert {value for _, value in lines["seldom"]} == {2.0}


def test_a_curve_s_state_is_plain_enough_to_be_stored(tmp_path):
    curve = Curve()
    curve.add(8, {"loss": 1.0})
    torch.save(curve.state(), tmp_path / "curve.pt")
    assert Curve(torch.load(tmp_path / "curve.pt", weights_only=True)).points() == {"loss": [(8, 1.0)]}


def test_precision_is_what_was_chosen():
    a = torch.randn(4, 4)

    def found(precision):
        with computing(precision, CPU):
            outside = (a @ a).dtype
            with mixed(CPU):
                return outside, (a @ a).dtype

    half, full = torch.bfloat16, torch.float32
    assert found("auto") == (full, half) and found("fp32") == (full, full) and found("bf16") == (half, half)
    assert (a @ a).dtype == full


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_a_weight_that_changes_within_a_step_is_seen_to_change(precision):
    """Autocast must not remember a weight's copy over an update: a GAN's two halves take turns in one step."""
    weight, a = nn.Parameter(torch.ones(4, 4)), torch.ones(4, 4)
    with computing(precision, CPU):
        for value in (1, 2):
            with torch.no_grad():
                weight.fill_(value)
            with mixed(CPU):
                assert (a @ weight).max() == 4 * value
            assert (a @ weight).max() == 4 * value


def test_processes_share_a_batch_and_its_noise(tmp_path):
    x, stream = torch.zeros(3, 1, 2, 2), torch.Generator()
    whole = Batch(torch.zeros(6, 1, 2, 2), torch.zeros(6), stream.manual_seed(0), 60, 0.0).normal(6, 4)
    shares = [Batch(x, x, torch.Generator().manual_seed(0), 60, 0.0, k, 2) for k in (0, 1)]
    assert torch.equal(torch.cat([share.normal(3, 4) for share in shares]), whole)
    assert torch.equal(shares[0].uniform(2, 2), shares[1].uniform(2, 2))  # not of pictures: the same for all
    assert shares[0].step == 10


def test_a_checkpoint_of_a_toy_says_how_it_was_made(tmp_path):
    with run(tmp_path / "state", seed=7) as mine:
        mine.step()
        mine.export(tmp_path / "out")
    front, _ = registry.read_front(tmp_path / "out")
    assert front["playground"]["seed"] == 7 and front["playground"]["recipe"] == "toy"
    assert dataclasses.is_dataclass(registry.read_card(tmp_path / "out"))
