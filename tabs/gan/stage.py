"""The GAN tab's explanation and the HTML of its stage."""

ABOUT = r"""
Two networks play against each other. The **generator** $G$ turns random numbers $z$ into a picture. The
**discriminator** $D$ is shown real pictures and made-up ones and has to tell which is which. Each learns from the
other's mistakes:

$$\min_G \max_D\; \mathbb E_{x}\,\log D(x) + \mathbb E_{z}\,\log\bigl(1 - D(G(z))\bigr)$$

That is the game of 2014. The networks here play a calmer version in which $D$ always compares a real picture $x$ with a
made-up one: $G$ lowers $\mathbb E\,\log\bigl(1+e^{D(x)-D(G(z))}\bigr)$. Nobody ever tells $G$ what a face is.

**Styles.** A first small network turns $z$ into a *style* $w$, and $w$ steers every layer of $G$. So layers can follow
different styles (*Mix*), and *truncation* can pull a style towards the mean: $w' = \bar w + \psi\,(w - \bar w)$.

**Asking.** For faces both players are also told sixteen attributes $y$. To $D$ a face without the hat that was asked
for is a false one, so $G$ learns to obey. Open *Ask for*: what you leave at *any* is decided by the seed.

**What a GAN lacks.** It has no way back from a picture to its numbers, so *Project* has to search. And nothing makes it
draw *everything* there is: what it forgets is easily overlooked, so *Diversity* counts.

**Try:** walk until a hat appears, then find the step at which it does. Mix two seeds and move the cut one layer at a
time. Draw a face and ask for the verdict; then project it and see what the network can make of it.

Goodfellow et al., *Generative adversarial nets*, 2014 (arxiv.org/abs/1406.2661). Karras et al., *StyleGAN*, 2018
(arxiv.org/abs/1812.04948). Huang et al., *The GAN is dead; long live the GAN!*, 2024 (arxiv.org/abs/2501.05441).
Attributes: Odena et al., *AC-GAN*, 2016 (arxiv.org/abs/1610.09585); Miyato and Koyama, 2018
(arxiv.org/abs/1802.05637). Directions: Härkönen et al., *GANSpace*, 2020 (arxiv.org/abs/2004.02546); Shen et al.,
*InterFaceGAN*, 2019 (arxiv.org/abs/1907.10786).
"""

BODY = """
<div class="gan-mode gan-walk" data-mode="walk">
  <figure>
    <div class="gan-plane" data-part="plane" tabindex="0" role="application"
      aria-label="The picture. Drag it, or use the arrow keys, to walk between seeds.">
      <img data-part="out" alt="" draggable="false"></div>
    <figcaption class="pg-caption" data-part="place"></figcaption>
    <div class="gan-buttons"><button type="button" data-do="snap" title="S">Snap to the seed</button>
      <button type="button" data-do="animate" aria-pressed="false" title="A">Walk by itself</button>
      <span class="pg-caption">Arrow keys go 0.1, with Shift a whole seed.</span></div>
  </figure>
  <div class="gan-aside">
    <figure>
      <div class="gan-lattice"><img data-part="corners" alt="The four seeds around this place">
        <i data-part="dot"></i></div>
      <figcaption class="pg-caption" data-part="around">the four seeds around you</figcaption>
    </figure>
    <figure><img data-part="mean" alt="The mean picture">
      <figcaption class="pg-caption">the mean picture</figcaption></figure>
    <div class="gan-wide"><div class="gan-psi" data-part="psi"></div>
      <p class="pg-caption">from the mean picture (ψ 0) to this one and beyond</p></div>
  </div>
</div>
<div class="gan-mode gan-mix" data-mode="mix" hidden>
  <figure><button type="button" data-do="other-a" title="Another A"><img data-part="a" alt="A: another seed"></button>
    <figcaption class="pg-caption" data-part="a-note"></figcaption></figure>
  <figure><img data-part="mixed" alt="The mixture">
    <figcaption class="pg-caption" data-part="mixed-note"></figcaption></figure>
  <figure><button type="button" data-do="other-b" title="Another B"><img data-part="b" alt="B: another seed"></button>
    <figcaption class="pg-caption" data-part="b-note"></figcaption></figure>
  <div class="gan-wide"><div data-part="cuts"></div>
    <p class="gan-ticks pg-caption" data-part="cut-ticks" aria-hidden="true"></p></div>
  <div class="gan-wide gan-grid"><div data-part="grid"></div>
    <p class="pg-caption">Each takes its coarse layers from the left margin and its fine ones from the top.
      Choose one to make its parents A and B.</p></div>
</div>
<div class="gan-mode gan-directions" data-mode="directions" hidden>
  <figure><img data-part="before" alt="Nine seeds before">
    <figcaption class="pg-caption">nine seeds as they are</figcaption></figure>
  <figure><img data-part="after" alt="Nine seeds after">
    <figcaption class="pg-caption">the same nine, moved</figcaption></figure>
  <div><h3>What each direction changes most</h3><ol class="gan-meaning" data-part="meaning"></ol>
    <p class="pg-caption" data-part="meaning-note"></p></div>
  <div><h3 data-part="dose-title">Does the attribute obey?</h3><div class="gan-dose" data-part="dose"></div>
    <p class="pg-caption" data-part="dose-note"></p></div>
</div>
<div class="gan-mode gan-two" data-mode="verdict project" hidden>
  <div class="gan-own"><div data-part="ink"></div><div data-part="paint" hidden></div>
    <div class="gan-buttons"><button type="button" data-do="test">Another test picture</button>
      <button type="button" data-do="upload">Upload…</button>
      <input type="file" accept="image/*" hidden aria-label="Upload a picture"></div></div>
  <div data-mode="verdict">
    <p class="gan-words" data-part="words"></p>
    <canvas class="gan-scale" data-part="scale" role="img" aria-label="Verdicts on real and on made pictures"></canvas>
    <p class="pg-caption">One mark per picture: real ones above, made ones below, farther right is more convincing.
      The upright line is the picture on the left.</p>
  </div>
  <div data-mode="project">
    <div data-part="film"></div>
    <div class="gan-buttons"><button type="button" data-do="project" title="R">Search again</button>
      <span class="pg-caption">Scrub the search with ← and →.</span></div>
  </div>
  <div class="gan-wide" data-mode="verdict">
    <h3>Made by the generator, the most convincing first</h3><div data-part="fakes"></div>
    <h3>Real test pictures, the most convincing first</h3><div data-part="reals"></div></div>
</div>
<div class="gan-mode gan-diversity" data-mode="diversity" hidden>
  <figure><div data-part="made"></div><figcaption class="pg-caption">sixty-four samples</figcaption></figure>
  <figure><div class="gan-near" data-part="nearest"></div>
    <figcaption class="pg-caption" data-part="nearest-note">the nearest training picture of each</figcaption></figure>
  <div><h3>Is it a copy?</h3><div class="gan-pair">
    <canvas data-part="pair-made" width="64" height="64" role="img" aria-label="The chosen sample"></canvas>
    <canvas data-part="pair-real" width="64" height="64" role="img" aria-label="Its nearest training picture"></canvas>
    <p class="pg-caption" data-part="pair-note">Choose a sample to see it beside its nearest training picture.</p>
  </div></div>
  <div><h3>Mean distance between two pictures</h3><div class="gan-spread" data-part="spread"></div>
    <p class="pg-caption" data-part="spread-note"></p></div>
  <div class="gan-wide">
    <h3 data-part="missing-title">What is missing</h3><ul class="gan-chips" data-part="missing"></ul>
    <p class="pg-caption" data-part="missing-note"></p>
    <details><summary>All counts, samples and real pictures</summary>
      <div class="gan-counts" data-part="counts"></div>
    </details>
  </div>
</div>
"""
