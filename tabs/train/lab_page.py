"""The HTML of the laboratory: its stage, and the panel of knobs beside it. The page's script fills both."""

from __future__ import annotations

import html
import json

from tabs.train.lab_words import learners_json

LEARNERS = html.escape(json.dumps(learners_json(), ensure_ascii=False))
BODY = f"""
<div data-part="learners" data-json="{LEARNERS}" hidden></div>
<div class="tr-chips" data-part="chips" role="group" aria-label="Learners, up to four side by side"></div>
<div class="tr-bar">
  <button type="button" class="tr-go tr-play" data-do="play" data-part="play">Play</button>
  <button type="button" data-do="step" title="One update, or one part of it in slow motion (→)">One step</button>
  <input type="range" min="0" max="0" value="0" aria-label="Recorded moments" data-part="scrub">
  <output data-part="clock">update 0</output>
  <button type="button" data-do="from" data-part="from" hidden>Go on from here</button>
  <button type="button" data-do="now" data-part="now" hidden>Back to now</button>
  <button type="button" data-do="start" title="Update 0 again, with every knob as it stands now">Start again</button>
</div>
<div class="tr-bar">
  <div class="tr-pace"><span id="tr-pace-label">Updates per picture</span>
    <div class="tr-segment" role="group" aria-labelledby="tr-pace-label" data-part="pace"></div></div>
  <button type="button" class="tr-go" data-do="cure" data-part="cure" hidden></button>
</div>
<div class="tr-repeat" data-part="repeat" hidden>
  <progress max="1" value="0" aria-label="Learning this run again"></progress>
  <span></span><button type="button" data-do="halt">Stop</button></div>
<div class="tr-lab" data-part="lab">
  <div class="tr-lanes" data-part="lanes"></div>
  <div class="tr-side">
    <figure><div class="tr-head"><h3>How far from the points</h3>
      <div class="tr-segment" role="group" aria-label="Which distance" data-part="measure"></div></div>
      <div data-part="far"></div><figcaption data-part="far-note"></figcaption></figure>
    <figure><div class="tr-head"><h3 data-part="loss-title">Losses</h3>
      <button type="button" data-do="curves" aria-expanded="false">Curves</button></div>
      <div data-part="loss"></div><figcaption data-part="loss-note"></figcaption></figure>
  </div>
</div>
<div class="tr-curves" data-part="curves" hidden></div>
<div class="tr-own" data-part="spray" hidden></div>
"""

PANEL = '<div class="tr-panel"></div>'
