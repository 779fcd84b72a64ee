"""Attributes as a part of the latent: what seeds ask for, what a wish changes, and how obedience is counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from playground import data as datasets
from playground.api import ANY, Askable, PlaygroundError, check_settings
from playground.data import faces
from playground.evaluate.judging import Judge
from playground.evaluate.samples import agreed, obeyed
from playground.models.attributes import Attributes, of_faces
from playground.models.classifier import VEIL, Classifier, ClassifierLearner, veiled
from playground.models.gan import AttributeGAN, AttributeGANLearner
from playground.models.vae import ConditionalVAE
from playground.models.vae.conditional import ConditionalLearner
from playground.sampling import generators, lattice
from playground.training.recipe import Batch

HEADS = (("hat", ("none", "cap", "crown")), ("nose", ("long", "wide")))
SHARES = ((0.7, 0.2, 0.1), (0.5, 0.5))
SMALL = {"heads": HEADS, "shares": SHARES}


def networks():
    """One of each kind, small and untrained."""
    torch.manual_seed(0)
    vae = ConditionalVAE((3, 16, 16), **SMALL, free=2, encoder=(8, 16), decoder=(8, 16), features=16)
    torch.manual_seed(0)
    gan = AttributeGAN((3, 16, 16), (16, 8), (16, 8), 8, True, **SMALL)
    return {"vae": vae.eval(), "gan": gan.eval()}


@pytest.fixture(params=["vae", "gan"])
def net(request):
    """Each kind in turn."""
    return networks()[request.param]


def last(frames):
    """The result of a sampler."""
    return [*frames][-1]


# ------------------------------------------------------------------------------------------------ the latent


def test_seeds_draw_values_by_their_shares():
    known = Attributes(HEADS, SHARES)
    codes = known.draw(generators(range(4000)))
    for k, share in enumerate(SHARES):
        found = torch.bincount(codes[:, k], minlength=len(share)) / len(codes)
        assert torch.allclose(found, torch.tensor(share), atol=0.025), found
    both = ((codes[:, 0] == 0) & (codes[:, 1] == 0)).float().mean()
    assert float(both) == pytest.approx(0.35, abs=0.025), "attributes are drawn on their own"


def test_what_is_written_can_be_read_and_settled():
    known = Attributes(HEADS, SHARES)
    codes = torch.tensor([[2, 0], [0, 1]])
    y = known.write(codes)
    assert y.tolist() == [[0, 0, 1, 1, 0], [1, 0, 0, 0, 1]]
    assert torch.equal(known.read(y), codes)
    assert torch.equal(known.settle(y), y), "a plain choice is left alone"
    assert torch.allclose(known.settle(3 * y - 0.5 * (1 - y)), y), "only how much of each value counts"
    open_ = known.settle(torch.zeros(1, 5))[0]
    assert torch.allclose(open_, torch.tensor([0.7, 0.2, 0.1, 0.5, 0.5])), "left open: the shares"
    half = known.settle((y[:1] + y[1:]) * 0.7)
    assert half.tolist() == [[0.5, 0, 0.5, 0.5, 0.5]]


def test_a_wish_writes_over_its_own_block_only():
    known = Attributes(HEADS, SHARES)
    y = known.write(torch.tensor([[2, 0], [0, 1]]))
    assert known.read(known.wish(y, {"hat": "cap", "nose": ANY})).tolist() == [[1, 0], [1, 1]]
    assert torch.equal(known.wish(y, {}), y)


def test_the_controls_say_what_can_be_asked():
    controls = Attributes(HEADS, SHARES).fields
    offered = {f.name: f.choices for f in controls}
    assert offered == {"hat": (ANY, "none", "cap", "crown"), "nose": (ANY, "long", "wide")}
    assert check_settings(controls, {"hat": "crown"}) == {"hat": "crown", "nose": ANY}
    with pytest.raises(PlaygroundError, match=r"Hat was 'helmet'.*none, cap, crown"):
        check_settings(controls, {"hat": "helmet"})


def test_a_config_makes_the_same_attributes():
    known = of_faces()
    again = Attributes(**known.config)
    assert again.heads == known.heads == {k: tuple(v) for k, v in faces.ATTRIBUTES.items()}
    assert torch.equal(again.shares, known.shares)


# ------------------------------------------------------------------------------------------------ the networks


def test_a_network_keeps_to_its_seeds_and_to_wishes(net):
    assert isinstance(net, Askable)
    z = net.latents([3, 4, 5])
    assert torch.equal(z[1:2], net.latents([4])), "a latent does not depend on its neighbours"
    with torch.no_grad():
        plain, wished = last(net.sample([3, 4, 5])), last(net.sample([3, 4, 5], hat="crown"))
        again = last(net.sample([3, 4, 5], latents=wished.state))
    assert net.asked(wished.state)[:, 0].tolist() == [2, 2, 2]
    assert torch.equal(net.asked(wished.state)[:, 1], net.asked(z)[:, 1]), "what was not wished for stays"
    assert torch.equal(again.images, wished.images), "the state is the whole recipe"
    moved = (wished.images - plain.images).abs().flatten(1).amax(1) > 1e-6
    assert torch.equal(moved, net.asked(z)[:, 0] != 2), "only pictures whose attribute was another one change"


def test_a_latent_between_two_seeds_is_between_two_faces(net):
    with torch.no_grad():
        at, near = (last(net.sample([0], latents=lattice(x, 0, net.latents))).images for x in (3.0, 3.001))
        exact = last(net.sample([3])).images
        half = last(net.sample([0], latents=lattice(3.5, 0, net.latents))).images
    assert torch.allclose(at, exact, atol=1e-6)
    assert float((near - at).abs().max()) < 0.02 and torch.isfinite(half).all()


def test_a_picture_without_words_has_a_code_too():
    net = networks()["vae"]
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        q = net.encode(x)
        filled = last(net.repair(x, torch.ones(2, 1, 16, 16), [1, 2])).images
    blocks = q.mean[:, net.free :].split(net.attributes.sizes, 1)
    assert all(torch.allclose(block.sum(1), torch.ones(2)) for block in blocks), "chances of the values"
    assert (q.std[:, : net.free] > 0).all() and (q.std[:, net.free :] == 0).all()
    assert torch.equal(filled, x), "where all is known nothing is made up"


def test_draws_fall_where_the_codes_of_the_pictures_are(tmp_path):
    """N(0, I) becomes N(m, Σ) of the raw codes, and a posterior comes back as it was."""
    net = networks()["vae"]
    learner = ConditionalLearner(net, torch.device("cpu"), reader())
    root = torch.randn(net.free, net.free, generator=torch.Generator().manual_seed(1))
    learner.codes.mean.copy_(torch.arange(float(net.free)))
    learner.codes.square.copy_(root @ root.T + learner.codes.mean.outer(learner.codes.mean))
    learner.save(tmp_path)
    saved = ConditionalVAE.from_pretrained(str(tmp_path)).eval()
    assert torch.allclose(saved.code_scale @ saved.code_scale.T, root @ root.T, atol=2e-2)
    raw = []
    saved.decoder.register_forward_pre_hook(lambda _, given: raw.append(given[0]))
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        q = saved.encode(x)
        saved.decode(q.mean)
        mean, log_var = saved._posterior(saved.encoder.trunk(2 * x - 1), q.mean[:, net.free :])
    assert torch.allclose(raw[0], mean, atol=1e-3)
    back = torch.linalg.inv(saved.code_scale)
    exact = (back @ log_var[0].exp().diag() @ back.T).diag().sqrt()
    assert torch.allclose(q.std[0, : net.free], exact, rtol=1e-4)


def batch(count, seen=0):
    """White pictures of one value of the second attribute, black ones of the other."""
    y = torch.stack([torch.arange(count) % 3, torch.arange(count) // 3 % 2], 1)
    x = y[:, 1].float().reshape(-1, 1, 1, 1).expand(-1, 3, 16, 16).contiguous()
    return Batch(x, y, torch.Generator().manual_seed(seen), seen, min(1.0, seen / 4000))


def test_the_vae_learns_what_it_is_told():
    net = networks()["vae"].train()
    learner = ConditionalLearner(net, torch.device("cpu"), taught_reader(), lr=3e-3, decay=0.9)
    for i in range(120):
        losses = learner.step(batch(24, 24 * i))
    dark, light = (last(learner.ema.sample([1, 2, 3], nose=nose)).images.mean() for nose in ("long", "wide"))
    assert float(dark) < 0.3 and float(light) > 0.7
    assert losses["error"] < 0.05 and losses["reading"] < 1.6, "it reads the nose; the hat cannot be seen (log 3)"


def reader():
    """A small classifier of the same attributes, with weights of its own."""
    torch.manual_seed(1)
    return Classifier((3, 16, 16), HEADS, (8, 8), 8)


def taught_reader():
    """One that has learned to read the nose from such batches."""
    net = reader()
    lessons = ClassifierLearner(net, torch.device("cpu"))
    for i in range(30):
        lessons.step(batch(24, 24 * i))
    return net


def test_the_generator_learns_from_a_reader_that_stays_as_it_is():
    net, seer = networks()["gan"].train(), taught_reader()
    learner = AttributeGANLearner(
        net, torch.device("cpu"), seer, gamma=1.0, penalty_every=4, lr=3e-3, mixing=0.0, mapping=1.0
    )
    learner.CLEAR, learner.READ = 0.0, 10.0
    before = {name: weight.clone() for name, weight in seer.state_dict().items()}
    course = [learner.step(batch(24, 24 * i))["unread"] for i in range(120)]  # from some seeds it begins after ninety
    assert sum(course[-5:]) < 0.7 * sum(course[:5]), "it is read rightly more and more: the nose, which can be seen"
    assert all(torch.equal(weight, before[name]) for name, weight in seer.state_dict().items())
    assert not any(p.requires_grad for p in seer.parameters())
    fake, told, losses = torch.zeros(24, 3, 16, 16, requires_grad=True), net.attributes.write(batch(24).y), {}
    missed = learner._missed(fake, torch.zeros(24, 16), told, losses, torch.Generator().manual_seed(0))
    missed.backward()
    assert missed.item() == pytest.approx(10 * losses["unread"]) and float(fake.grad.abs().sum()) > 0


def test_eyes_behind_dark_glasses_teach_nothing():
    known = of_faces()
    codes = torch.zeros(2, len(known.sizes), dtype=torch.int64)
    names = list(known.heads)
    codes[1, names.index("glasses")] = known.heads["glasses"].index("dark")
    hidden = ~known.visible(codes)
    assert not hidden[0].any() and hidden[1].sum() == 2
    assert hidden[1, names.index("eyes")] and hidden[1, names.index("eye_colour")]
    assert Attributes(HEADS, SHARES).visible(torch.zeros(3, 2, dtype=torch.int64)).all(), "no glasses, nothing hidden"


def test_the_players_are_told_and_mixtures_are_not_named(monkeypatch):
    net = networks()["gan"].train()
    learner = AttributeGANLearner(net, torch.device("cpu"), reader(), gamma=1.0, penalty_every=4, lr=1e-3, mixing=0.0)
    told = []
    verdict = net.discriminator.verdict
    monkeypatch.setattr(net.discriminator, "verdict", lambda h, y=None: told.append(y) or verdict(h, y))
    losses = learner.step(batch(8))
    assert losses["misread"] > 0 and losses["unclear"] > 0 and losses["unread"] > 0
    assert all(torch.equal(y, net.attributes.write(batch(8).y)) for y in told)
    told.clear()
    learner.mixing = 1.0
    assert "misread" not in learner.step(batch(8, 8)) and told and all(y is None for y in told)


def test_the_critic_learns_to_name_attributes():
    net = networks()["gan"].train()
    learner = AttributeGANLearner(net, torch.device("cpu"), reader(), gamma=1.0, penalty_every=4, lr=3e-3, mixing=0.0)
    first = learner.step(batch(24))["misread"]
    for i in range(1, 50):
        losses = learner.step(batch(24, 24 * i))
    assert losses["misread"] < first - 0.2, "the nose can be read, the hat cannot: half of the loss goes"


# ------------------------------------------------------------------------------------------------ what can be seen


def test_dark_glasses_hide_the_eyes_and_nothing_else_hides_anything():
    names = list(faces.ATTRIBUTES)
    for seed in range(40):
        face = faces.sample(seed)
        shown = dict(zip(names, faces.visible(faces.labels(face)[None])[0]))
        for name in ("eyes", "eye_colour", "brows", "hair_colour", "mouth"):
            if face.attributes[name] == "wide":
                continue  # whose lashes stick out
            others = [v for v in faces.ATTRIBUTES[name] if v not in (face.attributes[name], "wide")]
            twin = replace(face, attributes={**face.attributes, name: others[seed % len(others)]})
            differs = not np.array_equal(faces.draw(face), faces.draw(twin))
            assert differs == shown[name], (seed, name)


def test_other_data_hides_nothing():
    assert datasets.visible("mnist", torch.zeros(3, 1, dtype=torch.int64)).all()


def test_shares_are_how_often_a_value_is_drawn():
    drawn = np.array([faces.labels(faces.sample(seed)) for seed in range(3000)])
    for k, name in enumerate(faces.ATTRIBUTES):
        found = np.bincount(drawn[:, k], minlength=len(faces.shares(name))) / len(drawn)
        assert sum(faces.shares(name)) == pytest.approx(1)
        assert np.abs(found - faces.shares(name)).max() < 0.04, name


def test_obedience_is_counted_where_it_can_be_seen():
    heads = {name: values for name, values in faces.ATTRIBUTES.items()}
    asked = torch.stack([torch.from_numpy(faces.labels(faces.sample(seed))) for seed in range(4)])
    glasses, eyes, hat = (list(heads).index(k) for k in ("glasses", "eyes", "hat"))
    asked[:, glasses] = torch.tensor([3, 0, 0, 0])  # dark on the first only
    found = asked.clone()
    found[0, eyes] = (found[0, eyes] + 1) % 4  # behind dark glasses: nobody can tell
    found[1, eyes] = (found[1, eyes] + 1) % 4
    found[2, hat] = (found[2, hat] + 1) % 5
    none = torch.empty(0)
    real = Judge("faces", None, heads, none, none, none, [*asked.T], asked, torch.ones_like(asked).bool(), none)
    scores = agreed(real, found, asked)
    assert scores["accuracy"] == 0.5 and scores["accuracy_of_real"] == 1.0
    assert scores["eyes"] == pytest.approx(2 / 3) and scores["hat"] == 0.75 and scores["glasses"] == 1.0
    assert obeyed(torch.tensor([1, 2, 2]), torch.tensor([1, 2, 0]))["accuracy"] == pytest.approx(2 / 3)


def test_a_veil_is_noise_of_each_pictures_own_strength():
    x = torch.full((200, 3, 16, 16), 0.5)
    noise = veiled(x, torch.Generator().manual_seed(0)) - x
    strengths = noise.flatten(1).std(1)
    assert float(strengths.max()) < VEIL * 1.1 and float(strengths.min()) < 0.1 * VEIL
    assert float(strengths.mean()) == pytest.approx(VEIL / 2, rel=0.1) and abs(float(noise.mean())) < 0.01
    assert torch.equal(noise, veiled(x, torch.Generator().manual_seed(0)) - x)


def test_layers_go_where_they_are_told_and_the_last_stays():
    from playground.models.vae.conditional import Decoder

    decoder = Decoder((3, 16, 16), 2, 5, (16, 8), layers=3)
    ink = torch.randn(2, 3 * 4, 16, 16)
    told = torch.zeros(2, 2, 2, 64)  # picture, layer, right and down, places
    torch.testing.assert_close(decoder.placed(ink, told.flatten(1)), ink)
    told[:, 0, 0] = 2 * 3 / 16  # the first layer takes its ink from three pixels to the right,
    told[:, 1, 1] = 2 * 1 / 16  # the second from one below, each beyond the edge from the edge
    first, second, still = decoder.placed(ink, told.flatten(1)).chunk(3, 1)
    torch.testing.assert_close(first[..., :13], ink[:, :4, :, 3:])
    torch.testing.assert_close(first[..., 13:], ink[:, :4, :, 15:].expand(-1, -1, -1, 3))
    torch.testing.assert_close(second[:, :, :15], ink[:, 4:8, 1:])
    assert torch.equal(still, ink[:, 8:])
    astray = decoder.placed(ink.requires_grad_(), torch.full_like(told, torch.nan).flatten(1))
    astray.sum().backward()  # torch's own sampling ends the process here


def test_a_code_moves_what_the_attributes_draw():
    torch.manual_seed(0)
    net = networks()["vae"]
    moves = net.decoder.moves(torch.zeros(1, net.latent_size)).detach()
    with torch.no_grad():
        net.decoder.shifts.bias.copy_(0.2 - net.decoder.shifts(moves)[0])
    drawn = []
    net.decoder.join.register_forward_pre_hook(lambda _, given: drawn.append(given[0]))
    y = net.attributes.write(torch.zeros(2, 3, dtype=torch.int64))
    with torch.no_grad():
        net.decoder(torch.tensor([[0.0, 0.0], [3.0, -3.0]]), y)
    (one, other) = drawn[0]
    assert not torch.equal(one[:-4], other[:-4]) and torch.equal(one[-4:], other[-4:])


def test_a_checkpoint_may_have_a_temperature_of_its_own():
    torch.manual_seed(0)
    options = {"free": 2, "encoder": (8, 16), "decoder": (8, 16), "features": 16, **SMALL}
    net = ConditionalVAE((3, 16, 16), **options, temperature=0.5).eval()
    assert net.controls[0].default == 0.5
    plain, half, whole = (last(net.sample([1, 2], **asked)).images
                          for asked in ({}, {"temperature": 0.5}, {"temperature": 1.0}))  # fmt: skip
    assert torch.equal(plain, half) and not torch.equal(plain, whole)
