"""The frozen judge: a small convolutional network per data set.

It is trained once, apart from every generative model. Its penultimate layer is the feature space of the Fréchet
distance and of precision and recall; its heads say whether a picture shows what was asked for. Scores in one judge's
space can be compared with each other, never with published ones in Inception's.

A *reader* is such a network too, but it teaches: a generator that must learn details follows its gradient. Whoever is
taught by a classifier soon learns what pleases it and nobody else, so a reader never judges, and a judge never teaches:
they have other weights, from other pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from playground.data import emoji, faces, mnist, stacked
from playground.models.hub import from_folder
from playground.models.layers import Residual, conv_down, grouped
from playground.training.precision import mixed
from playground.training.recipe import Batch, Recipe, cosine

VEIL = 0.1  # of the range of a pixel
NORMS = {"group": grouped, "batch": nn.BatchNorm2d}


class Classifier(nn.Module, PyTorchModelHubMixin):
    """Convolutions, a feature vector, and one linear head per attribute.

    Args:
        shape: (C, H, W). heads: (attribute, its values) in label order; a list, since JSON objects lose theirs.
        widths: channels after each halving. features: F.
        norm: one of `NORMS`. Over a batch learns small details several times sooner, over groups needs no large batch.
    """

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        heads: Sequence[tuple[str, Sequence[str]]] = (("digit", mnist.LABELS),),
        widths: Sequence[int] = (32, 64),
        features: int = 64,
        norm: str = "group",
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.heads = {attribute: tuple(values) for attribute, values in heads}
        side = shape[1] // 2 ** len(widths)
        self.trunk = nn.Sequential(
            conv_down(shape[0], tuple(widths), NORMS[norm]),
            nn.Flatten(),
            nn.Linear(widths[-1] * side * side, features),
        )
        self.outputs = nn.ModuleDict({k: nn.Linear(features, len(v)) for k, v in self.heads.items()})

    def features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] → (N, F)."""
        return self.trunk(2 * x.to(next(self.parameters()).device) - 1)

    def classify(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) → one (N, K) logits tensor per attribute, in the order of `heads`."""
        return self.judge(self.features(x))

    def looks(self, x: Tensor) -> list[Tensor]:
        """What it sees on its way, coarser and coarser, and in the end.

        (N, C, H, W) → one (N, widths[k], H/2ᵏ⁺¹, W/2ᵏ⁺¹) per width, then the features (N, F).
        """
        found, h = [], 2 * x - 1
        for layer in self.trunk[0]:
            h = layer(h)
            if isinstance(layer, Residual):
                found.append(h)
        return [*found, self.trunk[1:](h)]

    def judge(self, features: Tensor) -> list[Tensor]:
        """Logits from features already computed."""
        hidden = F.silu(features)
        return [head(hidden) for head in self.outputs.values()]


def load(folder: Path) -> Classifier:
    """The network of a checkpoint folder."""
    return from_folder(Classifier, folder)


def apart(reader: Classifier, x: Tensor, y: Tensor) -> Tensor:
    """How differently a classifier sees x and y, both (N, C, H, W) in [0, 1]: a mean over pictures and places.

    Σ_k ‖x̂_k − ŷ_k‖² over its `looks`, each of unit length over the channels (Zhang et al., "The unreasonable
    effectiveness of deep features as a perceptual metric", 2018). Gradients reach y only. In pixels a nose is next to
    nothing; to somebody who tells noses apart it is not.
    """
    with torch.no_grad():
        truth = reader.looks(x)
    pairs = zip(truth, reader.looks(y))
    gaps = [F.normalize(a.float(), dim=1) - F.normalize(b.float(), dim=1) for a, b in pairs]
    return torch.stack([gap.square().sum(1).mean() for gap in gaps]).sum()


def doubtful(reader: Classifier, x: Tensor, labels: Tensor) -> Tensor:
    """Where a classifier's doubt about pictures lies: (N, C, H, W) in [0, 1], labels (N, A) → (N, 1, H, W), mean 1.

    The size of the gradient of −log p(labels|x) in each pixel, over 3×3 of them (Simonyan, Vedaldi and Zisserman,
    "Deep inside convolutional networks", 2013). What it is sure of has no gradient, so the places are those of what a
    picture shows badly. No gradient reaches x: it says where to look, not what to draw.
    """
    x = x.detach().requires_grad_()
    losses = [F.cross_entropy(logits.float(), truth) for logits, truth in zip(reader.classify(x), labels.unbind(1))]
    (slope,) = torch.autograd.grad(torch.stack(losses).sum(), x)
    size = F.avg_pool2d(slope.float().abs().sum(1, keepdim=True), 3, 1, 1)
    return size / size.mean((1, 2, 3), keepdim=True).clamp(min=1e-12)


def shifted(x: Tensor, noise: torch.Generator, by: int) -> Tensor:
    """Each batch moved by up to ±by pixels, the border repeated: cheap augmentation."""
    dx, dy = torch.randint(-by, by + 1, (2,), generator=noise).tolist()
    padded = F.pad(x, (by, by, by, by), mode="replicate")
    return padded[..., by + dy : by + dy + x.shape[-2], by + dx : by + dx + x.shape[-1]]


def veiled(x: Tensor, noise: torch.Generator) -> Tensor:
    """Each picture of (N, C, H, W) under Gaussian noise of its own strength, at most `VEIL`: what counts stands out.

    A network that learns from a classifier's gradient soon finds faint patterns that say nothing to the eye and
    everything to the classifier. Noise drowns them.
    """
    strength = VEIL * torch.rand(len(x), 1, 1, 1, generator=noise)
    return x + (strength * torch.randn(x.shape, generator=noise)).to(x.device)


class ClassifierLearner:
    """Cross-entropy, summed over the attributes.

    Args:
        mirrored: half of the batches are shown in the mirror, where pictures are few and left and right mean little.
        veil: every other picture is shown under noise, so that others can learn from this classifier.
    """

    def __init__(
        self, model: Classifier, device: torch.device, mirrored: bool = False, veil: bool = False
    ) -> None:
        self.mirrored, self.veil = mirrored, veil
        self.model = model.to(device, memory_format=torch.channels_last)
        self.modules: dict[str, nn.Module] = {"model": self.model}
        adam = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.02)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"model": adam}

    def step(self, batch: Batch) -> dict[str, float]:
        x = shifted(batch.x, batch.noise, by=2)
        if self.mirrored and torch.rand((), generator=batch.noise) < 0.5:
            x = x.flip(3)
        if self.veil:
            hidden = torch.rand(len(x), 1, 1, 1, generator=batch.noise).to(x.device) < 0.5
            x = torch.where(hidden, veiled(x, batch.noise), x)
        x = x.to(memory_format=torch.channels_last)
        with mixed(x.device):
            logits = self.model.classify(x)
        targets = batch.y.reshape(len(x), -1).unbind(1)
        loss = sum(F.cross_entropy(out.float(), y) for out, y in zip(logits, targets))
        self.optimizers["model"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["model"].step()
        return {"loss": loss.item()}

    def save(self, folder: Path) -> None:
        """Writes config.json and model.safetensors."""
        self.model.save_pretrained(str(folder))
        (folder / "index.safetensors").unlink(missing_ok=True)  # made of the old features; `evaluate` builds it anew


RECIPES = (
    Recipe(
        name="classifier-mnist", family="classifier", data="mnist", images=480_000, batch=128, rate=cosine,
        learner=lambda device: ClassifierLearner(Classifier(widths=(32, 64)), device),
        title="Judge of digits", summary="Convolutional network that names digits; the metrics' feature space.",
        year=1998, paper="LeCun et al., Proc. IEEE 1998",
    ),
    Recipe(
        name="classifier-faces", family="classifier", data="faces", learns_from="manyfaces", images=800_000, batch=64,
        rate=cosine,
        learner=lambda device: ClassifierLearner(
            Classifier(
                (3, 64, 64), tuple(faces.ATTRIBUTES.items()), widths=(24, 48, 96, 128), features=128, norm="batch"
            ),
            device,
        ),
        title="Judge of faces", summary="Names every attribute of a drawn face; the metrics' feature space.",
        year=2015, paper="Liu et al., Deep learning face attributes in the wild, ICCV 2015",
    ),
    Recipe(
        name="reader-faces", family="classifier", data="faces", images=800_000, batch=64, rate=cosine,
        learner=lambda device: ClassifierLearner(
            Classifier(
                (3, 64, 64), tuple(faces.ATTRIBUTES.items()), widths=(24, 48, 96, 128), features=128, norm="batch"
            ),
            device, veil=True,
        ),
        title="Reader of faces",
        summary="Reads the attributes of a drawn face to networks that learn; it never examines them.",
        year=2015, paper="Liu et al., Deep learning face attributes in the wild, ICCV 2015",
    ),
    Recipe(
        name="classifier-emoji", family="classifier", data="emoji", images=120_000, batch=64, rate=cosine,
        learner=lambda device: ClassifierLearner(
            Classifier((3, 32, 32), (("group", emoji.GROUPS),), widths=(24, 48, 96)), device, mirrored=True
        ),
        title="Judge of emoji", summary="Tells groups of emoji apart, from few examples; the metrics' feature space.",
        year=2015, paper="He et al., Deep residual learning for image recognition, CVPR 2016",
    ),
    Recipe(
        name="classifier-stackedmnist", family="classifier", data="stackedmnist", images=240_000, batch=128,
        rate=cosine,
        learner=lambda device: ClassifierLearner(
            Classifier((3, 28, 28), tuple((c, mnist.LABELS) for c in stacked.CHANNELS), widths=(32, 64)), device
        ),
        title="Judge of stacked digits", summary="Names the digit in each of three channels; it counts the modes.",
        year=2016, paper="arXiv:1611.02163",
    ),
)  # fmt: skip
