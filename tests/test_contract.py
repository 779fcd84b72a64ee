"""What every shipped model must do, whatever its family. A new checkpoint is picked up by itself."""

import copy

import pytest
import torch
from checkpoints import shipped

from playground import data as datasets
from playground.api import (
    Askable,
    Classifier,
    Critic,
    Decoder,
    Encoder,
    Likelihood,
    Model,
    PlaygroundError,
    Repairer,
    Sampler,
    check_settings,
    fields_by_name,
)

LEVEL = 1 / 255 + 1e-6  # a picture may differ by one level where sums are taken in another order
QUICK = {"steps": 4, "sweeps": 4}  # values for controls that only cost time


@pytest.fixture(params=shipped())
def name(request):
    return request.param


@pytest.fixture
def model(engine, name):
    return engine.model(name)


@pytest.fixture
def sampler(model):
    if not isinstance(model, Sampler):
        pytest.skip("makes no pictures")
    return model


def quick(sampler, **given):
    """Settings that cost little; what the test is about is given."""
    known = fields_by_name(sampler.controls)
    fields = {key: known[key] for key in QUICK if key in known}
    return {key: min(max(QUICK[key], field.low), field.high) for key, field in fields.items()} | given


def pictures(engine, model, count=2):
    """A few real pictures of the model's data, drawn rather than read, so that no file is needed."""
    if model.card.data == "densities":
        return datasets.load("densities", "test").pictures(slice(count)).to(engine.device)
    if model.card.data == "faces":
        images, _ = datasets.faces.dataset(range(count))
        return torch.from_numpy(images).permute(0, 3, 1, 2).float().to(engine.device) / 255
    bars = torch.zeros(count, *model.card.shape)
    for i in range(count):
        bars[i, :, 5:22, 12 + i : 15 + i] = 1
    if model.card.data == "emoji":
        bars = 1 - bars  # they stand on white
    return bars.to(engine.device)


def assert_pictures(images, card, count):
    assert tuple(images.shape) == (count, *card.shape)
    assert images.dtype == torch.float32 and torch.isfinite(images).all()
    assert images.min() >= 0 and images.max() <= 1


# ------------------------------------------------------------------------------------------------------ every model


def test_it_loads_frozen_with_its_card(engine, name, model):
    assert isinstance(model, Model) and model.card == engine.card(name)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert all(torch.isfinite(p).all() for p in model.state_dict().values() if p.is_floating_point())


def test_it_can_do_something(model):
    assert isinstance(model, Sampler | Classifier | Repairer)


# --------------------------------------------------------------------------------------------------------- samplers


def test_frames_are_pictures_and_count_up(engine, name, sampler):
    frames = list(engine.stream(name, [1, 2, 3], **quick(sampler)))
    assert [frame.step for frame in frames] == list(range(1, len(frames) + 1))
    assert all(frame.total == len(frames) for frame in frames)
    for frame in frames:
        assert_pictures(frame.images, sampler.card, 3)
        for view in frame.views.values():
            assert_pictures(view, sampler.card, 3)
        assert frame.state is None or len(frame.state) == 3


def test_the_same_recipe_gives_the_same_bits(engine, name, sampler):
    first = engine.run(name, [4, 5], **quick(sampler)).images
    assert torch.equal(first, engine.run(name, [4, 5], **quick(sampler)).images)


def test_different_seeds_give_different_pictures(engine, name, sampler):
    images = engine.run(name, [6, 16], **quick(sampler)).images
    assert (images[0] - images[1]).abs().max() > 0.05


def test_a_picture_does_not_depend_on_its_batch(engine, name, sampler):
    """Also with fresh noise at every step. Convolutions of another batch size may round otherwise."""
    for settings in [quick(sampler), *noisy(sampler)]:
        together = engine.run(name, [7, 8, 9], **settings).images
        alone = engine.run(name, [8], **settings).images
        assert (together[1:2] - alone).abs().max() <= LEVEL


def noisy(sampler):
    """Settings in which a diffusion model draws noise at every step."""
    if "eta" not in fields_by_name(sampler.controls):
        return []
    return [quick(sampler, eta=1.0), quick(sampler, scheduler="Euler ancestral")]


def test_interleaved_runs_give_the_bits_of_separate_ones(engine, name, sampler):
    settings = [[1, 2], [3, 4]]
    alone = [engine.run(name, seeds, **quick(sampler)).images for seeds in settings]
    runs = [engine.stream(name, seeds, **quick(sampler)) for seeds in settings]
    mixed = list(zip(*runs))[-1]
    for frame, images in zip(mixed, alone):
        assert torch.equal(frame.images, images)


def test_the_callers_own_random_stream_is_left_alone(engine, name, sampler):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    images = engine.run(name, [1], **quick(sampler)).images
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(engine.run(name, [1], **quick(sampler)).images, images)


def test_a_run_leaves_no_trace_in_the_model(engine, name, sampler):
    before = copy.deepcopy(sampler.state_dict())
    engine.run(name, [1], **quick(sampler))
    after = sampler.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[k], after[k]) for k in before)


def test_latents_are_normal_noise_of_the_seeds_alone(sampler):
    noise = sampler.latents([3, 4])
    assert noise.dtype == torch.float32 and noise.device.type == "cpu" and len(noise) == 2
    assert torch.equal(sampler.latents([4]), noise[1:])
    many = sampler.latents(range(400))
    if isinstance(sampler, Askable):  # behind the noise stands one value of every attribute
        many, asked = many[:, : -sampler.attributes.size], many[:, -sampler.attributes.size :]
        assert all((block.sort(1).values[:, -1] == 1).all() and (block.sum(1) == 1).all()
                   for block in asked.split(sampler.attributes.sizes, 1))  # fmt: skip
    assert abs(many.mean()) < 0.15 and abs(many.std() - 1) < 0.15


def test_a_seed_is_its_latent(engine, name, sampler):
    own = sampler.latents([3, 4])
    given = engine.run(name, [3, 4], latents=own, **quick(sampler)).images
    assert torch.equal(given, engine.run(name, [3, 4], **quick(sampler)).images)
    other = engine.run(name, [3, 4], latents=sampler.latents([13, 14]), **quick(sampler)).images
    assert (other - given).abs().max() > 0.05


def test_bad_latents_are_refused(engine, name, sampler):
    good = sampler.latents([1])
    for bad in (good[..., :-1], good[0], torch.cat([good, good]), torch.full_like(good, float("nan"))):
        with pytest.raises(PlaygroundError):
            engine.run(name, [1], latents=bad, **quick(sampler))


def test_every_control_is_accepted_at_its_ends_and_refused_beyond(engine, name, sampler):
    for field in sampler.controls:
        assert field.label, f"{field.name} has no label"
        assert field.check(field.default) == field.default
        for value in ends(field):
            settings = quick(sampler, **{field.name: value})
            assert_pictures(engine.run(name, [1], **settings).images, sampler.card, 1)
        for value in beyond(field):
            with pytest.raises(PlaygroundError):
                engine.run(name, [1], **{field.name: value})


def ends(field):
    if field.kind in ("int", "float"):
        return [field.low, field.high]
    return {"choice": field.choices, "bool": (True, False), "text": (field.default,)}[field.kind]


def beyond(field):
    if field.kind in ("int", "float"):
        return [field.low - 1, field.high + 1, float("nan"), "much", None]
    return ["nothing of the kind", None]


def test_defaults_are_what_comes_of_no_settings(sampler):
    settings = check_settings(sampler.controls, {})
    assert settings == {field.name: field.default for field in sampler.controls}


def test_classes_are_honoured_or_refused(engine, name, sampler):
    classes = len(sampler.card.labels)
    if not classes:
        with pytest.raises(PlaygroundError, match="class"):
            engine.run(name, [1], labels=[0], **quick(sampler))
        return
    images = engine.run(name, [1, 1], labels=[0, 1], **quick(sampler)).images
    assert (images[0] - images[1]).abs().max() > 0.05, "the class makes no difference"
    for bad in ([classes], [-1], [0, 1, 2]):
        with pytest.raises(PlaygroundError):
            engine.run(name, [1, 1][: len(bad)], labels=bad, **quick(sampler))


# ---------------------------------------------------------------------------------------------- other capabilities


def test_decoding_is_one_call_that_accepts_any_point(engine, name, model):
    if not isinstance(model, Decoder):
        pytest.skip("has no decoder")
    z = model.latents([1, 2])
    images = engine.call(lambda: model.decode(z))
    assert_pictures(images, model.card, 2)
    assert torch.equal(images, engine.call(lambda: model.decode(z)))
    assert_pictures(engine.call(lambda: model.decode(100 * z)), model.card, 2)


def test_encoding_finds_a_place_that_can_be_decoded(engine, name, model):
    if not isinstance(model, Encoder):
        pytest.skip("has no encoder")
    x = pictures(engine, model)
    posterior = engine.call(lambda: model.encode(x))
    assert posterior.mean.shape == posterior.std.shape and len(posterior.mean) == 2
    assert torch.isfinite(posterior.mean).all() and (posterior.std >= 0).all()
    if isinstance(model, Decoder):
        assert posterior.mean.shape[1:] == model.latents([0]).shape[1:]
        assert_pictures(engine.call(lambda: model.decode(posterior.mean)), model.card, 2)


def test_a_critic_has_one_opinion_per_picture(engine, name, model):
    if not isinstance(model, Critic):
        pytest.skip("is no critic")
    x = pictures(engine, model)
    labels = torch.zeros(2, dtype=torch.long, device=engine.device) if model.card.labels else None
    opinions = engine.call(lambda: model.criticise(x, labels))
    assert opinions.shape == (2,) and torch.isfinite(opinions).all()


def test_repair_keeps_what_is_known(engine, name, model):
    if not isinstance(model, Repairer):
        pytest.skip("repairs nothing")
    x = pictures(engine, model)
    mask = torch.ones(2, 1, *model.card.shape[1:], device=engine.device)
    mask[:, :, :, : mask.shape[3] // 2] = 0
    labels = torch.zeros(2, dtype=torch.long) if model.card.labels else None

    def run():
        return engine.steps(lambda: model.repair(x, mask, [1, 2], labels))

    frames = list(run())
    known = mask.expand_as(x) == 1
    for frame in frames:
        assert_pictures(frame.images, model.card, 2)
    assert (frames[-1].images[known] - x[known]).abs().max() <= LEVEL, "known pixels were changed"
    for frame, again in zip(frames[:3], run()):
        assert torch.equal(frame.images, again.images)


def test_likelihood_is_a_number_per_picture_and_repeatable(engine, name, model):
    if not isinstance(model, Likelihood):
        pytest.skip("has no likelihood")
    x = pictures(engine, model)
    values = engine.call(lambda: model.log_prob(x))
    assert values.shape == (2,) and torch.isfinite(values).all()
    assert torch.equal(values, engine.call(lambda: model.log_prob(x)))
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)).round().to(x.device)
    assert (engine.call(lambda: model.log_prob(noise)) < values).all(), "noise is likelier than a picture"


def test_a_classifier_names_every_attribute(engine, name, model):
    if not isinstance(model, Classifier):
        pytest.skip("is no classifier")
    x = pictures(engine, model)
    features, logits = engine.call(lambda: (model.features(x), model.classify(x)))
    assert features.dim() == 2 and len(features) == 2 and torch.isfinite(features).all()
    digits = datasets.mnist.LABELS
    heads = {
        "faces": datasets.faces.ATTRIBUTES,
        "emoji": {"group": datasets.emoji.GROUPS},
        "stackedmnist": dict.fromkeys(datasets.stacked.CHANNELS, digits),
    }.get(model.card.data, {"digit": digits})
    assert list(model.heads) == list(heads), "answers would be taken for those of another attribute"
    assert [tuple(head.shape) for head in logits] == [(2, len(values)) for values in heads.values()]


def test_a_model_is_not_changed_by_being_asked(engine, name, model):
    """Capabilities beside sampling keep no state either."""
    before = copy.deepcopy(model.state_dict())
    x = pictures(engine, model)
    for capability, task in ((Encoder, "encode"), (Likelihood, "log_prob"), (Classifier, "classify")):
        if isinstance(model, capability):
            engine.call(lambda task=task: getattr(model, task)(x))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
