"""What the laboratory says: sentences under the stage, captions of the lanes, the same run in Python."""

from __future__ import annotations

from typing import Any

from playground.training.lab import LEARNERS, PRESETS, Preset
from tabs.train.lab_bench import Bench, Lane
from tabs.train.lab_plan import LanePlan, Plan, kind_of

CURES = {
    "mode collapse": "Cure: compare real with fake, one step each",
    "vanishing gradient": "Cure: a Wasserstein critic",
    "posterior collapse": "Cure: β back to 1",
    "too few steps": "Cure: thirty steps",
    "exploding": "Cure: a learning rate 500 times smaller",
}
LENGTHS = {"autoencoder": 0.33, "autoregressive": 0.04, "vae": 0.33, "gan": 1.0, "realnvp": 0.04, "energy": 0.04,
           "diffusion": 0.25, "flow matching": 0.15}  # fmt: skip  # plane units of an arrow per unit of force


def sentence(bench: Bench, slow: bool = False) -> str:
    """What is to be seen, in words: for the eye that cannot see it, too. `slow`: what each lane has just done."""
    if slow:
        shown = [(lane.session.learner.title, lane.moment) for lane in bench.lanes]
        return " ".join(f"{title}, {moment.part}: {moment.says}" for title, moment in shown if moment.part)
    said = " ".join(_lane(lane) for lane in bench.lanes)
    return f"{said} 1 × is as near as perfect samples come."


def _lane(lane: Lane) -> str:
    session, moment = lane.session, lane.moment
    title, found = session.learner.title, moment.distances
    if session.trouble:
        return f"{title} stopped at update {moment.update}: its numbers blew up."
    far = f"{found['times_floor']:.1f} ×"
    heaps = f", {found['modes']:.0f} of {session.ruler.heaps} heaps" if "modes" in found else ""
    kl = f", KL {max(found['kl'], 0):.2f} nats" if "kl" in found else ""
    if moment.update == 0:
        return f"{title} has learned nothing yet ({far} the distance)."
    return f"{title} after {moment.update} updates: {far} the distance{heaps}{kl}."


def lesson(plan: Plan, lanes: list[Lane]) -> dict[str, Any] | None:
    """The starting point a run began from: what to look for, and its cure until it is taken."""
    if len(plan.lanes) != 1:
        return None
    lane, session = plan.lanes[0], lanes[0].session
    found = next((p for p in PRESETS.values() if _begins(p, plan, lane)), None)
    if found is None:
        return None
    cured = bool(found.cure) and all(session.settings[k] == v for k, v in found.cure.items())
    return {"name": found.name, "says": found.cured if cured else found.look, "cured": cured,
            "cure": CURES.get(found.name) if not cured else None, "after": found.updates}  # fmt: skip


def _begins(preset: Preset, plan: Plan, lane: LanePlan) -> bool:
    if (preset.learner, preset.target) != (lane.learner, plan.target):
        return False
    usual = {f.name: f.default for f in kind_of(lane.learner).settings}
    wanted = {k: v for k, v in preset.settings.items() if v != usual[k]}
    return wanted == dict(lane.settings)


def learners_json() -> list[dict[str, Any]]:
    """What the page must know of every family to make its buttons, knobs and captions."""
    return [
        {
            "name": name, "title": kind.title, "paper": kind.paper, "parts": list(kind.parts),
            "arrows": kind.arrows_mean, "on": kind.arrows_on, "length": LENGTHS[name],
            "rebuilds": sorted(kind.rebuilds),
            "knobs": [{"name": f.name, "kind": f.kind, "default": f.default, "low": f.low, "high": f.high,
                       "step": f.step, "choices": list(f.choices), "label": f.label, "info": f.info}
                      for f in kind.settings],
        }
        for name, kind in LEARNERS.items()
    ]  # fmt: skip


def code(plan: Plan) -> str:
    """The same run in Python."""
    lines = ["import torch", "from playground.training.lab import Session", "from tabs.train.lab_paint import picture"]
    goal = repr(plan.target)
    if plan.target == "sprayed":
        lines += ["from playground.training.lab import sprayed", "from tabs.train.lab_spray import points",
                  f"goal = sprayed(points({plan.points!r}))"]  # fmt: skip
        goal = "goal"
    lines += ["lanes = []", "with torch.no_grad():"]
    for lane in plan.lanes:
        lines += [f"    {line}" for line in _steps(lane, goal, plan.seed)]
    return "\n".join([*lines, "    picture = picture(lanes)"])


def _steps(lane: LanePlan, goal: str, seed: int) -> list[str]:
    lines = [f"s = Session({lane.learner!r}, {goal}, {dict(lane.settings)}, seed={seed})"]
    clock, edits, only = 0, list(lane.edits), lane.only()
    while clock < lane.updates or edits:
        if edits and edits[0].update <= clock:
            edit = edits.pop(0)
            lines.append(f"s.set({edit.name!r}, {edit.value!r})")
            continue
        stop = min([lane.updates, *(e.update for e in edits[:1])])
        part = only.get(clock)
        stop = next((u for u in range(clock, stop) if only.get(u) != part), stop)
        lines.append(f"s.train({stop - clock}{f', {part!r}' if part else ''})")
        clock = stop
    return [*lines, "lanes.append((s, s.look()))"]


ABOUT = r"""
**The laboratory.** Points of the plane stand for pictures: two numbers instead of 784. Every learner gets the *same*
256 points at each update, starts from the same seed, and changes its weights a little so that its own samples become
more like the points. What differs is the question each family asks itself.

**Autoencoder** (Hinton and Salakhutdinov 2006). Squeeze each point $x$ through a code and unfold it:
$$\min\ \mathbb E\,\lVert g(f(x))-x\rVert^2$$

**VAE** (Kingma and Welling 2013). The code becomes a small cloud, and clouds must together look like plain noise. A
nat of code costs $\beta$:
$$-\mathbb E\log p(x|z)+\beta\,\mathrm{KL}\bigl(q(z|x)\,\Vert\,\mathcal N(0,I)\bigr)$$

**GAN** (Goodfellow et al. 2014). A forger $G$ and a judge $D$ who keep each other busy. The five losses here differ in
how the score is kept: minimax and non-saturating (2014), Wasserstein with clipped weights (Arjovsky et al. 2017) or
with a penalty on the slope (Gulrajani et al. 2017), and relativistic with R1 + R2 (Huang et al. 2024):
$$\begin{gathered}\min_G\max_D\ \mathbb E\log D(x)\\+\ \mathbb E\log\bigl(1-D(G(z))\bigr)\end{gathered}$$

**Autoregressive** (Bengio and Bengio 1999). First left-right, then the height that goes with it:
$$q(x,y)=q(x)\,q(y|x)$$

**RealNVP** (Dinh et al. 2016). Bend the plane without tearing it, until the data look like one round heap of noise:
$$\log q(x)=\log\mathcal N(f(x))+\log\lvert\det f'(x)\rvert$$

**Energy-based** (LeCun et al. 2006). A landscape that sinks under data and rises under walkers:
$$q(x)=e^{-E(x)}/Z$$

**Diffusion** (Ho et al. 2020). Add noise $\varepsilon$, learn to see it, walk back from pure noise:
$$\min\ \mathbb E\,\lVert\varepsilon-\varepsilon_\theta(x_t,t)\rVert^2$$

**Flow matching** (Lipman et al. 2022). Learn the velocity of the straight ways from noise $x_0$ to data $x_1$:
$$\min\ \mathbb E\,\lVert v_\theta(x_t,t)-(x_1-x_0)\rVert^2$$

**How far is it?** *Sliced Wasserstein* is the work of moving one cloud onto the other, seen from 64 directions, and
given as a multiple of what two clouds of perfect samples are apart. *MMD* compares the clouds through a blurring
window; it is about 0 for perfect samples. *KL* is exact where a family knows its density.

**Try:** give the discriminator five steps. Set β to 200, wait, and bring it back. Type a learning rate of 1e9. Put four
families on the spiral. Spray your own initial.
"""
