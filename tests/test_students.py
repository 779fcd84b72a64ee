"""Students of a diffusion teacher: they jump to where its path ends, in folders that stock diffusers opens."""

import pytest
import torch
from checkpoints import tiny_data

from playground.api import PlaygroundError, Repairer, Sampler, check_settings
from playground.models import critic, diffusion
from playground.models.diffusion.learners import schedule, unet
from playground.models.diffusion.student import LEVELS, WALK, Pairs
from playground.training import Batch
from playground.training.recipe import recipes, shipped

CPU = torch.device("cpu")


def tiny_teacher():
    """Untrained, 8×8, with three classes."""
    torch.manual_seed(0)
    return diffusion.Diffusion(unet(8, 1, (8, 16), (False, False), classes=3), schedule(pixels=True)).eval()


def tiny_learner(**options):
    return diffusion.StudentLearner(tiny_teacher(), CPU, lr=2e-3, critic=(16, 8), rows=8, **options)


def batch(step, n=8):
    images = tiny_data("mnist", n).images.float()[..., 4:12, 4:12] / 255
    return Batch(images, torch.arange(n) % 3, torch.Generator().manual_seed(step), step * n, 0.01)


def last(frames):
    for frame in frames:
        final = frame
    return final


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("student")
    tiny_learner().save(place)
    return place


def test_a_student_is_told_from_a_teacher_by_its_folder(folder, tmp_path):
    diffusion.DiffusionLearner(tiny_teacher(), CPU, lr=1e-3).save(tmp_path)
    assert diffusion.kind(folder) is diffusion.Student and diffusion.kind(tmp_path) is diffusion.Diffusion
    student, teacher = diffusion.load(folder), diffusion.load(tmp_path)
    assert isinstance(student, Sampler) and not isinstance(student, Repairer) and isinstance(teacher, Repairer)


@pytest.mark.parametrize("steps", [1, 2])
def test_it_looks_as_often_as_it_is_told(folder, steps):
    student = diffusion.load(folder).eval()
    with torch.no_grad():
        frames = list(student.sample([1, 2], steps=steps))
    assert [frame.info["t"] for frame in frames] == [*map(float, LEVELS[:steps]), 0.0]
    assert frames[-1].info["calls"] == steps and frames[-1].images.shape == (2, 1, 8, 8)


def test_more_than_two_looks_are_refused(folder):
    with pytest.raises(PlaygroundError, match="from 1 to 2"):
        check_settings(diffusion.load(folder).controls, {"steps": 3})


def test_one_look_is_the_formula(folder):
    student = diffusion.load(folder).eval()
    with torch.no_grad():
        x = student.latents([5])
        v = student.unet(x, LEVELS[0], class_labels=torch.tensor([1])).sample
        made = last(student.sample([5], labels=torch.tensor([1]), steps=1)).images
    alpha, sigma = student.level(LEVELS[0])
    wanted = ((alpha * x - sigma * v) / 2 + 0.5).clamp(0, 1)
    assert torch.allclose(made, wanted, atol=1e-5)


def test_stock_diffusers_opens_it_and_takes_the_same_step(folder):
    import diffusers

    student, pipeline = diffusion.load(folder).eval(), diffusers.DDIMPipeline.from_pretrained(folder)
    pipeline.scheduler.set_timesteps(1)
    x, t = student.latents([5]), pipeline.scheduler.timesteps[0]
    with torch.no_grad():
        v = pipeline.unet(x, t, class_labels=torch.tensor([1])).sample
        theirs = (pipeline.scheduler.step(v, t, x).prev_sample / 2 + 0.5).clamp(0, 1)
        ours = last(student.sample([5], labels=torch.tensor([1]), steps=1)).images
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_the_second_look_has_fresh_noise_of_each_seed(folder):
    student = diffusion.load(folder).eval()
    with torch.no_grad():
        both = last(student.sample([3, 4], steps=2)).images
        alone = last(student.sample([4], labels=torch.tensor([1]), steps=2)).images
        start, zeros = student.latents([3, 3]), torch.tensor([0, 0])
        same = last(student.sample([3, 4], latents=start, labels=zeros, steps=2)).images
    assert torch.allclose(both[1:], alone, atol=1e-5), "seed 4 asks for class 1, with a neighbour or without"
    assert not torch.equal(same[0], same[1]), "the same first noise, another second one"


def test_pairs_come_back_by_class_and_level():
    pairs = Pairs(classes=2, rows=3, shape=(1, 2, 2))
    for row in range(4):  # one more than there is room for: the first is overwritten
        where = torch.arange(2.0)[:, None, None, None].expand(2, 1, 2, 2) + 10 * row
        pairs.add(where, where + 100, where + 200)
    classes, second = torch.tensor([0, 1] * 20), torch.tensor([False, True] * 20)
    x_t, ends = pairs.draw(classes, second, torch.Generator().manual_seed(0))
    assert (x_t[0::2] < 100).all() and (x_t[1::2] >= 100).all() and (ends % 10 == classes[:, None, None, None]).all()
    assert {int(v) for v in ends[0::2, 0, 0, 0]} == {210, 220, 230}


def test_the_teachers_path_ends_where_the_pairs_say():
    learner = tiny_learner()
    learner._walk(batch(0))
    first, second, end = (getattr(learner.pairs, name)[:, 0].float() for name in ("first", "second", "end"))
    with torch.no_grad():
        frames = list(learner.teacher.denoise(first, [], torch.arange(3), WALK))
    middle = next(frame.state for frame in frames if frame.info["t"] == LEVELS[1])
    assert torch.allclose(end, frames[-1].state, atol=0.05) and torch.allclose(second, middle, atol=0.1)


def test_it_learns_where_to_jump():
    learner = tiny_learner(every=1000)  # one walk only
    course = [learner.step(batch(step))["pairs"] for step in range(60)]
    assert sum(course[-10:]) < 0.5 * sum(course[:10]), course


def test_what_it_practises_is_what_the_sampler_does():
    learner, labels = tiny_learner(), torch.tensor([0, 1, 2])
    x = learner.model.latents([0, 1, 2])
    with torch.no_grad():
        practised = learner._jump(x, torch.tensor([False] * 3), labels)
        sampled = last(learner.model.sample([0, 1, 2], latents=x, labels=labels, steps=1)).state
    assert (practised.clamp(-1, 1) - sampled).abs().max() < 0.05, "one in bfloat16, the other in float32"


def test_the_teacher_is_left_as_it_was():
    learner = tiny_learner()
    before = {key: value.clone() for key, value in learner.teacher.unet.state_dict().items()}
    student = next(learner.model.unet.parameters()).clone()
    for step in range(2):
        learner.step(batch(step))
    assert all(torch.equal(before[key], value) for key, value in learner.teacher.unet.state_dict().items())
    assert not torch.equal(student, next(learner.model.unet.parameters()))


def test_disturbed_pictures_keep_their_shape_and_their_gradient():
    x = torch.rand(4, 3, 32, 32, requires_grad=True)
    y = critic.disturbed(x, torch.Generator().manual_seed(1))
    assert y.shape == x.shape and not torch.equal(x, y)
    y.sum().backward()
    assert (x.grad != 0).any((1, 2, 3)).all()


def test_a_missing_teacher_says_what_to_train():
    with pytest.raises(PlaygroundError, match=r"learns from nobody.*train nobody"):
        shipped("nobody")


def test_every_teacher_has_a_recipe_of_its_own_for_the_same_data():
    known = recipes()
    students = [recipe for recipe in known.values() if recipe.teacher]
    assert students and all(known[s.teacher].data == s.data and known[s.teacher].family == s.family for s in students)
