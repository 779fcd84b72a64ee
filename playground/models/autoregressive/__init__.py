"""Autoregressive pictures: one pixel (or one token) after the other, each given all before it.

Three networks with the same idea: `PixelRNN` (a recurrent net that walks the picture row by row), `PixelCNN` (masked
convolutions, fast to train) and `ImageGPT` (a transformer over a short list of picture tokens).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from playground.models.autoregressive.base import ORDERS, PixelModel
from playground.models.autoregressive.fields import blind_spot_field, earlier
from playground.models.autoregressive.imagegpt import ImageGPT
from playground.models.autoregressive.learner import PixelLearner, TokenLearner
from playground.models.autoregressive.pixelcnn import PixelCNN
from playground.models.autoregressive.pixelrnn import PixelRNN
from playground.models.hub import architecture, from_folder
from playground.training.recipe import Recipe, cosine

__all__ = [
    "KINDS",
    "ORDERS",
    "RECIPES",
    "ImageGPT",
    "PixelCNN",
    "PixelModel",
    "PixelRNN",
    "blind_spot_field",
    "earlier",
    "kind",
    "load",
]

KINDS = (PixelCNN, PixelRNN, ImageGPT)


def kind(folder: Path) -> type[nn.Module]:
    """Which of the networks a checkpoint folder holds."""
    return architecture(folder, KINDS)


def load(folder: Path) -> nn.Module:
    """The network of a checkpoint folder."""
    return from_folder(kind(folder), folder)


def _pixelcnn(device: torch.device) -> PixelLearner:
    return PixelLearner(PixelCNN(channels=64, layers=8), device)


def _pixelrnn(device: torch.device) -> PixelLearner:
    return PixelLearner(PixelRNN(), device)


def _pixelcnn_orders(device: torch.device) -> PixelLearner:
    return PixelLearner(PixelCNN(classes=0, channels=48, layers=6, orders=len(ORDERS)), device)


def _imagegpt(device: torch.device) -> TokenLearner:
    return TokenLearner(ImageGPT(), device)


RECIPES = (
    Recipe(
        name="pixelcnn-mnist", family="autoregressive", data="mnist", learner=_pixelcnn, images=100_000, batch=16,
        rate=cosine, title="Gated PixelCNN of digits",
        summary="A class-conditional gated PixelCNN: exact likelihood of a digit, and one drawn pixel by pixel.",
        year=2016, paper="arXiv:1606.05328", conditional=True,
    ),
    Recipe(
        name="pixelrnn-mnist", family="autoregressive", data="mnist", learner=_pixelrnn, images=25_000, batch=16,
        rate=cosine, title="PixelRNN of digits",
        summary="Row LSTMs walk down the picture: the recurrent network that came before PixelCNN.",
        year=2016, paper="arXiv:1601.06759",
    ),
    Recipe(
        name="pixelcnn-orders-mnist", family="autoregressive", data="mnist", learner=_pixelcnn_orders, images=25_000,
        batch=16, rate=cosine, title="PixelCNN in four orders",
        summary="A small gated PixelCNN that can draw a digit from the top, the left, the bottom or the right.",
        year=2016, paper="arXiv:1606.05328",
    ),
    Recipe(
        name="imagegpt-faces", family="autoregressive", data="faces", learner=_imagegpt, images=120_000, batch=16,
        title="ImageGPT of faces",
        summary="A face as 8×8 words of a vocabulary of 1,000, written one after the other by a transformer.",
        year=2020, paper="Chen et al., ICML 2020",
    ),
)  # fmt: skip
