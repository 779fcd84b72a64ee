"""Real or made: a riddle follows from the seed and its number alone, so the server remembers nobody's game."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from playground import render
from playground.comparison import Question, last, question
from tabs import _ui as ui
from tabs.compare.desk import Desk, Values
from tabs.compare.state import REALS

GUESSES = ("real", "fake")


def ask(desk: Desk, values: Values) -> Question:
    """The riddle of a state, among the models that are switched on."""
    return question([card.name for card in desk.chosen(values)], values["seed"], values["riddle"], REALS)


def picture(desk: Desk, values: Values) -> Tensor:
    """What is to be judged, (1, C, H, W)."""
    riddle = ask(desk, values)
    if riddle.real:
        return desk.real(values["data"], riddle.seed)
    return last(desk.comparison(values).samples(riddle.name, [riddle.seed], watch=False)).images


def reveal(desk: Desk, values: Values, guess: str) -> dict[str, Any]:
    """Whether the guess was right, who made the picture, and, where there is an index, the training picture nearest."""
    riddle = ask(desk, values)
    right = (guess == "real") == riddle.real
    title = "" if riddle.real else desk.engine.card(riddle.name).title
    made = f"made by {title} from seed {riddle.seed}"
    origin = f"real: picture {riddle.seed} of those no model has seen" if riddle.real else made
    sentence = f"{'Right' if right else 'Wrong'}: it is {origin}."
    found = {"right": right, "real": riddle.real, "title": title, "sentence": sentence}
    if riddle.real:
        return found
    try:
        near, _ = desk.comparison(values).nearest(picture(desk, values))
    except ui.PlaygroundError:  # no index: the answer stands without it
        return found
    return found | {"near": render.picture_uri(near)}


def functions(desk: Desk, state: ui.State) -> list[Callable[[Any], Any]]:
    """Server functions of the page beside the shell's own."""

    def compare_reveal(request: Any) -> dict[str, Any]:
        if not isinstance(request, dict) or request.get("guess") not in GUESSES:
            raise ui.PlaygroundError(f"A guess must be one of {', '.join(GUESSES)}. Choose one of the two buttons.")
        return reveal(desk, state.check(request.get("state", {})), request["guess"])

    return [compare_reveal]
