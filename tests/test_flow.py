"""Flows against independent oracles: an autograd Jacobian, an integral that must be 1, an inverse, a naive loop."""

import math

import pytest
import torch
from checkpoints import shipped, tiny_data

from playground import registry
from playground.api import Decoder, Encoder, Likelihood, Repairer, Sampler
from playground.data import densities
from playground.models import flow, hub
from playground.models.flow.base import Chain, PictureFlow
from playground.models.flow.couplings import ActNorm, Coupling, SplineCoupling
from playground.models.flow.learner import FlowLearner, PlaneLearner
from playground.models.flow.pixels import Equalise, Levels, Logit
from playground.models.flow.scales import put, squeeze, take, unsqueeze
from playground.models.flow.splines import spline, unspline
from playground.models.flow.tarflow import harden, soften
from playground.training import Batch

CPU = torch.device("cpu")
TINY = {
    "plane": lambda: flow.PlaneFlow(layers=4, width=8),
    "spline": lambda: flow.PlaneFlow(layers=3, width=8, pieces=5),
    "nice": lambda: flow.NICE(shape=(1, 4, 4), hidden=8, depth=2),
    "realnvp": lambda: flow.RealNVP(shape=(1, 8, 8), couplings=4, widths=(4, 4), blocks=1),
    "glow": lambda: flow.Glow(shape=(3, 8, 8), steps=4, widths=(6, 6), bits=5),
    "tarflow": lambda: flow.TarFlow(shape=(1, 8, 8), patch=4, width=16, depth=2, heads=2, blocks=2, hidden=3),
}


def tiny(name, dtype=torch.float64, seed=0):
    """A small network whose weights are neither trained nor at their start, where half of a flow does nothing."""
    torch.manual_seed(seed)
    model = TINY[name]().eval().requires_grad_(False)
    for weight in model.parameters():
        weight.add_(0.1 * torch.randn_like(weight))
    return model.to(dtype)


def points(model, count=2, seed=1):
    """Points of the model's data space, with labels where it wants them."""
    stream = torch.Generator().manual_seed(seed)
    dtype = next(model.parameters()).dtype
    if model.pixels == "plane":
        x = 6 * torch.rand(count, 2, generator=stream, dtype=dtype) - 3
        return x, torch.arange(count) % model.classes
    return 0.02 + 0.96 * torch.rand(count, *model.shape, generator=stream, dtype=dtype), None


@pytest.fixture(params=sorted(TINY))
def model(request):
    return tiny(request.param)


# --------------------------------------------------------------------------------------------------- the bijection


def test_the_log_determinant_is_that_of_the_jacobian(model):
    x, labels = points(model)
    _, log_det = model(x, labels)
    for i in range(len(x)):
        label = None if labels is None else labels[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(
            lambda v, label=label: model(v.reshape(1, *model.shape), label)[0].flatten(), x[i].flatten()
        )
        assert log_det[i].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-4)


def test_the_inverse_undoes_the_flow_in_both_directions(model):
    x, labels = points(model)
    z, _ = model(x, labels)
    assert z.shape == x.shape and not torch.allclose(z, x, atol=0.1)
    assert (model.inverse(z, labels) - x).abs().max() < 1e-5
    noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(2), dtype=z.dtype)
    assert (model(model.inverse(noise, labels), labels)[0] - noise).abs().max() < 1e-4


@pytest.mark.parametrize("name", sorted(TINY))
def test_single_precision_is_enough_to_come_back(name):
    model = tiny(name, torch.float32)
    x, labels = points(model, 16)
    assert (model.inverse(model(x, labels)[0], labels) - x).abs().max() < 1e-3


def test_through_and_back_pass_the_same_points(model):
    x, labels = points(model)
    z, log_det = model(x, labels)
    steps = model.through(x, labels)
    assert len(steps) == len(model.layers)
    assert all(h.shape == x.shape and d.shape == (len(x),) for h, d in steps)
    assert torch.equal(steps[-1][0], z)
    torch.testing.assert_close(torch.stack([d for _, d in steps]).sum(0), log_det)
    way_back = model.back(z, labels)
    assert torch.equal(way_back[-1], model.inverse(z, labels))
    there = [x, *[h for h, _ in steps[:-1]]]
    for a, b in zip(there, reversed(way_back)):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_every_layer_does_something(model):
    """A layer that was left the identity would hide a wrong determinant."""
    x, labels = points(model)
    before = x
    for h, _ in model.through(x, labels):
        assert (h - before).abs().max() > 1e-4
        before = h


# ------------------------------------------------------------------------------------------------------ likelihood


def integral(model, label, cells, reach):
    """∫ exp(log_prob) over [−reach, reach]² by the midpoint rule."""
    line = (torch.arange(cells, dtype=torch.float64) + 0.5) / cells * 2 * reach - reach
    grid = torch.cartesian_prod(line, line).to(next(model.parameters()).dtype)
    labels = torch.full((len(grid),), label)
    with torch.no_grad():
        parts = [
            model.log_density(p, k).double().exp().sum() for p, k in zip(grid.split(1 << 16), labels.split(1 << 16))
        ]
    return sum(parts).item() * (2 * reach / cells) ** 2


@pytest.mark.parametrize("name", ["plane", "spline"])
def test_a_density_of_the_plane_integrates_to_one(name):
    model = tiny(name)
    for label in range(model.classes):
        assert integral(model, label, 400, 24.0) == pytest.approx(1, abs=0.01)


PLANES = [name for name in shipped() if name.endswith("-2d") and name.split("-")[0] in ("realnvp", "spline")]


@pytest.mark.parametrize("name", PLANES)
def test_the_shipped_densities_integrate_to_one(name):
    model = registry.load(registry.read_card(registry.CHECKPOINTS / name)).double()
    for label in range(model.classes):
        assert integral(model, label, 240, 6.0) == pytest.approx(1, abs=0.01)


def test_points_are_weighed_in_units_of_the_plane():
    """The picture of a point is eight times smaller than the plane, which must not enter."""
    model = tiny("plane")
    x = torch.tensor([[1.0, -2.0], [0.5, 0.25]], dtype=torch.float64)
    labels = torch.tensor([0, 2])
    torch.testing.assert_close(
        model.log_prob(densities.to_picture(x), labels), model.log_density(x, labels), atol=1e-6, rtol=1e-6
    )
    each = torch.stack([model.log_density(x, torch.full((2,), k)) for k in range(6)])
    mixture = each.exp().mean(0).log()
    torch.testing.assert_close(model.log_prob(densities.to_picture(x)), mixture, atol=1e-6, rtol=1e-6)


class Even(PictureFlow):
    """A flow whose density is known: every level of every pixel is equally likely."""

    def __init__(self, bits):
        super().__init__()
        self.bits, self.shape = bits, (1, 4, 4)
        self.layers = torch.nn.ModuleList([Levels(bits)])
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def log_base(self, z):
        inside = ((z >= 0) & (z <= 1)).flatten(1).all(1)
        return torch.where(inside, 0.0, -math.inf)


@pytest.mark.parametrize("bits", [5, 8])
def test_even_levels_cost_exactly_their_bits(bits):
    x = torch.randint(0, 2**bits, (6, 1, 4, 4)).double() / (2**bits - 1)
    x[0], x[1] = 0, 1  # the ends have a whole level as well
    values = Even(bits).log_prob(x)
    torch.testing.assert_close(values / (16 * math.log(2)), torch.full((6,), -float(bits)).double())


def test_the_draw_of_the_noise_is_fixed_and_the_same_in_any_batch():
    model = tiny("tarflow", torch.float32)
    x = torch.rand(3, 1, 8, 8)
    values = model.log_prob(x)
    assert torch.equal(values, model.log_prob(x))
    torch.testing.assert_close(values[1:2], model.log_prob(x[1:2]))
    seen = []
    model.log_density = lambda y: seen.append(255 * y) or y.flatten(1).sum(1)
    model.log_prob(x)
    offset = seen[0] - torch.round(255 * x)
    assert (offset.abs() <= 0.5 + 1e-4).all() and (offset[0] - offset[1]).abs().max() > 0.1, "one draw for all pictures"


def test_noise_stays_within_its_level():
    model = Even(8)
    x = torch.arange(256).repeat(1, 1, 1, 1) / 255
    for u in (0.0, 0.999):
        y = model.layers[0](model.dequantise(x, torch.full_like(x, u)))[0]
        assert torch.equal((y * 256).floor().long(), torch.arange(256).repeat(1, 1, 1, 1))


def test_the_logistic_base_has_mass_one_and_the_normals_quantiles():
    model = tiny("nice")
    z = torch.linspace(-60, 60, 200_001, dtype=torch.float64)
    mass = model.log_base(z[:, None]).exp().sum() * (z[1] - z[0])
    assert mass.item() == pytest.approx(1, abs=1e-6)
    normal = torch.linspace(-30, 30, 61, dtype=torch.float64)
    logistic = model.base_noise(normal)
    near = normal.abs() < 8
    torch.testing.assert_close(torch.sigmoid(logistic)[near], torch.special.ndtr(normal)[near])
    torch.testing.assert_close(model.base_normal(logistic), normal, atol=1e-6, rtol=1e-6)
    single = model.base_normal(model.base_noise(normal.float()))
    torch.testing.assert_close(single, normal.float(), atol=1e-5, rtol=1e-5)
    assert torch.isfinite(model.base_noise(torch.tensor([-400.0, 400.0]))).all()
    assert torch.isfinite(model.base_normal(torch.tensor([-1e4, 1e4]))).all()


# ---------------------------------------------------------------------------------------------------------- layers


def test_squeezing_and_setting_aside_lose_nothing():
    x = torch.arange(2 * 3 * 16 * 16.0).reshape(2, 3, 16, 16)
    assert torch.equal(unsqueeze(squeeze(x)), x)
    square = squeeze(x)[0, 4:8, 2, 5]  # the second colour's square at rows 4 and 5, columns 10 and 11
    assert torch.equal(square.view(2, 2), x[0, 1, 4:6, 10:12])
    for scale in range(3):
        part, aside = take(x, scale)
        assert part.shape == (2, 3 * 2 ** (scale + 2), 16 // 2 ** (scale + 1), 16 // 2 ** (scale + 1))
        assert torch.equal(put(part, aside), x)


def test_what_is_set_aside_is_left_alone_by_later_scales():
    model = tiny("realnvp")
    x, _ = points(model)
    steps = model.through(x)
    first = 1 + 4  # the logit, then the couplings of the first scale
    done = take(steps[first - 1][0], 1)[1][0]
    assert torch.equal(take(steps[-1][0], 1)[1][0], done)


def test_normalisation_starts_from_the_first_batch_and_only_then():
    torch.manual_seed(0)
    layer = ActNorm(3)
    h = 5 * torch.randn(64, 3, 4, 4) + torch.tensor([1.0, -7.0, 30.0])[:, None, None]
    out, log_det = layer(h)
    assert out.mean((0, 2, 3)).abs().max() < 1e-4 and (out.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-3
    scale = layer.log_scale.detach().clone()
    assert log_det[0].item() == pytest.approx(16 * scale.sum().item(), rel=1e-5)
    layer(h + 100)
    assert torch.equal(layer.log_scale, scale)
    quiet = ActNorm(3).eval()
    quiet(h)
    assert not quiet.ready, "asking a model must not change it"


def test_a_coupling_leaves_its_kept_part_alone_and_is_bounded():
    torch.manual_seed(0)

    class Loud(torch.nn.Module):
        def forward(self, a, context):
            return 1e6 * torch.randn(len(a), 2 * 2)

    layer = Coupling(5, [1, 3], Loud(), bound=1.5)
    h = torch.randn(7, 5)
    out, log_det = layer(h)
    assert torch.equal(out[:, [0, 2, 4]], h[:, [0, 2, 4]]) and not torch.equal(out[:, [1, 3]], h[:, [1, 3]])
    assert log_det.abs().max() <= 2 * 1.5 + 1e-5


def test_a_spline_is_increasing_joins_the_identity_and_has_the_slope_it_claims():
    torch.manual_seed(0)
    raw = 2 * torch.randn(1, 3 * 6 - 1, dtype=torch.float64)
    x = torch.linspace(-5, 5, 4001, dtype=torch.float64).requires_grad_()
    y, log_slope = spline(x, raw.expand(len(x), -1), 3.0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope.log(), log_slope.detach(), atol=1e-8, rtol=1e-6)
    assert (y.detach().diff() > 0).all()
    outside = x.detach().abs() >= 3
    assert torch.equal(y.detach()[outside], x.detach()[outside])
    torch.testing.assert_close(unspline(y.detach(), raw.expand(len(x), -1), 3.0), x.detach(), atol=1e-8, rtol=0)
    still, none = spline(x.detach(), torch.zeros(len(x), 17, dtype=torch.float64), 3.0)
    torch.testing.assert_close(still, x.detach())
    assert none.abs().max() < 1e-9


def test_the_rim_of_the_plane_hardly_bends():
    """Beyond the data the networks see a constant, so far points keep their neighbours."""
    for name in ("plane", "spline"):
        model = tiny(name)
        far = torch.tensor([[30.0, 30.0], [30.5, 30.0], [30.0, 30.5]], dtype=torch.float64)
        labels = torch.zeros(3, dtype=torch.long)
        here = [h for h, _ in model.through(far, labels)]
        for h in here:
            sides = (h[1:] - h[0]).abs()
            assert sides[0, 1] < 0.02 * sides[0, 0] and sides[1, 0] < 0.02 * sides[1, 1]


def test_the_equaliser_spreads_levels_by_how_common_they_are():
    torch.manual_seed(0)
    layer = Equalise(8, evenly=0.1)
    level = torch.where(torch.rand(4000, 1, 4, 4) < 0.8, 0, torch.randint(0, 256, (4000, 1, 4, 4)))
    y = (level + torch.rand(level.shape)) / 256
    h, _ = layer(y)
    assert layer.height.sum().item() == pytest.approx(1, abs=1e-5)
    assert (h < layer.height[0]).float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert layer.height.min() >= 0.1 / 256 - 1e-9
    torch.testing.assert_close(layer.inverse(h), y, atol=1e-5, rtol=0)
    chain = Chain(Levels(8), layer, Logit(1e-5))
    x = torch.linspace(0, 1, 511)[:, None]
    torch.testing.assert_close(chain.inverse(chain(x)[0]), x, atol=2e-5, rtol=0)


# --------------------------------------------------------------------------------------------------------- TarFlow


def test_the_kept_keys_and_values_give_the_naive_inverse():
    model = tiny("tarflow")
    z = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    for block in model.layers[1:]:
        torch.testing.assert_close(block.inverse(z), block.naive_inverse(z), atol=1e-9, rtol=1e-9)


def test_softened_tails_are_a_bijection_with_the_slope_they_claim():
    z = torch.tensor([-1e4, -5.0, -4.0, -3.9, 0.0, 1.0, 4.1, 30.0], dtype=torch.float64, requires_grad=True)
    soft, log_slope = soften(z)
    (slope,) = torch.autograd.grad(soft.sum(), z)
    torch.testing.assert_close(slope.log(), log_slope.detach())
    torch.testing.assert_close(harden(soft.detach()), z.detach())
    assert torch.equal(soft[3:6], z[3:6]) and soft.abs().max() < 14 and (soft.diff() > 0).all()
    assert torch.isfinite(harden(torch.tensor([-500.0, 500.0]))).all()


@pytest.mark.parametrize("backwards", [False, True])
def test_a_patch_depends_on_earlier_ones_and_a_pixel_on_earlier_ones_of_its_patch(backwards):
    model = tiny("tarflow")
    block = model.layers[2 if backwards else 1]
    assert block.backwards is backwards
    tokens = torch.randn(1, 4, 16, dtype=torch.float64, requires_grad=True)
    for t, i in ((0, 0), (1, 5), (3, 15)):
        mu, alpha = block.moments(tokens)
        (seen,) = torch.autograd.grad(mu[0, t, i] + alpha[0, t, i], tokens)
        earlier = torch.zeros(4, 16, dtype=torch.bool)
        earlier[:t], earlier[t, :i] = True, True
        assert not seen[0][~earlier].any(), "it saw what comes later"
        assert seen[0][earlier].all(), "it missed something that came before"
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    assert torch.equal(block.paste(block.cut(x)), x)
    first = block.cut(x)[0, 0].view(4, 4)
    assert torch.equal(first, x[0, 0, 4:, 4:] if backwards else x[0, 0, :4, :4])


# ------------------------------------------------------------------------------------------- protocols and learning


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_saved_flow_comes_back_as_what_it_was(name, tmp_path):
    model = tiny(name, torch.float32)
    hub.save(model, tmp_path)
    again = flow.load(tmp_path).eval().requires_grad_(False)
    assert type(again) is type(model) is flow.kind(tmp_path)
    assert isinstance(again, Sampler) and isinstance(again, Likelihood)
    assert isinstance(again, Repairer) is (again.pixels == "dequantised"), "half a point is no damaged picture"
    assert isinstance(again, Encoder) and isinstance(again, Decoder)
    x, labels = points(model)
    assert torch.equal(again(x, labels)[0], model(x, labels)[0])


@pytest.mark.parametrize("name", sorted(TINY))
def test_watching_changes_the_frames_but_not_the_picture(name):
    model = tiny(name, torch.float32)
    with torch.no_grad():
        watched, alone = (list(model.sample([3, 4], temperature=0.8, watch=w)) for w in (True, False))
    assert len(watched) == len(model.layers) and len(alone) == 1
    assert [f.step for f in watched] == list(range(1, len(watched) + 1))
    assert torch.equal(watched[-1].images, alone[0].images)
    for frame in watched:
        assert frame.images.min() >= 0 and frame.images.max() <= 1 and frame.images.shape == watched[-1].images.shape


@pytest.mark.parametrize("name", ["nice", "realnvp", "glow", "tarflow"])
def test_a_picture_comes_back_from_its_latent_and_far_latents_are_pictures(name):
    model = tiny(name, torch.float32)
    x, _ = points(model, 3)
    with torch.no_grad():
        assert (model.decode(model.encode(x).mean) - x).abs().max() < 1e-3
        far = model.decode(100 * model.latents([1, 2]))
    assert torch.isfinite(far).all() and far.min() >= 0 and far.max() <= 1


def test_repair_climbs_and_keeps_what_is_known():
    model = tiny("nice", torch.float32)
    x, _ = points(model, 2)
    mask = torch.ones(2, 1, 4, 4)
    mask[..., :2] = 0
    with torch.no_grad():
        frames = list(model.repair(x, mask, [1, 2], steps=30))
        assert torch.equal(frames[-1].images * mask, x * mask)
        first, last = (model.log_density(f.images).mean() for f in (frames[0], frames[-1]))
    assert last > first and [f.step for f in frames] == list(range(1, 31))


@pytest.mark.parametrize("name", ["realnvp", "glow", "tarflow"])
def test_repair_walks_to_pictures_that_keep_what_is_known(name):
    model = tiny(name, torch.float32)
    x, _ = points(model, 2)
    mask = torch.ones(2, 1, 8, 8)
    mask[:, :, 4:] = 0
    with torch.no_grad():
        frames = list(model.repair(x, mask, [1, 2], steps=6))
        other = list(model.repair(x, mask, [1, 3], steps=6))
        blank = list(model.repair(torch.zeros_like(x), mask, [1, 2], steps=6))
    assert [f.step for f in frames] == [1, 2, 3, 4, 5, 6]
    for frame in frames:
        assert torch.equal(frame.images * mask, x * mask)
        assert frame.images.min() >= 0 and frame.images.max() <= 1
    torch.testing.assert_close(frames[-1].images[0], other[-1].images[0], atol=1e-3, rtol=0)
    assert (frames[-1].images[1] - other[-1].images[1]).abs().max() > 0.01, "every seed has its own repair"
    assert ((frames[-1].images - blank[-1].images) * (1 - mask)).abs().max() > 1e-3, "what is known says nothing"


def test_own_scores_say_how_exactly_pictures_come_back():
    for name in ("nice", "glow"):
        model = tiny(name, torch.float32)
        data = tiny_data("mnist", 8)
        images = data.images[:, :, : model.shape[1], : model.shape[2]].repeat(1, model.shape[0], 1, 1)
        scores = model.own_scores(type(data)("mnist", images, data.labels, data.heads))
        assert 0 <= scores["inverse"]["error"] < 1e-2 and scores["inverse"]["protocol"]


def test_points_of_the_plane_come_back():
    scores = tiny("plane", torch.float32).own_scores(tiny_data("densities", 60))
    assert set(scores) == {"inverse"} and scores["inverse"]["error"] < 1e-4 and scores["inverse"]["protocol"]


def test_learning_the_plane_approaches_the_entropy():
    torch.manual_seed(0)
    learner, noise = PlaneLearner(flow.PlaneFlow(4, 32, pieces=6), CPU, lr=1e-2), torch.Generator().manual_seed(0)
    batch = Batch(torch.zeros(1, 2, 1, 1), torch.zeros(1), noise, 0, 0.5)
    losses = [learner.step(batch)["loss"] for _ in range(200)]
    stream = torch.Generator().manual_seed(1)
    drawn = {name: densities.sample(name, 20_000, stream) for name in densities.NAMES}
    entropy = -sum(densities.log_density(name, x).mean().item() for name, x in drawn.items()) / len(drawn)
    assert entropy - 0.1 < sum(losses[-10:]) / 10 < entropy + 0.7 < losses[0]


def test_the_learners_loss_is_the_models_own_bits_per_dimension():
    model = tiny("nice", torch.float32)
    learner = FlowLearner(model, CPU)
    x = torch.randint(0, 256, (64, 1, 4, 4)) / 255
    batch = Batch(x, torch.zeros(64, dtype=torch.long), torch.Generator().manual_seed(0), 0, 0.5)
    with torch.no_grad():
        loss = learner.objective(batch).item()
    assert loss == pytest.approx(-model.log_prob(x).mean().item() / (16 * math.log(2)), rel=0.03)


def test_couplings_of_both_kinds_agree_on_the_parts():
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def forward(self, a, context):
            return a.sum(1, keepdim=True).expand(-1, 8)

    layer = SplineCoupling(3, [2], Net(), reach=2.0)
    h = torch.randn(9, 3)
    out, _ = layer(h)
    assert torch.equal(out[:, :2], h[:, :2])
    torch.testing.assert_close(layer.inverse(out), h, atol=1e-5, rtol=1e-5)


def test_nices_latent_is_exact_far_out_in_the_tails():
    model = tiny("nice")
    z = torch.tensor([[-900.0, -699.0, -5.0, 0.0, 5.0, 701.0, 2000.0]])
    assert torch.allclose(model.base_noise(model.base_normal(z)), z, rtol=1e-5, atol=1e-5)
