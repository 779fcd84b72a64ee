"""Emoji and stacked digits: which pictures are kept, that they are right, and where they are looked for."""

import numpy as np
import pytest
import torch
from checkpoints import tiny_data
from PIL import Image

from playground.api import PlaygroundError
from playground.data import emoji, mnist, stacked
from playground.data.mnist import DataError
from playground.evaluate import special
from playground.metrics import Index
from tabs._ui import examples

FARMER = (0x1F9D1, 0x200D, 0x1F33E)  # a neutral one


def write(folder, points, picture):
    name = "emoji_u" + "_".join(f"{point:04x}" for point in points) + ".png"
    Image.fromarray(picture, "RGBA").save(folder / name)


# ------------------------------------------------------------------------------------------------ which are kept


@pytest.mark.parametrize("points", [(0x1F600,), FARMER, (0x2764, 0x200D, 0x1F525), (0x35, 0x20E3), (0x1F3F4,)])
def test_an_idea_of_its_own_is_kept(points):
    assert emoji.is_kept(points)


@pytest.mark.parametrize("points, why", [
    ((0x1F44B, 0x1F3FD), "a skin tone"),
    ((0x1F1EB, 0x1F1F7), "a flag"),
    ((0x1F3F4, 0xE0067, 0xE0062, 0xE007F), "a flag spelled with tags"),
    ((0x1F469, 0x200D, 0x1F33E), "a woman beside the neutral farmer"),
    ((0x1F3C3, 0x200D, 0x2640), "a woman who runs"),
    ((0x1F3C3, 0x200D, 0x27A1), "one who runs to the right"),
    ((0x1F9D1, 0x200D, 0x1F9D1, 0x200D, 0x1F9D2), "a family"),
    ((0x35,), "a bare digit, a piece of a keycap"),
    ((0x1F9B0,), "red hair, a piece"),
])  # fmt: skip
def test_a_repetition_is_not(points, why):
    assert not emoji.is_kept(points), why


def test_names_become_code_points_and_captions():
    assert emoji.code_points(emoji.Path("emoji_u1f9d1_200d_1f33e.png")) == FARMER
    assert emoji.caption(FARMER) == "adult, ear of rice"
    assert emoji.caption((0x10FFFF,)) == "u+10ffff"


@pytest.mark.parametrize("point, group", [
    (0x1F600, "face"), (0x1F435, "nature"), (0x1F355, "food"), (0x1F3E0, "place"), (0x1F697, "thing"),
    (0x1F46E, "person"), (0x2648, "sign"), (0x1F923, "face"), (0x1F98A, "nature"), (0x1F951, "food"),
])  # fmt: skip
def test_groups(point, group):
    assert emoji.group((point,)) == group


def test_ranges_rise_and_name_known_groups():
    firsts = [first for first, _ in emoji.RANGES]
    assert firsts == sorted(set(firsts)) and {name for _, name in emoji.RANGES} == set(emoji.GROUPS)


def test_one_in_five_is_held_out_for_good():
    held = [emoji.is_held_out((point,)) for point in range(0x1F300, 0x1F700)]
    assert 0.15 < sum(held) / len(held) < 0.25
    assert emoji.is_held_out(FARMER) == emoji.is_held_out(tuple(FARMER))


# ------------------------------------------------------------------------------------------------ the pictures


def test_a_picture_stands_on_white_and_each_pixel_is_a_mean(tmp_path):
    picture = np.zeros((128, 128, 4), np.uint8)
    picture[:64] = (255, 0, 0, 255)  # red above, nothing below
    picture[64:66, :4] = (0, 0, 0, 255)  # half of one cell is black
    write(tmp_path, (0x1F600,), picture)
    (path,) = emoji.kept(tmp_path).values()
    small = emoji.shrunk(path, 0, 1, None)
    assert small.shape == (32, 32, 3)
    assert (small[:16] == (255, 0, 0)).all() and (small[17:] == 255).all()
    assert small[16, 0].tolist() == [128, 128, 128]


def test_another_set_of_files_is_refused_and_the_way_to_the_right_one_told(tmp_path, monkeypatch):
    place = tmp_path / "noto-emoji" / "png" / "128"
    place.mkdir(parents=True)
    write(place, (0x1F600,), np.zeros((128, 128, 4), np.uint8))
    monkeypatch.setenv("PLAYGROUND_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"not those of the commit.*git clone"):
        emoji.load("train")
    assert not list((tmp_path / "cache").rglob("*.npz")), "what is wrong is not kept"


def test_missing_files_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"no emoji in .*git clone.*PLAYGROUND_DATA"):
        emoji.load("train")
    with pytest.raises(DataError, match="train and test"):
        emoji.load("valid")


def test_files_that_are_no_such_pictures_say_so(tmp_path):
    (tmp_path / "emoji_u1f600.png").write_bytes(b"no picture")
    Image.new("RGBA", (64, 64)).save(tmp_path / "emoji_u1f601.png")
    for path, what in zip(emoji.kept(tmp_path).values(), ("not a readable picture", "64, 64")):
        with pytest.raises(DataError, match=what):
            emoji.shrunk(path, 0, 1, None)


def test_three_digits_make_a_picture(monkeypatch):
    digits = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 28, 28, 1), np.uint8)
    monkeypatch.setattr(mnist, "load", lambda split, progress=None: (digits, np.arange(10)))
    images, labels = stacked.load("test")
    assert images.shape == (10_000, 28, 28, 3) and labels.shape == (10_000, 3)
    assert (images[:, 0, 0] == labels).all(), "channel k shows digit k"
    assert len(np.unique(labels @ (100, 10, 1))) > 990, "nearly all of the thousand"
    assert not (stacked.load("train")[1][:100] == labels[:100]).all()


# ------------------------------------------------------------------------------------------------ what goes with them


@pytest.mark.parametrize("data, shape", [
    ("mnist", (1, 28, 28)), ("faces", (3, 64, 64)), ("emoji", (3, 32, 32)), ("stackedmnist", (3, 28, 28)),
])  # fmt: skip
def test_the_page_has_examples_without_a_data_set(data, shape):
    some = examples.examples(data, [0, 5, 499])
    assert some.shape == (3, *shape) and some.min() >= 0 and some.max() <= 1
    assert not torch.equal(some[0], some[1])


def test_a_data_set_without_examples_says_so():
    with pytest.raises(PlaygroundError, match="no example pictures of 'mars'"):
        examples.examples("mars", [0])


def test_an_index_keeps_colours(tmp_path):
    images = tiny_data("emoji", 4).images
    index = Index.of_pictures(torch.eye(4), images)
    index.save(tmp_path)
    back = Index.load(tmp_path).picture(2)
    assert back.shape == (32, 32, 3)
    assert np.abs(back.astype(int) - images[2].permute(1, 2, 0).numpy()).max() <= 8  # sixteen levels


def test_modes_are_counted():
    answers = [torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 2, 2])]
    truth = [torch.arange(6) // 3, torch.arange(6) % 3]
    found = special.modes(answers, truth, [2, 3])
    assert (found["modes"], found["modes_of_real"], found["modes_in_all"]) == (2, 6, 6)
    assert found["kl"] == pytest.approx(np.log(3)) and found["kl_of_real"] == pytest.approx(0)


def test_a_code_that_is_the_factors_has_a_large_gap():
    stream = torch.Generator().manual_seed(0)
    factors = torch.randint(4, (2000, 3), generator=stream)
    noise = torch.rand(2000, 3, generator=stream)
    neat = special.disentanglement(factors + 0.1 * noise, factors, ["a", "b", "c"])
    mixed = special.disentanglement((factors + 0.1 * noise) @ torch.ones(3, 3) + noise, factors, ["a", "b", "c"])
    assert neat["mig"] > 0.9 and mixed["mig"] < 0.1
    assert neat["dci_informativeness"] > mixed["dci_informativeness"]
