"""The engine with a model made for the purpose: turns, interleaving, checks, and running out of memory."""

import threading
import time

import pytest
import torch
from checkpoints import write_tiny_vae
from torch import nn

from playground import Engine, registry
from playground.api import MAX_SEED, Decoder, Field, Frame, PlaygroundError
from playground.engine import Turns, check_labels, check_latents, pick_device
from playground.sampling import generators, normal

STEPS = 4


class Walk(nn.Module):
    """A sampler of four steps that adds noise of each seed's own stream; a class moves the picture."""

    controls = (Field("pace", "float", 1.0, 0.0, 2.0),)

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.grad_was_on, self.closed = [], 0

    def latents(self, seeds):
        return normal(seeds, (1, 2, 2))

    def sample(self, seeds, *, latents=None, labels=None, pace=1.0):
        streams = generators(seeds)
        first = normal(streams, (1, 2, 2))
        x = first if latents is None else latents
        try:
            for step in range(1, STEPS + 1):
                self.grad_was_on.append(torch.is_grad_enabled())
                x = x + pace * self.scale * normal(streams, (1, 2, 2))
                if labels is not None:
                    x = x + labels[:, None, None, None]
                yield Frame(torch.sigmoid(x), step, STEPS, state=x)
        finally:
            self.closed += 1


class Mute(nn.Module):
    """Neither samples nor decodes."""


class Hungry(Walk):
    """Runs out of memory at its second step, once, in the way of the given error."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def sample(self, seeds, **settings):
        for frame in super().sample(seeds, **settings):
            yield frame
            if self.error:
                error, self.error = self.error, None
                raise error


def engine_with(tmp_path, monkeypatch, **models):
    """An engine whose checkpoints "load" as the given modules."""
    for name, model in models.items():
        labels = ["zero", "one", "two"] if isinstance(model, Walk) else []
        write_tiny_vae(tmp_path / name, labels=labels)

    def load(card):
        model = models[card.name]
        model.card = card
        return model

    monkeypatch.setattr(registry, "load", load)
    return Engine("cpu", tmp_path)


@pytest.fixture
def engine(tmp_path, monkeypatch):
    return engine_with(tmp_path, monkeypatch, walk=Walk(), mute=Mute())


# -------------------------------------------------------------------------------------------------------- running


def test_a_run_ends_with_the_last_frame(engine):
    frames = list(engine.stream("walk", [1, 2]))
    assert [f.step for f in frames] == [1, 2, 3, 4]
    assert torch.equal(engine.run("walk", [1, 2]).images, frames[-1].images)


def test_interleaved_runs_give_the_bits_of_separate_ones(engine):
    alone = [[f.images for f in engine.stream("walk", seeds)] for seeds in ([1, 2], [3])]
    first, second = engine.stream("walk", [1, 2]), engine.stream("walk", [3])
    mixed = [(a.images, b.images) for a, b in zip(first, second)]
    for i in range(STEPS):
        assert torch.equal(mixed[i][0], alone[0][i]) and torch.equal(mixed[i][1], alone[1][i])


def test_a_picture_does_not_depend_on_its_neighbours(engine):
    together = engine.run("walk", [5, 6, 7], labels=[0, 1, 2]).images
    assert torch.equal(engine.run("walk", [6], labels=1).images, together[1:2])


def test_given_latents_replace_only_the_first_noise(engine):
    own = engine.model("walk").latents([8, 9])
    assert torch.equal(
        engine.run("walk", [8, 9], latents=own).images,
        engine.run("walk", [8, 9]).images,
    )


def test_gradients_are_off_inside_and_as_they_were_outside(engine):
    for _ in engine.stream("walk", [1]):
        assert torch.is_grad_enabled()
    assert not any(engine.model("walk").grad_was_on)
    assert not engine.call(torch.is_grad_enabled) and torch.is_grad_enabled()


def test_a_dropped_run_is_closed_and_frees_its_turn(engine):
    run = engine.stream("walk", [1])
    next(run)
    run.close()
    assert engine.model("walk").closed == 1
    assert engine.run("walk", [1]).step == STEPS


def test_a_run_may_move_from_thread_to_thread(engine):
    expected = [f.images for f in engine.stream("walk", [4])]
    run, seen = engine.stream("walk", [4]), []
    for _ in range(STEPS):
        thread = threading.Thread(target=lambda: seen.append(next(run).images))
        thread.start()
        thread.join(10)
    assert all(torch.equal(a, b) for a, b in zip(seen, expected)) and len(seen) == STEPS


def test_a_model_is_loaded_once_however_many_ask(tmp_path, monkeypatch):
    engine = engine_with(tmp_path, monkeypatch, walk=Walk())
    loads = []
    inner = registry.load
    monkeypatch.setattr(registry, "load", lambda card: loads.append(card) or time.sleep(0.05) or inner(card))
    threads = [threading.Thread(target=engine.model, args=["walk"]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(loads) == 1


# ---------------------------------------------------------------------------------------------------------- turns


def test_turns_are_taken_in_the_order_of_asking():
    turns, order = Turns(), []

    def work(number):
        with turns.take():
            order.append(number)

    with turns.take():
        threads = []
        for number in range(6):
            threads.append(threading.Thread(target=work, args=[number]))
            threads[-1].start()
            time.sleep(0.02)  # so that they have asked in this order
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == list(range(6))


def test_a_short_call_gets_in_between_the_steps_of_a_long_run(engine):
    """A visitor who takes turn after turn must not starve another."""
    served = []

    def hog():
        for _ in range(50):
            engine.call(lambda: time.sleep(0.005))
            served.append("long")

    thread = threading.Thread(target=hog)
    thread.start()
    time.sleep(0.03)
    before = len(served)
    engine.call(lambda: served.append("short"))
    assert served.index("short") - before <= 2
    thread.join(10)


def test_an_error_in_a_turn_frees_it(engine):
    def fail():
        raise KeyError("inside")

    with pytest.raises(KeyError):
        engine.call(fail)
    assert engine.call(lambda: "next") == "next"


# --------------------------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize(
    "seeds",
    [[], [-1], [MAX_SEED + 1], [1.5], ["x"], [None], [True], [float("nan")], [float("inf")], 7, "12", range(4097)],
)
def test_bad_seeds_are_refused_with_the_allowed_range(engine, seeds):
    with pytest.raises(PlaygroundError, match=r"whole number"):
        engine.stream("walk", seeds)


def test_the_largest_seed_and_numbers_from_json_are_accepted(engine):
    assert engine.run("walk", [MAX_SEED, 3.0, "5"]).images.shape == (3, 1, 2, 2)


@pytest.mark.parametrize("labels", [3, -1, [0], [0, 1, 2], [0, 3], [0.5, 0], [True, 0], ["x", 0], [None, 0], "ab"])
def test_bad_classes_are_refused_with_the_allowed_range(engine, labels):
    with pytest.raises(PlaygroundError, match="from 0 to 2"):
        engine.stream("walk", [1, 2], labels=labels)


def test_missing_classes_follow_the_seed(engine):
    assert check_labels(engine.card("walk"), None, [0, 1, 5]).tolist() == [0, 1, 2]
    assert check_labels(engine.card("walk"), 1, [0, 1]).tolist() == [1, 1]


def test_a_model_without_classes_refuses_one(engine):
    assert check_labels(engine.card("mute"), None, [1]) is None
    with pytest.raises(PlaygroundError, match="cannot be asked for a class"):
        check_labels(engine.card("mute"), [1], [1])


@pytest.mark.parametrize("shape", [(1, 2, 2), (2, 2), (3, 1, 2, 2), (2, 1, 2, 3)])
def test_latents_of_another_shape_are_refused(engine, shape):
    with pytest.raises(PlaygroundError, match=r"this model wants \(2, 1, 2, 2\)"):
        engine.stream("walk", [1, 2], latents=torch.zeros(shape))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_are_refused(value):
    with pytest.raises(PlaygroundError, match="NaN or infinity"):
        check_latents(torch.full((1, 2), value), (2,), 1)


@pytest.mark.parametrize("settings", [{"pace": 3}, {"pace": "fast"}, {"pace": float("nan")}, {"colour": 1}])
def test_bad_controls_are_refused_before_the_first_step(engine, settings):
    with pytest.raises(PlaygroundError):
        engine.stream("walk", [1], **settings)


def test_unknown_models_and_models_without_pictures(engine):
    with pytest.raises(PlaygroundError, match=r"no model 'nope'.*Known: mute, walk"):
        engine.run("nope", [1])
    with pytest.raises(PlaygroundError, match="does not make pictures"):
        engine.run("mute", [1])
    with pytest.raises(PlaygroundError, match="no model"):
        engine.card("../walk")


def test_an_unreadable_card_says_why(engine):
    (engine.root / "walk" / "README.md").write_text("nonsense")
    engine.refresh()
    with pytest.raises(PlaygroundError, match="card of walk cannot be read"):
        engine.card("walk")


def test_cards_can_be_chosen_by_data_and_capability(engine):
    assert [c.name for c in engine.cards()] == ["mute", "walk"]
    assert engine.cards(data="faces") == []
    assert engine.cards(capability=Decoder) == []


def test_devices(monkeypatch):
    assert pick_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"
    for name in ("cuda", "mps", "tpu"):
        with pytest.raises(PlaygroundError, match=f"{name}.*Use auto or one of: cpu"):
            pick_device(name)


# ---------------------------------------------------------------------------------------------------- no memory left

OUT_OF_MEMORY = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    "cpu": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:131] . DefaultCPUAllocator: can't allocate memory: you tried to allocate "
        "4000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "numpy": MemoryError("Unable to allocate 10 TiB"),
}


@pytest.mark.parametrize("kind", OUT_OF_MEMORY)
def test_no_memory_left_is_a_plain_message_and_the_next_run_works(tmp_path, monkeypatch, kind):
    engine = engine_with(tmp_path, monkeypatch, hungry=Hungry(OUT_OF_MEMORY[kind]))
    run = engine.stream("hungry", [1])
    first = next(run)
    with pytest.raises(PlaygroundError, match=r"No memory left.*fewer pictures"):
        next(run)
    again = list(engine.stream("hungry", [1]))
    assert len(again) == STEPS and torch.equal(again[0].images, first.images)


def test_a_real_allocation_that_fails_is_a_plain_message(engine):
    with pytest.raises(PlaygroundError, match="No memory left"):
        engine.call(lambda: torch.empty(2**60))


def test_other_errors_stay_what_they_are(engine):
    def fail():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        engine.call(fail)
