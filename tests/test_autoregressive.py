"""The autoregressive family against oracles: sums that must be one, gradients that must be zero, the naive loop."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from checkpoints import tiny_data
from torch import nn

from playground.api import PlaygroundError
from playground.models.autoregressive import ORDERS, ImageGPT, PixelCNN, PixelRNN, blind_spot_field, earlier
from playground.models.autoregressive.base import thresholds, turn, turn_back
from playground.models.autoregressive.imagegpt import Keys, choose
from playground.models.autoregressive.particles import Particles
from playground.models.autoregressive.tokens import Quantiser
from playground.sampling import generators

SIDE = 9


def strong(model, factor, seed=0):
    """Random weights large enough that a pixel's probability depends visibly on the others."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            fan = weight[0].numel() if weight.dim() > 1 else 16
            weight.copy_(factor * torch.randn(weight.shape, generator=stream) / math.sqrt(fan))
    return model.eval().requires_grad_(False)


def tiny(kind, side=SIDE, factor=1.5):
    shape = (1, side, side)
    nets = {
        "cnn": lambda: PixelCNN(shape, classes=3, channels=8, layers=3),
        "cnn wide": lambda: PixelCNN(shape, 0, channels=4, layers=2, rows=3, columns=5, taps=3, dilations=(1, 2, 3)),
        "cnn orders": lambda: PixelCNN(shape, classes=2, channels=8, layers=2, orders=4),
        "rnn": lambda: PixelRNN(shape, channels=8, layers=2),
    }
    return strong(nets[kind](), factor)


KINDS = ("cnn", "cnn wide", "cnn orders", "rnn")


@pytest.fixture(params=KINDS)
def model(request):
    return tiny(request.param)


@pytest.fixture(params=KINDS)
def toy(request):
    return tiny(request.param, side=3)


@pytest.fixture(scope="module")
def gpt():
    """Four words a picture, six words in all: 1,296 pictures, which can be enumerated."""
    return strong(ImageGPT((3, 8, 8), (8, 8), (3, 2), channels=16, layers=2, heads=2), 2.0)


def labels_of(model, count):
    return torch.arange(count) % model.classes if model.classes else None


def every_picture(side=3):
    """All 2^(side²) binary pictures."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=side * side))).view(-1, 1, side, side)


def last(frames):
    return list(frames)[-1]


def far(counts, p):
    """Total variation distance between how often things came and how likely they are."""
    return 0.5 * (counts / counts.sum() - p).abs().sum().item()


# ------------------------------------------------------------------------------------------------ the cached sampler


@pytest.mark.parametrize("temperature", [1.0, 0.6, 0.0])
def test_the_cache_draws_the_pictures_of_the_naive_loop(model, temperature):
    labels = labels_of(model, 4)
    for order in range(model.orders):
        settings = {"labels": labels, "temperature": temperature, "order": order}
        cached = last(model.sample(range(4), **settings)).images
        assert torch.equal(cached, model.naive_sample(range(4), **settings))
        assert temperature == 0 or 0 < cached.mean() < 1, "an empty picture proves nothing"


def test_one_picture_alone_is_the_one_in_a_batch(model):
    labels = labels_of(model, 3)
    together = last(model.sample([5, 6, 7], labels=labels)).images
    alone = last(model.sample([6], labels=None if labels is None else labels[1:2])).images
    assert torch.equal(together[1:2], alone)


def test_the_probability_shown_is_the_one_the_pixel_was_drawn_with(model):
    """So log p(x) is the sum of the conditionals gathered along the way, and u decides each pixel."""
    seeds, labels = range(4), labels_of(model, 4)
    for order in range(model.orders):
        frame = last(model.sample(seeds, labels=labels, order=order))
        p, x = frame.views["probability"].double(), frame.images
        gathered = torch.where(x == 1, p, 1 - p).log().flatten(1).sum(1)
        whole = -model.surprise(x, labels, order).flatten(1).sum(1)
        torch.testing.assert_close(gathered.float(), whole, rtol=1e-4, atol=1e-3)
        u = torch.special.ndtr(model.latents(seeds).double())
        sure = (u - p).abs() > 1e-5
        assert torch.equal((u < p)[sure], (x == 1)[sure])


def test_frames_are_the_finished_rows_of_the_order(model):
    labels = labels_of(model, 2)
    for order in range(model.orders):
        frames = list(model.sample([1, 2], labels=labels, order=order))
        final = turn(frames[-1].images, order)
        for frame in frames:
            now = turn(frame.images, order)
            assert torch.equal(now[:, :, : frame.step], final[:, :, : frame.step])
            assert not now[:, :, frame.step :].any()
            assert not turn(frame.views["probability"], order)[:, :, frame.step :].any()
        only = list(model.sample([1, 2], labels=labels, order=order, watch=False))
        assert len(only) == 1 and torch.equal(only[0].images, frames[-1].images)


@pytest.mark.parametrize("start", [0, 1, 20, 45, SIDE * SIDE - 1, SIDE * SIDE])
def test_a_picture_continued_with_its_own_noise_is_itself(model, start):
    labels, order = labels_of(model, 2), model.orders - 1
    whole = last(model.sample([1, 2], labels=labels, order=order)).images
    frames = list(model.continue_from(whole, start, [1, 2], labels, order=order))
    assert torch.equal(frames[-1].images, whole)
    assert [frame.step for frame in frames] == list(range(1, len(frames) + 1)) and frames[0].total == len(frames)


def test_a_branch_keeps_what_lies_before_it_and_differs_after(model):
    labels, start = labels_of(model, 2), 30
    given = (torch.rand(1, *model.shape, generator=torch.Generator().manual_seed(3)) > 0.5).float()
    branch = last(model.continue_from(given, start, [1, 2], labels)).images
    assert torch.equal(branch.flatten(1)[:, :start], given.flatten(1)[:, :start].expand(2, -1))
    assert not torch.equal(branch[0].flatten()[start:], branch[1].flatten()[start:])


def test_nothing_of_a_request_stays_in_the_network(model):
    """Two runs interleaved row by row give what they give one after the other."""
    labels = labels_of(model, 1)
    alone = [last(model.sample([seed], labels=labels)).images for seed in (1, 2)]
    mixed = list(zip(*(model.sample([seed], labels=labels) for seed in (1, 2))))[-1]
    assert all(torch.equal(frame.images, images) for frame, images in zip(mixed, alone))


def test_at_temperature_zero_the_noise_has_no_say(model):
    labels = None if not model.classes else torch.zeros(2, dtype=torch.long)
    pictures = last(model.sample([1, 2], labels=labels, temperature=0.0)).images
    assert torch.equal(pictures[0], pictures[1])
    logits = model.logits(pictures, labels)
    assert torch.equal((logits > 0).float(), pictures)


def test_the_threshold_is_the_noise_s_place_in_the_normal_distribution():
    noise = torch.tensor([-50.0, -1.0, 0.0, 1.0, 50.0])
    limits = thresholds(noise, 1.0)
    expected = torch.distributions.Normal(0, 1).cdf(noise[1:4])
    torch.testing.assert_close(torch.sigmoid(limits[1:4]), expected)
    assert torch.isfinite(limits).all() and torch.equal(thresholds(noise, 0.0), torch.zeros(5))


# ---------------------------------------------------------------------------------------------------- the likelihood


def test_the_probabilities_of_all_pictures_add_up_to_one(toy):
    x = every_picture()
    for order in range(toy.orders):
        each = toy.class_log_probs(x, order)
        assert each.shape == (512, max(1, toy.classes))
        torch.testing.assert_close(each.exp().sum(0), torch.ones(each.shape[1], dtype=torch.float64), rtol=1e-5, atol=0)
        assert toy.log_prob(x, order).exp().sum().item() == pytest.approx(1, rel=1e-5)


def test_pictures_come_as_often_as_they_are_likely(toy):
    labels = None if not toy.classes else torch.ones(6_000, dtype=torch.long)
    for order in range(toy.orders):
        drawn = last(toy.sample(range(6_000), labels=labels, order=order, watch=False)).images.flatten(1)
        counts = torch.bincount((drawn @ 2.0 ** torch.arange(8, -1, -1)).long(), minlength=512)
        p = toy.class_log_probs(every_picture(), order)[:, 1 if toy.classes else 0].exp()
        assert far(counts, p) < 0.12
        assert far(counts, torch.full((512,), 1 / 512)) > 0.3, "the toy is too even to tell"


def test_no_logit_depends_on_its_own_pixel_or_a_later_one(model):
    noise = torch.rand(2, *model.shape, generator=torch.Generator().manual_seed(0))
    for order in range(model.orders):
        x = turn(noise, order).requires_grad_(True)  # not binary: gradients of a rounded picture would be zero
        with torch.enable_grad():
            logits = model._logits(x, labels_of(model, 2), order).flatten(1)
            for i in range(0, SIDE * SIDE, 4):
                (gradient,) = torch.autograd.grad(logits[:, i].sum(), x, retain_graph=True, materialize_grads=True)
                assert not gradient.flatten(1)[:, i:].any(), f"pixel {i} sees itself or the future"
                if i % SIDE:
                    assert gradient.flatten(1)[:, i - 1].all(), f"pixel {i} does not see the one before it"


@pytest.mark.parametrize("order", range(4))
def test_an_order_decides_who_may_look_at_whom(order):
    """Changing a pixel changes no logit of a pixel that comes before it in that order."""
    model, rank = tiny("cnn orders"), torch.arange(SIDE * SIDE).view(1, 1, SIDE, SIDE)
    rank = {0: rank, 1: rank.transpose(2, 3), 2: rank.flip(2, 3), 3: rank.transpose(2, 3).flip(2, 3)}[order]
    x = (torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    labels = torch.zeros(1, dtype=torch.long)
    changed = x.clone()
    changed[0, 0, 3, 5] = 1 - changed[0, 0, 3, 5]
    before, after = model.logits(x, labels, ORDERS[order]), model.logits(changed, labels, order)
    earlier_or_same = rank <= rank[0, 0, 3, 5]
    torch.testing.assert_close(before[earlier_or_same], after[earlier_or_same], rtol=0, atol=1e-6)
    assert ((before - after).abs()[~earlier_or_same] > 1e-4).any()


@pytest.mark.parametrize("order", range(4))
def test_turning_back_undoes_turning(order):
    x = torch.rand(2, 1, 4, 4)
    assert torch.equal(turn_back(turn(x, order), order), x)


def test_surprise_adds_up_to_minus_log_p(model):
    x = (torch.rand(3, *model.shape, generator=torch.Generator().manual_seed(2)) > 0.5).float()
    for order in range(model.orders):
        map_ = model.surprise(x, order=order)
        assert map_.shape == x.shape and (map_ > -1e-4).all()
        torch.testing.assert_close(-map_.flatten(1).sum(1), model.log_prob(x, order), rtol=1e-5, atol=1e-3)
        labels = labels_of(model, 3)
        each = model.class_log_probs(x, order)
        one = each.gather(1, labels[:, None])[:, 0] if model.classes else each[:, 0]
        torch.testing.assert_close(
            -model.surprise(x, labels, order).flatten(1).sum(1), one.float(), rtol=1e-5, atol=1e-3
        )


def test_surprise_without_a_class_is_that_of_the_mixture(toy):
    """Against enumeration: p(x_i | earlier) = Σ p(pictures that agree up to i) / Σ p(those that agree before i)."""
    everything = every_picture()
    p = toy.log_prob(everything).exp()
    x = everything[[37, 300]]
    for place in range(9):
        agree_before = (everything.flatten(1)[:, None, :place] == x.flatten(1)[:, :place]).all(2)
        agree = agree_before & (everything.flatten(1)[:, None, place] == x.flatten(1)[:, place])
        chance = (p[:, None] * agree).sum(0) / (p[:, None] * agree_before).sum(0)
        torch.testing.assert_close(toy.surprise(x).flatten(1)[:, place], -chance.log(), rtol=1e-3, atol=1e-4)


def test_orders_are_scored_side_by_side():
    model = tiny("cnn orders", side=28)
    data = tiny_data("mnist", 20)
    scores = model.own_scores(data)["orders"]
    assert set(scores) == {*(name.replace(" ", "_") for name in ORDERS), "protocol"} and "20" in scores["protocol"]
    assert len({round(value, 2) for value in scores.values() if isinstance(value, float)}) == 4
    assert tiny("rnn").own_scores(data) == {}


def test_words_are_scored():
    gpt = ImageGPT(channels=16, layers=1, heads=2).eval().requires_grad_(False)
    scores = gpt.own_scores(tiny_data("faces", 8))["tokens"]
    assert 1 <= scores["perplexity"] <= scores["codes_used"] <= scores["codes"] == 1000
    assert 0 < scores["mse"] < scores["absolute_error"] < 1 and scores["nats_per_picture"] > 0


def test_grey_pictures_are_read_as_black_and_white(model):
    x = torch.rand(2, *model.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.log_prob(x), model.log_prob((x > 0.5).float()))


# ------------------------------------------------------------------------------------------------- what it can see


def masked_stack(layers, kernel, row, column, side):
    """The first PixelCNN with all weights one: which pixels have a gradient at (row, column)."""
    x = torch.zeros(1, 1, side, side, requires_grad=True)
    h = x
    for layer in range(layers):
        weight = torch.ones(1, 1, kernel, kernel)
        weight[:, :, kernel // 2, kernel // 2 + (layer > 0) :] = 0
        weight[:, :, kernel // 2 + 1 :] = 0
        h = F.conv2d(h, weight, padding=kernel // 2)
    (gradient,) = torch.autograd.grad(h[0, 0, row, column], x)
    return gradient[0, 0] > 0


@pytest.mark.parametrize(
    ("layers", "kernel", "row", "column"), [(1, 3, 4, 4), (3, 3, 6, 5), (2, 5, 8, 2), (4, 7, 10, 6)]
)
def test_the_blind_spot_is_that_of_real_masked_convolutions(layers, kernel, row, column):
    field = blind_spot_field(layers, kernel, row, column, gated=False, shape=(12, 12))
    assert torch.equal(field, masked_stack(layers, kernel, row, column, 12))


def test_the_first_pixelcnn_has_a_blind_spot_and_the_gated_one_none():
    first, gated = (blind_spot_field(28, 3, 20, 14, gated) for gated in (False, True))
    causal = earlier(20, 14)
    assert not (gated & ~causal).any() and torch.equal(gated, causal)
    blind = causal & ~first
    assert blind.sum() > 0.1 * causal.sum() and blind[19, 16] and blind[15, 27] and not blind[:, :15].any()


def test_a_field_never_shows_the_future():
    for layers, gated, place in itertools.product((1, 2, 5), (True, False), ((0, 0), (5, 7), (11, 11))):
        field = blind_spot_field(layers, 5, *place, gated, shape=(12, 12))
        assert not (field & ~earlier(*place, (12, 12))).any()


def test_the_networks_see_all_that_is_near_and_nothing_of_the_future(model):
    for order in range(model.orders):
        field = model.receptive_field(5, 4, order)
        rank = turn_back(torch.arange(SIDE * SIDE).view(1, 1, SIDE, SIDE), order)[0, 0]
        causal = rank < rank[5, 4]
        assert not (field & ~causal).any()
        near = torch.zeros(SIDE, SIDE, dtype=torch.bool)
        near[3:8, 2:7] = True
        if model.orders == 1 and isinstance(model, PixelRNN):
            near[:, 6] = False  # a row LSTM knows a triangle, and the first layer's 7×7 around its own place
        assert (field | ~causal | ~near).all()


def test_places_outside_are_refused(model):
    picture = torch.zeros(1, *model.shape)
    with pytest.raises(PlaygroundError, match="places 0 to 81"):
        last(model.continue_from(picture, 82, [1], labels_of(model, 1)))
    with pytest.raises(PlaygroundError, match="order"):
        model.logits(picture, labels_of(model, 1), "diagonal")
    with pytest.raises(PlaygroundError):
        blind_spot_field(3, 4, 5, 5, gated=True)


def test_a_network_with_classes_asks_for_one():
    with pytest.raises(PlaygroundError, match="3 classes"):
        last(tiny("cnn").sample([1]))


# ----------------------------------------------------------------------------------------------------------- repair


def test_repair_draws_from_the_exact_conditional(toy):
    """Enumerated: of all pictures that agree with the known pixels. Known ones lie before, in and after the hole."""
    x = torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 1, 0]])[None, None]
    mask = torch.tensor([[1.0, 0, 0], [0, 1, 1], [0, 1, 1]])[None, None]
    everything, count = every_picture(), 800
    agrees = ((everything == x) | (mask == 0)).flatten(1).all(1)
    for labels in [None] if not toy.classes else [None, torch.tensor([1])]:
        each = toy.class_log_probs(everything)
        joint = each.exp().mean(1) if labels is None else each[:, int(labels)].exp()
        p = torch.where(agrees, joint, 0) / joint[agrees].sum()
        told = None if labels is None else labels.expand(count)
        frames = toy.repair(
            x.expand(count, -1, -1, -1), mask.expand(count, -1, -1, -1), range(count), told, particles=32
        )
        drawn = last(frames).images.flatten(1)
        counts = torch.bincount((drawn @ 2.0 ** torch.arange(8, -1, -1)).long(), minlength=512)
        assert not counts[~agrees].any(), "a known pixel was changed"
        assert far(counts, p) < 0.08
        assert far(counts, torch.where(agrees, 1 / agrees.sum(), 0.0)) > 0.12, "the toy is too even to tell"


def test_a_cold_repair_takes_the_likelier_value_everywhere(toy):
    """At temperature 0 every unknown pixel is the network's favourite, given those before it."""
    x, mask = torch.zeros(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    mask[..., 1:, :] = 0  # the hole is what comes last, so nothing after it has a say
    label = torch.tensor([1]) if toy.classes else None
    cold = last(toy.repair(x, mask, [5], label, temperature=0.0)).images
    favourite = (toy.logits(cold, label) > 0).float()
    assert torch.equal(cold[..., 1:, :], favourite[..., 1:, :])


def test_repair_gives_grey_pixels_back_as_they_were(model):
    x = torch.rand(2, *model.shape, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 1, SIDE, SIDE)
    mask[:, :, 2:6, 3:] = 0
    frames = list(model.repair(x, mask, [1, 2], labels_of(model, 2), particles=4))
    assert [frame.step for frame in frames] == list(range(1, SIDE + 1)) and frames[0].total == SIDE
    assert torch.equal(frames[-1].images[mask == 1], x[mask == 1])
    hole = frames[-1].images[mask == 0]
    assert ((hole == 0) | (hole == 1)).all()


def test_a_repair_does_not_depend_on_its_neighbours(model):
    x = (torch.rand(3, *model.shape, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    mask = torch.ones(3, 1, SIDE, SIDE)
    mask[:, :, 2:6, 3:] = 0
    labels = labels_of(model, 3)
    together = last(model.repair(x, mask, [1, 2, 3], labels)).images
    alone = last(model.repair(x[1:2], mask[1:2], [2], None if labels is None else labels[1:2])).images
    assert torch.equal(together[1:2], alone)


def test_a_cache_goes_on_with_the_pictures_selected(model):
    """After `select`, logits are those of a network that has looked at the selected pictures from the start."""
    x = (torch.rand(4, SIDE, SIDE, generator=torch.Generator().manual_seed(5)) > 0.5).float()
    parents, order = torch.tensor([3, 0, 0, 2]), model.orders - 1
    labels = labels_of(model, 4)
    cache = model.cache(torch.zeros(4, SIDE, SIDE), labels, order)
    for place in range(SIDE * SIDE):
        row, column = divmod(place, SIDE)
        if column == 0:
            cache.start_row(row)
        logit = cache.logit(column)
        if place >= 40:
            whole = model._logits(cache.x[:, None], labels, order)[:, 0, row, column]
            torch.testing.assert_close(logit, whole, rtol=1e-3, atol=1e-4)
        cache.x[:, row, column] = x[:, row, column]
        if place == 39:
            cache.select(parents)
            x, labels = x[parents], None if labels is None else labels[parents]


def test_resampling_copies_the_heavy_and_drops_the_light():
    crowd = Particles(generators([1, 2]), 8, torch.device("cpu"))
    assert crowd.resample() is None
    heavy = torch.full((2, 8), -50.0)
    heavy[0, 3] = 0
    heavy[1] = 0
    crowd.weigh(heavy.flatten())
    assert crowd.effective() == pytest.approx(4.5)
    assert crowd.resample().tolist() == [3] * 8 + list(range(8, 16))
    assert crowd.effective() == pytest.approx(8)


def test_classes_are_dealt_evenly():
    crowd = Particles(generators(range(500)), 5, torch.device("cpu"))
    dealt = crowd.deal(10).view(500, 5)
    assert all(len(set(row.tolist())) == 5 for row in dealt)
    assert (torch.bincount(dealt.flatten(), minlength=10) / 2500 - 0.1).abs().max() < 0.02


# --------------------------------------------------------------------------------------------------------- ImageGPT


def every_sentence(gpt):
    return torch.tensor(list(itertools.product(range(gpt.words), repeat=gpt.length)))


def sentence_log_probs(gpt, tokens):
    return torch.log_softmax(gpt.token_logits(tokens).double(), 2).gather(2, tokens[..., None])[..., 0].sum(1)


def place_of(gpt, tokens):
    return (tokens.long() * gpt.words ** torch.arange(gpt.length - 1, -1, -1)).sum(1)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.5}, {"temperature": 0.0}, {"top_k": 2}, {"top_p": 0.6}])
def test_keys_and_values_kept_write_the_words_of_the_naive_loop(settings):
    gpt = strong(ImageGPT((3, 16, 16), (8, 8), (4, 3), channels=16, layers=2, heads=2), 1.5)
    frame = last(gpt.sample(range(4), **settings))
    assert torch.equal(frame.images, gpt.naive_sample(range(4), **settings))
    assert torch.equal(frame.images, gpt.decode_tokens(frame.state))
    assert len(frame.state.unique()) > 1


def test_the_probabilities_of_all_sentences_add_up_to_one(gpt):
    assert sentence_log_probs(gpt, every_sentence(gpt)).exp().sum().item() == pytest.approx(1, rel=1e-5)


def test_sentences_come_as_often_as_they_are_likely(gpt):
    state = last(gpt.sample(range(8_000), watch=False)).state
    counts = torch.bincount(place_of(gpt, state), minlength=gpt.words**gpt.length)
    assert far(counts, sentence_log_probs(gpt, every_sentence(gpt)).exp()) < 0.15
    assert far(counts, torch.full((len(counts),), 1 / len(counts))) > 0.3


def test_no_word_depends_on_itself_or_a_later_one(gpt):
    tokens = torch.tensor([[0, 1, 2, 3]])
    for place in range(gpt.length):
        changed = tokens.clone()
        changed[0, place] = 5
        away = (gpt.token_logits(tokens) - gpt.token_logits(changed)).abs().amax((0, 2))
        assert (away[: place + 1] < 1e-5).all() and (away[place + 1 :] > 1e-4).all()


def test_a_sentence_continued_with_its_own_noise_is_itself(gpt):
    whole = last(gpt.sample([1, 2])).state
    for start in range(gpt.length + 1):
        frames = list(gpt.continue_from(whole, start, [1, 2]))
        assert torch.equal(frames[-1].state, whole)
        assert [frame.step for frame in frames] == list(range(1, frames[0].total + 1))
    other = last(gpt.continue_from(whole, 2, [3, 4])).state
    assert torch.equal(other[:, :2], whole[:, :2])
    with pytest.raises(PlaygroundError):
        last(gpt.continue_from(whole, 5, [1, 2]))


def test_words_not_yet_written_show_the_average(gpt):
    first = next(gpt.sample([1]))
    assert (first.state[0, 2:] == -1).all() and (first.state[0, :2] >= 0).all()
    nothing = gpt.decode_tokens(torch.full((1, gpt.length), -1))
    torch.testing.assert_close(nothing, gpt.coder.decode(gpt.mean_code[None]))


def test_its_particle_filter_draws_from_the_exact_conditional(gpt):
    everything, count = every_sentence(gpt), 1500
    given, inside = torch.tensor([[2, 0, 1, 4]]), torch.tensor([[False, True, False, True]])
    agrees = ((everything == given) | inside).all(1)
    joint = sentence_log_probs(gpt, everything).exp()
    p = torch.where(agrees, joint, 0) / joint[agrees].sum()
    crowd = Particles(generators(range(count)), 32, torch.device("cpu"))
    *_, (_, drawn) = gpt._repaired(given.expand(count, -1), inside.expand(count, -1), crowd)
    counts = torch.bincount(place_of(gpt, drawn), minlength=len(everything))
    assert not counts[~agrees].any() and far(counts, p) < 0.08


def test_keys_follow_the_pictures_selected(gpt):
    tokens, parents = torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0], [5, 5, 4, 4]]), torch.tensor([2, 2, 0])
    cache = Keys(gpt.transformer, 3)
    for place in range(2):
        cache.logits(tokens, place)
    cache.select(parents)
    torch.testing.assert_close(
        cache.logits(tokens[parents], 2), gpt.token_logits(tokens[parents])[:, 2], rtol=1e-4, atol=1e-4
    )


def test_a_word_s_log_probability_is_that_of_the_picture_s_words(gpt):
    x = torch.rand(3, *gpt.shape, generator=torch.Generator().manual_seed(0))
    tokens = gpt.encode_tokens(x)
    each = gpt.token_log_prob(x)
    assert each.shape == (3, gpt.length)
    torch.testing.assert_close(each.sum(1).double(), sentence_log_probs(gpt, tokens), rtol=1e-4, atol=1e-4)


def test_top_k_and_top_p_allow_the_likeliest_words_only():
    logits = torch.tensor([0.1, 0.4, 0.2, 0.3]).log().expand(2001, -1)
    u = torch.linspace(0, 1, 2001, dtype=torch.float64)

    def shares(**settings):
        drawn = choose(logits, u, **{"temperature": 1.0, "top_k": 4, "top_p": 1.0} | settings)
        return torch.bincount(drawn, minlength=4) / 2001

    for settings, expected in (
        ({}, (0.1, 0.4, 0.2, 0.3)),
        ({"top_k": 1}, (0, 1, 0, 0)),
        ({"top_k": 2}, (0, 4 / 7, 0, 3 / 7)),
        ({"top_p": 0.05}, (0, 1, 0, 0)),
        ({"top_p": 0.75}, (0, 4 / 9, 2 / 9, 3 / 9)),
        ({"temperature": 0.0}, (0, 1, 0, 0)),
        ({"temperature": 0.5}, (1 / 30, 16 / 30, 4 / 30, 9 / 30)),
    ):
        torch.testing.assert_close(shares(**settings), torch.tensor(expected, dtype=torch.float32), rtol=0, atol=2e-3)


# -------------------------------------------------------------------------------------------------------- quantiser


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (3, 2), (4, 4, 4), (7,)])
def test_every_word_has_a_code_and_comes_back(levels):
    quantiser = Quantiser(levels)
    words = torch.arange(quantiser.words)
    codes = quantiser.code(words)
    assert torch.equal(quantiser.word(codes), words) and len(codes.unique(dim=0)) == math.prod(levels)
    assert codes.abs().max() <= 1
    raw = 4 * torch.randn(40 * quantiser.words, len(levels), generator=torch.Generator().manual_seed(0))
    rounded = quantiser(raw)
    assert torch.equal(quantiser.code(quantiser.word(rounded)), rounded)
    for column, size in zip(rounded.T, levels):
        assert len(column.unique()) == size, "a level is never reached"


def test_nought_is_rounded_to_the_middle_level():
    assert Quantiser((8, 5)).code(Quantiser((8, 5)).word(Quantiser((8, 5))(torch.zeros(1, 2)))).tolist() == [[0, 0]]


def test_the_gradient_passes_the_rounding():
    z = torch.zeros(3, 2, requires_grad=True)
    Quantiser((5, 8))(z).sum().backward()
    assert (z.grad > 0.5).all()


def test_the_whole_tokeniser_learns_from_its_picture():
    gpt = ImageGPT((3, 16, 16), (8, 8), (4, 3), channels=16, layers=1, heads=2)
    x = torch.rand(2, 3, 16, 16)
    gpt.coder.decode(gpt.coder.encode(x)).square().mean().backward()
    silent = [name for name, p in gpt.coder.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent and isinstance(gpt.coder, nn.Module)
