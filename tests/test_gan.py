"""The GAN's own rest position, and what styles are made of."""

import torch

from playground.models.gan import GAN


def small(**more):
    """An untrained network of two classes."""
    torch.manual_seed(0)
    return GAN((1, 8, 8), (8,), (8,), latent_size=4, classes=2, **more).eval()


def test_a_checkpoint_may_have_a_truncation_of_its_own():
    net = small(truncation=0.5)
    assert net.controls[0].default == 0.5 and small().controls[0].default == 1.0
    net.w_mean.normal_(generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1])
    with torch.no_grad():
        rest, half, full = (next(net.sample([1, 2], labels=labels, **psi)).images
                            for psi in ({}, {"truncation": 0.5}, {"truncation": 1.0}))  # fmt: skip
    assert torch.equal(rest, half) and not torch.allclose(rest, full, atol=1e-4)


def test_truncation_pulls_to_the_mean_style_of_the_class():
    net = small()
    net.w_mean.normal_(generator=torch.Generator().manual_seed(1))
    z, labels = net.latents([5, 6]), torch.tensor([0, 1])
    with torch.no_grad():
        w, none, twice = (net.styles(z, labels, psi) for psi in (1.0, 0.0, 2.0))
    assert torch.equal(none, net.w_mean)
    assert torch.allclose(twice - w, w - none, atol=1e-6)
