"""What the flow tab can be set to, and the words on it."""

from __future__ import annotations

from playground.api import Field, ModelCard
from playground.data import densities
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import COUNT

MODES = ("plane", "pictures", "samples", "between", "faces", "surprise")
WAYS = ("noise to data", "data to noise")
CORNERS = {"a": 103, "b": 351, "c": 12, "d": 428}  # test pictures
ATTRIBUTES = ("smile", "glasses", "hat", "beard", "long_hair", "turn")
FRAMES = 9  # pictures of a walk
HOTTEST = 1.2


def fits(card: ModelCard, mode: str) -> bool:
    """Whether a flow can be shown in a mode: by its pictures, never by its name."""
    if mode == "plane":
        return card.shape == (2, 1, 1)
    if mode == "faces":
        return card.data == "faces"
    if mode == "surprise":
        return card.data == "mnist"
    return card.shape[1] > 1


def declare(engine: Engine) -> ui.State:
    """The state; a mode no model is there for takes its presets with it."""
    cards = sorted((card for card in engine.cards() if card.family == "flow"), key=lambda card: -card.year)
    here = [mode for mode in MODES if any(fits(card, mode) for card in cards)]
    first = next((card.name for mode in here[:1] for card in cards if fits(card, mode)), "")
    fields = (
        Field("mode", "choice", (here or MODES)[0], choices=MODES, label="Mode"),
        ui.model_field(engine, family="flow", default=first),
        ui.seed_field(),
        Field("density", "choice", "two moons", choices=densities.NAMES, label="Density"),
        Field("way", "choice", WAYS[0], choices=WAYS, label="Direction",
              info="The same layers, one way or the other: nothing is lost."),
        Field("at", "float", 1.0, 0.0, 1.0, 0.001, label="Place between the two ends"),
        Field("heat", "bool", True, label="Density"),
        Field("grid", "bool", True, label="Grid"),
        Field("points", "bool", True, label="Points"),
        Field("x", "float", -1.0, -densities.EXTENT, densities.EXTENT, 0.01, label="x"),
        Field("y", "float", 1.5, -densities.EXTENT, densities.EXTENT, 0.01, label="y"),
        Field("temperature", "float", 1.0, 0.0, HOTTEST, 0.05, label="Temperature",
              info="Scales the noise. Below 1: safer and more alike."),
        Field("source", "choice", "test", choices=("test", "drawing", "sample"), label="Picture",
              info="A test picture, your own, or one that the flow made."),
        Field("test", "int", 157, 0, COUNT - 1, 1, label="Test picture"),
        Field("drawing", "text", "", length=40_000, label="The drawing"),
        *(Field(c, "int", n, 0, COUNT - 1, 1, label=f"Corner {c.upper()}") for c, n in CORNERS.items()),
        Field("path", "choice", "great circle", choices=("great circle", "straight line"), label="Way through z",
              info="Noise lives on a shell. A straight line cuts through its empty inside."),
        Field("frame", "int", FRAMES // 2, 0, FRAMES - 1, 1, label="Place on the walk"),
        Field("origin", "choice", "drawn", choices=("drawn", "sample"), label="Face from",
              info="A drawn face no network has seen, or one that the flow made."),
        *(Field(a, "float", 0.0, -2, 2, 0.1, label=a.replace("_", " ").capitalize()) for a in ATTRIBUTES),
    )  # fmt: skip
    flat = [card.name for card in cards if fits(card, "plane")]
    given = presets(flat[-1] if flat else "")
    return ui.State("flow", fields, tuple(p for p in given if p.values.get("mode", "plane") in here))


def presets(oldest: str) -> tuple[ui.Preset, ...]:
    """Four starting points; `oldest` is the flow of the plane with the simplest layers, whose bridges are broadest."""
    return (
        ui.Preset("works", "Noise becomes moons", "Press play, or scrub with the arrow keys: small bends, one after "
                  "the other, turn a round cloud into two moons, and no point is lost on the way.", {}),
        ui.Preset("fails", "Islands stay tied", "A flow bends space but cannot tear it. Between the eight islands "
                  "bridges remain: places where no data ever was, and yet they are not empty.",
                  {"model": oldest, "density": "eight gaussians", "points": False, "grid": False, "x": 1.85,
                   "y": 0.77}),
        ui.Preset("surprises", "Likelier than a digit", "An all-black picture gets a higher density than any real "
                  "digit, yet it is none. Right: does its noise give it away?", {"mode": "surprise"}),
        ui.Preset("works", "Glasses on, nothing lost", "Every face has exactly one code, and every code one face. "
                  "Walk in the direction of glasses; at zero the very same pixels come back.",
                  {"mode": "faces", "glasses": 1.0}),
    )  # fmt: skip


ABOUT = r"""
A **normalizing flow** is a chain of invertible steps between pictures $x$ and plain noise $z$. Run it one way and noise
becomes a picture; run it the other way and a picture becomes its noise, exactly. Because nothing is lost, the
probability can be followed like a liquid: where a step stretches space the density thins, where it squeezes it piles
up. That is the *change of variables*:

$$\log p(x)=\log\mathcal N(z;0,1)+\sum_k \log\Big|\det\frac{\partial h_{k+1}}{\partial h_k}\Big|$$

No bound, no estimate. Training simply raises this number on real pictures. The trick is to find steps whose
determinant is cheap.

* **Coupling** (NICE, RealNVP): leave one half as it is and let it decide what happens to the other,
  $h_b' = h_b\cdot e^{s(h_a)}+t(h_a)$. The log-determinant is the sum of $s$. NICE only adds ($s=0$); a *spline* flow
  bends $h_b$ along a whole curve instead of a straight line.
* **Mixing** (Glow): a learned $1\times1$ convolution $W$ shuffles the channels in between; its log-determinant is
  $H W\log|\det W|$.
* **One after the other** (TarFlow): a transformer lets every patch be shifted and scaled by those before it. The last
  direction is then slow, patch by patch, but the pictures are the best.

**Bits per dimension.** Pixels are whole numbers, densities are not: so every grey level $k$ is spread over a little
interval, $y=(k+u)/256$ with $u$ between 0 and 1 (*uniform dequantisation*), and
$\text{bits/dim}=-\log_2 p(\text{picture})/\text{number of pixels}$. It is how many bits a perfect compressor built on
this model would spend on a pixel; 8 means it knows nothing.

**Density is not typicality.** The likeliest place of noise in 784 dimensions is zero, but draws from it lie on a shell
$|z|^2\approx784$. In the same way a blank picture may have the highest density of all and still never be drawn. So a
high likelihood alone does not mean "this looks like my training pictures". Smooth pictures are cheap for a flow: it
mostly learned how neighbouring pixels go together.

**Try:** hover over the plane and follow one point through all layers. Find the bridge between two islands. Take a
picture there and back, and look at the error. Turn the temperature to 0.7. Draw a letter, and ask how likely it is.

**History.** *NICE* (Dinh, Krueger, Bengio, 2014, arxiv.org/abs/1410.8516) had the idea of coupling; *RealNVP* (Dinh,
Sohl-Dickstein, Bengio, 2016, 1605.08803) let layers scale and work on several sizes; *Glow* (Kingma and Dhariwal, 2018,
1807.03039) made faces one could edit; neural spline flows (Durkan et al., 2019, 1906.04032) bent more gracefully.
Then diffusion took over, until *TarFlow* (Zhai et al., 2024, 2412.06329) showed
that a flow with transformers makes sharp pictures after all.

Nalisnick et al., *Do deep generative models know what they don't know?*, 2019 (1810.09136); Kirichenko, Izmailov and
Wilson, *Why normalizing flows fail to detect out-of-distribution data*, 2020 (2006.08545); Cornish et al., *Relaxing
bijectivity constraints*, 2020 (1909.13833), on the bridges. Photographs of shirts: clothing-dataset-small by Alexey
Grigorev and contributors, CC0.
"""

BODY = """
<div class="flow-mode flow-plane" data-mode="plane">
  <div class="flow-main">
    <div data-part="plane" class="flow-plane-canvas" tabindex="0" role="application"
      aria-label="The plane. Point at a place, or move the mark with the arrow keys.">
      <canvas aria-hidden="true"></canvas>
      <span class="flow-end" data-part="stage-name"></span></div>
    <div class="flow-scrub" data-part="scrub">
      <button type="button" data-do="play" aria-label="Play" title="Play (space)">▶</button>
      <div><input type="range" min="0" max="1000" value="1000" step="1" data-part="at" aria-label="Layer">
        <span class="flow-ticks" data-part="ticks" aria-hidden="true"></span></div>
      <output class="pg-count" data-part="count"></output></div>
    <div class="flow-ends" aria-hidden="true"><span data-part="left"></span><span data-part="right"></span></div>
  </div>
  <div class="flow-side">
    <div class="flow-pair">
      <figure><canvas data-part="learned" role="img" aria-label="The density the flow has learned"></canvas>
        <figcaption>what it learned</figcaption></figure>
      <figure><canvas data-part="truth" role="img" aria-label="The true density"></canvas>
        <figcaption>the truth</figcaption></figure>
    </div>
    <p class="pg-caption flow-apart" data-part="apart"></p>
    <dl class="flow-numbers">
      <div><dt>density here</dt><dd data-part="p"></dd></div>
      <div><dt>log p</dt><dd data-part="logp"></dd></div>
      <div><dt>true log p</dt><dd data-part="true"></dd></div>
    </dl>
    <h3>What each layer adds to log p</h3>
    <div class="flow-dets" data-part="dets"></div>
    <p class="pg-caption" data-part="sum"></p>
  </div>
  <div class="flow-choices" data-part="choices" role="group" aria-label="Density to learn"></div>
</div>
<div class="flow-mode flow-pictures" data-mode="pictures" hidden>
  <div class="flow-input"><div data-part="paper"></div>
    <div class="flow-reads"><img data-part="input" alt="The picture as the flow reads it">
      <div class="flow-buttons"><button type="button" data-do="test">Another test picture</button>
      <button type="button" data-do="upload">Upload…</button>
      <input type="file" accept="image/*" hidden aria-label="Upload a picture"></div></div></div>
  <figure><img data-part="z" alt="The noise of the picture">
    <figcaption>its noise z = f(x)</figcaption></figure>
  <figure><img data-part="back" alt="The picture made from that noise">
    <figcaption data-part="back-note">back again, f⁻¹(z)</figcaption></figure>
  <figure class="flow-values"><h3>The values in z</h3>
    <canvas data-part="histogram" role="img" aria-label="How often each value occurs in z, beside pure noise"></canvas>
    <figcaption data-part="histogram-note"></figcaption></figure>
  <div class="flow-scores"><h3>Bits per dimension: the fewer, the likelier</h3>
    <div data-part="scores"></div><p class="pg-caption" data-part="protocol"></p></div>
</div>
<div class="flow-mode flow-samples" data-mode="samples" hidden><div data-part="seeds"></div>
  <p class="pg-caption" data-part="extremes"></p></div>
<div class="flow-mode flow-between" data-mode="between" hidden>
  <div><div data-part="walk"></div><div data-part="pickers"></div></div>
  <figure><img data-part="corners" alt="Pictures between the four corners">
    <figcaption>everything between the four corners</figcaption></figure>
</div>
<div class="flow-mode flow-faces" data-mode="faces" hidden>
  <figure><img data-part="before" alt="The face before"><figcaption>before</figcaption></figure>
  <figure><img data-part="after" alt="The face after"><figcaption data-part="after-note">after</figcaption></figure>
  <figure class="flow-wall"><img data-part="wall" alt="More faces, before above and after below">
    <figcaption>the same step on other faces: before above, after below. Each direction is the mean z of 32 people
      drawn with the attribute, minus that of the same people drawn without it.</figcaption></figure>
</div>
<div class="flow-mode flow-surprise" data-mode="surprise" hidden>
  <div class="flow-dots" data-part="dots"></div>
  <div class="flow-closer" data-part="closer"></div>
  <p class="pg-caption">A flow adds up what every pixel costs, given its neighbours. Even areas cost next to nothing,
    whatever they show; edges cost. So an emptier picture is a likelier one. Its own samples are rounded to grey levels
    first, as all pictures are.</p>
</div>
"""
