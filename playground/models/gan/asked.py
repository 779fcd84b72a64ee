"""A GAN that can be asked for attributes.

G is told them beside the noise; D is told them too, which makes a face without the hat that was asked for a false one,
and has a second head that names what it sees (Odena et al., "Conditional image synthesis with auxiliary classifier
GANs", 2016). The relativistic pair then shows the same attributes twice, once real and once made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playground.api import Frame
from playground.models.attributes import Attributes
from playground.models.classifier import Classifier, shifted, veiled
from playground.models.gan.learner import AVERAGED, GANLearner
from playground.models.gan.network import GAN
from playground.training.precision import mixed
from playground.training.recipe import Batch


class AttributeGAN(GAN):
    """A GAN that can be asked: G and D are told the attributes of a picture, and D also names them.

    Its latent is [z, y]: d numbers of N(0, I), then a block per attribute (see `playground.models.attributes`).

    Args:
        shape, widths, critic, latent_size, squash, truncation: as in `GAN`.
        heads, shares: the attributes, as in `Attributes`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        widths: Sequence[int],
        critic: Sequence[int],
        latent_size: int,
        squash: bool,
        heads: Sequence[tuple[str, Sequence[str]]],
        shares: Sequence[Sequence[float]],
        truncation: float = 1.0,
    ) -> None:
        super().__init__(shape, widths, critic, latent_size, 0, squash, truncation)
        self.attributes = Attributes(heads, shares)
        self.controls = (*self.controls, *self.attributes.fields)
        size, d = self.attributes.size, self.discriminator
        self.generator.labels = nn.Linear(size, latent_size, bias=False)  # of ones and zeros: a sum of embeddings
        d.labels = nn.Linear(size, critic[0], bias=False)
        d.guess = nn.Linear(critic[0], size)

    def asked(self, latents: Tensor) -> Tensor:
        """What the latents say of the attributes: (N, A) positions of values."""
        return self.attributes.read(latents[:, self.latent_size :])

    def wish(self, latents: Tensor, wishes: Mapping[str, str]) -> Tensor:
        """The latents with some attributes written over."""
        z, y = latents.split([self.latent_size, self.attributes.size], 1)
        return torch.cat([z, self.attributes.wish(y, wishes)], 1)

    def parts(self, z: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """Latents (N, d + size) → noise (N, d) and attributes (N, size), on the device; there are no classes."""
        z, y = z.to(self.w_mean.device).split([self.latent_size, self.attributes.size], 1)
        return z, self.attributes.settle(y)

    def sample(
        self,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        truncation: float | None = None,
        **wishes: str,
    ) -> Iterator[Frame]:
        """One frame: the pictures of the latents, with the attributes wished for."""
        z = self.wish(self.latents(seeds) if latents is None else latents, wishes)
        yield Frame(self.draw(self.styles(z, None, self._psi(truncation))), state=z, info={"calls": 1})

    def _drawn(self, streams: Sequence[torch.Generator]) -> Tensor:
        z = super()._drawn(streams)
        return torch.cat([z, self.attributes.write(self.attributes.draw(streams))], 1)


class AttributeGANLearner(GANLearner):
    """The same game with attributes: both are told them, and both do better the better D can name them.

    Where styles of two faces are mixed, nobody can say what the attributes of the mixture are: D is told nothing then.

    D learns small details last (which of three noses?), and G cannot learn from D what D does not see. So G is also
    shown to a reader: a classifier that has learned to name them beforehand, and is not the one that examines G later.

    Args:
        model, device, options: as in `GANLearner`. reader: the classifier; it stays as it is.
    """

    CLEAR = 0.5  # weight, for G, of being named rightly by D; more of it, and G draws for the namer, not for the eye
    READ = 0.5  # and by the reader

    model: AttributeGAN

    def __init__(self, model: AttributeGAN, device: torch.device, reader: Classifier, **options: float) -> None:
        super().__init__(model, device, **options)
        self.reader = reader.to(device).eval().requires_grad_(False)

    def _told(self, batch: Batch) -> Tensor:
        return self.model.attributes.write(batch.y)

    def _mixed(self, w: Tensor, other: Tensor, cut: int, labels: Tensor) -> tuple[Tensor, None]:
        return self.model.mix(w, self.model.generator.map(other, labels.roll(1, 0)), cut), None

    def _misread(self, h: Tensor, labels: Tensor | None, losses: dict[str, float]) -> Tensor | float:
        if labels is None:
            return 0.0
        losses["misread"] = (loss := self._named(h, labels)).item()
        return loss

    def _missed(
        self, fake: Tensor, h: Tensor, labels: Tensor | None, losses: dict[str, float], noise: torch.Generator
    ) -> Tensor | float:
        if labels is None:
            return 0.0
        losses["unclear"] = (unclear := self._named(h, labels)).item()
        losses["unread"] = (unread := self._read(fake, labels, noise)).item()
        return self.CLEAR * unclear + self.READ * unread

    def _named(self, h: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of D's guess at the attributes, a mean over them."""
        sizes = self.model.attributes.sizes
        heads = zip(self.model.discriminator.guess(h).split(sizes, 1), labels.split(sizes, 1))
        return torch.stack([F.cross_entropy(head, truth) for head, truth in heads]).mean()

    def _read(self, fake: Tensor, labels: Tensor, noise: torch.Generator) -> Tensor:
        """Cross-entropy of the reader's guess, a mean over the attributes, of which such a face may hide some.

        G's pictures are moved a little and veiled, so that no pattern will do that says nothing to the eye.
        """
        codes = self.model.attributes.read(labels)
        with mixed(fake.device):
            heads = self.reader.classify(veiled(shifted((fake + 1) / 2, noise, by=2), noise))
        each = [F.cross_entropy(head.float(), truth, reduction="none") for head, truth in zip(heads, codes.unbind(1))]
        return (torch.stack(each, 1) * self.model.attributes.visible(codes)).mean()

    def _remember_mean(self, w: Tensor, labels: Tensor) -> None:
        super()._remember_mean(w, None)

    def _mean_style(self, model: GAN, k: int) -> Tensor:
        return model.styles(model.latents(range(AVERAGED))).mean(0)
