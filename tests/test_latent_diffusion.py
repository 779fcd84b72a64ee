"""The three stages of latent diffusion: a code, noise in the code, a polish of the decoder."""

from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from playground.models.classifier import Classifier, apart, doubtful
from playground.models.diffusion import Diffusion, DiffusionLearner, LatentLearner, autoencoder, schedule, unet
from playground.training.recipe import Batch

CPU = torch.device("cpu")


def reader():
    """A small classifier that has learned nothing: also that sees differences."""
    torch.manual_seed(1)
    return Classifier((3, 16, 16), (("side", ("top", "right")),), (8, 8), 8).eval()


@pytest.fixture
def learner():
    """A small autoencoder of 16×16 pictures with a 4×4 code, and its U-Net."""
    torch.manual_seed(0)
    coder = autoencoder((16, 32, 32), codes=4, down=(1, 1), up=(1, 1))
    net = unet(4, 4, (8, 16), (False, False), classes=0)
    learner = LatentLearner(Diffusion(net, schedule(pixels=False), coder), CPU, 1e-3, reader())
    return learner


def batch(done, step=0):
    """Half white, half black pictures."""
    x = torch.zeros(8, 3, 16, 16)
    x[:4, :, :8] = 1.0
    x[4:, :, :, 8:] = 1.0
    return Batch(x, torch.zeros(8, 1, dtype=torch.int64), torch.Generator().manual_seed(step), 8 * step, done)


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
    assert taught == [True, True, False] and set(losses) == {"pixels", "seen"}
    taught, losses = stage(0.5, 1)
    assert taught == [False, False, True] and set(losses) == {"loss"}
    taught, losses = stage(0.95, 2)
    assert taught == [False, True, False] and set(losses) == {"pixels", "seen"}


def test_a_picture_comes_back_from_its_code(learner):
    losses = [learner.step(batch(0.05, step)) for step in range(80)]
    assert losses[-1]["pixels"] < 0.5 * losses[0]["pixels"] and losses[-1]["seen"] < 0.5 * losses[0]["seen"]


def test_a_reader_sees_no_difference_between_equals_and_counts_each_scale():
    x, y = torch.rand(2, 4, 3, 16, 16).unbind(0)
    seer = reader().requires_grad_(False)
    assert float(apart(seer, x, x)) == pytest.approx(0, abs=1e-6)
    far = apart(seer, x, y)
    assert float(far) > float(apart(seer, x, 0.9 * x + 0.1 * y)) > 0
    pairs = zip(seer.looks(x), seer.looks(y))  # ‖a − b‖² of unit vectors is 2 − 2 cos
    cosines = [torch.cosine_similarity(a, b, dim=1).mean() for a, b in pairs]
    assert [look.shape[1:] for look in seer.looks(x)] == [(8, 8, 8), (8, 4, 4), (8,)]
    assert float(far) == pytest.approx(sum(2 - 2 * float(c) for c in cosines), rel=1e-4)


def test_its_gradient_reaches_what_was_made_only():
    x, y = (torch.rand(4, 3, 16, 16).requires_grad_() for _ in range(2))
    apart(reader(), x, y).backward()
    assert x.grad is None and float(y.grad.abs().sum()) > 0


def test_doubt_lies_where_the_answer_hangs_on_the_picture():
    seer = Classifier((3, 16, 16), (("side", ("top", "right")),), (8,), 1)
    seer.trunk = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 1))
    with torch.no_grad():
        seer.trunk[-1].weight.zero_()[0].reshape(3, 16, 16)[:, 4, 9] = 1.0  # it looks at one place
    x = torch.rand(4, 3, 16, 16).requires_grad_()
    doubt = doubtful(seer, x, torch.tensor([[0], [1], [0], [1]]))
    assert doubt.shape == (4, 1, 16, 16) and not doubt.requires_grad and x.grad is None
    torch.testing.assert_close(doubt.mean((1, 2, 3)), torch.ones(4))
    around = torch.zeros(16, 16)
    around[3:6, 8:11] = 256 / 9  # all of it, spread over the place and its neighbours
    torch.testing.assert_close(doubt[:, 0], around.expand(4, -1, -1))


def test_levels_are_drawn_as_told(learner):
    u = (torch.arange(20_000) + 0.5) / 20_000
    plain = DiffusionLearner(learner.model, CPU, 1e-3)
    assert torch.equal(plain._level(u).bincount(minlength=1000), torch.full((1000,), 20))
    t = learner._level(u)
    bar = learner.model.alpha_bar[t]
    ratio = 0.5 * ((1 - bar) / bar).log()
    inner = ratio[(u > 0.1) & (u < 0.9)]  # within them the thousand levels are dense, and have no end
    told = torch.distributions.Normal(*learner.LEVELS).icdf(u[(u > 0.1) & (u < 0.9)])
    torch.testing.assert_close(inner, told, rtol=0, atol=0.06)
    assert int(t.min()) == 0 and int(t.max()) < 1000


def test_the_polish_takes_codes_as_the_u_net_leaves_them(learner):
    learner.register.spread.fill_(3.0)
    z = 3 * torch.randn(8, 4, 4, 4, requires_grad=True)
    learner.LAST = 1  # the lowest level alone: hardly any noise, and nothing to guess
    near = learner._denoised(z, batch(0.95))
    assert not near.requires_grad and 0 < float((near - z).detach().abs().max()) < 0.3
    learner.LAST = 1000
    assert float((learner._denoised(z, batch(0.95)) - z).detach().abs().max()) > 1
    codes = []
    learner.coder.decoder.register_forward_pre_hook(lambda _, given: codes.append(given[0]))
    learner._denoised = lambda z, batch: torch.full_like(z, 7.0)
    learner.step(batch(0.95))
    assert float(codes[0].float().std()) == 0 and float(codes[0].mean()) == 7


def test_a_folder_with_other_weights_is_refused(tmp_path, learner):
    from playground.models.diffusion import load

    learner.save(tmp_path)
    assert load(tmp_path).shape == (3, 16, 16)
    path = tmp_path / "vqvae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    del weights["decoder.conv_in.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ValueError, match="1 weights are missing or too many"):
        load(tmp_path)
