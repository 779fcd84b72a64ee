"""Tiny checkpoint folders for tests that should not depend on the shipped weights."""

import torch

from playground import registry
from playground.data import Dataset, densities, emoji, faces, mnist, stacked
from playground.models.vae import VAE

FRONT = {"family": "vae", "title": "A tiny VAE", "data": "mnist", "shape": [1, 28, 28]}


def write_tiny_vae(folder, **own):
    """A VAE with two latents and eight hidden units, untrained; extra keys go into the card."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    VAE(latent_size=2, widths=(8,)).save_pretrained(str(folder))
    registry.write_card(folder, {"license": "apache-2.0", "playground": {**FRONT, **own}}, "A network for tests.")
    return folder


def tiny_data(name, count=256, seed=0):
    """A data set of the shape of `name` that needs no files: faces and points are drawn, "digits" and
    "emoji" are bars."""
    if name == "densities":
        stream = torch.Generator().manual_seed(seed)
        labels = torch.arange(count) % len(densities.NAMES)
        points = [densities.sample(densities.NAMES[int(k)], 1, stream) for k in labels]
        return Dataset(name, densities.to_picture(torch.cat(points)), labels, {"density": densities.NAMES})
    if name in ("faces", "manyfaces"):
        images, labels = faces.dataset(range(seed, seed + count))
        return Dataset(name, torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels), faces.ATTRIBUTES)
    if name == "stackedmnist":
        parts = [tiny_data("mnist", count, seed + k) for k in range(3)]
        labels = torch.stack([parts[k].labels.roll(k) for k in range(3)], 1)
        images = torch.cat([parts[k].images.roll(k, 0) for k in range(3)], 1)
        return Dataset(name, images, labels, dict.fromkeys(stacked.CHANNELS, mnist.LABELS))
    if name == "emoji":
        digits = tiny_data("mnist", count, seed)
        images = torch.nn.functional.pad(255 - digits.images, (2, 2, 2, 2), value=255).repeat(1, 3, 1, 1)
        return Dataset(name, images, digits.labels % 7, {"group": emoji.GROUPS}, ("a bar",) * count)
    labels = torch.arange(count) % 10
    stream = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 40, (count, 1, 28, 28), generator=stream)
    for image, label in zip(images, labels):
        left = 2 + 2 * int(label)
        image[:, 4:24, left : left + 4] += torch.randint(100, 200, (1, 20, 4), generator=stream)
    return Dataset(name, images.to(torch.uint8), labels, {"digit": mnist.LABELS})


def shipped():
    """Names of the shipped checkpoint folders, with a card or without."""
    root = registry.CHECKPOINTS
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
