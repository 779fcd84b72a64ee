"""What the diffusion tab can be set to, and the words on it."""

from __future__ import annotations

from dataclasses import replace

import torch

from playground import render
from playground.api import MAX_SEED, Field, Repairer
from playground.comparison import offers
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import COUNT
from tabs.diffusion.lanes import MOST_BRANCHES

SCHEDULERS = (  # names of `playground.models.diffusion.SCHEDULERS`, which a page must not wait for
    "DDIM", "DDPM", "Euler", "Euler ancestral", "Heun", "DPM-Solver++", "SDE-DPM-Solver++", "UniPC", "DEIS", "LMS",
)  # fmt: skip
MODES = ("denoise", "forward", "schedulers", "from a drawing", "inpaint", "between", "shortcut")
PICTURED = ("forward", "from a drawing", "inpaint")  # modes that begin with a picture
SAMPLED = ("denoise", "schedulers", "from a drawing", "inpaint", "between")  # modes that denoise
TOP = 999  # the largest t


def declare(engine: Engine) -> ui.State:
    """The state; classes are those of the diffusion models that are here."""
    model = ui.model_field(engine, family="diffusion", default="diffusion-mnist")
    walking = tuple(name for name in model.choices if offers(engine, engine.card(name), Repairer))
    model = replace(model, choices=walking)  # a student jumps: it has no steps to scrub, branch or mend at
    labels = tuple(dict.fromkeys(label for name in model.choices for label in engine.card(name).labels)) or ("none",)
    fields = (
        Field("mode", "choice", "denoise", choices=MODES, label="Mode"),
        model,
        Field("label", "choice", "3" if "3" in labels else labels[0], choices=labels, label="Class",
              info="What the network is told the picture will be."),
        ui.seed_field(),
        Field("scheduler", "choice", "DDIM", choices=SCHEDULERS, label="Scheduler",
              info="The rule that turns the network's guess into the next, less noisy picture."),
        Field("steps", "int", 20, 1, 100, 1, label="Steps", info="How often the noise is lowered."),
        Field("guidance", "float", 1.5, 0.0, 10.0, 0.1, label="Guidance",
              info="0 ignores the class, 1 follows it as learned, more exaggerates it."),
        Field("eta", "float", 0.0, 0.0, 1.0, 0.05, label="η",
              info="DDIM only: fresh noise in each step. 0 adds none, 1 as much as DDPM."),
        Field("branches", "text", "[]", length=2000, label=f"Branches (at most {MOST_BRANCHES})"),
        Field("t", "int", 300, 0, TOP, 1, label="t"),
        Field("source", "choice", "test", choices=("test", "own"), label="Start from",
              info="A picture the network never trained on, or your own drawing or upload."),
        Field("test", "int", 157, 0, COUNT - 1, 1, label="Test picture"),
        Field("drawing", "text", "", length=60_000, label="The drawing"),
        Field("start", "int", 450, 1, TOP, 1, label="Start at t",
              info="Low keeps your drawing, high leaves more to the network."),
        Field("mask", "text", first_mask(), length=20_000, label="The mask"),
        Field("view", "choice", "guess", choices=("guess", "noisy"), label="Show",
              info="The network's guess of the clean picture, or the noisy picture itself."),
        Field("other", "int", 8, 0, MAX_SEED, label="Seed of the other noise"),
        Field("each", "bool", False, label="Each class in turn", info="One a column, from the chosen class on."),
    )  # fmt: skip
    return ui.State("diffusion", fields, presets(model.choices, labels))


def first_mask() -> str:
    """White over the lower half: what is made up before the visitor has painted anything."""
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 34:, :] = 1
    return render.png_uri(mask)


def presets(models: tuple[str, ...], labels: tuple[str, ...]) -> tuple[ui.Preset, ...]:
    """Three starting points; the last one needs a model with classes."""
    works = ui.Preset("works", "From noise to a picture", "Drag the slider under the three pictures back to the first "
                      "step: noise, in which the network already sees a blurred guess.", {})  # fmt: skip
    fails = ui.Preset("fails", "Two steps are too few", "With two looks the network must jump from pure noise straight "
                      "to its first blurred guess. Raise the steps to 5, then to 20.",
                      {"steps": 2})  # fmt: skip
    twins = ui.Preset("surprises", "One noise, two digits", "Both lanes share the noise and the first steps. Then the "
                      "branch is told another digit, and bends the same strokes into it.",
                      {"branches": '[{"from":0,"step":8,"label":"8"}]'})  # fmt: skip
    faces = ui.Preset("surprises", "Halfway between noises", "Each row walks from one noise to another. On the "
                      "straight line the noise is too weak half-way, and the picture washes out.",
                      {"mode": "between"})  # fmt: skip
    conditional = "8" in labels and "diffusion-mnist" in models
    return (works, fails, twins if conditional else faces)


ABOUT = r"""
**Drowning a picture is easy; a network learns to undo it.** Mix a picture $x_0$ with noise $\varepsilon$, a little more
at each level $t$:

$$x_t = \alpha_t\,x_0 + \sigma_t\,\varepsilon,\qquad \alpha_t^2+\sigma_t^2=1$$

The network sees only $x_t$ and $t$ and learns to tell signal from noise. From its answer follow a guess of the clean
picture $\hat x_0$ and of the noise $\hat\varepsilon$, the second and third lane. Early guesses are blurred: so
little is left of the picture that an average of many is the best answer. So we do not jump there. A **scheduler**
takes a small step towards the guess, asks again, and ends with a sharp picture that nobody drew.

**Guidance** asks twice, with and without the class $y$, and goes further along the difference:
$\hat v = \hat v_\varnothing + g\,(\hat v_y-\hat v_\varnothing)$. Too much of it makes every picture the same loud
cliché.

The **face model** works on a 16×16×4 code of the picture, made by a small autoencoder (latent diffusion). Its lanes are
decoded for looking; that is why its noise looks like coloured cloth.

A **student** takes a shortcut. Without fresh noise the teacher's steps lead each $x_T$ to one picture, so there is a
function from any point of that path to its end, and a network can learn it:
$f(x_t,t)=\alpha_t\,x_t-\sigma_t\,v\approx x_0$. It is shown where its teacher's paths end, and a critic that
compares its jumps with real pictures keeps them sharp. A second look begins half-way, from the first picture with
fresh noise over it.

**Try:** branch at step 3 and at step 15 with another class, and find the step after which the digit cannot change its
mind. Compare DDIM with DDPM: which of them gives the same picture for 10 and for 50 steps?

Ho, Jain and Abbeel, *Denoising diffusion probabilistic models*, 2020 (arxiv.org/abs/2006.11239); Song et al., *DDIM*,
2020 (2010.02502); Ho and Salimans, *Classifier-free guidance*, 2022 (2207.12598); Rombach et al., *Latent diffusion*,
2021 (2112.10752); Meng et al., *SDEdit*, 2021 (2108.01073); Lugmayr et al., *RePaint*, 2022 (2201.09865). Students:
Luhman and Luhman, *Knowledge distillation in iterative generative models*, 2021 (2101.02388); Song et al.,
*Consistency models*, 2023 (2303.01469); Sauer et al., *Adversarial diffusion distillation*, 2023 (2311.17042); Kang et
al., *Distilling diffusion models into conditional GANs*, 2024 (2405.05967).
"""


BODY = """
<div class="dif-mode" data-mode="denoise">
  <div data-part="main"></div>
  <div class="dif-bar"><button type="button" data-do="branch" title="Go on from this step with other settings (B)"
      >Branch here <kbd>B</kbd></button>
    <p class="pg-caption" data-part="branch-note">Scrub to a step, then branch: it goes on from there.</p></div>
  <div class="dif-branches" data-part="branches"></div>
  <div data-part="plots-denoise"></div>
</div>
<div class="dif-mode" data-mode="forward" hidden>
  <div data-part="forward"></div>
  <div class="dif-own" data-part="own-forward"></div>
  <div data-part="plots-forward"></div>
</div>
<div class="dif-mode" data-mode="schedulers" hidden>
  <div class="dif-table" data-part="table"></div>
</div>
<div class="dif-mode dif-pair" data-mode="from a drawing" hidden>
  <div><div data-part="paper-mono"></div><div data-part="paper-colour"></div>
    <div class="dif-own" data-part="own-drawing"></div></div>
  <div><div data-part="edit"></div><div class="dif-ruler" data-part="ruler" aria-hidden="true"></div>
    <p class="pg-caption" data-part="ruler-note"></p></div>
</div>
<div class="dif-mode dif-pair" data-mode="inpaint" hidden>
  <div><div data-part="mask"></div><div class="dif-own" data-part="own-mask"></div></div>
  <div><div data-part="repair"></div></div>
</div>
<div class="dif-mode" data-mode="between" hidden>
  <div class="dif-rows" data-part="between"></div>
</div>
<div class="dif-mode" data-mode="shortcut" hidden>
  <div class="dif-race" data-part="race"></div>
  <p class="pg-caption">Down a column the noise is the same: look for the strokes and edges that one look leaves rough.
    Calls are those of the network; times are measured in this run. Choose a picture to watch its denoising.</p>
</div>
"""
