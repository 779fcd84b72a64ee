"""What each question shows: a checked state → `Shown`s as the answers come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from playground import render
from playground.api import ModelCard
from playground.comparison import Comparison, data_sets, following, spoken
from playground.engine import Engine
from tabs import _ui as ui
from tabs.compare import quiz, scores
from tabs.compare.desk import PAPER, Desk, Values, grid
from tabs.compare.lanes import Plan, chips, lanes
from tabs.compare.state import FRAMES
from tabs.compare.words import Answers, brief, code, counted, duration, facts, listed, seed_words, things

WALK = {"sphere": "along the sphere", "straight": "in a straight line"}
HIDDEN = {"left": "its left half", "centre": "its centre", "painted": "the painted part"}


def stream(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The answer as it grows; one that was found before is there at once."""
    shown = desk.finished(values)
    if shown is not None:
        yield shown
        return
    for shown in MODES[values["mode"]](desk, values):
        if shown.step >= shown.total and not shown.data.get("estimate"):  # kept before told: a figure may follow
            desk.finish(values | dict(shown.patch), shown)
            desk.finish(values, shown)
        yield shown


def warm(engine: Engine) -> None:
    """Opens what the first visitor would otherwise wait for; an index that is not there is no matter."""
    for data in data_sets(engine):
        try:
            last_index = Comparison(engine, data).index()
            last_index.nearest(last_index.embeddings[:1].float())
        except ui.PlaygroundError:
            continue


# ---------------------------------------------------------------------------------------------------- samples


def show_samples(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The same seeds, every model."""
    board, cards, seeds = desk.comparison(values), desk.chosen(values), following(values["seed"], values["count"])

    def sentence(answers: Answers) -> str:
        first = (
            f"{counted(len(seeds), 'picture')} from each of {counted(len(cards), 'model')} of {things(values)}, "
            f"made from the same {seed_words(seeds)}."
        )
        return f"{first} {fastest(cards, answers)}".strip()

    yield from lanes(desk, values, Plan(
        {card.name: board.samples(card.name, seeds) for card in cards},
        [f"seed {seed}" for seed in seeds], across(len(seeds)), sentence,
        side_by_side(cards, len(seeds)), len(cards), [card.title for card in cards],
        code(values, f"print({{name: last(board.samples(name, {brief(seeds)})).images.shape for name in names}})"),
        data={"seeds": seeds},
    ))  # fmt: skip


# ------------------------------------------------------------------------------------------------------ class


def show_class(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Everybody is asked for the same thing, directly or by rejection."""
    board, cards, count = desk.comparison(values), desk.chosen(values), values["count"]
    heads = board.heads()
    head, value = asked(values["ask"], heads)

    def sentence(answers: Answers) -> str:
        words = f"Everybody was asked for {spoken(head, value)}."
        done = [(c.title, answers[c.name]) for c in cards if c.name in answers and answers[c.name].done]
        direct = [title for title, a in done if "asked directly" in a.note]
        tried = [f"{title} {a.facts['kept']} of {a.facts['drawn']}" for title, a in done if "cannot be asked" in a.note]
        if direct:
            words += f" {listed(direct)} could be asked directly."
        return words + (f" The others drew and kept what the classifier took for it: {listed(tried)}." if tried else "")

    what = f"name, {head!r}, {value!r}, {values['seed']}, {count}, {values['tries']}"
    found = f"{{name: last(board.of_class({what})).note for name in names}}"
    yield from lanes(desk, values, Plan(
        {card.name: board.of_class(card.name, head, value, values["seed"], count, values["tries"]) for card in cards},
        [f"{spoken(head, value)}, number {i + 1}" for i in range(count)], across(count), sentence,
        side_by_side(cards, count), len(cards), [card.title for card in cards], code(values, f"print({found})"),
        data={"heads": {k: list(v) for k, v in heads.items()}, "head": head, "value": value},
        patch={} if values["ask"] == f"{head}={value}" else {"ask": f"{head}={value}"},
    ))  # fmt: skip


def asked(wish: str, heads: dict[str, tuple[str, ...]]) -> tuple[str, str]:
    """The attribute and the value; a wish that belongs to another data set becomes one of this."""
    head, _, value = wish.partition("=")
    if value in heads.get(head, ()):
        return head, value
    if head in heads:
        raise ui.PlaygroundError(f"{value[:40]!r} is no value of {head}. Choose one of: {', '.join(heads[head])}.")
    head = "glasses" if "glasses" in heads else next(iter(heads))
    return head, heads[head][min(1, len(heads[head]) - 1)]


# ---------------------------------------------------------------------------------------------------- between


def show_between(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The same walk from seed to seed, a row for each model."""
    board, cards = desk.comparison(values), desk.chosen(values)
    a, b, sphere = values["seed"], values["other"], values["way"] == "sphere"

    def sentence(answers: Answers) -> str:
        words = f"From seed {a} to seed {b} in {FRAMES} pictures, {WALK[values['way']]}."
        jumps = sorted((answers[c.name].facts["jump"], c.title) for c in cards if "jump" in facts(answers, c))
        if len(jumps) < 2:
            return words
        (small, even), (large, sudden) = jumps[0], jumps[-1]
        return (
            f"{words} Evenest: {even}, whose largest single change is {small:.0%} of the way. Most sudden: {sudden}, "
            f"{large:.0%}. In steps of equal size it would be {1 / (FRAMES - 1):.0%}."
        )

    def picture(answers: Answers) -> Tensor:
        rows = [answers[c.name].images if c.name in answers else None for c in cards]
        return torch.cat([grid([row], FRAMES, cards[0].shape) for row in rows])

    walk = f"last(board.between(name, {a}, {b}, {FRAMES}, sphere={sphere}))"
    yield from lanes(desk, values, Plan(
        {card.name: board.between(card.name, a, b, FRAMES, sphere) for card in cards},
        [f"{i * 100 // (FRAMES - 1)} %" for i in range(FRAMES)], FRAMES, sentence, picture, FRAMES,
        [card.title for card in cards], code(values, f"print({{name: {walk}.note for name in names}})"), down=True,
    ))  # fmt: skip


# ----------------------------------------------------------------------------------------------------- repair


def show_repair(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """One damaged picture, mended by everybody."""
    board, cards = desk.comparison(values), desk.chosen(values)
    x = whole(desk, values, cards[0])
    mask = known(values, cards[0].shape)
    damaged = x * mask + 0.5 * (1 - mask)
    what = "Your picture" if values["source"] == "own" else f"Test picture {values['test']}"

    def sentence(answers: Answers) -> str:
        words = f"{what} without {HIDDEN[values['damage']]}, filled in by {counted(len(cards), 'model')}."
        errors = sorted((answers[c.name].facts["error"], c.title) for c in cards if "error" in facts(answers, c))
        if not errors:
            return words
        error, nearest = errors[0]
        words += f" Nearest to what was hidden: {nearest}, {error:.0%} away."
        return words + " Far away is not wrong: many endings fit."

    def picture(answers: Answers) -> Tensor:
        mended = [answers[c.name].images if c.name in answers else None for c in cards]
        return grid([x, damaged, *mended], 1, cards[0].shape)

    yield from lanes(desk, values, Plan(
        {card.name: board.repair(card.name, x, mask, values["seed"]) for card in cards},
        ["the repaired picture"], 1, sentence, picture, len(cards) + 2,
        ["the whole picture", "what they got", *(card.title for card in cards)], repair_code(values),
        data={"whole": render.png_uri(x), "damaged": render.png_uri(damaged)},
        patch={"own": render.png_uri(x)} if values["source"] == "own" else {},
    ))  # fmt: skip


def whole(desk: Desk, values: Values, card: ModelCard) -> Tensor:
    """The undamaged picture (1, C, H, W)."""
    if values["source"] == "test":
        return desk.real(values["data"], values["test"])
    if not values["own"]:
        raise ui.PlaygroundError("There is no picture of your own yet. Draw one, upload one, or take a test picture.")
    return ui.read_picture(values["own"], card.shape, card.data)


def known(values: Values, shape: tuple[int, int, int]) -> Tensor:
    """(1, 1, H, W): 1 where the picture is known, 0 where it is hidden."""
    _, h, w = shape
    mask = torch.ones(1, 1, h, w)
    if values["damage"] == "left":
        mask[..., : w // 2] = 0
    elif values["damage"] == "centre":
        mask[..., h // 4 : h - h // 4, w // 4 : w - w // 4] = 0
    elif values["mask"]:
        mask = (ui.read_picture(values["mask"], (1, h, w)) < 0.5).float()
    if mask.min() == 1:
        raise ui.PlaygroundError("Nothing is hidden yet. Paint over the part that the models should make up.")
    return mask


def repair_code(values: Values) -> str:
    """A whole picture, half of it unknown."""
    return code(
        values, "import torch; x = torch.zeros(1, *board.contestants()[0].shape)  # your picture, in [0, 1]",
        "mask = torch.ones_like(x[:, :1]); mask[..., : x.shape[-1] // 2] = 0  # 0 where it is hidden",
        f"print({{name: last(board.repair(name, x, mask, {values['seed']})).images.shape for name in names}})",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- neighbours


def show_neighbours(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Samples, and the training picture nearest to each."""
    board, cards, seeds = desk.comparison(values), desk.chosen(values), following(values["seed"], values["count"])

    def sentence(answers: Answers) -> str:
        told = [(c.title, facts(answers, c)) for c in cards]
        near = [f"{title} {min(f['distances']) / f['usual']:.2f} ×" for title, f in told if "usual" in f]
        made = f"{things(values).capitalize()} made from {seed_words(seeds)}"
        words = f"{made}, and beside each the training picture nearest to it."
        if not near:
            return words
        return f"{words} The closest pair of each, real pictures being 1 apart: {listed(near)}. A copy would be at 0."

    def view(answer: Any) -> Tensor | None:
        if answer.images is None:
            return None
        beside = torch.full_like(answer.images, PAPER) if answer.beside is None else answer.beside
        return torch.stack([answer.images, beside], 1).flatten(0, 1)

    def picture(answers: Answers) -> Tensor:
        there = [answers.get(card.name) for card in cards]
        pairs = [part for answer in there for part in ((answer.images, answer.beside) if answer else (None, None))]
        return grid(pairs, len(seeds), cards[0].shape)

    labels = [text for seed in seeds for text in (f"seed {seed}", f"nearest training picture to seed {seed}")]
    titles = [text for card in cards for text in (card.title, "nearest training picture")]
    yield from lanes(desk, values, Plan(
        {card.name: board.neighbours(card.name, seeds) for card in cards}, labels, 2 if len(seeds) <= 4 else 4,
        sentence, picture, 2 * len(cards),
        titles, code(values, f"print({{name: last(board.neighbours(name, {brief(seeds)})).note for name in names}})"),
        view=view, data={"seeds": [seed for seed in seeds for _ in "ab"]},
    ))  # fmt: skip


# ------------------------------------------------------------------------------------------------------- quiz


def show_quiz(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """The picture of a riddle and nothing that gives the answer away."""
    picture = quiz.picture(desk, values)
    line = f"question([card.name for card in board.contestants()], {values['seed']}, {values['riddle']}, 500)"
    yield ui.Shown(
        picture, f"Riddle {values['riddle']}: is this {things(values)[:-1]} real, or did a model make it?",
        {"chips": chips(desk, values), "riddle": render.png_uri(picture)}, model="real or made?",
        code=code(values, f"from playground.comparison import question; print({line})"),
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------- helpers


def side_by_side(cards: list[ModelCard], rows: int) -> Any:
    """A picture with a column for each model."""


    def picture(answers: Answers) -> Tensor:
        there = [answers[card.name].images if card.name in answers else None for card in cards]
        return grid(there, rows, cards[0].shape)

    return picture


def fastest(cards: list[ModelCard], answers: Answers) -> str:
    """Who was quickest and who slowest, once all are there."""
    if len(answers) < len(cards) or not all(answer.done for answer in answers.values()):
        return ""
    times = [(answers[card.name].milliseconds, card.title) for card in cards if not answers[card.name].why]
    if len(times) < 2:
        return ""
    (quick, first), (slow, final) = min(times), max(times)
    return f"Quickest: {first}, {duration(quick)} a picture. Slowest: {final}, {duration(slow)}."


def across(count: int) -> int:
    """Pictures in a row of a column."""
    return 1 if count == 1 else 2 if count <= 4 else 3 if count <= 9 else 4


MODES = {
    "samples": show_samples, "class": show_class, "between": show_between, "repair": show_repair,
    "neighbours": show_neighbours, "measure": scores.show_measure,
    "wall": scores.show_wall, "quiz": show_quiz,
}  # fmt: skip
