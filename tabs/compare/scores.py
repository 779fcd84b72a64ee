"""Measured side by side: the table, the figure of quality against speed, and the wall of seeds × models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from playground.api import ModelCard
from playground.comparison import Answer, following
from playground.evaluate import COLUMNS
from tabs import _ui as ui
from tabs.compare.desk import Desk, Values, grid
from tabs.compare.lanes import chips, follow, progress
from tabs.compare.state import REALS
from tabs.compare.words import Answers, brief, code, counted, duration, facts, under, weights

HEADINGS = (  # name, heading, format, better, what it means
    ("fd_over_floor", "FD ÷ floor", ".2f", "low", "Fréchet distance over that of as many real pictures; 1 is perfect"),
    ("precision", "Precision", ".2f", "high", "share of samples that lie among real pictures"),
    ("recall", "Recall", ".2f", "high", "share of real pictures with samples around them"),
    ("accuracy", "Class right", ".0%", "high", "share in which the classifier sees what was asked for"),
    ("diversity", "Diversity", ".2f", "", "how far samples are from each other; real pictures are 1"),
    ("nats", "−log p, nats", ".1f", "low", "of a held-out picture in black and white, grey drawn once; exact, or a "
     "bound where the family only has a bound"),
    ("bits", "Bits ÷ pixel", ".2f", "low", "of a held-out picture with 256 grey levels; not comparable with the nats"),
    ("milliseconds", "Time a picture", "", "low", "time of one picture, in batches of 32 on this machine"),
    ("parameters", "Weights", "", "", "numbers the network has learned"),
    ("calls", "Network calls", ".0f", "low", "how often the network runs for one picture"),
)
PROBED = 2  # pictures from which the time is estimated
HELD_OUT = 32  # pictures that a model with a likelihood is asked about
SHOWN = 4  # of the measured pictures, how many are kept as a sheet


# ---------------------------------------------------------------------------------------------------- measure


def show_measure(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """All models measured in one run with the same number of pictures; before that, how long it will take."""
    if not values["go"]:
        yield from estimate(desk, values, int(values["number"]), "Measure")
        return
    board, cards, count = desk.comparison(values), desk.chosen(values), int(values["number"])
    missing, real = without_index(desk, values), held_out(desk, values)
    runs = {card.name: board.measure(card.name, count, values["seed"], real) for card in cards}
    for answers in follow(cards, runs):
        step, total = progress(cards, answers)
        rows = [row(card, answers.get(card.name)) for card in cards]
        asked = f"abreast({{name: board.measure(name, {count}, {values['seed']}) for name in names}})"
        yield ui.Shown(
            grid([_images(answers, card) for card in cards], SHOWN, cards[0].shape),
            verdict(cards, answers, count, missing),
            {"table": table(rows), "points": points(cards, answers), "stored": stored(cards),
             "chips": chips(desk, values), "plot": plot_sentence(cards, answers), "titles": [c.title for c in cards]},
            model=counted(len(cards), "model"), columns=len(cards), step=step, total=total,
            code=code(values, "from playground.comparison import abreast",
                      f"print([dict(answer.facts) for answer in {asked} if answer.done])"),
        )  # fmt: skip


def held_out(desk: Desk, values: Values) -> Tensor:
    """(HELD_OUT, C, H, W) pictures no model was trained on, evenly spread over those at hand."""
    return torch.cat([desk.real(values["data"], i * REALS // HELD_OUT) for i in range(HELD_OUT)])


def without_index(desk: Desk, values: Values) -> str:
    """Why there is nothing to compare with, or nothing."""
    try:
        desk.comparison(values).index()
    except ui.PlaygroundError as error:
        return str(error)
    return ""


def row(card: ModelCard, answer: Answer | None) -> dict[str, Any]:
    """One model's line of the table."""
    found = dict(answer.facts) if answer is not None else {}
    cells = {name: cell(name, found[name], form) for name, _, form, *_ in HEADINGS if name in found}
    why = answer.why if answer is not None else ""
    notes = {} if card.labels else {"accuracy": "This model cannot be asked for a class."}
    notes |= {"nats": "This model has no likelihood of black and white pixels.",
              "bits": "This model has no likelihood of 256 grey levels."}  # fmt: skip
    return {"name": card.name, "title": card.title, "pictures": found.get("pictures", 0), "cells": cells, "why": why,
            "values": {k: found[k] for k, *_ in HEADINGS if k in found}, "notes": notes}  # fmt: skip


def cell(name: str, value: float, form: str) -> str:
    """A number as it stands in the table."""
    own = {"parameters": lambda n: weights(int(n)), "milliseconds": duration}
    return own[name](value) if name in own else format(value, form)


def table(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The table as JSON, with the best of each column marked once more than one model has a value."""
    for name, _, _, better, _ in HEADINGS:
        having = [r for r in rows if name in r["values"]]
        if better and len(having) > 1:
            found = [r["values"][name] for r in having]
            best = min(found) if better == "low" else max(found)
            for r in having:
                r.setdefault("best", []).extend([name] if r["values"][name] == best and min(found) < max(found) else [])
    heads = [{"name": n, "title": t, "better": b, "info": i} for n, t, _, b, i in HEADINGS]
    return {"heads": heads, "rows": [{k: v for k, v in r.items() if k != "values"} for r in rows]}


def points(cards: Sequence[ModelCard], answers: Answers) -> list[dict[str, Any]]:
    """Where the models stand in the figure."""
    told = [(card.title, facts(answers, card)) for card in cards]
    spots = [{"title": t, "x": f["milliseconds"], "y": f["fd_over_floor"]} for t, f in told if "fd_over_floor" in f]
    return sorted(spots, key=lambda spot: spot["x"])  # names stand below and above in turn


def verdict(cards: Sequence[ModelCard], answers: Answers, count: int, missing: str) -> str:
    """The table in a sentence."""
    told = [(card.title, facts(answers, card)) for card in cards]
    near = sorted((f["fd_over_floor"], title) for title, f in told if "fd_over_floor" in f)
    quick = sorted((f["milliseconds"], title) for title, f in told if "milliseconds" in f)
    words = f"{count} pictures of each of {counted(len(cards), 'model')}, from the same seeds."
    if near:
        words += f" Closest to real pictures: {near[0][1]}, {near[0][0]:.1f} times the floor."
    if quick:
        words += f" Quickest: {quick[0][1]}, {duration(quick[0][0])} a picture."
    if missing:
        return f"{words} Distances to real pictures have to wait. {missing}"
    return words + (" So few pictures give noisy scores: another seed (R) will move them." if count < 512 else "")


def plot_sentence(cards: Sequence[ModelCard], answers: Answers) -> str:
    """The figure in words; its numbers stand in the table."""
    spots = points(cards, answers)
    if len(spots) < 2:
        return ""
    best, quick = min(spots, key=lambda p: p["y"]), min(spots, key=lambda p: p["x"])
    same = best["title"] == quick["title"]
    rest = f"{best['title']} is best at {duration(best['x'])} a picture"
    other = f", {quick['title']} quickest with {quick['y']:.1f} times the floor."
    rest += ", and also the quickest." if same else other
    return f"Quality against speed, both axes logarithmic: the nearer to the lower left, the better. {rest}"


def figure(data: Mapping[str, Any], dark: bool) -> Any:
    """The Plotly figure of a finished measurement; None where there are no distances."""
    spots = data.get("points") or []
    if not spots:
        return None
    import plotly.graph_objects as go  # heavy, and most visitors never measure

    ink, line, accent = ("#f0eeea", "#33373a", "#2dd4bf") if dark else ("#1c1917", "#e4e1da", "#0f766e")
    axis = {"type": "log", "gridcolor": line, "linecolor": line, "zeroline": False, "dtick": "D2"}
    chart = go.Figure(go.Scatter(
        x=[p["x"] for p in spots], y=[p["y"] for p in spots], text=[p["title"] for p in spots], mode="markers+text",
        textposition=[("top center", "bottom center", "middle right")[i % 3] for i in range(len(spots))],
        marker={"size": 12, "color": accent}, cliponaxis=False,
        hovertemplate="%{text}<br>%{x:.2f} ms a picture<br>%{y:.2f} × the floor<extra></extra>",
    ))  # fmt: skip
    chart.update_layout(
        template="none", height=340, margin={"l": 64, "r": 40, "t": 24, "b": 56}, showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink, "family": "system-ui, sans-serif", "size": 13},
        xaxis={**axis, "title": {"text": "milliseconds a picture"}, "range": reach([p["x"] for p in spots])},
        yaxis={**axis, "title": {"text": "FD ÷ floor"}, "range": reach([p["y"] for p in spots])},
    )  # fmt: skip
    return chart


def reach(values: Sequence[float]) -> list[float]:
    """Range of a logarithmic axis with room for the names."""
    logs = torch.tensor(values).clamp_min(1e-3).log10()
    return [float(logs.min()) - 0.5, float(logs.max()) + 0.5]


def stored(cards: Sequence[ModelCard]) -> dict[str, Any]:
    """The scores on the cards, measured beforehand by `python -m playground evaluate`."""
    rows = []
    for card in cards:
        found = {c[0]: (card.scores.get(c[1]) or {}).get(c[2]) for c in COLUMNS}
        cells = {head: format(found[head], form) for head, _, _, form in COLUMNS if found[head] is not None}
        rows.append({"title": card.title, "samples": samples_of(card), "cells": cells})
    return {"heads": [c[0] for c in COLUMNS if any(c[0] in row["cells"] for row in rows)], "rows": rows}


def samples_of(card: ModelCard) -> str:
    """From how many pictures the card's scores were taken."""
    group = card.scores.get("pictures") or {}
    blocks = group.get("blocks", 1)
    return f"{group['samples']:,}{f' × {blocks}' if blocks > 1 else ''}" if "samples" in group else "not measured yet"


# ------------------------------------------------------------------------------------------------------- wall


def show_wall(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Seeds down, models across; one row of pictures after the other."""
    if not values["go"]:
        yield from estimate(desk, values, values["rows"], "Fill the wall")
        return
    board, cards, seeds = desk.comparison(values), desk.chosen(values), following(values["seed"], values["rows"])
    columns: list[list[Tensor]] = [[] for _ in cards]
    row = f"[last(board.samples(name, [seed])).images for seed in {brief(seeds)}]"
    lines = [f"wall = {{name: {row} for name in names}}", "print(len(wall))"]
    for done, seed in enumerate(seeds):
        for answers in follow(cards, {card.name: board.samples(card.name, [seed], watch=False) for card in cards}):
            step, total = progress(cards, answers)
            if step < total:
                yield wall(desk, values, cards, columns, seeds, done * total + step, len(seeds) * total, lines)
        for column, card in zip(columns, cards):
            images = answers[card.name].images
            column.append(torch.full((1, *card.shape), 0.5) if images is None else images)
        yield wall(desk, values, cards, columns, seeds, (done + 1) * total, len(seeds) * total, lines)


def wall(
    desk: Desk, values: Values, cards: list[ModelCard], columns: list[list[Tensor]], seeds: list[int],
    step: int, total: int, lines: list[str],
) -> ui.Shown:  # fmt: skip
    """The wall as far as it is filled."""
    page = grid([torch.cat(column) if column else None for column in columns], len(seeds), cards[0].shape)
    filled = len(columns[0])
    words = f"{filled} of {counted(len(seeds), 'seed')} × {counted(len(cards), 'model')}. "
    return ui.Shown(
        page, words + "Each row starts from one seed; choose a picture to look closer.",
        {**heads(cards, seeds), "chips": chips(desk, values), "titles": [card.title for card in cards]},
        model=counted(len(cards), "model"), code=code(values, *lines), columns=len(cards), step=step, total=total,
    )  # fmt: skip


def heads(cards: Sequence[ModelCard], seeds: Sequence[int]) -> dict[str, Any]:
    """Names across and seeds down, and the label of each cell."""
    return {"wall": {"titles": [c.title for c in cards], "under": [under(c) for c in cards], "seeds": list(seeds),
                     "labels": [f"{c.title}, seed {s}" for s in seeds for c in cards]}}  # fmt: skip


# --------------------------------------------------------------------------------------------------- estimate


def estimate(desk: Desk, values: Values, each: int, action: str) -> Iterator[ui.Shown]:
    """How long it will take, from a few pictures made now; they are shown meanwhile."""
    board, cards = desk.comparison(values), desk.chosen(values)
    answers: dict[str, Answer] = {}
    seeds = following(values["seed"], PROBED)
    for done, card in enumerate(cards, 1):
        try:
            answers[card.name] = board.probe(card.name, seeds)
        except ui.PlaygroundError as error:
            answers[card.name] = Answer(card.name, why=str(error))
        left = sum(answer.milliseconds for answer in answers.values()) * each / 1000
        images = grid([_images(answers, c) for c in cards], PROBED, cards[0].shape)
        many = f"{each} pictures of each of {counted(len(cards), 'model')}"
        known = done == len(cards)
        words = f"{many} will take {spell(left)} here." if known else f"Working out how long {many} take."
        data = {"estimate": True, "action": action, "seconds": left, "chips": chips(desk, values),
                "stored": stored(cards), "table": table([row(card, None) for card in cards])}  # fmt: skip
        data |= heads(cards, seeds)
        probes = f"{{name: board.probe(name, {brief(seeds)}).milliseconds for name in names}}"
        yield ui.Shown(images, words, data, model=counted(len(cards), "model"), columns=len(cards),
                       code=code(values, f"print({probes})"), step=done, total=len(cards))  # fmt: skip


def spell(seconds: float) -> str:
    """ "less than a second", "about 12 seconds", "about 3 minutes"."""
    if seconds < 1:
        return "less than a second"
    return f"about {counted(round(seconds), 'second') if seconds < 90 else counted(round(seconds / 60), 'minute')}"


def _images(answers: Answers, card: ModelCard) -> Tensor | None:
    return answers[card.name].images if card.name in answers else None
