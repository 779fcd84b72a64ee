"""The words of the pictures mode: its HTML, its starting points and the names of its choices."""

from __future__ import annotations

from tabs import _ui as ui

TITLES = {
    "gan": "GAN", "vae": "VAE", "rbm": "Boltzmann machine", "pixelcnn": "PixelCNN", "mnist": "Digits",
    "drawings": "My drawings", "scratch": "Blank", "checkpoint": "Already trained", "all": "All at once",
    "two halves": "0–4, then 5–9", "two more": "0–7, then 8 and 9", "in pairs": "In five pairs",
}  # fmt: skip

BODY = """
<div class="ts-bar">
  <button type="button" class="ts-main" data-do="pic-train">Train</button>
  <button type="button" data-do="pic-stop" hidden>Stop</button>
  <button type="button" data-do="pic-slower" hidden>Back to the last good state, usual rate</button>
  <button type="button" data-do="pic-cure" hidden></button>
  <div class="ts-standing"><progress max="1" value="0" aria-label="Progress of the training"></progress>
    <span data-part="pic-standing" role="status"></span></div>
</div>
<p class="ts-found" data-part="pic-found" hidden></p>
<div class="ts-drawings" data-part="pic-drawings" hidden>
  <div><div data-part="pic-pad"></div>
    <div class="ts-label"><span id="ts-label-name">This is a</span>
      <div class="ts-digits" data-part="pic-digits" role="radiogroup" aria-labelledby="ts-label-name"></div>
      <button type="button" class="ts-main" data-do="pic-add">Keep it</button></div></div>
  <div><h3 data-part="pic-count">Your drawings</h3>
    <ol class="ts-thumbs" data-part="pic-thumbs" aria-label="Your drawings"></ol>
    <div class="ts-row"><button type="button" data-do="pic-back">Undo the last</button>
      <button type="button" data-do="pic-none">Delete all</button>
      <button type="button" data-do="pic-examples">Take twenty examples</button></div>
    <p class="pg-caption">Draw about twenty. Name each one; a network that is told classes learns them.</p></div>
</div>
<div class="ts-stage">
  <div class="ts-film">
    <canvas class="ts-screen" data-part="pic-screen" role="img" aria-label="Samples"></canvas>
    <div class="ts-scrub"><button type="button" data-do="pic-play">Play</button>
      <input type="range" min="0" max="0" value="0" data-part="pic-scrub" aria-label="Picture of the film">
      <output class="pg-count" data-part="pic-when"></output></div>
    <ol class="ts-strip" data-part="pic-strip" aria-label="Film"></ol>
  </div>
  <div class="ts-side">
    <section><h3 data-part="pic-loss-name">Loss</h3><div data-part="pic-loss"></div>
      <p class="pg-caption" data-part="pic-loss-note"></p></section>
    <section data-part="pic-fd-box"><h3>FD, distance to real pictures</h3><div data-part="pic-fd"></div>
      <p class="pg-caption" data-part="pic-fd-note"></p></section>
    <section data-part="pic-drawn-box" hidden><h3>Some of the drawings</h3>
      <img data-part="pic-drawn" alt="The drawings it learns from"></section>
    <section data-part="pic-classes-box" hidden><h3>What it still knows</h3><div data-part="pic-classes"></div>
      <p class="pg-caption" data-part="pic-classes-note"></p></section>
  </div>
</div>
<div class="ts-ends" data-part="pic-ends" hidden>
  <figure><canvas data-part="pic-before" role="img" aria-label="The same seeds before"></canvas>
    <figcaption>before</figcaption></figure>
  <figure><canvas data-part="pic-after" role="img" aria-label="The same seeds after"></canvas>
    <figcaption>after, from the same seeds</figcaption></figure>
  <figure class="ts-near" data-part="pic-near-box" hidden><img data-part="pic-near" alt="">
    <figcaption data-part="pic-near-note"></figcaption></figure>
</div>
<div class="ts-row ts-keep" data-part="pic-keep" hidden>
  <button type="button" data-keep="gif">Film as GIF</button><button type="button" data-keep="mp4">MP4</button>
  <button type="button" data-keep="png">Strip (PNG)</button>
  <button type="button" data-keep="zip">Checkpoint (.zip)</button>
  <button type="button" data-do="pic-use">Use in the other tabs</button>
</div>
<div class="ts-row"><button type="button" data-do="pic-load">Load a checkpoint (.zip)</button>
  <input type="file" accept=".zip,application/zip" hidden aria-label="Load a checkpoint">
  <span class="pg-caption" data-part="pic-model"></span></div>
"""

MODE = {"mode": "pictures"}
PRESETS = (
    ui.Preset("works", "A VAE learns digits", "Press Train. Grey blurs become digits within a minute; both losses fall "
              "together, so it learns and does not memorise.", {**MODE, "pic_updates": 3000}),
    ui.Preset("fails", "Known by heart", "Twenty digits only. The loss of pictures it learned goes on falling, that of "
              "pictures kept aside turns and rises: it memorises. Then take the cure and train again.",
              {**MODE, "pic_pictures": 20, "pic_updates": 3000}),
    ui.Preset("fails", "New digits push out the old", "First it sees only 0 to 4, then only 5 to 9. Watch the old "
              "digits vanish from its samples at half-time. The cure is replay: a few old pictures among the new.",
              {**MODE, "pic_course": "two halves", "pic_updates": 3000}),
    ui.Preset(
        "surprises",
        "Twenty drawings are enough",
        "A GAN that already knows digits takes over a new hand in seconds: fat strokes that lean backwards. "
        "Compare before and after, then draw your own twenty.",
        {
            **MODE,
            "pic_what": "gan",
            "pic_data": "drawings",
            "pic_start": "checkpoint",
            "pic_freeze": True,
            "pic_drawings": "examples",
            "pic_updates": 120,
            "pic_augment": True,
        },
    ),
    ui.Preset("surprises", "A face grows", "It begins with faces of 8 × 8 pixels, and each time it has learned them, "
              "finer layers are faded in: the same sixteen faces, sharper and sharper.",
              {**MODE, "pic_data": "faces", "pic_grow": True, "pic_updates": 900, "pic_pictures": 600}),
)  # fmt: skip

ABOUT = r"""
**Pictures.** A network of pictures starts as noise and sees a few pictures at each update,
$\theta\leftarrow\theta-\eta\,\nabla_\theta L(x)$. Two curves tell whether it *learns* or *memorises*: the loss of
pictures it has seen, and that of pictures kept aside. When the second turns upwards it learns by heart. What helps:
pictures moved a little at each look (augmentation), units switched off by chance (dropout), weights that shrink,
$\theta\leftarrow(1-\eta\lambda)\theta$ (weight decay), and more pictures. Samples are of the averaged weights
$\bar\theta\leftarrow d\,\bar\theta+(1-d)\,\theta$ (EMA).

*FD* compares samples and real pictures in the eyes of a judge,

$$\|\mu-\mu'\|^2+\mathrm{tr}(\Sigma+\Sigma'-2(\Sigma\Sigma')^{1/2})$$

The dashed line is what as many real pictures score. A network that learns new classes *forgets* old ones, unless some
old pictures come again (*replay*). One that knows digits already takes over a new hand from twenty drawings (*transfer
learning*), and one that *grows* begins with 8 × 8 pixels and has finer layers faded in.

Srivastava et al., *Dropout*, 2014. Loshchilov and Hutter, *Decoupled weight decay*, 2019 (arxiv.org/abs/1711.05101).
Mo et al., *Freeze the discriminator*, 2020 (arxiv.org/abs/2002.10964). Karras et al., *Progressive growing of GANs*,
2017 (arxiv.org/abs/1710.10196). McCloskey and Cohen, *Catastrophic interference*, 1989.
"""
