"""The laboratory: every family learns the same density of the plane, and can be broken and mended.

* `targets`: what is to be learned; `learner` and `learners/`: who learns it, one file per family.
* `session`: one learner with a clock that can be stopped, slowed and turned back; `run` steps several side by side.
* `measures`: how far samples are from the target; `history`: what is remembered; `presets`: experiments as data.
"""

from playground.training.lab.history import Moment
from playground.training.lab.learner import Field2D, PlaneLearner
from playground.training.lab.learners import LEARNERS, learner
from playground.training.lab.measures import Ruler
from playground.training.lab.presets import PRESETS, Preset, cure, preset, start
from playground.training.lab.session import Diverged, Session, Turn, run
from playground.training.lab.targets import Target, sprayed, target

__all__ = [
    "LEARNERS",
    "PRESETS",
    "Diverged",
    "Field2D",
    "Moment",
    "PlaneLearner",
    "Preset",
    "Ruler",
    "Session",
    "Target",
    "Turn",
    "cure",
    "learner",
    "preset",
    "run",
    "sprayed",
    "start",
    "target",
]
