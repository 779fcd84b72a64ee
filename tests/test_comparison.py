"""One question to every model of a data set, through protocols alone."""

import torch
from checkpoints import write_tiny_vae
from pytest import approx, fixture, mark, raises
from torch import nn

from playground import comparison as c
from playground import metrics, registry
from playground.api import Field, Frame, ModelCard, PlaygroundError
from playground.engine import Engine
from playground.models.classifier import Classifier


class Steps(nn.Module):
    """A sampler of a family nobody knows: grey levels, `steps` of them, and no way to repair."""

    controls = (Field("steps", "int", 30, 1, 50, 1),)

    def __init__(self, level=None):
        super().__init__()
        self.level, self.closed, self.asked = level, 0, []

    def latents(self, seeds):
        return torch.tensor([[float(seed)] for seed in seeds])

    def sample(self, seeds, *, latents=None, labels=None, steps=30):
        self.asked.append(None if labels is None else labels.tolist())
        z = self.latents(seeds) if latents is None else latents
        levels = (z[:, :1, None, None] / 100 if labels is None else labels[:, None, None, None] / 10).clamp(0, 1)
        try:
            for step in range(1, steps + 1):
                yield Frame((levels * step / steps).expand(-1, 1, 28, 28), step, steps, info={"calls": step})
        finally:
            self.closed += 1


class Judge(nn.Module):
    """Tells dark from bright; its features are the mean and the corner."""

    heads = {"level": ("dark", "bright")}  # noqa: RUF012

    def features(self, x):
        return torch.stack([x.flatten(1).mean(1), x[:, 0, 0, 0]], 1)

    def classify(self, x):
        bright = x.flatten(1).mean(1)
        return [torch.stack([0.5 - bright, bright - 0.5], 1)]


def card(name, folder, family="vae", labels=(), year=2020):
    return ModelCard(name, family, name.title(), "mnist", (1, 28, 28), folder, labels=labels, year=year)


@fixture
def board(tmp_path, monkeypatch):
    """A comparison of a stepping model, a class-conditional one and a judge, without a checkpoint."""
    engine = Engine("cpu", tmp_path)
    nets = {"plain": Steps(), "asked": Steps(), "judge": Judge()}
    engine._cards = {
        "plain": card("plain", tmp_path, year=2021),
        "asked": card("asked", tmp_path, labels=("dark", "bright"), year=2019),
        "judge": card("judge", tmp_path / "judge", family="classifier"),
    }
    for name, net in nets.items():
        net.card = engine._cards[name]
    engine._models = dict(nets)
    monkeypatch.setattr(c, "offers", lambda engine, card, protocol: isinstance(nets[card.name], protocol))
    return c.Comparison(engine, "mnist", steps=4)


def with_index(board, count=200):
    """Puts an index of random features beside the judge."""
    folder = board.engine.card("judge").folder
    folder.mkdir(exist_ok=True)
    noise = torch.Generator().manual_seed(0)
    pictures = torch.rand(count, 1, 1, generator=noise).expand(-1, 28, 28)
    features = Judge().features(pictures[:, None])
    metrics.Index.of_pictures(features, (pictures * 255).to(torch.uint8)).save(folder)


def test_whoever_makes_pictures_takes_part_in_the_order_of_years(board):
    assert [found.name for found in board.contestants()] == ["asked", "plain"]
    assert c.data_sets(board.engine) == ["mnist"]


def test_capabilities_are_read_from_the_family_without_opening_weights(tmp_path):
    write_tiny_vae(tmp_path / "tiny")
    engine = Engine("cpu", tmp_path)
    found = engine.card("tiny")
    assert c.offers(engine, found, c.Sampler) and c.offers(engine, found, c.Repairer)
    assert not c.offers(engine, found, c.Classifier) and engine._models == {}


def test_every_shipped_card_keeps_what_its_family_promises(engine):
    for found in engine.cards():
        for protocol in (c.Sampler, c.Repairer, c.Classifier):
            assert c.offers(engine, found, protocol) == isinstance(engine.model(found.name), protocol), found.name


def test_an_unknown_data_set_names_the_known_ones(board):
    with raises(PlaygroundError, match="mnist"):
        c.Comparison(board.engine, "nowhere")
    with raises(PlaygroundError, match="Steps"):
        c.Comparison(board.engine, "mnist", steps=0)


def test_samples_take_the_steps_asked_for_and_tell_time_and_calls(board):
    answers = list(board.samples("plain", [40, 80]))
    assert [a.step for a in answers] == [1, 2, 3, 4] and [a.done for a in answers] == [False, False, False, True]
    assert answers[-1].images[:, 0, 0, 0].tolist() == approx([0.4, 0.8]) and answers[-1].calls == 4
    assert answers[-1].milliseconds > 0


def test_a_model_with_fewer_steps_is_given_as_many_as_it_can(board):
    many = c.Comparison(board.engine, "mnist", steps=90)
    assert many.settings("plain") == {"steps": 50}


def test_a_conditional_model_is_asked_directly(board):
    answer = c.last(board.of_class("asked", "level", "bright", 7, 3, 40))
    assert board.engine.model("asked").asked == [[1, 1, 1]]
    assert "asked directly" in answer.note and answer.facts == {"kept": 0, "drawn": 3}  # 0.1 is not bright


def test_a_model_of_attributes_is_asked_directly_and_others_are_searched(engine):
    faces = c.Comparison(engine, "faces")
    asked, searched = (c.last(faces.of_class(name, "hat", "crown", 3, 4, 4)) for name in ("cvae-faces", "vae-faces"))
    assert "asked directly" in asked.note and asked.facts["drawn"] == 4
    assert torch.equal(asked.images, engine.run("cvae-faces", [3, 4, 5, 6], hat="crown").images)
    assert "cannot be asked" in searched.note


def test_rejection_keeps_only_what_the_judge_accepts_and_counts_honestly(board):
    answer = c.last(board.of_class("plain", "level", "bright", 40, 30, 40))  # seeds 40 … 79: 51 … 79 are bright
    assert answer.facts == {"kept": 29, "drawn": 40} and len(answer.images) == 29
    assert "kept 29 of 40" in answer.note and answer.images.flatten(1).mean(1).min() > 0.5
    enough = c.last(board.of_class("plain", "level", "bright", 60, 3, 40))
    assert enough.facts == {"kept": 3, "drawn": 20} and enough.done
    none = c.last(board.of_class("plain", "level", "bright", 0, 3, 20))
    assert none.facts["kept"] == 0 and none.images is None and none.done


def test_an_unknown_class_is_explained(board):
    for head, value in (("level", "purple"), ("hat", "bright")):
        with raises(PlaygroundError, match="unknown"):
            c.last(board.of_class("plain", head, value, 0, 1, 20))


def test_a_walk_runs_from_seed_to_seed(board):
    answer = c.last(board.between("plain", 20, 80, 7, sphere=False))
    assert answer.images[:, 0, 0, 0].tolist() == approx([0.2 + 0.1 * i for i in range(7)])
    assert answer.facts["jump"] == approx(1 / 6)
    c.last(board.between("asked", 3, 8, 5))
    assert board.engine.model("asked").asked[-1] == [1] * 5  # the class of seed 3, all the way


def test_who_cannot_repair_says_why(board):
    (answer,) = board.repair("plain", torch.zeros(1, 1, 28, 28), torch.ones(1, 1, 28, 28), 1)
    assert answer.done and "no way" in answer.why and answer.images is None


def test_repair_keeps_what_is_known(tmp_path):
    write_tiny_vae(tmp_path / "tiny")
    board = c.Comparison(Engine("cpu", tmp_path), "mnist")
    x, mask = torch.rand(1, 1, 28, 28), torch.ones(1, 1, 28, 28)
    mask[..., :14] = 0
    answer = c.last(board.repair("tiny", x, mask, 3))
    assert torch.equal(answer.images[..., 14:], x[..., 14:]) and not torch.equal(answer.images, x)
    error = (answer.images - x)[..., :14].square().mean().sqrt().item()
    assert answer.facts["error"] == approx(error, rel=1e-4)


def test_neighbours_find_the_picture_itself(board):
    with_index(board)
    index = board.index()
    answer = c.last(board.neighbours("plain", [40, 80]))
    assert answer.beside.shape == answer.images.shape and answer.facts["usual"] > 0
    gap = (index.embeddings.float() - torch.tensor([0.4, 0.4])).norm(dim=1).min().item()
    assert answer.facts["distances"][0] == approx(gap, abs=1e-3)
    assert answer.beside[0].mean().item() == approx(0.4, abs=gap + 0.05)


def test_without_an_index_the_samples_still_come(board):
    answer = c.last(board.neighbours("plain", [40]))
    assert answer.images is not None and answer.beside is None and "index" in answer.note and not answer.why
    facts = c.last(board.measure("plain", 64, 0)).facts
    assert facts["pictures"] == 64 and "fd_over_floor" not in facts and facts["milliseconds"] > 0


def test_a_new_index_is_seen_without_a_restart(board):
    with raises(PlaygroundError, match="evaluate judge"):
        board.index()
    with_index(board, 100)
    assert len(board.index()) == 100
    with_index(board, 120)
    assert len(board.index()) == 120


def test_measuring_tells_scores_whenever_the_number_has_doubled(board):
    with_index(board, 400)
    told = [a for a in board.measure("plain", 128, 5) if a.step in (32, 64, 96, 128) and "pictures" in a.facts]
    counts = [a.facts["pictures"] for a in told if "fd" in a.facts]
    assert counts[0] == 32 and counts[-1] == 128
    final = told[-1].facts
    assert final["fd_over_floor"] == approx(final["fd"] / final["floor"]) and 0 <= final["precision"] <= 1
    assert final["calls"] == 4 and "accuracy" not in final
    assert final["diversity"] > 0


def test_real_pictures_score_about_as_well_as_real_pictures(board):
    with_index(board, 600)
    index = board.index()
    facts = board._scores(index.embeddings[:256].float(), 0)
    assert facts["fd_over_floor"] < 4 and facts["precision"] > 0.9 and facts["diversity"] == approx(1, abs=0.15)


def test_class_accuracy_is_the_share_the_judge_agrees_with(board):
    model = board.engine.model("asked")
    model.sample = lambda seeds, latents=None, labels=None, steps=1: iter(
        [Frame(labels[:, None, None, None].float().expand(-1, 1, 28, 28).clone())]
    )
    assert c.last(board.measure("asked", 64, 1)).facts["accuracy"] == 1.0


def test_abreast_takes_turns_and_one_failure_stops_nobody():
    def run(name, steps):
        for step in range(1, steps + 1):
            yield c.Answer(name, step=step, total=steps)

    def fails():
        yield c.Answer("bad", total=3)
        raise PlaygroundError("The file is damaged.")

    answers = c.abreast({"slow": run("slow", 3), "bad": fails(), "fast": run("fast", 1)})
    told = [(answer.name, answer.step, answer.why) for answer in answers]
    assert told[:3] == [("slow", 1, ""), ("bad", 1, ""), ("fast", 1, "")]
    assert told[3:] == [("slow", 2, ""), ("bad", 1, "The file is damaged."), ("slow", 3, "")]


def test_dropping_the_answers_stops_every_run(board):
    model = board.engine.model("plain")
    answers = c.abreast({"plain": board.samples("plain", [1]), "asked": board.samples("asked", [1])})
    next(answers)
    next(answers)
    answers.close()
    assert model.closed == 1 and board.engine.model("asked").closed == 1


def test_time_between_the_items_does_not_count():
    import time

    def items():
        yield 1
        yield 2

    told = []
    for _, seconds in c.timed(items()):
        told.append(seconds)
        time.sleep(0.2)  # somebody else's work, not this run's
    assert told[-1] < 0.1


def test_a_riddle_follows_from_seed_and_number():
    names = ["a", "b"]
    riddles = [c.question(names, 7, number, 500) for number in range(200)]
    assert riddles == [c.question(names, 7, number, 500) for number in range(200)]
    assert 70 < sum(r.real for r in riddles) < 130 and {r.name for r in riddles if not r.real} == set(names)
    assert c.question(names, 1, 23, 500) != c.question(names, 12, 3, 500)
    assert all(0 <= r.seed < 500 for r in riddles if r.real)


@mark.parametrize("walk, jump", [([0, 1, 2, 3], 1 / 3), ([0, 0, 3, 3], 1.0), ([1, 1, 1, 1], 0.0)])
def test_largest_jump(walk, jump):
    assert c.largest_jump(torch.tensor(walk).float().reshape(-1, 1, 1, 1)) == approx(jump)


def test_seeds_go_around_the_end():
    assert c.following(2**32 - 1, 3) == [2**32 - 1, 0, 1]


def write_classifier(folder):
    """An untrained one of digits."""
    folder.mkdir()
    Classifier(widths=(8, 8), features=4).save_pretrained(str(folder))
    front = {"family": "classifier", "title": "J", "data": "mnist", "shape": [1, 28, 28]}
    registry.write_card(folder, {"license": "apache-2.0", "playground": front}, "A judge for tests.")


def test_the_classifier_is_found_by_capability(tmp_path):
    write_classifier(tmp_path / "a-judge")
    write_tiny_vae(tmp_path / "tiny")
    board = c.Comparison(Engine("cpu", tmp_path), "mnist")
    assert board.judge().card.name == "a-judge" and list(board.heads()) == ["digit"]
    assert len(board.read(torch.rand(3, 1, 28, 28))) == 3
    write_classifier(tmp_path / "classifier-mnist")
    board = c.Comparison(Engine("cpu", tmp_path), "mnist")
    assert board.judge().card.name == "classifier-mnist", "the other one may have been somebody's teacher"
