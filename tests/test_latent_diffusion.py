"""The three stages of latent diffusion: a code, noise in the code, a polish of the decoder."""

from copy import deepcopy

import pytest
import torch

from playground.models.diffusion import Diffusion, LatentLearner, schedule, unet
from playground.training.recipe import Batch

CPU = torch.device("cpu")


@pytest.fixture
def learner():
    """A small autoencoder of 16×16 pictures with a 4×4 code, and its U-Net."""
    import diffusers

    torch.manual_seed(0)
    coder = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(0, 1, 1), num_decoder_blocks=(1, 1, 0), latent_channels=2,
    )  # fmt: skip
    net = unet(4, 2, (8, 16), (False, False), classes=0)
    learner = LatentLearner(Diffusion(net, schedule(pixels=False), coder), CPU, lr=1e-3)
    return learner


def batch(done, step=0):
    """Half white, half black pictures."""
    x = torch.zeros(8, 3, 16, 16)
    x[:4, :, :8] = 1.0
    x[4:, :, :, 8:] = 1.0
    return Batch(x, torch.zeros(8, dtype=torch.int64), torch.Generator().manual_seed(step), 8 * step, done)


def moved(before, module):
    """Whether any weight has changed."""
    return any(not torch.equal(a, b) for a, b in zip(before.parameters(), module.parameters()))


def test_each_stage_teaches_its_own_network(learner):
    def stage(done, step):
        parts = (learner.coder.encoder, learner.coder.decoder, learner.model.unet)
        before = [deepcopy(part) for part in parts]
        losses = learner.step(batch(done, step))
        return [moved(*pair) for pair in zip(before, parts)], losses

    taught, losses = stage(0.1, 0)
    assert taught == [True, True, False] and set(losses) == {"autoencoder"}
    taught, losses = stage(0.5, 1)
    assert taught == [False, False, True] and set(losses) == {"loss"}
    taught, losses = stage(0.9, 2)
    assert taught == [False, True, False] and set(losses) == {"autoencoder"}


def test_a_picture_comes_back_from_its_code(learner):
    losses = [learner.step(batch(0.05, step))["autoencoder"] for step in range(80)]
    assert losses[-1] < 0.5 * losses[0]
