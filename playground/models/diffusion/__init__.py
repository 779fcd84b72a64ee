"""Denoising diffusion: drown a picture in noise, learn to undo it, then start from noise alone.

The forward process mixes a picture with Gaussian noise, x_t = α_t x_0 + σ_t ε with α_t² + σ_t² = 1 (ᾱ_t = α_t² in
DDPM's symbols). A network looks at x_t and t and predicts v = α_t ε − σ_t x_0, from which follow

    x̂_0 = α_t x_t − σ_t v          ε̂ = σ_t x_t + α_t v.

A *scheduler* decides how to use them to get from x_t to the next, less noisy x_s. Guidance runs the network with and
without the class and goes further in the direction of the difference: v = v_∅ + g·(v_y − v_∅).

Checkpoints are diffusers pipeline folders: `diffusion-mnist` a `DDIMPipeline` in pixels, `diffusion-faces` an
`LDMPipeline`, which diffuses the 16×16×4 code of a small autoencoder instead of 64×64×3 pixels. Schedulers and
U-Net are diffusers' own; the loop here is ours because it yields every step, keeps one noise stream per sample, and
can go on from any x_t with other settings.

Ho, Jain and Abbeel, "Denoising diffusion probabilistic models", 2020; Song, Meng and Ermon, "DDIM", 2020; Salimans
and Ho, v-prediction, 2022; Ho and Salimans, "Classifier-free guidance", 2022; Meng et al., "SDEdit", 2021; Lugmayr et
al., "RePaint", 2022; Rombach et al., "Latent diffusion", 2021.

diffusers is imported when first needed, because that takes seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from playground.models.diffusion.learners import DiffusionLearner, LatentLearner, autoencoder, schedule, unet
from playground.models.diffusion.network import SCHEDULERS, Denoiser, Diffusion, Settings
from playground.models.diffusion.student import Student, StudentLearner
from playground.training.recipe import Recipe, cosine, flat, mirrored, shipped

__all__ = [
    "RECIPES",
    "SCHEDULERS",
    "Denoiser",
    "Diffusion",
    "DiffusionLearner",
    "LatentLearner",
    "Settings",
    "Student",
    "StudentLearner",
    "kind",
    "load",
]


def kind(folder: Path) -> type[Denoiser]:
    """The class of a checkpoint folder's network: a student says so by the scheduler it was taught for."""
    return Student if _schedule_of(folder).get("_class_name") == "LCMScheduler" else Diffusion


def load(folder: Path) -> Denoiser:
    """Opens a diffusers pipeline folder without its pipeline class."""
    import diffusers

    net = _whole(diffusers.UNet2DModel, folder / "unet")
    coder = _whole(diffusers.AutoencoderDC, folder / "vqvae") if (folder / "vqvae").is_dir() else None
    return kind(folder)(net.float(), _schedule_of(folder), coder)


def _whole(network: Any, folder: Path) -> Any:
    """A network of diffusers from its folder; ValueError unless all its weights are there, and no others.

    diffusers itself only warns, and fills what is missing with noise.
    """
    options = {"local_files_only": True, "use_safetensors": True, "low_cpu_mem_usage": False}
    net, found = network.from_pretrained(folder, output_loading_info=True, **options)
    astray = [*found["missing_keys"], *found["unexpected_keys"]]
    if astray:
        raise ValueError(f"{folder.name} is of another kind: {len(astray)} weights are missing or too many")
    return net


def _schedule_of(folder: Path) -> dict[str, Any]:
    """The folder's scheduler config."""
    return json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))


def _mnist_learner(device: torch.device) -> DiffusionLearner:
    net = unet(28, 1, (24, 64, 96), (False, False, False), classes=10)
    return DiffusionLearner(Diffusion(net, schedule(pixels=True)), device, lr=1e-3)


def _faces_learner(device: torch.device) -> LatentLearner:
    coder = autoencoder((32, 32, 64), codes=4, down=(1, 2), up=(3, 4))
    net = unet(16, 4, (64, 96, 128), (False, True, True), classes=0)
    return LatentLearner(Diffusion(net, schedule(pixels=False), coder), device, 8e-4, shipped("reader-faces"))


def _emoji_learner(device: torch.device) -> DiffusionLearner:
    net = unet(32, 3, (32, 64, 96), (False, False, True), classes=0)
    # Over half of the schedule's own levels are noise in which hardly anything is left to see.
    return DiffusionLearner(Diffusion(net, schedule(pixels=True)), device, lr=1e-3, levels=(-0.4, 1.4))


def _mnist_student(device: torch.device) -> StudentLearner:
    return StudentLearner(shipped("diffusion-mnist"), device, lr=3e-4, critic=(128, 48))


def _faces_student(device: torch.device) -> StudentLearner:
    return StudentLearner(shipped("diffusion-faces"), device, lr=3e-4, critic=(192, 96), rows=2048)


RECIPES = (
    Recipe(
        name="diffusion-mnist", family="diffusion", data="mnist", images=700_000, batch=32, rate=cosine,
        learner=_mnist_learner, conditional=True, title="Diffusion of digits",
        summary="A small U-Net that removes noise from 28×28 digits, told which digit it is to become.",
        year=2020, paper="arXiv:2006.11239",
    ),
    Recipe(
        name="diffusion-faces", family="diffusion", data="faces", images=300_000, batch=32,
        learner=_faces_learner, title="Latent diffusion of faces",
        summary="Diffusion in the 16×16×4 code of a small autoencoder, decoded to 64×64 drawn faces.",
        year=2021, paper="arXiv:2112.10752",
    ),
    Recipe(
        name="diffusion-emoji", family="diffusion", data="emoji", images=200_000, batch=32, rate=cosine,
        learner=_emoji_learner, augment=mirrored, title="Diffusion of emoji",
        summary="A small U-Net that removes noise from 32×32 emoji; it has seen a thousand of them.",
        year=2020, paper="arXiv:2006.11239",
    ),
    Recipe(
        name="diffusion-mnist-student", family="diffusion", data="mnist", images=60_000, batch=32, rate=flat,
        learner=_mnist_student, conditional=True, teacher="diffusion-mnist", title="Diffusion of digits, one look",
        summary="Distilled from the diffusion model of digits: it jumps from noise to a digit in one look or two.",
        year=2023, paper="arXiv:2303.01469",
    ),
    Recipe(
        name="diffusion-faces-student", family="diffusion", data="faces", images=60_000, batch=32, rate=flat,
        learner=_faces_student, teacher="diffusion-faces", title="Latent diffusion of faces, one look",
        summary="Distilled from the latent diffusion of faces: it jumps from noise to a face in one look or two.",
        year=2023, paper="arXiv:2303.01469",
    ),
)  # fmt: skip
