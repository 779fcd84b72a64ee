"""What the VAE tab can be set to, and the words on it."""

from __future__ import annotations

from playground.api import Field
from playground.engine import Engine
from tabs import _ui as ui
from tabs._ui.examples import COUNT

MODES = ("Map", "Draw", "Samples", "Sliders", "Between", "Faces")
STRONGEST = tuple(f"k{i}" for i in range(1, 9))
CORNERS = {"a": 103, "b": 351, "c": 12, "d": 428}  # test pictures
ATTRIBUTES = ("smile", "glasses", "hat", "beard", "long_hair", "turn")
FRAMES = 33  # pictures of a walk
REACH = 5.0  # as far from the centre as a latent can be pushed


def declare(engine: Engine) -> ui.State:
    """The state; a model that is not there takes its presets with it."""
    model = ui.model_field(engine, family="vae", default="vae-mnist-2d")
    fields = (
        Field("mode", "choice", "map", choices=tuple(m.lower() for m in MODES), label="Mode"),
        model,
        ui.seed_field(),
        Field("layer", "choice", "labels", choices=("labels", "pictures"), label="On the map",
              info="Where test pictures land, or what each place decodes to."),
        Field("x", "float", -0.6, -REACH, REACH, 0.01, label="Latent 1"),
        Field("y", "float", 0.9, -REACH, REACH, 0.01, label="Latent 2"),
        Field("source", "choice", "test", choices=("test", "drawing"), label="Encode",
              info="A picture the network never trained on, or your own."),
        Field("test", "int", 157, 0, COUNT - 1, 1, label="Test picture"),
        Field("drawing", "text", "", length=40_000, label="The drawing"),
        Field("temperature", "float", 1.0, 0.0, 2.0, 0.05, label="Temperature",
              info="Scales the prior's noise: 0 gives one average picture, 2 leaves the known land."),
        Field("start", "choice", "test", choices=("test", "seed"), label="Start from",
              info="The code of the test picture, or a draw from the prior."),
        *(Field(k, "float", 0.0, -4, 4, 0.1, label=f"Latent of rank {i}") for i, k in enumerate(STRONGEST, 1)),
        *(Field(c, "int", n, 0, COUNT - 1, 1, label=f"Corner {c.upper()}") for c, n in CORNERS.items()),
        Field("frame", "int", FRAMES // 2, 0, FRAMES - 1, 1, label="Place on the walk"),
        Field("origin", "choice", "drawn", choices=("drawn", "prior"), label="Face from",
              info="Encode a drawn face with this seed, or draw a code from the prior."),
        *(Field(a, "float", 0.0, -2, 2, 0.1, label=a.replace("_", " ").capitalize()) for a in ATTRIBUTES),
        *ui.wish_fields(),
    )  # fmt: skip
    return ui.State("vae", fields, tuple(p for p in PRESETS if p.values.get("model", model.default) in model.choices))


PRESETS = (
    ui.Preset("works", "A map of digits", "Drag across the map: neighbouring places decode to neighbouring shapes, "
              "so a 4 turns into a 9 without a jump.", {}),
    ui.Preset("fails", "Falling into a hole", "A plain autoencoder was never asked to fill its space. Between its "
              "islands it decodes to smudges that are no digit at all.",
              {"model": "ae-mnist", "layer": "pictures", "x": 2.6, "y": 2.4}),
    ui.Preset("surprises", "One slider, one trait", "This network had to pay for latents that tell of one another. "
              "Move one slider at a time: one changes the clothes alone, another the skin, a third turns the head.",
              {"mode": "sliders", "model": "betavae-faces"}),
    ui.Preset("surprises", "Glasses by arithmetic", "Mean code of faces with glasses minus mean code of faces without: "
              "add that difference to any face, and it puts glasses on.",
              {"mode": "faces", "model": "vae-faces", "glasses": 1.5, "smile": 1.0}),
)  # fmt: skip

ABOUT = r"""
A **variational autoencoder** squeezes a picture $x$ into a few numbers $z$ and unfolds them again. The encoder answers
not with one place but with a small cloud $q(z|x)=\mathcal N(\mu,\sigma^2)$, drawn here as an ellipse; the decoder turns
any place into a picture. Both learn by raising

$$\log p(x)\ge\mathbb E_{q}[\log p(x|z)]-\mathrm{KL}(q\,\|\,p)$$

The first term asks for pictures that look like $x$. The second, with the prior $p=\mathcal N(0,1)$, packs all clouds
into one round heap without gaps, so that a random draw decodes to something. Leave it out and you have a plain
autoencoder: good copies, and holes in between. A latent whose cloud equals the prior (KL ≈ 0) carries nothing: it is
*dead*.

**Say what you want.** A *conditional VAE* is told sixteen attributes $y$ of a face, such as hat and hair, and raises
the bound on $\log p(x|y)$ instead. Its $z$ then need not carry them: what is left is how the head is turned and tilted,
and its size, which nobody mentioned. In *Samples*, open *Ask for* and choose a crown.

**One trait each.** A *β-VAE* pays more for the second term, and more still for latents that tell of one another, their
total correlation $\mathrm{KL}(q(z)\,\|\,\prod_j q(z_j))$. It blurs, but some latents come to stand for one trait: take
*β-VAE of cartoon faces* in *Sliders*, and look for the one that changes the clothes alone.

**Try:** draw a 1 and lean it slowly until it becomes a 7. Compare the straight walk with the spherical one. Set the
temperature to 0, then to 2. Give one face a smile, then look whether the same step makes the others smile too.

Kingma and Welling, *Auto-encoding variational Bayes*, 2013 (arxiv.org/abs/1312.6114). Conditional: Sohn, Lee and Yan,
*Learning structured output representation using deep conditional generative models*, 2015. One trait each: Chen et
al., *Isolating sources of disentanglement*, 2018 (arxiv.org/abs/1802.04942). Spherical walks: White, *Sampling
generative networks*, 2016 (arxiv.org/abs/1609.04468).
"""

BODY = """
<div class="vae-mode vae-map" data-mode="map">
  <div data-part="map"></div>
  <figure><img data-part="out" alt="The decoded picture"><figcaption data-part="out-note"></figcaption></figure>
</div>
<div class="vae-mode vae-draw" data-mode="draw" hidden>
  <div><div data-part="draw"></div>
    <div class="vae-buttons"><button type="button" data-do="test">Another test picture</button>
    <button type="button" data-do="upload">Upload…</button>
    <input type="file" accept="image/*" hidden aria-label="Upload a picture"></div></div>
  <div class="vae-trio">
    <figure><img data-part="input" alt="What the network sees"><figcaption>what it sees</figcaption></figure>
    <figure><img data-part="recon" alt="The reconstruction"><figcaption>decoded mean</figcaption></figure>
    <figure><img data-part="again" alt="A draw from the posterior"><figcaption>a draw (R)</figcaption></figure>
  </div>
  <div><div data-part="where"></div><p class="pg-caption" data-part="where-note"></p></div>
  <div class="vae-bars"><h3>KL of each latent, in nats</h3><div data-part="bars"></div></div>
</div>
<div class="vae-mode" data-mode="samples" hidden><div data-part="samples"></div></div>
<div class="vae-mode vae-sliders" data-mode="sliders" hidden>
  <figure><img data-part="moved" alt="The picture at these settings"><figcaption>here</figcaption></figure>
  <div><div data-part="rows"></div>
    <p class="pg-caption">One row per latent, from −3 to 3. Choose a cell to go there.</p></div>
</div>
<div class="vae-mode vae-between" data-mode="between" hidden>
  <div data-part="walk"></div>
  <div class="vae-corners"><div data-part="ends"></div>
    <figure><img data-part="grid" alt="Nine by nine pictures between the four corners">
      <figcaption>everything between the four corners</figcaption></figure></div>
</div>
<div class="vae-mode vae-faces" data-mode="faces" hidden>
  <figure><img data-part="before" alt="The face before"><figcaption>before</figcaption></figure>
  <figure><img data-part="after" alt="The face after"><figcaption>after</figcaption></figure>
  <figure class="vae-wall"><img data-part="wall" alt="Eight more faces, before above and after below">
    <figcaption>the same step on eight other faces: before above, after below</figcaption></figure>
</div>
"""
