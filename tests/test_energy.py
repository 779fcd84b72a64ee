"""Energy-based models against sums that can be done by hand: every state of small machines, Gaussians, grids."""

import itertools
import math

import pytest
import torch
from torch import nn

from playground.api import PlaygroundError
from playground.data import Dataset, densities
from playground.models import energy as family
from playground.models import hub
from playground.models.energy import walkers
from playground.models.energy.conv import LEVELS, MIDDLE, SPREAD, ConvEnergy
from playground.models.energy.dbn import DBN
from playground.models.energy.hopfield import RULES, Hopfield, capacity_curve
from playground.models.energy.partition import ais, bracket, exact_log_z, reverse_ais
from playground.models.energy.persistent import RBMLearner
from playground.models.energy.plane import PlaneEnergy, midpoints
from playground.models.energy.rbm import RBM, contrastive_divergence, gibbs, showings, throw
from playground.training import Batch
from playground.training.precision import computing

CPU = torch.device("cpu")
PIXELS = 784


@pytest.fixture(autouse=True)
def no_gradients():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def states(units):
    """Every binary state, float32 (2^units, units)."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)))


def small_rbm(visible=6, hidden=4, scale=1.0, classes=0):
    model = RBM((1, 1, visible), hidden, classes)
    for weight in (model.W, model.b, model.c):
        weight.copy_(scale * torch.randn_like(weight))
    return model.requires_grad_(False)


def joint(model, temperature=1.0):
    """p(v, h) over all states by brute force, float64 (2^V, 2^H)."""
    v, h = states(len(model.b)), states(len(model.c))
    energies = torch.stack([model.energy(v, one.expand(len(v), -1)) for one in h], 1)
    return torch.softmax((-energies / temperature).flatten(), 0).reshape(len(v), len(h))


def index_of(v):
    """Which of `states` each row is."""
    return (v.long() * 2 ** torch.arange(v.shape[1] - 1, -1, -1)).sum(1)


# ------------------------------------------------------------------------------------------------------ machines


def test_energy_is_the_sum_in_its_definition():
    model, v, h = small_rbm(3, 2), torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0]])
    by_hand = -(model.b[0] + model.b[2]) - model.c[1] - (model.W[0, 1] + model.W[2, 1])
    assert model.energy(v, h).item() == pytest.approx(by_hand.item(), abs=1e-6)


def test_free_energy_sums_the_hidden_units_out():
    model = small_rbm()
    v, h = states(6), states(4)
    energies = torch.stack([model.energy(v, one.expand(len(v), -1)) for one in h], 1)
    assert torch.allclose(model.free_energy(v), -torch.logsumexp(-energies, 1), atol=1e-9)


def test_log_z_over_either_side_is_the_sum_over_both():
    for model in (small_rbm(6, 4), small_rbm(3, 7)):
        v, h = states(len(model.b)), states(len(model.c))
        both = torch.logsumexp(torch.stack([-model.energy(v, one.expand(len(v), -1)) for one in h]).flatten(), 0)
        assert exact_log_z(model) == pytest.approx(both.item(), abs=1e-9)


def test_too_many_states_are_not_counted():
    with pytest.raises(PlaygroundError, match="ais"):
        exact_log_z(RBM((1, 5, 5), 21))


def test_probabilities_of_all_pictures_sum_to_one():
    model = small_rbm()
    model.log_z.fill_(exact_log_z(model))
    total = model.log_prob(states(6).reshape(-1, 1, 1, 6)).double().exp().sum().item()
    assert total == pytest.approx(1, abs=1e-5)


def test_each_side_given_the_other_is_as_the_joint_says():
    model = small_rbm()
    p, v, h = joint(model), states(6), states(4)
    of_hidden = (p @ h.double()) / p.sum(1, keepdim=True)
    assert torch.allclose(model.hidden(v).double(), of_hidden, atol=1e-6)
    of_visible = (p.T @ v.double()) / p.sum(0)[:, None]
    assert torch.allclose(model.visible(h).flatten(1).double(), of_visible, atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_gibbs_visits_pictures_as_often_as_they_are_likely(temperature):
    model, noise = small_rbm(4, 3), torch.Generator().manual_seed(1)
    v = torch.zeros(20_000, 4)
    for _ in range(30):
        v = model.sweep(v, noise, temperature=temperature)
    found = torch.bincount(index_of(v), minlength=16) / len(v)
    assert (found - joint(model, temperature).sum(1)).abs().sum() < 0.04


def test_gibbs_with_held_pixels_draws_from_the_conditional():
    model, noise = small_rbm(4, 3), torch.Generator().manual_seed(1)
    mask, known = torch.tensor([1.0, 0, 0, 1]).expand(20_000, 4), torch.tensor([1.0, 0, 0, 0]).expand(20_000, 4)
    v = known.clone()
    for _ in range(30):
        v = model.sweep(v, noise, mask, known)
        assert (v[:, 0] == 1).all() and (v[:, 3] == 0).all()
    found = torch.bincount(index_of(v), minlength=16) / len(v)
    wanted = joint(model).sum(1) * ((states(4)[:, 0] == 1) & (states(4)[:, 3] == 0))
    assert (found - wanted / wanted.sum()).abs().sum() < 0.04


def test_a_chain_does_not_know_its_neighbours():
    model = small_rbm(30, 20, 0.3)
    streams = [torch.Generator().manual_seed(seed) for seed in range(5)]
    alone = torch.Generator().manual_seed(3)
    v, one = torch.zeros(5, 30), torch.zeros(1, 30)
    for _ in range(20):
        v, one = model.sweep(v, streams), model.sweep(one, [alone])
    assert torch.equal(v[3:4], one)


def test_a_label_is_one_unit_drawn_as_softmax_says():
    inputs = torch.tensor([0.3, -0.2, 1.0, 0.0, -1.0]).expand(50_000, 5)
    v, p = throw(inputs, torch.rand(50_000, 5), classes=3)
    assert (v[:, 2:].sum(1) == 1).all()
    assert torch.allclose(v.mean(0), p[0], atol=0.01)
    assert torch.allclose(p[0, 2:], torch.softmax(inputs[0, 2:], 0)) and p[0, 0] == torch.sigmoid(inputs[0, 0])


def test_a_latent_matters_however_long_the_chain():
    """Two chains with the same coins would meet; the latent turns their coins apart."""
    model = small_rbm(12, 8, 0.1)
    first, second = (
        [*model.sample([1], latents=torch.randn(1, 12), sweeps=200, watch=False)][-1].state for _ in range(2)
    )
    assert not torch.equal(first, second)


@pytest.mark.parametrize("sweeps", [1, 7, 60, 61, 300, 3000])
def test_at_most_sixty_moments_are_shown_and_the_last_is_one(sweeps):
    shown = showings(sweeps, watch=True)
    assert len(shown) <= 60 and list(shown.values()) == list(range(1, len(shown) + 1)) and max(shown) == sweeps
    assert showings(sweeps, watch=False) == {sweeps: 1}


# ----------------------------------------------------------------------------------------------------- learning


def exact_gradient(model, x):
    """Gradient of the mean log p(x), log Z enumerated and differentiated by autograd."""
    with torch.enable_grad():
        W, b, c = (p.detach().double().requires_grad_() for p in (model.W, model.b, model.c))
        every, x = states(len(b)).double(), x.double()

        def negative_free(v):
            return v @ b + nn.functional.softplus(v @ W + c).sum(1)

        (negative_free(x).mean() - torch.logsumexp(negative_free(every), 0)).backward()
    return W.grad, b.grad, c.grad


def test_contrastive_divergence_with_settled_chains_is_the_gradient():
    model, noise = small_rbm(5, 4, 0.7), torch.Generator().manual_seed(0)
    x = (torch.rand(40, 5) < 0.4).float()
    chains = states(5)[torch.multinomial(joint(model).sum(1), 200_000, replacement=True)]
    found = contrastive_divergence(model, x, 1, noise, chains)
    for ours, wanted in zip((found.W, found.b, found.c), exact_gradient(model, x)):
        assert torch.allclose(ours.double(), wanted, atol=0.01)


def test_contrastive_divergence_begins_at_the_data():
    model, x = small_rbm(5, 4), (torch.rand(40, 5) < 0.4).float()
    found = contrastive_divergence(model, x, 1, torch.Generator().manual_seed(0))
    wanted, _ = gibbs(model.weights(dtype=torch.float32), x, torch.Generator().manual_seed(0))
    assert torch.equal(found.chains, wanted) and 0 < found.error < 1


def test_centred_gradients_are_those_around_the_offsets():
    """Cho et al. 2011: ∂b = ⟨v⟩ − ⟨v⟩' − ∂W λ, ∂c = ⟨h⟩ − ⟨h⟩' − ∂Wᵀ μ, with ∂W between v − μ and h − λ."""
    pcd = RBMLearner(RBM((1, 2, 3), 4), CPU, chains=10).pcd
    pcd.run.offset_v.copy_(torch.rand(6))
    pcd.run.offset_h.copy_(torch.rand(4))
    v, fantasy = (torch.rand(20, 6) < 0.5).float(), (torch.rand(10, 6) < 0.5).float()
    h, theirs = torch.rand(20, 4), torch.rand(10, 4)
    pcd._ascend(v, h, fantasy, theirs)
    mu, lam = pcd.run.offset_v, pcd.run.offset_h
    W = (v - mu).T @ (h - lam) / 20 - (fantasy - mu).T @ (theirs - lam) / 10
    assert torch.allclose(-pcd.model.W.grad, W, atol=0.01)  # products are taken in bfloat16
    assert torch.allclose(-pcd.model.b.grad, v.mean(0) - fantasy.mean(0) - W @ lam, atol=0.02)
    assert torch.allclose(-pcd.model.c.grad, h.mean(0) - theirs.mean(0) - mu @ W, atol=0.02)


def bars(count, noise):
    """3×3 pictures whose rows are on or off as a whole: 8 pictures, log 8 = 2.08 nats."""
    return (torch.rand(count, 3, 1, generator=noise) < 0.5).float().expand(count, 3, 3)[:, None].contiguous()


def test_persistent_chains_learn_a_density_nearly_exactly():
    learner = RBMLearner(RBM((1, 3, 3), 8), CPU, lr=0.2)
    noise = torch.Generator().manual_seed(0)
    for step in range(1200):
        for group in learner.optimizers["model"].param_groups:
            group["lr"] = 0.2 * (1 - step / 1200)
        learner.step(Batch(bars(50, noise), torch.zeros(50, dtype=torch.long), noise, 50 * step, step / 1200))
    model = learner.pcd.finished()
    model.log_z.fill_(exact_log_z(model))
    nats = -model.log_prob(bars(500, noise)).mean().item()
    assert math.log(8) - 0.01 < nats < math.log(8) + 0.3


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_its_products_have_the_digits_that_were_chosen(precision):
    learner = RBMLearner(RBM((1, 3, 3), 8), CPU)
    noise = torch.Generator().manual_seed(0)
    with computing(precision, CPU):
        learner.step(Batch(bars(50, noise), torch.zeros(50, dtype=torch.long), noise, 0, 0.0))
    gradient = learner.pcd.model.W.grad
    rounded = torch.equal(gradient.bfloat16().float(), gradient)
    assert gradient.dtype == torch.float32 and rounded == (precision != "fp32")


def test_a_saved_machine_carries_its_log_z(tmp_path):
    learner = RBMLearner(RBM((1, 2, 4), 6), CPU, chains=20)
    noise = torch.Generator().manual_seed(0)
    for step in range(200):
        x = torch.rand(20, 1, 2, 4, generator=noise)
        learner.step(Batch(x, torch.zeros(20, dtype=torch.long), noise, 20 * step, step / 200))
    learner.save(tmp_path)
    model = family.load(tmp_path)
    assert model.log_z.item() == pytest.approx(exact_log_z(model), abs=0.1)


# ----------------------------------------------------------------------------------------------------- annealing


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_annealing_holds_the_truth(seed):
    torch.manual_seed(seed)
    model = small_rbm(8, 6, 1.0)
    truth = exact_log_z(model)
    for estimate in (ais(model, 200, 2000, seed), reverse_ais(model, 200, 2000, seed, burn=300)):
        assert estimate.low <= truth <= estimate.high
        assert estimate.high - estimate.low < 0.3 and estimate.low < estimate.log_z < estimate.high


def test_the_mean_weight_is_z_however_few_the_rungs():
    """Unbiased for any ladder (Neal 2001), if every rung's sweep leaves that rung's own machine as it is."""
    model = small_rbm(6, 4, 0.7)
    model.base.copy_(2 * torch.randn(6))
    found = ais(model, chains=100_000, steps=2)
    assert found.low <= exact_log_z(model) <= found.high and found.high - found.low < 0.3


def test_too_few_rungs_err_to_opposite_sides():
    """Jensen: upwards too low, downwards too high; more rungs bring both to the truth."""
    model = small_rbm(16, 8, 2.0)
    truth = exact_log_z(model)
    p = torch.softmax(-model.free_energy(states(16)), 0)
    draws = states(16)[torch.multinomial(p, 40, replacement=True)]
    up = sum(ais(model, 2, 5, seed).log_z for seed in range(40)) / 40
    down = sum(reverse_ais(model, 2, 5, seed, draws[[seed, -seed - 1]]).log_z for seed in range(40)) / 40
    assert up < truth - 0.5 and down > truth + 0.5
    assert ais(model, 100, 3000).log_z == pytest.approx(truth, abs=0.2)
    assert reverse_ais(model, 40, 3000, 0, draws).log_z == pytest.approx(truth, abs=0.3)


def test_annealing_starts_from_the_base_rates_exactly():
    """Without weights every rung is the same machine: no variance at all."""
    model = small_rbm(8, 6, 0.0)
    model.b.copy_(torch.randn(8))
    model.base.copy_(model.b)
    assert ais(model, 10, 5) == pytest.approx([exact_log_z(model)] * 3, abs=1e-9)


def test_the_bracket_holds_the_true_likelihood():
    model = small_rbm(9, 5, 0.8)
    model.shape = (1, 3, 3)
    test = Dataset("tiny", torch.randint(0, 256, (50, 1, 3, 3)).to(torch.uint8), torch.zeros(50), {})
    found = bracket(model, test, chains=100, steps=500)
    model.log_z.fill_(exact_log_z(model))
    binary = torch.rand(test.images.shape, generator=torch.Generator().manual_seed(0)) < test.pictures(slice(None))
    truth = -model.log_prob(binary.float()).mean().item()
    assert found["nats_at_least"] - 1e-4 <= truth <= found["nats_at_most"] + 1e-4
    assert all(math.isfinite(v) for v in found.values() if not isinstance(v, str)) and found["protocol"]


# ------------------------------------------------------------------------------------------------- deep belief net


@pytest.fixture
def dbn():
    model = DBN((1, 4, 4), (8, 7, 9), 3)
    for weight in model.parameters():
        weight.copy_(torch.randn_like(weight))
    return model.requires_grad_(False)


def test_the_answer_sums_the_top_units_out(dbn):
    x = torch.rand(5, 1, 4, 4)
    h2 = torch.sigmoid(
        torch.sigmoid(x.flatten(1) @ dbn.layers[0].W + dbn.layers[0].c) @ dbn.layers[1].W + dbn.layers[1].c
    )
    assert torch.allclose(dbn.up(x)[1], h2, atol=1e-6)
    for label in range(3):
        v = torch.cat([h2, torch.eye(3)[label].expand(5, 3)], 1)
        energies = torch.stack([dbn.top.energy(v, h.expand(5, -1)) for h in states(9)], 1)
        assert torch.allclose(dbn.class_free_energies(x)[:, label].double(), -torch.logsumexp(-energies, 1), atol=1e-4)


def test_down_is_the_way_through_both_layers(dbn):
    h2 = torch.rand(5, 7)
    h1 = torch.sigmoid(h2 @ dbn.layers[1].W.T + dbn.layers[1].b)
    assert torch.allclose(dbn.down(h2).flatten(1), torch.sigmoid(h1 @ dbn.layers[0].W.T + dbn.layers[0].b), atol=1e-6)


def test_fantasies_follow_the_conditional_of_the_label_held(dbn):
    """Mean of h² over many chains with label 1 held, beside the sum over all states of the top machine."""
    dbn.top.W.mul_(0.5)
    dbn.top.W[-3:].mul_(8)  # the label has much to say
    count = 4000
    frames = dbn.sample(range(count), labels=torch.ones(count, dtype=torch.long), sweeps=40, watch=False)
    found = [*frames][-1].state.mean(0)
    v = torch.cat([states(7), torch.tensor([0.0, 1, 0]).expand(128, 3)], 1)
    p = torch.softmax(-dbn.top.free_energy(v), 0)
    assert torch.allclose(found.double(), p @ states(7).double(), atol=0.04)


def test_repair_without_labels_lets_the_net_choose(dbn):
    x, mask = torch.rand(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    mask[:, :, :, :2] = 1
    last = [*dbn.repair(x, mask, [1, 2])][-1]
    assert torch.equal(last.images[mask == 1], x[mask == 1])


# ----------------------------------------------------------------------------------------------------- memories


def random_patterns(count, units, seed=0):
    noise = torch.Generator().manual_seed(seed)
    return torch.where(torch.rand(count, units, generator=noise) < 0.5, 1.0, -1.0)


def memory(count=4, units=100, rule="hebb"):
    return Hopfield((1, 1, units), count, rule).store(random_patterns(count, units))


def test_hebbs_weights_are_the_sum_in_his_rule():
    net = memory(3, 12)
    wanted = torch.zeros(12, 12, dtype=torch.float64)
    for i, j in itertools.permutations(range(12), 2):
        wanted[i, j] = sum(p[i] * p[j] for p in net.patterns) / 12
    assert torch.allclose(net.weights(), wanted)
    s = random_patterns(1, 12, 5)
    by_hand = -0.5 * sum(wanted[i, j] * s[0, i] * s[0, j] for i in range(12) for j in range(12))
    assert net.energy(s).item() == pytest.approx(by_hand.item())


@pytest.mark.parametrize("rule", RULES)
def test_no_update_raises_the_energy(rule):
    net, start = memory(30, 100, rule), random_patterns(6, 100, 9)
    energies = [net.energy(start)]
    for asked in range(1, 70):  # the same orders every time, one unit more
        (*_, frame) = net.settle(start, asked, range(6))
        energies.append(net.energy(frame.state))
    steps = torch.stack(energies).diff(dim=0)
    assert steps.max() <= 1e-9 and steps.min() < -1e-3


@pytest.mark.parametrize("rule", RULES)
def test_a_damaged_memory_comes_back_and_stays(rule):
    net = memory(4, 200, rule)
    damaged = torch.where(torch.rand(4, 200) < 0.15, -net.patterns, net.patterns)
    *_, last = net.settle(damaged, None, range(4))
    assert torch.equal(last.state, net.patterns)
    assert torch.equal([*net.settle(net.patterns, None, range(4))][-1].state, net.patterns)
    assert last.images.min() == 0 and last.images.max() == 1


def test_the_negative_of_a_memory_is_a_valley_as_deep():
    net = memory(3, 200)
    assert torch.equal([*net.settle(-net.patterns, None, range(3))][-1].state, -net.patterns)
    assert torch.allclose(net.energy(-net.patterns), net.energy(net.patterns))


def test_projection_holds_patterns_that_look_alike():
    alike = torch.where(torch.rand(10, 200) < 0.15, -random_patterns(1, 200), random_patterns(1, 200))
    net = Hopfield((1, 1, 200), 10, "pseudo-inverse").store(alike)
    assert torch.equal([*net.settle(alike, None, range(10))][-1].state, alike)
    hebb = net.store(alike, "hebb")
    assert not torch.equal([*hebb.settle(alike, None, range(10))][-1].state, alike)


def test_the_modern_field_is_half_the_energy_of_turning_a_unit():
    from playground.models.energy.hopfield import _Overlaps

    net, s = memory(5, 20, "modern"), random_patterns(1, 20, 3).double()
    for unit in range(20):
        up, down = s.clone(), s.clone()
        up[0, unit], down[0, unit] = 1, -1
        half = (net.energy(down) - net.energy(up)) / 2
        rows, units = torch.tensor([0]), torch.tensor([unit])
        assert torch.allclose(_Overlaps(net, s).of(rows, units, s), half)
        assert torch.allclose(_Overlaps(net, s).all(s)[:, unit], half)


def test_hebbs_rule_breaks_near_its_capacity_and_projection_later():
    hebb = dict(capacity_curve("hebb", loads=(0.05, 0.1, 0.138, 0.2, 0.3)))
    shares = list(hebb.values())
    assert shares[0] == shares[1] == 1 and 0.2 < shares[2] < 1 and shares[3] < 0.6 and shares[4] < 0.1
    assert capacity_curve("pseudo-inverse", loads=(0.4,)) == [(0.4, 1.0)]
    assert capacity_curve("modern", units=100, loads=(2.0,)) == [(2.0, 1.0)]


def test_memories_that_cannot_be_stored_are_refused():
    net = memory()
    for bad in (torch.ones(2, 99), torch.zeros(2, 100), torch.ones(0, 100)):
        with pytest.raises(PlaygroundError, match=r"100 values|other than"):
            net.store(bad)
    with pytest.raises(PlaygroundError, match="Learning rule"):
        net.store(net.patterns, "nobody's")
    with pytest.raises(PlaygroundError, match="seeds"):
        next(net.settle(net.patterns, 10, [1]))
    with pytest.raises(PlaygroundError, match="no weights"):
        memory(rule="modern").weights()


# ------------------------------------------------------------------------------------------------------- the plane


class Bowls(PlaneEnergy):
    """½ k ‖x‖², k = 1, 4: Z = 2π / k."""

    def energies(self, points):
        return 0.5 * points.square().sum(1, keepdim=True) * torch.tensor([4.0, 16.0])


def test_the_sum_over_the_grid_is_the_integral():
    model = Bowls(2)
    assert torch.allclose(
        model.sum_up(256), torch.tensor([2 * math.pi / k for k in (4.0, 16.0)]).double().log(), atol=1e-6
    )
    points, log_area = midpoints(32, torch.rand(1024, 2))
    assert points.min() >= -4.6 and points.max() <= 4.6 and log_area == pytest.approx(2 * math.log(9.2 / 32))


def test_its_density_integrates_to_one():
    model = PlaneEnergy()
    for weight in model.parameters():
        weight.mul_(2.0)
    model.log_z.copy_(model.sum_up())
    line = torch.linspace(-6, 6, 201)  # another grid, and wider
    total = model.energies(torch.cartesian_prod(line, line)).neg().double().sub(model.log_z).exp().sum(0) * 0.06**2
    assert torch.allclose(total, torch.ones(6).double(), atol=0.01)


def test_slopes_are_differences_of_the_energy():
    model, points = PlaneEnergy().double(), 3 * torch.randn(20, 2, dtype=torch.float64)
    labels = torch.arange(20) % 6
    for axis in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[axis] = 1e-5
        difference = (model.energy(points + shift, labels) - model.energy(points - shift, labels)) / 2e-5
        assert torch.allclose(model.gradient(points, labels)[:, axis], difference, atol=1e-6)


def test_no_label_means_an_equal_mixture():
    model = PlaneEnergy()
    model.log_z.copy_(model.sum_up(64))
    x = torch.rand(7, 2, 1, 1)
    each = torch.stack([model.log_prob(x, torch.full((7,), k)) for k in range(6)])
    assert torch.allclose(model.log_prob(x), torch.logsumexp(each, 0) - math.log(6), atol=1e-5)


def test_shipped_landscapes_are_the_densities_and_their_wells_are_apart(engine):
    if "ebm-2d" not in {card.name for card in engine.cards()}:
        pytest.skip("ebm-2d is not here")
    model = engine.model("ebm-2d")
    scores = model.own_scores(None)["divergence"]
    assert scores["worst"] < 0.1 and min(scores[name] for name in densities.NAMES) > -0.02
    assert (model.sum_up(256) - model.log_z).abs().max() < 0.01
    arc = torch.linspace(0, 2 * math.pi / 8, 50)
    way = model.energy(2.6 * torch.stack([arc.cos(), arc.sin()], 1), densities.NAMES.index("eight gaussians"))
    assert way.max() - way[0] > 5, "walkers must climb to get from one well to the next"


# --------------------------------------------------------------------------------------------------------- walkers

STIFF = torch.tensor([1.0, 4.0], dtype=torch.float64)  # curvatures of the test landscape
CENTRE = torch.tensor([0.5, -0.3], dtype=torch.float64)


def valley(points):
    """A Gaussian of mean CENTRE and variances 1 / STIFF."""
    return 0.5 * (STIFF * (points - CENTRE).square()).sum(1)


def many(walk, steps, count=3000, **settings):
    """Where `count` walkers are after `steps` moves from the centre."""
    return walk(valley, CENTRE.expand(count, 2), range(count), steps, **settings).positions[-1]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize(
    "walk, steps, settings",
    [
        (walkers.mala, 60, {"step_size": 0.5}),
        (walkers.hmc, 15, {"step_size": 0.3, "leaps": 4}),
        (walkers.metropolis, 80, {"step_size": 0.8}),
        (walkers.gibbs, 3, {}),
    ],
)
def test_walkers_reach_mean_and_variance(walk, steps, settings, temperature):
    x = many(walk, steps, temperature=temperature, **settings)
    assert torch.allclose(x.mean(0), CENTRE, atol=0.07)
    assert torch.allclose(x.var(0), temperature / STIFF, rtol=0.12)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_langevin_is_too_wide_by_the_known_factor(temperature):
    step = 0.8
    x = many(walkers.langevin, 60, step_size=step, temperature=temperature)
    wanted = temperature / STIFF / (1 - step**2 * STIFF / (4 * temperature))
    assert torch.allclose(x.var(0), wanted, rtol=0.1)
    assert wanted[1] > 1.4 / 4, "the factor matters here"


def roll(z, leaps=7, step=0.3):
    """Leapfrog as a function of (x, momentum) in one vector, on a landscape that is no parabola."""

    def energy(p):
        return (p.square().sum(1) - 1).square() + p[:, 0].sin()

    x, push = z[None, :2], z[None, 2:]
    with torch.enable_grad():
        for _ in range(leaps):
            push = push - 0.5 * step * slope_of(energy, x)
            x = x + step * push
            push = push - 0.5 * step * slope_of(energy, x)
    ours = walkers.leapfrog(energy, z[None, :2], z[None, 2:], walkers.with_slope(energy, z[None, :2])[1], step, leaps)
    assert torch.allclose(torch.cat([x, push], 1), torch.cat(ours[:2], 1))
    return torch.cat([x, push], 1)[0]


def slope_of(energy, x):
    x = x if x.requires_grad else x.detach().requires_grad_()
    return torch.autograd.grad(energy(x).sum(), x, create_graph=True)[0]


def test_rolling_back_leads_home():
    z = torch.tensor([0.3, -0.8, 0.5, 1.1], dtype=torch.float64)
    there = roll(z)
    back = roll(torch.cat([there[:2], -there[2:]]).detach())
    assert torch.allclose(back.detach(), torch.cat([z[:2], -z[2:]]), atol=1e-10)


def test_rolling_keeps_volume():
    z = torch.tensor([0.3, -0.8, 0.5, 1.1], dtype=torch.float64)
    with torch.enable_grad():
        jacobian = torch.autograd.functional.jacobian(roll, z.requires_grad_())
    assert torch.linalg.det(jacobian).item() == pytest.approx(1, abs=1e-9)


ASKING = [(walkers.metropolis, {}), (walkers.mala, {}), (walkers.hmc, {"leaps": 2})]


@pytest.mark.parametrize("walk, settings", ASKING)
def test_as_many_go_as_come(walk, settings):
    """Detailed balance: from draws of the density itself, moves left → right are as many as right → left."""
    count = 20_000
    start = CENTRE + torch.randn(count, 2, dtype=torch.float64) / STIFF.sqrt()
    found = walk(valley, start, range(count), 1, step_size=0.6, **settings)
    before, after = found.positions[:, :, 1].unbind(0)
    there = int(((before < -0.5) & (after > 0)).sum())
    back = int(((before > 0) & (after < -0.5)).sum())
    assert there > 300 and abs(there - back) < 4 * math.sqrt(there + back)
    assert 0.3 < found.acceptance < 0.99


@pytest.mark.parametrize("walk, settings", ASKING)
def test_small_steps_are_nearly_always_taken(walk, settings):
    start = CENTRE.expand(50, 2) + 0.5
    rates = [walk(valley, start, range(50), 20, step_size=step, **settings).acceptance for step in (0.95, 0.3, 0.003)]
    assert rates[0] < rates[1] < rates[2] and rates[2] > 0.995


@pytest.mark.parametrize("name", walkers.WALKS)
def test_a_walk_is_its_seeds_alone(name):
    walk = walkers.WALKS[name]
    start = torch.zeros(3, 2)
    together = walk(valley, start, [5, 6, 7], 12)
    alone = walk(valley, start[:1], [6], 12)
    assert torch.equal(together.positions[:, 1], alone.positions[:, 0])
    assert together.positions.shape == (13, 3, 2) and together.energies.shape == (13, 3)
    assert together.accepted.shape == together.chance.shape == (12, 3)
    assert torch.allclose(together.energies, torch.stack([valley(x) for x in together.positions]))
    stayed = (together.positions[1:] == together.positions[:-1]).all(2)
    assert torch.equal(stayed, ~together.accepted)


def test_gibbs_moves_along_the_axes():
    moved = walkers.gibbs(valley, torch.zeros(4, 2), range(4), 6).positions.diff(dim=0) != 0
    assert moved[0::2, :, 0].all() and not moved[0::2, :, 1].any()
    assert moved[1::2, :, 1].all() and not moved[1::2, :, 0].any()
    with pytest.raises(PlaygroundError, match="beyond"):
        walkers.gibbs(valley, torch.full((1, 2), 5.0), [1], 1)


def test_a_chain_that_runs_away_stops_and_says_when():
    steep = {"step_size": 3.0}
    with pytest.raises(PlaygroundError, match=r"Walker \d left the plane at move \d+: the step size 3 .* Try .*1\.5"):
        walkers.langevin(valley, torch.ones(2, 2), [1, 2], 100, **steep)
    with pytest.raises(PlaygroundError, match="left the plane"):
        walkers.metropolis(lambda p: torch.full((len(p),), math.nan), torch.ones(1, 2), [1], 3)
    for bad in ({"seeds": [1, 2, 3]}, {"step_size": 0.0}, {"steps": -1}):
        with pytest.raises(PlaygroundError):
            walkers.langevin(valley, torch.ones(2, 2), **({"seeds": [1, 2], "steps": 3} | bad))


# -------------------------------------------------------------------------------------------- energies of pictures


@pytest.fixture(params=[True, False], ids=["noise levels", "one energy"])
def conv(request):
    return ConvEnergy((1, 16, 16), (4, 6, 8), request.param).requires_grad_(False)


def silent(model):
    """The network says nothing: what is left is a parabola."""
    for readout in [*model.readouts, model.verdict]:
        readout.weight.zero_()
    return model


def test_without_a_word_of_the_network_it_is_the_energy_of_gaussian_pixels(conv):
    """Data N(μ, d²) with noise σ: log p = −‖x − μ‖² / 2(σ² + d²) + const, D = μ + d²/(σ² + d²) (x − μ)."""
    x = torch.rand(3, 1, 16, 16)
    sigma = 0.4 if conv.noise else 0.15
    total = sigma**2 + SPREAD**2
    silent(conv)
    wanted = (x - MIDDLE).square().flatten(1).sum(1) / (2 * total)
    assert torch.allclose(conv.energy(x, sigma), wanted, rtol=1e-5)
    assert torch.allclose(conv.denoise(x, sigma), MIDDLE + SPREAD**2 / total * (x - MIDDLE), atol=1e-5)


def test_the_slope_is_a_difference_of_the_energy(conv):
    conv.double()
    x, way = torch.rand(2, 1, 16, 16).double(), torch.randn(2, 1, 16, 16).double()
    difference = (conv.energy(x + 1e-5 * way, 0.3) - conv.energy(x - 1e-5 * way, 0.3)) / 2e-5
    assert torch.allclose((conv.slope(x, 0.3) * way).flatten(1).sum(1), difference, rtol=1e-5)


def test_only_an_energy_with_noise_levels_hears_of_them(conv):
    x = torch.rand(2, 1, 16, 16)
    assert torch.equal(conv.energy(x, 0.3), conv.energy(x, 0.6)) != conv.noise


def test_langevin_on_gaussian_pixels_has_their_spread():
    """σ² of the move's noise against a parabola: stationary variance by the formula of the walkers."""
    model = silent(ConvEnergy((1, 16, 16), (4, 4, 4), noise=False)).requires_grad_(False)
    *_, last = model.sample(range(20), steps=12, watch=False)
    curvature, move = 1 / (0.15**2 + SPREAD**2), 2 * 0.3 * 0.15**2
    wanted = 1 / curvature / (1 - move * curvature / 4)
    assert last.state.var().item() == pytest.approx(wanted, rel=0.08)
    assert last.state.mean().item() == pytest.approx(MIDDLE, abs=0.03)


def test_an_energy_that_runs_away_says_so(conv):
    for readout in conv.readouts:
        readout.weight.fill_(1e4)
    with pytest.raises(PlaygroundError, match=r"ran away after \d+ moves"):
        list(conv.sample([1], steps=12))


def test_repair_holds_the_known_pixels_and_frames_follow_the_schedule(conv):
    x, mask = torch.rand(2, 1, 16, 16), torch.zeros(2, 1, 16, 16)
    mask[:, :, :8] = 1
    frames = [*conv.repair(x, mask, [1, 2])]
    assert all(torch.equal(frame.images[mask == 1], x[mask == 1]) for frame in frames)
    assert len(frames) == (LEVELS if conv.noise else 12)
    schedule = conv.schedule(3)
    flat = list(itertools.chain(*schedule))
    assert flat == sorted(flat, reverse=True) and len(flat) == (3 * LEVELS if conv.noise else 30)


# ----------------------------------------------------------------------------------------------------- the family


@pytest.mark.parametrize(
    "model",
    [
        Hopfield((1, 1, 9), 2),
        RBM((1, 2, 3), 4),
        DBN((1, 2, 2), (3, 3, 3), 2),
        PlaneEnergy(2, 8, 4),
        ConvEnergy((1, 16, 16), (4, 4, 4)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_every_kind_comes_back_from_its_folder(model, tmp_path):
    for number, value in enumerate(model.state_dict().values()):
        value.fill_(0.1 * number)
    hub.save(model, tmp_path)
    assert family.kind(tmp_path) is type(model)
    again = family.load(tmp_path).state_dict()
    assert again.keys() == model.state_dict().keys()
    assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())


def test_scores_of_their_own_have_a_protocol():
    test = Dataset("tiny", torch.randint(0, 256, (20, 1, 16, 16)).to(torch.uint8), torch.arange(20) % 3, {})
    for model in (DBN((1, 16, 16), (4, 4, 4), 3), ConvEnergy((1, 16, 16), (4, 4, 4))):
        for group in model.requires_grad_(False).own_scores(test).values():
            assert group["protocol"] and group["samples"] == 20
            assert all(math.isfinite(value) for value in group.values() if not isinstance(value, str))
