"""What the comparison can be set to, and the words on it."""

from __future__ import annotations

from playground.api import MAX_SEED, Field
from playground.comparison import STEPS, data_sets
from playground.engine import Engine
from tabs import _ui as ui

MODES = ("samples", "class", "between", "repair", "neighbours", "measure", "wall", "quiz")
COUNTED = ("64", "128", "256", "512")
FRAMES = 9  # pictures of a walk
REALS = 500  # real pictures that can be chosen, or asked about in the quiz
NAMES = {  # data set → what is said of it; another one says its own name
    "mnist": "Digits", "faces": "Faces", "emoji": "Emoji", "stackedmnist": "Stacked digits",
}  # fmt: skip


def declare(engine: Engine) -> ui.State:
    """The state. Models are not named in it: whoever is there when the page is opened takes part."""
    sets = tuple(data_sets(engine))
    if not sets:
        raise ui.PlaygroundError("No model here makes pictures. Train one: python -m playground train gan-mnist.")
    fields = (
        Field("mode", "choice", "samples", choices=MODES, label="Question"),
        Field("data", "choice", sets[0], choices=sets, label="Pictures of"),
        ui.seed_field(),
        STEPS,
        Field("switched", "text", "", length=600, label="Columns switched on or off",
              info="Names of models; at first, the best of each family takes part."),
        Field("count", "int", 4, 1, 16, 1, label="Pictures per model"),
        Field("ask", "text", "digit=3", length=80, label="Asked for"),
        Field("tries", "int", 40, 20, 200, 20, label="Draws at most",
              info="A model that cannot be asked draws until the classifier has found enough."),
        Field("other", "int", 8, 0, MAX_SEED, label="Second seed"),
        Field("way", "choice", "sphere", choices=("sphere", "straight"), label="Way",
              info="Along the sphere on which noise lives, or straight through its inside."),
        Field("frame", "int", FRAMES // 2, 0, FRAMES - 1, 1, label="Place on the walk"),
        Field("source", "choice", "test", choices=("test", "own"), label="Picture",
              info="One that no model has seen, or your own."),
        Field("test", "int", 157, 0, REALS - 1, 1, label="Test picture"),
        Field("own", "text", "", length=60_000, label="Your picture"),
        Field("damage", "choice", "left", choices=("left", "centre", "painted"), label="Hidden part"),
        Field("mask", "text", "", length=20_000, label="The painted part"),
        Field("number", "choice", COUNTED[0], choices=COUNTED, label="Pictures per model",
              info="Few are quick and noisy; for a score to quote, take 512 or the stored ones."),
        Field("rows", "int", 8, 2, 32, 1, label="Seeds"),
        Field("go", "bool", False, label="Started"),
        Field("riddle", "int", 1, 1, 9999, 1, label="Riddle"),
    )  # fmt: skip
    return ui.State("compare", fields, presets(sets))


def presets(sets: tuple[str, ...]) -> tuple[ui.Preset, ...]:
    """Three starting points; a data set that is not there takes its preset with it."""
    given = (
        ui.Preset("works", "One seed, many minds", "Every column starts from the same numbers, and yet each family "
                  "dreams its own picture. Watch who is there at once and who takes step after step.", {}),
        ui.Preset("fails", "The straight way", "Half-way along a straight line between two noises the mix is weaker "
                  "than any noise a model has seen. Look at the middle of each row, then switch to the sphere.",
                  {"mode": "between", "way": "straight", "seed": 2, "other": 14}),
        ui.Preset("surprises", "Half a picture", "All get the same half. Nobody is told what was hidden, so every "
                  "model shows what it believes about the world.", {"mode": "repair", "test": 403}),
    )  # fmt: skip
    return tuple(preset for preset in given if preset.values.get("data", sets[0]) in sets)


ABOUT = r"""
Every model here learned from the **same pictures** and now answers the **same question**, so what differs is the idea
behind it. An *autoencoder* and a *VAE* unfold a few numbers in one go. A *GAN* was trained against a critic. A
*diffusion* model starts from noise and cleans it, step by step.

**How good?** A judge network, trained apart, turns every picture into a list of numbers, its *features*. Real pictures
form one cloud of such points, samples another. The *Fréchet distance* says how far the clouds are apart, with means
$\mu$ and covariances $\Sigma$:

$$\mathrm{FD}=\lVert\mu_a-\mu_b\rVert^2+\operatorname{tr}\!\big(\Sigma_a+\Sigma_b-2(\Sigma_a\Sigma_b)^{1/2}\big)$$

Few points make it too large, even between real and real. That is the *floor*; we show FD ÷ floor, and 1 would be
perfect. *Precision*: how many samples lie among real pictures. *Recall*: how many real pictures have samples around
them. *Diversity*: how far samples are from each other, real pictures being 1. *Class right*: how often the judge sees
what was asked for.

The real side is an index of training pictures that ships with the judge. With 64 samples every number is noisy:
measure again with another seed and see how much it moves.

A model **without classes** cannot be asked for a 3. The honest way is *rejection*: draw, let the judge look, keep the
threes, and say how many draws that took.

**Try:** hide the centre of a face. Draw a half-finished digit. Ask for the rarest hat. Play the quiz until one model
has fooled you three times.

Heusel et al., *GANs trained by a two time-scale update rule* (FID), 2017 (arxiv.org/abs/1706.08500). Kynkäänniemi et
al., *Improved precision and recall*, 2019 (arxiv.org/abs/1904.06991). White, *Sampling generative networks*, 2016
(arxiv.org/abs/1609.04468).
"""

BODY = """
<div class="cmp-chips" role="group" aria-label="Models in the comparison" data-part="chips"></div>
<div class="cmp-ask" data-part="ask" data-mode="class" hidden></div>
<div class="cmp-start" data-part="start" hidden>
  <p data-part="estimate"></p><button type="button" class="cmp-go" data-do="go">Start</button></div>
<div class="cmp-stage">
  <div class="cmp-panel" data-part="panel" data-mode="repair" hidden>
    <div data-part="sketch" hidden><h3>Your picture</h3><div data-part="paper"></div></div>
    <div><h3>What they all get</h3><div data-part="mask"></div>
      <p class="pg-caption">Paint on it to hide another part.</p></div>
    <div class="cmp-buttons"><button type="button" data-do="test">Another test picture</button>
      <button type="button" data-do="draw">Draw one</button><button type="button" data-do="upload">Upload…</button>
      <input type="file" accept="image/*" hidden aria-label="Upload a picture"></div>
  </div>
  <div class="cmp-columns" data-part="columns" data-mode="samples class repair neighbours" tabindex="0" role="group"
    aria-label="Answers, one column for each model"></div>
</div>
<div class="cmp-walk" data-mode="between" hidden><div data-part="rows"></div>
  <div class="pg-scrub"><input type="range" min="0" max="8" value="4" data-part="place" aria-label="Place on the walk">
    <output class="pg-count" data-part="where"></output></div></div>
<div data-mode="measure" hidden>
  <div class="cmp-scroll" tabindex="0" role="region" aria-label="Table of scores">
    <table class="cmp-table" data-part="table"></table></div>
  <figure class="cmp-plot" data-part="plot" hidden>
    <figcaption class="pg-caption" data-part="plot-note"></figcaption></figure>
  <details class="cmp-stored"><summary>What the cards say, measured beforehand with more pictures</summary>
    <div class="cmp-scroll" tabindex="0" role="region" aria-label="Table of stored scores">
      <table class="cmp-table" data-part="stored"></table></div>
  </details>
</div>
<div class="cmp-wall" data-mode="wall" hidden>
<div class="cmp-scroll" tabindex="0" role="region" aria-label="Wall of samples">
  <div class="cmp-grid"><div></div><div class="cmp-heads" data-part="heads" aria-hidden="true"></div>
  <ol class="cmp-rail" data-part="rail" aria-hidden="true"></ol><div data-part="wall"></div></div></div></div>
<div class="cmp-quiz" data-mode="quiz" hidden>
  <figure><img data-part="riddle" alt="Is this picture real?"></figure>
  <div><p class="cmp-number" data-part="riddle-number"></p>
    <div class="cmp-answers"><button type="button" data-guess="real">Real <kbd>1</kbd></button>
      <button type="button" data-guess="fake">Made by a model <kbd>2</kbd></button></div>
    <p class="cmp-verdict" data-part="verdict" aria-live="polite"></p>
    <button type="button" class="cmp-go" data-do="next">Next <kbd>Space</kbd></button>
    <p class="cmp-tally" data-part="tally"></p><ol class="cmp-fooled" data-part="fooled"></ol>
    <button type="button" class="pg-link" data-do="forget">Start the tally again</button></div>
</div>
"""
