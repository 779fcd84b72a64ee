"""What is measured: plain functions, tensors in, floats out. They know torch and numpy and nothing else.

A *feature* is a row of an (N, F) tensor, in practice the last hidden layer of a classifier trained in this
project. No published score can be reproduced with it, but scores measured in the same features can be compared.
"""

from playground.metrics.disentanglement import (
    Dci,
    dci,
    entropy,
    information_gaps,
    mutual_information,
    mutual_information_gap,
)
from playground.metrics.diversity import confidence, histogram, mean_pairwise_distance, missing, total_variation
from playground.metrics.frechet import frechet_distance, frechet_floor
from playground.metrics.kernel import gaussian_discrepancy, kernel_distance
from playground.metrics.likelihood import bits_per_dimension, importance_bound
from playground.metrics.memorisation import Memorisation, memorisation, nearest_is_train
from playground.metrics.neighbours import Index
from playground.metrics.path_length import path_length
from playground.metrics.prdc import Prdc, prdc
from playground.metrics.transport import sliced_wasserstein

__all__ = [
    "Dci",
    "Index",
    "Memorisation",
    "Prdc",
    "bits_per_dimension",
    "confidence",
    "dci",
    "entropy",
    "frechet_distance",
    "frechet_floor",
    "gaussian_discrepancy",
    "histogram",
    "importance_bound",
    "information_gaps",
    "kernel_distance",
    "mean_pairwise_distance",
    "memorisation",
    "missing",
    "mutual_information",
    "mutual_information_gap",
    "nearest_is_train",
    "path_length",
    "prdc",
    "sliced_wasserstein",
    "total_variation",
]
