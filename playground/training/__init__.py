"""Training: recipes by name and the loop that runs them as a generator."""

from playground.training.ema import average
from playground.training.loop import train
from playground.training.recipe import Batch, Learner, Recipe, cosine, flat, recipes
from playground.training.run import Diverged, Progress, Run

__all__ = [
    "Batch", "Diverged", "Learner", "Progress", "Recipe", "Run", "average", "cosine", "flat", "recipes", "train",
]  # fmt: skip
