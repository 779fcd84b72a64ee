"""Digits mended and dreamt: runs that are watched while they go on, and scrubbed afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from playground import render
from playground.api import Frame, PlaygroundError
from playground.sampling import generators, normal
from tabs import _ui as ui
from tabs.energy.cells import unpack
from tabs.energy.desk import Desk, Values, film, spread, tile

RATE = 12  # pictures of a run a second
FILM = 40  # moments of a run that can be scrubbed
DREAMS, ACROSS = 10, 5
NOISY_SWEEPS = 60
LEVELS, MOVES = 12, 6  # of the way back from a noisy picture, for an energy of grey pictures
REFERENCE = 0.3  # noise level at which a landscape with levels is read, so that its numbers can be compared
Run = Callable[[], Iterator[Frame]]


# ---------------------------------------------------------------------------------------------- repair


def menders(desk: Desk, values: Values) -> list[str]:
    """Who can mend this kind of damage."""
    names = desk.names("repair", "sample", also=[values["model"]])
    if values["damage"] == "noise":
        names = [n for n in names if hasattr(desk.model(n), "weights") or hasattr(desk.model(n), "move")]
    names.sort(key=lambda n: (desk.engine.card(n).year, n))
    if not names:
        raise PlaygroundError(
            "No network that mends pictures is here yet. Train one with: python -m playground train rbm-mnist."
        )
    return names


def damaged(x: Tensor, values: Values) -> tuple[Tensor, Tensor]:
    """The picture as the networks get it, and a mask (1, 1, 28, 28) of what is known; noise leaves nothing known."""
    if values["damage"] == "noise":
        return x + values["noise"] * normal([values["seed"] + 2**33], x.shape[1:]), torch.zeros_like(x)
    mask = (unpack(values["hole"]) == 0).float().reshape(1, 1, 28, 28)
    return torch.where(mask > 0, x, 0.0), mask


def mend(desk: Desk, name: str, x: Tensor, mask: Tensor, values: Values) -> Run:
    """The run of one network."""
    model, seeds = desk.model(name), [values["seed"]]
    if values["damage"] == "noise":
        if hasattr(model, "move"):
            return lambda: descent(model, x, values["noise"], seeds)
        return lambda: posterior(model, x, values["noise"], seeds)
    return lambda: model.repair(x, mask, seeds)


def posterior(model: nn.Module, y: Tensor, sigma: float, seeds: list[int]) -> Iterator[Frame]:
    """Draws of p(v | y) for y = v + σ ξ. For black and white pixels the noise is one more bias per pixel,

        log N(y; 1, σ²) − log N(y; 0, σ²) = (2y − 1) / 2σ²,

    so the machine need not be changed, only its biases. Frames show the mean of p(v | h, y) so far."""
    from playground.models.energy.rbm import Weights, gibbs

    W, b, c = model.weights()
    evidence = (2 * y.flatten(1).double().to(W.device) - 1) / (2 * sigma**2)
    v, streams, mean = (y.flatten(1).to(W.device) > 0.5).double(), generators([s + 2**34 for s in seeds]), None
    for sweep in range(1, NOISY_SWEEPS + 1):
        v, p = gibbs(Weights(W, b + evidence[0], c), v, streams)
        late = max(1, sweep - 5)  # the first sweeps still find their way
        mean = p if mean is None or sweep <= 5 else mean + (p - mean) / late
        yield Frame(mean.float().reshape(y.shape), sweep, NOISY_SWEEPS)


def descent(model: nn.Module, y: Tensor, sigma: float, seeds: list[int]) -> Iterator[Frame]:
    """Langevin from the noisy picture downhill, tied to it: y is x with noise of variance σ² − s² at the level s,

        x ← (a Langevin move at s) + η s² (y − x) / (σ² − s²).

    With noise levels s falls from near σ; without there is one. Frames show the guess at the clean picture."""
    from playground.models.energy.conv import ETA, LOW, SIGMA

    if model.noise:
        top = max(0.9 * sigma, LOW)
        levels = [top * (LOW / top) ** (k / (LEVELS - 1)) for k in range(LEVELS)]
    else:
        levels = [SIGMA] * LEVELS
    y = y.to(next(model.parameters()).device)
    x, streams = y, generators([s + 2**34 for s in seeds])
    for step, level in enumerate(levels, 1):
        for _ in range(MOVES):
            x = model.move(x, level, streams) + ETA * level**2 * (y - x) / max(sigma**2 - level**2, level**2)
        yield Frame(model.denoise(x, level).clamp(0, 1), step, LEVELS)


def repair(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Every network mends the same damaged picture; all take steps in turn."""
    names, x = menders(desk, values), desk.picture(values)
    given, mask = damaged(x, values)
    if values["damage"] == "hole" and bool((mask > 0).all()):
        raise PlaygroundError("Nothing is cut out. Paint over the part that the networks should make up.")
    seen = given.clamp(0, 1)
    kept: dict[str, list[Tensor]] = {name: [seen] for name in names}
    runs = {name: desk.engine.steps(mend(desk, name, given, mask, values)) for name in names}
    totals, clock, done = dict.fromkeys(names, 1), ui.Clock(RATE), 0
    titles = [short(desk, name) for name in names]
    while runs:
        for name in list(runs):
            frame = next(runs[name], None)
            if frame is None:
                del runs[name]
                continue
            done, totals[name] = done + 1, frame.total
            kept[name].append(frame.images.float().cpu())
        if clock.due() and runs:
            live = film({t: kept[n][-1] for t, n in zip(titles, names)})
            text = f"{len(names)} network{'s' * (len(names) > 1)} at work: {done} steps done."
            yield ui.Shown(kept[names[0]][-1], text, {"live": live, "input": render.png_uri(seen)},
                           model=", ".join(names), step=done, total=max(done, sum(totals.values())) + 1)  # fmt: skip
    total = done + 1
    yield replace(repaired(desk, values, names, titles, kept, x, mask, seen), step=total, total=total)


def repaired(
    desk: Desk, values: Values, names: list[str], titles: list[str], kept: Mapping[str, list[Tensor]], x: Tensor,
    mask: Tensor, seen: Tensor,
) -> ui.Shown:  # fmt: skip
    """All films side by side, and how far each is from the original."""
    count = min(FILM, max(len(frames) for frames in kept.values()))
    reels = {t: torch.cat([kept[n][i] for i in at(len(kept[n]), count)]) for t, n in zip(titles, names)}
    unknown = (1 - mask) if values["damage"] == "hole" else torch.ones_like(x)
    errors = {t: off(frames, x, unknown) for t, frames in reels.items()}
    best = min(errors, key=lambda t: errors[t][-1])
    note = "Mean difference from the original over the damaged pixels. " + "; ".join(
        f"{t} {e[0]:.2f} → {e[-1]:.2f}" for t, e in errors.items()) + "."  # fmt: skip
    what = f"{int(unknown.sum())} pixels cut out" if values["damage"] == "hole" else f"noise of σ = {values['noise']:g}"
    who = f"Your picture with {what}" if values["source"] == "own" else f"Test picture {values['test']} with {what}"
    nearest = f" {best} comes nearest to the original." if len(errors) > 1 else ""
    fair = " Another good answer need not be the original." if values["damage"] == "hole" else ""
    data = {
        "film": film(reels), "labels": ["damaged", *(f"{i} / {count - 1}" for i in range(1, count))],
        "lines": [{"values": e, "name": t} for t, e in errors.items()], "note": note, "input": render.png_uri(seen),
    }  # fmt: skip
    finals = torch.cat([seen, *(frames[-1:] for frames in reels.values())])
    return ui.Shown(finals, f"{who}, mended by {listed(titles)}.{nearest}{fair}", data, model=", ".join(names),
                    disabled=no_effect(values), code=repair_code(values, names), columns=len(finals))  # fmt: skip


def no_effect(values: Values) -> dict[str, str]:
    """Controls that do nothing now, and why."""
    off_ = {} if values["damage"] == "noise" else {"noise": "Choose noise as the damage first."}
    return off_ | ({} if values["source"] == "test" else {"test": "Your own picture is mended now."})


def off(frames: Tensor, x: Tensor, where: Tensor) -> list[float]:
    """Mean |difference| over the damaged pixels, frame by frame."""
    return (((frames - x).abs() * where).sum((1, 2, 3)) / where.sum()).tolist()


def at(length: int, count: int) -> list[int]:
    """`count` indices from 0 to the last, some twice where there are fewer."""
    return [round(i * (length - 1) / max(1, count - 1)) for i in range(count)]


def short(desk: Desk, name: str) -> str:
    """A name for a lane."""
    known = {"rbm": "RBM", "dbn": "DBN", "ebm": "conv EBM", "dsm": "score matching"}
    return known.get(name.split("-")[0], desk.engine.card(name).title)


def listed(words: list[str]) -> str:
    """ "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# ---------------------------------------------------------------------------------------------- dream


def dreamer(desk: Desk, values: Values) -> str:
    """The chosen network if it dreams, else the first that does."""
    names = desk.names("sample", also=[values["model"]])
    if values["model"] in names:
        return values["model"]
    return desk.first("sample", recipe="dbn-mnist")


def asked(desk: Desk, name: str, values: Values) -> Tensor | None:
    """(DREAMS,) classes, for a network that was taught some."""
    labels = desk.engine.card(name).labels
    if not labels:
        return None
    if values["every"]:
        return torch.arange(DREAMS) % len(labels)
    if values["label"] not in labels:
        raise PlaygroundError(f"{name} knows no {values['label']!r}. Choose one of: {', '.join(labels)}.")
    return torch.full((DREAMS,), labels.index(values["label"]))


def settings(desk: Desk, name: str, values: Values) -> dict[str, Any]:
    """What the network's own controls are set to: the temperature, within what it allows."""
    known = {field.name: field for field in desk.model(name).controls}
    if "temperature" not in known:
        return {}
    field = known["temperature"]
    return {"temperature": min(max(values["warmth"], field.low), field.high)}


def dream(desk: Desk, values: Values) -> Iterator[ui.Shown]:
    """Ten pictures from noise."""
    name = dreamer(desk, values)
    labels, seeds = asked(desk, name, values), [(values["seed"] + i) % 2**32 for i in range(DREAMS)]
    given = settings(desk, name, values)
    chosen = None if labels is None else labels.tolist()
    pages: dict[str, list[Tensor]] = {}
    each, clock, total = [], ui.Clock(RATE), 1
    for frame in desk.engine.stream(name, seeds, labels=chosen, **given):
        for lane, images in lanes(desk, name, frame, labels).items():
            pages.setdefault(lane, []).append(tile(images.cpu(), ACROSS))
        each.append(energies(desk, name, frame, labels))
        total = frame.total
        if clock.due() and frame.step < total:
            live = film({lane: frames[-1] for lane, frames in pages.items()})
            told_now, data = f"Step {frame.step} of {total}.", {"live": live, **curves(each, None)}
            yield ui.Shown(frame.images.cpu(), told_now, data, model=name, step=frame.step, total=total + 1)
    kept = spread(each, FILM)
    data = {"film": film({lane: torch.cat([frames[i] for i in kept]) for lane, frames in pages.items()}),
            "labels": [f"step {i + 1} / {len(each)}" for i in kept], **curves(each, kept)}  # fmt: skip
    patch = {} if name == values["model"] else {"model": name}
    disabled = {} if desk.engine.card(name).labels else dict.fromkeys(
        ("label", "every"), "This network was taught no classes: it dreams what it likes.")  # fmt: skip
    if desk.engine.card(name).labels and values["every"]:
        disabled["label"] = "One of each class is asked for."
    if not given:
        disabled["warmth"] = "This network has its noise fixed."
    picture = frame.images.cpu()
    sentence, code = told(desk, name, values, len(each), each), dream_code(name, seeds, chosen, given)
    yield ui.Shown(picture, sentence, data, model=name, patch=patch, disabled=disabled, code=code, columns=ACROSS,
                   step=total + 1, total=total + 1)  # fmt: skip


def lanes(desk: Desk, name: str, frame: Frame, labels: Tensor | None) -> dict[str, Tensor]:
    """What is shown of a step: the pictures, and beside them the noisy ones that really walk, where they differ."""
    shown = {title(desk, name, labels): frame.images}
    if "x" not in frame.views:
        return shown
    return {"the noisy pictures that walk": frame.views["x"], "what it takes them for, cleaned": frame.images}


def title(desk: Desk, name: str, labels: Tensor | None) -> str:
    """Above the film."""
    what = (
        "" if labels is None else f", asked for {'each digit' if len(labels.unique()) > 1 else f'a {int(labels[0])}'}"
    )
    return f"{desk.engine.card(name).title}{what}"


def energies(desk: Desk, name: str, frame: Frame, labels: Tensor | None) -> list[float]:
    """The energy of each of the pictures, where the network can say it; else what the frame tells of it."""
    model = desk.model(name)
    state = None if frame.state is None else frame.state.to(desk.engine.device)
    if state is None:
        return []
    if hasattr(model, "slope"):
        return desk.engine.call(lambda: model.energy(state, REFERENCE)).float().cpu().tolist()
    if hasattr(model, "free_energy"):
        return desk.engine.call(lambda: model.free_energy(state)).float().cpu().tolist()
    if hasattr(model, "top") and labels is not None:
        said = torch.nn.functional.one_hot(labels, len(desk.engine.card(name).labels)).to(state)
        return desk.engine.call(lambda: model.top.free_energy(torch.cat([state, said], 1))).float().cpu().tolist()
    return []


def curves(each: list[list[float]], kept: list[int] | None) -> dict[str, Any]:
    """Energies along the film: one line per picture and their mean."""
    rows = [each[i] for i in kept] if kept is not None else each
    lines = [[round(v, 2) if math.isfinite(v) else None for v in line] for line in zip(*rows)]
    mean = [round(sum(row) / len(row), 2) for row in rows if row]
    note = f"Energy of each picture (faint) and their mean: {mean[0]:.0f} at first, {mean[-1]:.0f} now." if mean else (
        "This network does not say the energy of a picture.")  # fmt: skip
    return {"each": lines, "mean": mean, "yname": "energy", "note": note}


def told(desk: Desk, name: str, values: Values, steps: int, each: list[list[float]]) -> str:
    """The sentence under the film."""
    card = desk.engine.card(name)
    what = (
        "ten digits" if not card.labels else "one of each digit" if values["every"] else f"ten times {values['label']}"
    )
    seeds = f"seeds {values['seed']} to {values['seed'] + DREAMS - 1}"
    fall = ""
    if each and each[0]:
        first, last = sum(each[0]) / DREAMS, sum(each[-1]) / DREAMS
        fall = f" Their energy went from {first:.0f} to {last:.0f}: down into the valleys." if last < first else (
            f" Their energy went from {first:.0f} to {last:.0f}.")  # fmt: skip
    return f"{card.title} dreams {what} from noise, {seeds}, in {steps} pictures of the way.{fall}"


# ---------------------------------------------------------------------------------------------- code


def repair_code(values: Values, names: list[str]) -> str:
    """The same in Python."""
    keys = ("source", "test", "damage", "noise", "hole", "seed")
    told_ = {k: values[k] for k in keys} | {"drawing": values["drawing"] if values["source"] == "own" else ""}
    return "\n".join([
        "import torch", "from playground import Engine", "from tabs.energy.desk import desk_of",
        "from tabs.energy.pictures import damaged, mend", "engine = Engine()", "desk = desk_of(engine)",
        f"values = {told_}", "x, mask = damaged(desk.picture(values), values)", f"names = {names}",
        "results = [list(engine.steps(mend(desk, n, x, mask, values)))[-1].images.cpu() for n in names]",
        "picture = torch.cat([x.clamp(0, 1), *results])",
    ])  # fmt: skip


def dream_code(name: str, seeds: list[int], labels: list[int] | None, given: Mapping[str, Any]) -> str:
    """The same in Python."""
    more = "".join(f", {k}={v}" for k, v in given.items()) + ("" if labels is None else f", labels={labels}")
    return f'from playground import Engine\npicture = Engine().run("{name}", {seeds}{more}).images.cpu()'
