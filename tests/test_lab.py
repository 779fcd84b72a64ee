"""The laboratory: its losses against textbook formulas, its densities against sums, its clock against itself."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from torch import distributions

from playground.api import PlaygroundError
from playground.data import densities
from playground.metrics import gaussian_discrepancy, sliced_wasserstein
from playground.models.vae import kl_to_prior
from playground.training.lab import (
    LEARNERS,
    PRESETS,
    Diverged,
    Ruler,
    Session,
    cure,
    learner,
    run,
    sprayed,
    start,
    target,
)
from playground.training.lab import history as lab_history
from playground.training.lab.history import thinned
from playground.training.lab.learner import UNIT
from playground.training.lab.learners.diffusion import BETAS, T, noise_levels
from playground.training.lab.learners.gan import LOSSES, unit_slope_penalty, zero_slope_penalty
from playground.training.lab.measures import KERNEL

NAMES = tuple(LEARNERS)
DENSE = ("autoregressive", "realnvp", "energy")  # have an exact log-density
QUICK = {"batch": 32, "samples": 64}


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def session(name, seed=0, goal="eight gaussians", **settings):
    if name == "energy":  # over flat land every leap succeeds, and walkers would forget where they came from
        settings = {"leaps": 0, **settings}
    return Session(name, goal, {"width": 8, **settings}, seed, **QUICK)


def tensors(state):
    """Every tensor of nested dicts and lists, in order."""
    if isinstance(state, torch.Tensor):
        return [state]
    values = state.values() if isinstance(state, dict) else state if isinstance(state, (list, tuple)) else ()
    return [t for value in values for t in tensors(value)]


def same(a, b):
    """Whether two sessions stand at the same bits: weights, optimisers, settings, samples."""
    one, two = a.learner.state(), b.learner.state()
    return (
        a.clock == b.clock
        and one["values"] == two["values"]
        and all(torch.equal(x, y) for x, y in zip(tensors(one), tensors(two), strict=True))
        and torch.equal(a.look().samples, b.look().samples)
    )


def plane(side=300, reach=8.0):
    """Middles of a fine grid (side², 2) and the area each stands for."""
    line = (torch.arange(side) + 0.5) * (2 * reach / side) - reach
    return torch.cartesian_prod(line, line), (2 * reach / side) ** 2


# --------------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize("name", densities.NAMES)
def test_modes_are_where_the_density_is_highest(name):
    goal = target(name)
    if goal.modes is None:
        assert name in ("two moons", "ring", "spiral")
        return
    here = goal.log_density(goal.modes)
    angle = torch.arange(12) * math.pi / 6
    around = torch.stack([angle.cos(), angle.sin()], 1)
    near = torch.stack([goal.log_density(goal.modes + 0.05 * step) for step in around])
    rim = torch.stack([goal.log_density(goal.modes + 1.5 * goal.near * step) for step in around])
    assert (near <= here + 1e-3).all() and torch.allclose(here, here.max().expand_as(here), atol=1e-3)
    assert (rim < here - 2).any(0).all(), "beyond its reach a heap should thin out"


def test_sprayed_points_are_a_density():
    goal = sprayed([[0.0, 0.0], [2.0, -1.0]])
    points, area = plane(400, 4.0)
    assert goal.log_density(points).exp().sum().item() * area == pytest.approx(1, abs=1e-3)
    drawn = goal.draw(400, stream())
    assert torch.cdist(drawn, torch.tensor([[0.0, 0.0], [2.0, -1.0]])).min(1).values.max() < 0.5
    assert drawn.unique(dim=0).shape[0] == 400, "a sprayed point must be jittered"
    assert Session("vae", sprayed([[1.0, 1.0]]), {"width": 8}, **QUICK).advance(2).distances["times_floor"] > 0


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "No points were sprayed"),
        ([[1.0, 5.0]], "outside the plane"),
        ([[float("nan"), 0.0]], "outside the plane"),
        (torch.zeros(2001, 2), "1 to 2000"),
        ([1.0, 2.0], r"\(N, 2\)"),
        ("spray", "pairs of numbers"),
        ([[1.0], [1.0, 2.0]], "pairs of numbers"),
    ],
)
def test_bad_sprays_are_explained(points, words):
    with pytest.raises(PlaygroundError, match=words):
        sprayed(points)


# -------------------------------------------------------------------------------------------------------- measures


def test_distances_are_those_of_the_metrics():
    ruler = Ruler(target("grid"), 200, stream())
    cloud = torch.randn(200, 2, generator=stream(1))
    found = ruler.measure(cloud, torch.zeros(200))
    assert found["sliced_wasserstein"] == pytest.approx(sliced_wasserstein(cloud, ruler.reference), rel=1e-5)
    assert found["mmd"] == pytest.approx(gaussian_discrepancy(cloud, ruler.reference, KERNEL), abs=1e-5)
    assert found["kl"] == pytest.approx(target("grid").log_density(ruler.reference).mean().item(), rel=1e-5)


def test_perfect_samples_are_about_once_the_floor_and_a_shift_is_not():
    ruler = Ruler(target("two moons"), 512, stream())
    fresh = target("two moons").draw(512, stream(5))
    assert 0.4 < ruler.measure(fresh)["times_floor"] < 2
    assert abs(ruler.measure(fresh)["mmd"]) < 0.01
    assert ruler.measure(fresh + 1)["times_floor"] > 5
    assert "modes" not in ruler.measure(fresh)


def test_modes_are_counted_on_hand_made_samples():
    goal = target("eight gaussians")
    ruler = Ruler(goal, 400, stream())
    three = goal.modes[torch.arange(400) % 3]
    assert ruler.measure(three)["modes"] == 3 and ruler.measure(three)["near"] == 1
    half = torch.cat([goal.modes[torch.arange(200) % 8], torch.zeros(200, 2)])
    assert ruler.measure(half)["modes"] == 8 and ruler.measure(half)["near"] == 0.5
    few = torch.cat([goal.modes[:1].expand(395, 2), goal.modes[1:2].expand(5, 2)])
    assert ruler.measure(few)["modes"] == 1, "five of fifty points do not cover a heap"


# ---------------------------------------------------------------------------------------------------------- losses


def test_gan_gradients_are_the_textbook_s():
    """D(x) = w·x, real x = 2, fake g = θ: all derivatives by hand, with σ the logistic function."""
    w, g = torch.tensor(0.7, requires_grad=True), torch.tensor(0.4, requires_grad=True)
    x, sigma = 2.0, lambda v: 1 / (1 + math.exp(-v))
    r, f = 0.7 * x, 0.7 * 0.4
    wanted = {  # dL_D/dw, dL_G/dθ
        "minimax": (-(1 - sigma(r)) * x + sigma(f) * 0.4, -sigma(f) * 0.7),
        "non-saturating": (-(1 - sigma(r)) * x + sigma(f) * 0.4, -(1 - sigma(f)) * 0.7),
        "wasserstein clipped": (0.4 - x, -0.7),
        "wasserstein penalty": (0.4 - x, -0.7),
        "relativistic": (sigma(f - r) * (0.4 - x), -sigma(r - f) * 0.7),
    }
    assert set(wanted) == set(LOSSES)
    for name, loss in LOSSES.items():
        (by_w,) = torch.autograd.grad(loss.d(w * x, w * g.detach()), w)
        (by_g,) = torch.autograd.grad(loss.g((w * x).detach(), w.detach() * g), g)
        assert (by_w.item(), by_g.item()) == pytest.approx(wanted[name], rel=1e-5), name


def test_slope_penalties_of_linear_critics():
    real, fake = torch.randn(2, 50, 2, generator=stream())
    direction = torch.tensor([0.6, -0.8])
    for size in (1.0, 3.0, 0.0):
        weights = (size * direction).requires_grad_()
        critic = lambda x, w=weights: x @ w  # noqa: E731
        penalty = unit_slope_penalty(critic, real, fake, stream())
        assert penalty.item() == pytest.approx((size - 1) ** 2, abs=1e-5)
        assert zero_slope_penalty(critic, real).item() == pytest.approx(size**2, abs=1e-5)
        assert torch.isfinite(torch.autograd.grad(penalty, weights)[0]).all()


def test_clipping_keeps_every_weight_of_the_critic_small():
    gan = learner("gan", {"loss": "wasserstein clipped", "clip": 0.05, "width": 8})
    gan.step(torch.randn(16, 2), stream())
    assert max(w.abs().max().item() for w in gan.modules["discriminator"].parameters()) <= 0.05 + 1e-6
    assert max(w.abs().max().item() for w in gan.modules["generator"].parameters()) > 0.05


def test_vae_loss_is_that_of_the_distributions():
    mean, log_var = torch.randn(2, 30, 3, generator=stream())
    normal = distributions.Normal(mean, torch.exp(0.5 * log_var))
    oracle = distributions.kl_divergence(normal, distributions.Normal(0.0, 1.0))
    assert torch.allclose(kl_to_prior(mean, log_var), oracle, atol=1e-5)
    vae, points = learner("vae", {"width": 8, "s": 0.3}), torch.randn(40, 2, generator=stream(1))
    with torch.no_grad():
        back, kl = vae._through(points / UNIT, stream(2))
    pixels = distributions.Normal(UNIT * back, 0.3).log_prob(points).sum(1)
    losses = vae.step(points, stream(2), only="learn")
    assert losses["reconstruction"] == pytest.approx(-pixels.mean().item(), rel=1e-4)
    assert losses["kl"] == pytest.approx(kl.mean().item(), rel=1e-4)
    assert losses["bound"] == pytest.approx(losses["kl"] + losses["reconstruction"], rel=1e-4)


def test_flow_matching_on_a_gaussian_is_the_closed_form():
    """x₁ ~ N(m, s²): v(x, t) = m + (t s² − (1 − t)) / (t² s² + (1 − t)²) · (x − t m)."""
    m, s = torch.tensor([0.5, -0.3]), 0.4

    def velocity(x, t):
        t = t[:, None]
        return m + (t * s**2 - (1 - t)) / (t**2 * s**2 + (1 - t) ** 2) * (x - t * m)

    one = learner("flow matching", {"steps": 100})
    x1 = m + s * torch.randn(160_000, 2, generator=stream())
    x_t, t, direction = one.paired(x1, stream(1))
    for low in (0.1, 0.5, 0.8):  # the mean of what is asked for, given place and time, is v: no pull left over
        here = (t > low) & (t < low + 0.1)
        rest = direction[here] - velocity(x_t[here], t[here])
        away = x_t[here] - t[here, None] * m
        assert rest.mean().abs() < 0.03
        assert ((rest * away).mean() / away.square().mean()).abs() < 0.05
    one.velocity = velocity
    arrived = one.sample(torch.randn(4000, 2, generator=stream(2))) / UNIT
    assert torch.allclose(arrived.mean(0), m, atol=0.03)
    assert torch.allclose(arrived.std(0), torch.tensor(s), atol=0.02)


def test_diffusion_s_noise_is_ho_s():
    """SNR(t) = ᾱ/(1 − ᾱ) with ᾱ the running product, and x_t really has that share of signal."""
    product, snr = 1.0, []
    for i in range(T):
        product *= 1 - (BETAS[0] + (BETAS[1] - BETAS[0]) * i / (T - 1))
        snr.append(product / (1 - product))
    levels = noise_levels().double()
    assert levels[0] == 1 and len(levels) == T + 1
    assert torch.allclose(levels[1:] / (1 - levels[1:]), torch.tensor(snr, dtype=torch.float64), rtol=2e-3)
    one = learner("diffusion", {"width": 8})
    x = torch.full((60_000, 2), 1.7)
    x_t, t, eps = one.noised(x, stream())
    assert t.min() >= 1 and t.max() == T
    for low, high in ((50, 60), (400, 410), (900, 910)):
        here = (t >= low) & (t < high)
        a = levels[t[here]].mean()
        assert x_t[here].mean().item() == pytest.approx(1.7 * a.sqrt().item(), abs=0.1)
        assert (x_t[here] - x_t[here].mean()).square().mean().item() == pytest.approx(1 - a.item(), rel=0.1)
    assert eps.std().item() == pytest.approx(1, abs=0.01)


def test_ddim_with_the_true_noise_arrives():
    """For data N(m, s²) the best guess is ε̂ = √(1 − ᾱ) (x − √ᾱ m) / (ᾱ s² + 1 − ᾱ)."""
    m, s = torch.tensor([0.5, -0.3]), 0.4
    one = learner("diffusion", {"steps": 100})

    def guess(x, t):
        a = one.levels[t][:, None]
        return (1 - a).sqrt() * (x - a.sqrt() * m) / (a * s**2 + 1 - a)

    one.guess_noise = guess
    arrived = one.sample(torch.randn(4000, 2, generator=stream())) / UNIT
    assert torch.allclose(arrived.mean(0), m, atol=0.04)
    assert torch.allclose(arrived.std(0), torch.tensor(s), atol=0.04)
    points = torch.randn(50, 2, generator=stream(1))
    a = one.levels[round(one.values["time"] * T)]
    score = -(points / UNIT - a.sqrt() * m) / (a * s**2 + 1 - a) / UNIT
    assert torch.allclose(one.arrows(points), score, atol=1e-4)


# ------------------------------------------------------------------------------------------------------- densities


@pytest.mark.parametrize("name", DENSE)
def test_learned_densities_are_one_in_all_and_samples_follow_them(name):
    """Σ q = 1, and samples have the mean, the spread and the entropy that the grid gives as well."""
    at = Session(name, "eight gaussians", {"width": 16}, **QUICK)
    at.train(40)
    points, area = plane()
    log = at.learner.log_density(points).double()
    assert log.exp().sum().item() * area == pytest.approx(1, abs=0.02)
    mean = (log.exp()[:, None] * points).sum(0) * area
    spread = ((log.exp()[:, None] * (points - mean).square()).sum(0) * area).sqrt()
    entropy = -(log.exp() * log.clamp_min(-1e3)).sum().item() * area
    drawn = at.learner.sample(at.learner.noise(4000, stream()))
    assert -at.learner.log_density(drawn).mean().item() == pytest.approx(entropy, abs=0.1)
    assert torch.allclose(drawn.double().mean(0), mean, atol=0.15)
    assert torch.allclose(drawn.double().std(0), spread, atol=0.15)


@pytest.mark.parametrize("name", DENSE)
def test_arrows_are_the_slope_of_the_log_density(name):
    at = session(name)
    at.train(5)
    points, step = 2 * torch.rand(20, 2, generator=stream()) - 1, 1e-2
    numeric = [
        (at.learner.log_density(points + step * e) - at.learner.log_density(points - step * e)) / (2 * step)
        for e in torch.eye(2)
    ]
    assert torch.allclose(at.learner.arrows(points), torch.stack(numeric, 1), atol=0.03, rtol=0.03)


def test_a_gan_s_arrows_go_down_its_loss():
    gan = learner("gan", {"loss": "non-saturating", "width": 8})
    gan.step(torch.randn(64, 2, generator=stream()), stream())
    points, step = torch.randn(10, 2, generator=stream(1)), 1e-2

    def loss(x):
        return F.softplus(-gan.field(x).values)

    numeric = [-(loss(points + step * e) - loss(points - step * e)) / (2 * step) * UNIT for e in torch.eye(2)]
    assert torch.allclose(gan.arrows(points), torch.stack(numeric, 1), atol=1e-3)


def test_a_flow_can_be_undone():
    at = session("realnvp")
    at.train(20)
    x = torch.randn(100, 2, generator=stream())
    with torch.no_grad():
        assert torch.allclose(at.learner._back(at.learner._forward(x)[0]), x, atol=1e-4)


# ------------------------------------------------------------------------------------------------- every learner


@pytest.mark.parametrize("name", NAMES)
def test_every_learner_keeps_the_contract(name):
    at = session(name, goal="two moons")
    kind = at.learner
    assert set(kind.says) == set(kind.parts) and all(kind.says.values()) and kind.arrows_mean and kind.paper
    assert {"lr", "width"} <= {f.name for f in kind.settings} and kind.shows < set(kind.parts)
    assert all(f.label and f.info for f in kind.settings)
    moment = at.advance(2)
    assert moment.samples.shape == (64, 2) and moment.field.values.shape == (moment.side**2,)
    assert moment.arrows.shape == moment.arrows_from.shape == (64, 2)
    assert moment.losses and all(math.isfinite(v) for v in (*moment.losses.values(), *moment.distances.values()))
    assert ("kl" in moment.distances) == (name in DENSE)
    json.dumps(moment.to_json(), allow_nan=False)
    with torch.no_grad():  # as the engine calls it
        assert at.advance(1).update == 3
    with pytest.raises(PlaygroundError, match="no part 'engine'"):
        at.advance(1, only="engine")
    with pytest.raises(PlaygroundError, match="no setting 'speed'"):
        at.set("speed", 3)
    with pytest.raises(PlaygroundError, match=r"Learning rate.*from"):
        at.set("lr", 2e9)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bits_whatever_else_runs(name):
    """Alone, interleaved with another, in slow motion, and in other pieces: one and the same."""
    alone, mixed, slow, other = session(name), session(name), session(name), session(name, seed=1)
    alone.advance(4)
    for _ in range(4):
        torch.manual_seed(1)
        mixed.advance(1)
        other.advance(1)
    for _ in range(4 * len(slow.learner.parts)):
        part = slow.next_part()
        moment = slow.substep()
        assert moment.part == part and moment.says == slow.learner.says[part]
    assert same(alone, mixed) and same(alone, slow) and not same(alone, other)


@pytest.mark.parametrize("name", NAMES)
def test_rewound_and_run_again_gives_the_same_bits(name):
    at, straight = session(name), session(name)
    middle = at.advance(3)
    at.set("lr", 1e-4)
    last = at.advance(3, only=at.learner.parts[-1])
    at.train(2)
    again = at.rewind(middle)
    assert at.clock == 3 and [m.update for m in at.moments] == [0, 3]
    assert again.settings["lr"] == 1e-4, "a change made at this very update belongs to it"
    assert torch.equal(again.samples, middle.samples)
    assert torch.equal(at.advance(3, only=at.learner.parts[-1]).samples, last.samples)
    straight.advance(3)
    straight.set("lr", 1e-4)
    straight.advance(3, only=at.learner.parts[-1])
    assert same(at, straight)
    at.rewind(2)  # a place that was never kept: done again from 0
    fresh = session(name)
    fresh.advance(2)
    assert same(at, fresh)


def test_one_part_alone_leaves_the_others_as_they_were():
    at = session("gan")
    before = at.learner.state()["modules"]
    at.advance(2, only="generator")
    after = at.learner.state()["modules"]
    assert all(torch.equal(*pair) for pair in zip(before["discriminator"].values(), after["discriminator"].values()))
    assert not torch.equal(before["generator"]["0.weight"], after["generator"]["0.weight"])
    at.advance(1, only="discriminator")
    now = at.learner.state()["modules"]
    assert torch.equal(after["generator"]["0.weight"], now["generator"]["0.weight"])
    assert at.clock == 3


def test_a_rewind_crosses_changes_of_width_and_of_half_an_update():
    at = session("gan")
    at.advance(1)
    at.set("lr_d", 1.5e-3)
    at.advance(1)
    at.substep()
    at.set("loss", "minimax")  # between D and G
    at.advance(1)
    assert at.clock == 4
    assert at.set("width", 12) and not at.set("lr_d", 1e-3)
    moment = at.advance(2)
    assert at.learner.modules["generator"][0].out_features == 12
    at.advance(1)
    at.history.keepings = at.history.keepings[:3]  # of 0, 1 and 2, as if the others had been thinned out
    assert torch.equal(at.rewind(6).samples, moment.samples)
    at.history.keepings = at.history.keepings[:1]
    assert torch.equal(at.rewind(6).samples, moment.samples), "the journal must have survived the first rewind"
    assert at.rewind(2).settings == {**session("gan").settings, "lr_d": 1.5e-3}
    assert at.learner.modules["generator"][0].out_features == 8


def test_history_stays_small(monkeypatch):
    assert thinned([1, 2, 3], 3) == [1, 2, 3] and thinned([1, 2, 3, 4, 5, 6], 5) == [1, 3, 5, 6]
    monkeypatch.setattr(lab_history, "MOST_MOMENTS", 10)
    monkeypatch.setattr(lab_history, "MOST_KEEPINGS", 5)
    at, straight = session("autoencoder"), session("autoencoder")
    for _ in range(23):
        at.advance(1)
    assert len(at.moments) <= 10 and len(at.history.keepings) <= 5
    assert at.moments[0].update == 0 and at.moments[-1].update == at.history.keepings[-1].update == 23
    curves = at.curves()
    assert curves["update"] == [m.update for m in at.moments] and curves["reconstruction"][0] is None
    assert {len(column) for column in curves.values()} == {len(at.moments)}
    lost = next(m for m in at.moments if m.update not in {k.update for k in at.history.keepings})
    straight.advance(lost.update)
    at.rewind(lost)
    assert same(at, straight)
    monkeypatch.setattr(lab_history, "MOST_BYTES", 1)
    for _ in range(8):
        straight.advance(1)
    assert len(straight.history.keepings) <= 4


@pytest.mark.parametrize("name", NAMES)
def test_an_absurd_learning_rate_ends_at_the_last_good_moment(name):
    at = session(name)
    good = at.advance(5)
    at.change({f.name: 1e9 for f in at.learner.settings if f.name.startswith("lr")})
    with pytest.raises(Diverged, match=r"back to the last good moment, update 5\. Lower the learning rate") as caught:
        for _ in range(5):
            at.advance(10)
    assert caught.value.back_to == at.clock == 5 and at.trouble
    assert torch.equal(at.look().samples, good.samples)
    at.change({f.name: 1e-3 for f in at.learner.settings if f.name.startswith("lr")})
    assert not at.trouble and at.advance(2).update == 7


def test_a_loss_that_is_no_number_stops_the_session(monkeypatch):
    at = session("vae")
    at.advance(2)
    monkeypatch.setattr(at.learner, "step", lambda *_: {"bound": math.nan})
    with pytest.raises(Diverged, match="the loss 'bound' was nan"):
        at.advance(1)
    assert at.clock == 2 and all(math.isfinite(v) for v in at.losses.values())


@pytest.mark.parametrize("to", [7, -1, True, 1.5, "start"])
def test_only_places_the_clock_has_been_at_can_be_rewound_to(to):
    at = session("autoencoder")
    at.advance(2)
    with pytest.raises(PlaygroundError, match="The clock has been at 0 to 2"):
        at.rewind(to)
    assert at.clock == 2


def test_unknown_names_are_explained():
    with pytest.raises(PlaygroundError, match=r"no learner 'gpt'.*autoencoder"):
        session("gpt")
    with pytest.raises(PlaygroundError, match=r"target was 'cube'.*two moons"):
        session("gan", goal="cube")
    with pytest.raises(PlaygroundError, match=r"no preset 'luck'.*works"):
        start("luck")
    with pytest.raises(PlaygroundError, match="Updates per moment"):
        session("gan").advance(0)
    at = session("gan")
    with pytest.raises(PlaygroundError, match="Loss was 'hinge'"):
        at.change({"lr": 1e-4, "loss": "hinge"})
    assert at.settings["lr"] != 1e-4, "nothing may be changed if anything is wrong"


# ---------------------------------------------------------------------------------------------------- side by side


def test_learners_take_turns_on_the_same_points():
    at = [session("gan"), session("flow matching"), session("vae")]
    assert all(torch.equal(at[0].points(), one.points()) for one in at)
    speed = iter([3] * 3 + [2] * 100)
    turns = run(at, lambda: next(speed))
    seen = [next(turns) for _ in range(6)]
    assert [t.index for t in seen] == [0, 1, 2, 0, 1, 2]
    assert [t.moment.update for t in seen] == [3, 3, 3, 5, 5, 5]
    at[1].rewind(3)  # who is behind catches up, and not beyond the others
    caught = next(turns)
    assert (caught.index, caught.moment.update) == (1, 5)
    alone = session("vae")
    alone.advance(5)
    assert same(alone, at[2])


def test_a_learner_in_trouble_is_left_out_until_mended():
    at = [session("realnvp", lr=1e9), session("autoencoder")]
    turns = run(at, 5)
    first = next(turns)
    assert first.index == 0 and first.moment is None and "Lower the learning rate" in first.trouble
    assert [next(turns).index for _ in range(2)] == [1, 1]
    at[0].set("lr", 1e-3)
    mended = next(turns)
    assert (mended.index, mended.trouble) == (0, "")


def test_a_run_needs_learners_that_see_the_same():
    with pytest.raises(PlaygroundError, match="Choose at least one"):
        next(run([]))
    with pytest.raises(PlaygroundError, match="same seed, target and batch"):
        next(run([session("gan"), session("vae", seed=1)]))


# --------------------------------------------------------------------------------------------------------- presets


def test_every_preset_is_explained():
    assert list(PRESETS) == [
        "works", "mode collapse", "vanishing gradient", "posterior collapse", "too few steps", "exploding",
    ]  # fmt: skip
    for preset in PRESETS.values():
        assert preset.look.endswith(".") and preset.updates > 0
        assert bool(preset.cure) == bool(preset.cured) == (preset.name != "works")


def played(name):
    """The preset's session where its point is made, and the moment there."""
    at = start(name)
    return at, at.advance(PRESETS[name].updates)


def cured(at, name):
    cure(at, name)
    return at.advance(PRESETS[name].cure_updates)


def test_what_works_works():
    _, moment = played("works")
    assert moment.distances["modes"] == 8 and moment.distances["times_floor"] < 4


def test_modes_collapse_and_are_found_again():
    at, moment = played("mode collapse")
    assert moment.distances["modes"] <= 2 and moment.samples.std(0).norm() < 1, "one spot; the target spreads over 2.6"
    later = [at.advance(60) for _ in range(6)]
    assert all(m.distances["modes"] <= 2 and m.samples.std(0).norm() < 1 for m in later), "and it stays one"
    where = torch.stack([m.samples.mean(0) for m in later])
    assert where.std(0).norm() > 1, "which hops about"
    moment = cured(at, "mode collapse")
    assert moment.distances["modes"] >= 6 and moment.distances["times_floor"] < 5


def test_the_gradient_vanishes_and_comes_back():
    at, moment = played("vanishing gradient")
    assert moment.force < 0.01 and moment.distances["modes"] == 0
    still = moment.samples
    later = at.advance(10)
    assert (later.samples - still).abs().max() < 0.05, "without a slope the fakes stand still"
    moment = cured(at, "vanishing gradient")
    assert moment.force > 0.1 and moment.distances["modes"] >= 4
    assert moment.distances["times_floor"] < 0.6 * later.distances["times_floor"]


def test_the_code_falls_silent_and_speaks_again():
    at, moment = played("posterior collapse")
    assert moment.losses["kl"] < 0.05 and moment.distances["times_floor"] > 6
    moment = cured(at, "posterior collapse")
    assert moment.losses["kl"] > 1 and moment.distances["modes"] >= 7 and moment.distances["times_floor"] < 4


def test_two_steps_are_too_few_and_thirty_are_not():
    at, moment = played("too few steps")
    assert moment.distances["near"] < 0.3
    moment = cured(at, "too few steps")
    assert moment.distances["near"] > 0.5 and moment.distances["modes"] == 8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("updates", [1, PRESETS["exploding"].updates])
def test_too_high_a_rate_explodes_and_a_lower_one_learns(seed, updates):
    """Update by update, too: a moment already torn apart is none to go back to."""
    at = start("exploding", seed)
    with pytest.raises(Diverged):
        for _ in range(PRESETS["exploding"].updates):
            at.advance(updates)
    before = at.moments[-1].distances["kl"]
    moment = cured(at, "exploding")
    assert moment.distances["kl"] < 0.6 * before and moment.distances["modes"] >= 7
