"""The explanation beside the stage, and the stage itself."""

from __future__ import annotations

ABOUT = r"""
**Read a picture like a text: pixel after pixel, line after line.** Any probability of a whole picture can be cut into
one small question per pixel: how likely is white here, given all that came before?

$$p(x)=\prod_{i=1}^{784} p(x_i\mid x_1,\dots,x_{i-1})$$

A network answers all of these questions. To **draw**, roll a die for the first pixel, show the network what fell, ask
for the odds of the second, and so on. To **judge** a picture, multiply the odds it gave to what is there. No bound and
no guess: this family knows the exact probability of every picture. Its negative logarithm is counted in *nats*, or,
per pixel and in powers of two, in *bits per dimension*.

**Masks.** While it learns, the network sees whole pictures; a mask over its kernels hides the present pixel and all
later ones. The first PixelCNN stacked masked kernels and so lost a wedge at the upper right, its *blind spot*. The
gated PixelCNN walks in two stacks, one for the rows above and one for the row itself, and multiplies two answers,

$$y=\tanh(W_f * x + V_f h)\odot\sigma(W_g * x + V_g h),$$

where $h$ says which class is wanted: one half proposes, the other opens or shuts the door.

**Why drawing is slow, and how it is made fast.** Learning asks all 784 questions at once, but drawing needs the answers
one by one. Done naively the whole network runs for each pixel. Here, what has been worked out for earlier pixels is
kept (*cached*), and a new pixel costs only its own column of work. The picture is the same, bit by bit.

**Filling a hole.** The order is fixed: from above, the network cannot know what is given below. So several attempts
grow side by side, and those that foresaw the given pixels well are copied, the others dropped (a *particle filter*).

**History.** In 2016 PixelRNN carried a memory along the rows and PixelCNN replaced it by convolutions; the gated one
followed the same year. PixelSNAIL (2017) let a pixel look back anywhere by attention, and Image GPT (2020) was a
language model whose words are pixels. The faces here are drawn that way, in 64 words of a list of a thousand.

**Try:** roll the same dice at temperature 0.5 and at 1.5. Find the first pixel that decides between a 3 and an 8, and
turn it round. Cover the left half, then the top half: which is harder, and why?

Van den Oord et al., *Pixel recurrent neural networks*, 2016 (arxiv.org/abs/1601.06759); *Conditional image generation
with PixelCNN decoders*, 2016 (1606.05328); Chen et al., *PixelSNAIL*, 2017 (1712.09763); Chen et al., *Generative
pretraining from pixels* (Image GPT), 2020.
"""

BODY = """
<div class="ar-mode ar-watch" data-mode="watch">
  <div data-part="watch"></div>
  <div class="ar-side">
    <div data-part="chance"></div>
    <div class="ar-die" data-part="die"></div>
  </div>
  <div class="ar-transport" data-part="transport"></div>
</div>
<div class="ar-mode ar-branch" data-mode="branch" hidden>
  <div data-part="branch"></div>
  <div class="ar-side">
    <h3 data-part="choice-title"></h3>
    <ol class="ar-choices" data-part="choices" aria-label="Values of this place and their probability"></ol>
    <p class="pg-caption" data-part="choice-note"></p>
    <div data-part="unsure"></div>
  </div>
  <div class="ar-row">
    <ol class="ar-lanes" data-part="lanes" aria-label="The picture and its branches"></ol>
    <div class="ar-buttons" data-part="lane-buttons"></div>
  </div>
</div>
<div class="ar-mode ar-complete" data-mode="complete" hidden>
  <div>
    <div class="ar-segment" data-part="holes" role="group" aria-label="What is covered"></div>
    <div data-part="mask"></div>
    <div class="ar-buttons" data-part="own-complete"></div>
  </div>
  <div>
    <div data-part="endings"></div>
    <p class="pg-caption" data-part="endings-caption"></p>
    <h3>Why the order matters here</h3>
    <p class="ar-why" data-part="endings-note"></p>
  </div>
</div>
<div class="ar-mode ar-surprise" data-mode="surprise" hidden>
  <div>
    <div data-part="heat"></div>
    <div class="ar-legend" data-part="legend"></div>
    <div class="ar-buttons" data-part="own-surprise"></div>
  </div>
  <div class="ar-side">
    <div><div class="ar-figures" data-part="figures"></div>
      <p class="pg-caption" data-part="protocol"></p></div>
    <p class="ar-here" data-part="here"></p>
    <div data-part="classes-box"><h3 data-part="classes-title"></h3><div data-part="classes"></div></div>
    <div data-part="orders-box"><h3>The same picture in other orders, in nats</h3><div data-part="orders"></div>
      <p class="pg-caption" data-part="orders-note"></p></div>
  </div>
</div>
<div class="ar-mode ar-sees" data-mode="what it sees" hidden>
  <div class="ar-fields" data-part="fields"></div>
  <ul class="ar-key" data-part="key"></ul>
</div>
"""
