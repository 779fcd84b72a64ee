"""Training: recipes by name and the loop that runs them as a generator."""

from playground.training.ema import average
from playground.training.loop import Progress, train
from playground.training.recipe import Batch, Learner, Recipe, cosine, flat, recipes

__all__ = ["Batch", "Learner", "Progress", "Recipe", "average", "cosine", "flat", "recipes", "train"]
