"""The energy tab's explanation and the HTML of its stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from playground.engine import Engine


def about(engine: Engine) -> str:
    """The explanation, with the bracket of log Z that the machine's card carries, where it does."""
    found = [c.scores["partition"] for c in engine.cards() if c.family == "energy" and "partition" in c.scores]
    return ABOUT.replace("BRACKET", bracket(found[0]) if found else "")


def bracket(scores: Mapping[str, Any]) -> str:
    """ " For the machine of this page log Z lies between … and …", or nothing."""
    if not all(isinstance(scores.get(key), int | float) for key in ("log_z", "low", "high")):
        return ""
    return (
        f" For the machine on this page $\\log Z$ is {scores['log_z']:.1f} nats, between {scores['low']:.1f} and "
        f"{scores['high']:.1f}."
    )


ABOUT = r"""
Give every picture a number, its **energy** $E(x)$: low where pictures look right, high elsewhere. That alone is a
model. Likely is what lies low:

$$p(x)=\frac{e^{-E(x)}}{Z},\qquad Z=\sum_x e^{-E(x)}$$

**Why Z is hard.** It sums over *every* picture there is. Small black-and-white digits are already $2^{784}$ of them, a
number of 237 digits. So these models are sampled, and taught, without ever knowing $Z$.

**Sampling is walking.** Go a little downhill and add noise (*Langevin*): $x' = x-\tfrac{s^2}{2}\nabla
E(x)/T+s\,\xi$. Or let a ball roll with momentum and then ask whether to believe where it stopped (*HMC*). Or jump
blindly and keep the jump with probability $\min(1,e^{-\Delta E/T})$ (*Metropolis*). Or redraw one coordinate at
a time while the others hold still (*Gibbs*). Where valleys are far apart, all of them get stuck, each in its own way.

**Hopfield, 1982.** Units of $\pm1$ and weights $w_{ij}$ learned from $P$ patterns $\xi^\mu$ of $N$ pixels:

$$E(s)=-\tfrac12\sum_{ij}w_{ij}s_is_j$$

$$w_{ij}=\tfrac1N\sum_\mu \xi^\mu_i\xi^\mu_j$$

A unit flips only if that lowers $E$: so $E$ never rises, and the state rolls into a memory. For random patterns that
works up to $P\approx0.138\,N$; digits resemble each other and crowd much sooner.

**Boltzmann machines, 1985.** Let units toss coins, and add hidden ones nobody shows. If wires run only between
pixels $v$ and hidden units $h$ (*restricted*), each side is easy given the other:

$$E(v,h)=-b\!\cdot\!v-c\!\cdot\!h-v^{\!\top}Wh$$

$$p(h_j{=}1|v)=\sigma\bigl(c_j+\textstyle\sum_i v_iW_{ij}\bigr)$$

**Learning** pulls the energy of data down and pushes that of the model's own fantasies up:
$\Delta W=\eta\,(\langle vh^{\!\top}\rangle_\text{data}-\langle vh^{\!\top}\rangle_\text{model})$. *Contrastive
divergence* starts the fantasy at the data and lets it run for only $k$ sweeps. Stack such machines and you have the
**deep belief network** of 2006, the step that made deep networks trainable again.

**Measuring.** *Annealed importance sampling* climbs from a machine whose $Z$ is known to this one and brackets
$\log Z$ from both sides.BRACKET

**Without Z, without chains.** *Denoising score matching* teaches only the slope: at a noisy picture, $-\nabla E$ should
point back to the clean one. From there it is one step to the diffusion tab.

**Try:** heat the walkers to 5, then cool them to 0.1. Hold the upper half of a digit in the machine and see what the
lower half does. Store digits until the memory breaks, then change the rule.

Hopfield, *Neural networks and physical systems with emergent collective computational abilities*, 1982
(doi:10.1073/pnas.79.8.2554). Ackley, Hinton and Sejnowski, *A learning algorithm for Boltzmann machines*, 1985
(doi:10.1207/s15516709cog0901_7). Hinton, *Training products of experts by minimizing contrastive divergence*, 2002.
Hinton, Osindero and Teh, *A fast learning algorithm for deep belief nets*, 2006. Salakhutdinov and Murray, *On the
quantitative analysis of deep belief networks*, 2008. Vincent, *A connection between score matching and denoising
autoencoders*, 2011. Du and Mordatch, *Implicit generation and modeling with energy-based models*, 2019
(arxiv.org/abs/1903.08689). Song and Ermon, *Generative modeling by estimating gradients of the data distribution*, 2019
(arxiv.org/abs/1907.05600). Hopfield and Hinton shared the physics Nobel Prize of 2024 for where this story begins.
"""

PICTURE_BUTTONS = """<div class="en-buttons"><button type="button" data-do="test">Another test picture</button>
  <button type="button" data-do="sketch" aria-expanded="false">Draw one</button>
  <button type="button" data-do="upload">Upload…</button>
  <input type="file" accept="image/*" hidden aria-label="Upload a picture"></div>
  <div data-part="sketch" class="en-sketch" hidden></div>"""

BODY = f"""
<div class="en-mode en-land" data-mode="landscape">
  <div>
    <div data-part="map"></div>
    <div data-part="surface" class="en-surface" hidden></div>
    <div data-part="walk-player"></div>
    <div class="en-bar">
      <div class="en-segment" role="group" aria-label="View" data-part="view"></div>
      <button type="button" data-do="lift">Remove my walkers</button>
      <span class="pg-caption">Click or drag: a walker of yours starts there.</span>
    </div>
  </div>
  <div class="en-side">
    <figure><h3>Where the walkers spend their time</h3><div data-part="shares"></div>
      <figcaption data-part="shares-note"></figcaption></figure>
    <figure><h3>Accepted steps</h3><div data-part="accept"></div>
      <figcaption data-part="accept-note"></figcaption></figure>
    <figure><div class="en-trace-head"><h3 data-part="trace-title">Walker</h3>
      <span class="en-stepper"><button type="button" data-do="walker-back" aria-label="The walker before">‹</button>
      <output data-part="walker"></output>
      <button type="button" data-do="walker-on" aria-label="The next walker">›</button></span>
      <div class="en-segment" role="group" aria-label="What is traced" data-part="trace-what"></div></div>
    <div data-part="trace"></div><figcaption data-part="trace-note"></figcaption></figure>
  </div>
</div>
<div class="en-mode en-rbm" data-mode="rbm" hidden>
  <div><div data-part="clamp"></div><p class="pg-caption" data-part="clamp-note"></p></div>
  <div><div data-part="crowd"></div><div data-part="rbm-player"></div></div>
  <figure class="en-hidden"><h3>Hidden units of the chosen particle</h3><div data-part="units"></div>
    <h3>What the framed ones vote for</h3><div data-part="filters" class="en-filters"></div>
    <figcaption data-part="units-note"></figcaption></figure>
</div>
<div class="en-mode en-pair" data-mode="repair" hidden>
  <div><div data-part="hole"></div>{PICTURE_BUTTONS}</div>
  <div><div data-part="repair"></div>
    <figure><h3>How far from the original</h3><div data-part="repair-chart"></div>
      <figcaption data-part="repair-note"></figcaption></figure></div>
</div>
<div class="en-mode" data-mode="dream" hidden>
  <div data-part="dream"></div>
  <figure class="en-below"><h3>Energy on the way</h3><div data-part="dream-chart"></div>
    <figcaption data-part="dream-note"></figcaption></figure>
</div>
<div class="en-mode en-hop" data-mode="hopfield" hidden>
  <div><div data-part="pad"></div>
    <div class="en-buttons"><button type="button" data-do="remember">Remember it</button>
      <button type="button" data-do="recall">Begin with it</button></div></div>
  <div><div data-part="recall"></div></div>
  <figure><h3>Energy, unit by unit</h3><div data-part="fall"></div>
    <figcaption data-part="fall-note"></figcaption></figure>
  <figure class="en-wide"><div class="en-trace-head"><h3 data-part="memories-title">Memories</h3>
      <span class="en-more"><button type="button" data-do="store-test">Remember a test digit</button>
      <button type="button" data-do="store-noise">20 random patterns</button>
      <button type="button" class="pg-link" data-do="forget">Forget all but two</button></span></div>
    <div data-part="memories" class="en-memories"></div><figcaption data-part="memories-note"></figcaption></figure>
  <figure class="en-wide"><h3>Memories until they break</h3><div data-part="capacity"></div>
    <figcaption data-part="capacity-note"></figcaption></figure>
</div>
<div class="en-mode en-learn" data-mode="learn" hidden>
  <figure><h3>What each hidden unit votes for</h3><img data-part="learn-filters" alt="The filters"></figure>
  <div><figure><h3>Real, given back, dreamt</h3><img data-part="learn-pictures" class="en-strip" alt=""></figure>
    <figure><h3>Error of the pictures given back</h3><div data-part="learn-chart"></div>
      <figcaption data-part="learn-note"></figcaption></figure>
    <div class="en-buttons"><button type="button" data-do="train" class="en-go">Train</button>
      <button type="button" data-do="again">Start afresh</button></div></div>
</div>
"""
