"""The cartoon faces: the same seed always gives the same picture, and everything a face says can be seen."""

import itertools
import time

import numpy as np
import pytest

from playground.data import faces
from playground.data.faces import ATTRIBUTES, FACTORS, Face, describe, draw, labels, sample

PLAIN = {
    "skin": "tan",
    "face": "oval",
    "hair": "short",
    "hair_colour": "red",
    "eyes": "round",
    "eye_colour": "blue",
    "brows": "flat",
    "nose": "button",
    "mouth": "smile",
    "glasses": "none",
    "facial_hair": "none",
    "hat": "none",
    "earrings": "none",
    "clothes": "t-shirt",
    "clothes_colour": "green",
    "background": "pale blue",
}
STILL = {"turn": 0.0, "tilt": 0.0, "size": 1.0}


def plain(**changes):
    """The plain face with some attributes or factors changed."""
    attributes = {**PLAIN, **{name: value for name, value in changes.items() if name not in FACTORS}}
    return Face(attributes, {**STILL, **{name: value for name, value in changes.items() if name in FACTORS}})


def difference(a, b):
    """How many of the pixels clearly differ."""
    return int((np.abs(draw(a).astype(int) - draw(b).astype(int)).max(axis=2) > 12).sum())


@pytest.fixture(scope="module")
def many_labels():
    return np.stack([labels(sample(seed)) for seed in range(6000)])


# ------------------------------------------------------------------------------------- drawing


def test_same_seed_same_bytes():
    for seed in (0, 1, 1_000_000, 2**32 - 1):
        assert sample(seed) == sample(seed)
        assert draw(sample(seed)).tobytes() == draw(sample(seed)).tobytes()


def test_order_of_drawing_does_not_matter():
    """Shapes are cached, so a drawing must not leave anything behind for the next one."""
    before = draw(sample(5)).tobytes()
    for seed in range(60):
        draw(sample(seed))
    assert draw(sample(5)).tobytes() == before


def test_different_seeds_differ():
    assert len({draw(sample(seed)).tobytes() for seed in range(200)}) == 200


@pytest.mark.parametrize("size", [16, 33, 64, 128, 256, 1024])
def test_sizes(size):
    picture = draw(sample(3), size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8


def test_large_and_small_pictures_show_the_same_face():
    small, large = draw(sample(8), 64).astype(float), draw(sample(8), 256).astype(float)
    shrunk = large.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - shrunk).mean() < 4


def test_numpy_integers_are_welcome():
    assert sample(np.int64(7)) == sample(7)
    assert draw(sample(7), np.int32(64)).shape == (64, 64, 3)


@pytest.mark.parametrize("name", list(ATTRIBUTES))
def test_every_value_is_visible(name):
    """Any two values of an attribute give clearly different pictures of an otherwise plain face."""
    for one, other in itertools.combinations(ATTRIBUTES[name], 2):
        assert difference(plain(**{name: one}), plain(**{name: other})) >= 8, (name, one, other)


@pytest.mark.parametrize("name", list(FACTORS))
def test_factors_are_visible_and_smooth(name):
    low, high = FACTORS[name]
    middle = (low + high) / 2
    ends = difference(plain(**{name: low}), plain(**{name: high}))
    step = difference(plain(**{name: middle}), plain(**{name: middle + (high - low) / 100}))
    assert ends > 150
    assert step < ends / 3


def test_every_hair_shows_below_every_hat():
    """Hair colour can be seen whatever is worn (the brows alone show it on a bald head)."""
    for hair, hat in itertools.product(ATTRIBUTES["hair"], ATTRIBUTES["hat"]):
        blue, pink = (plain(hair=hair, hat=hat, hair_colour=colour) for colour in ("blue", "pink"))
        assert difference(blue, pink) >= (10 if hair == "bald" else 30), (hair, hat)


def test_nothing_but_background_in_the_upper_corners():
    """No stray pixels: a plain face leaves the upper corners to the background."""
    for hair in ATTRIBUTES["hair"]:
        picture = draw(plain(hair=hair))
        for corner in (picture[:6, :6], picture[:6, -6:]):
            assert corner.reshape(-1, 3).std(axis=0).max() == 0


def test_mirror():
    """A plain face that looks ahead is symmetrical, apart from the highlights and the eyes' sparkle."""
    picture = draw(plain()).astype(int)
    clearly = np.abs(picture - picture[:, ::-1]).max(axis=2) > 60
    assert clearly.mean() < 0.02


# ------------------------------------------------------------------------------------- labels and sampling


def test_labels_are_positions():
    face = sample(11)
    codes = labels(face)
    assert codes.shape == (len(ATTRIBUTES),)
    assert codes.dtype == np.int64
    for (name, values), code in zip(ATTRIBUTES.items(), codes):
        assert values[code] == face.attributes[name]


def test_dataset():
    images, codes = faces.dataset(range(20, 25))
    assert images.shape == (5, 64, 64, 3)
    assert images.dtype == np.uint8
    assert codes.shape == (5, len(ATTRIBUTES))
    assert codes.dtype == np.int64
    assert np.array_equal(images[2], draw(sample(22)))
    assert np.array_equal(codes[2], labels(sample(22)))


def test_dataset_takes_any_iterable_even_an_empty_one():
    assert faces.dataset(iter([4, 4]))[0].shape == (2, 64, 64, 3)
    images, codes = faces.dataset([])
    assert images.shape == (0, 64, 64, 3)
    assert codes.shape == (0, len(ATTRIBUTES))


def test_training_and_test_seeds_do_not_meet():
    assert faces.TRAIN_SEEDS[-1] < faces.TEST_SEEDS[0]
    assert len(faces.TRAIN_SEEDS) == 50_000
    assert len(faces.TEST_SEEDS) == 10_000


def test_factors_fill_their_ranges():
    for name, (low, high) in FACTORS.items():
        values = np.array([sample(seed).factors[name] for seed in range(1500)])
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high


@pytest.mark.parametrize(
    ("name", "value", "share"),
    [
        ("glasses", "none", 0.60),
        ("hat", "none", 0.70),
        ("facial_hair", "none", 0.70),
        ("earrings", "none", 0.60),
        ("hair", "bald", 0.08),
        ("skin", "deep", 1 / len(ATTRIBUTES["skin"])),
        ("background", "mint", 1 / len(ATTRIBUTES["background"])),
        ("hair_colour", "blue", 1 / len(ATTRIBUTES["hair_colour"])),
    ],
)
def test_marginals(many_labels, name, value, share):
    column = many_labels[:, list(ATTRIBUTES).index(name)]
    assert (column == ATTRIBUTES[name].index(value)).mean() == pytest.approx(share, abs=0.025)


def test_every_value_occurs(many_labels):
    for column, values in zip(many_labels.T, ATTRIBUTES.values()):
        assert set(column) == set(range(len(values)))


def test_attributes_are_independent(many_labels):
    """Chi-squared of each pair of attributes stays near its degrees of freedom, as independence has it."""
    for (i, a), (j, b) in itertools.combinations(enumerate(ATTRIBUTES.values()), 2):
        table = np.zeros((len(a), len(b)))
        np.add.at(table, (many_labels[:, i], many_labels[:, j]), 1)
        expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
        freedom = (len(a) - 1) * (len(b) - 1)
        assert ((table - expected) ** 2 / expected).sum() < freedom + 5 * np.sqrt(2 * freedom)


# ------------------------------------------------------------------------------------- words


def test_describe_mentions_what_can_be_seen():
    worn = {"glasses": "round", "earrings": "hoops", "clothes": "hoodie", "hat": "cap"}
    face = plain(hair="curly", facial_hair="goatee", **worn)
    text = describe(face)
    for words in (
        "A smiling person",
        "tan skin",
        "curly red hair",
        "blue eyes",
        "round glasses",
        "gold hoops",
        "a red goatee",
        "a cap",
        "a green hoodie",
        "a pale blue background",
    ):
        assert words in text
    assert text.endswith(".")


def test_describe_is_silent_about_what_is_not_there():
    text = describe(plain())
    for word in ("none", "glasses", "hoops", "studs", "beard", "goatee", "moustache", "cap", "crown"):
        assert word not in text
    assert "blue eyes" not in describe(plain(glasses="dark"))


def test_describe_every_value_in_good_english():
    for name, values in ATTRIBUTES.items():
        for value in values:
            text = describe(plain(**{name: value}))
            assert "  " not in text and "{" not in text
            assert " a o" not in text and " a a" not in text
    assert "an orange t-shirt" in describe(plain(clothes_colour="orange"))
    assert "in green dungarees" in describe(plain(clothes="dungarees"))


# ------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, 1.0, "7", None, True])
def test_bad_seeds(seed):
    with pytest.raises(ValueError, match="whole number from 0 to 4294967295"):
        sample(seed)


@pytest.mark.parametrize("size", [15, 1025, 64.0, "64", None, True])
def test_bad_sizes(size):
    with pytest.raises(ValueError, match="from 16 to 1024"):
        draw(sample(0), size)


@pytest.mark.parametrize("function", [draw, labels, describe])
def test_bad_faces(function):
    with pytest.raises(ValueError, match=r"hat was 'fez'.*Use one of: none, cap"):
        function(plain(hat="fez"))
    with pytest.raises(ValueError, match="no attribute called 'shoes'"):
        function(plain(shoes="red"))
    with pytest.raises(ValueError, match="no factor called 'zoom'"):
        function(Face(PLAIN, {**STILL, "zoom": 1.0}))
    with pytest.raises(ValueError, match="has no attribute 'hat'"):
        function(Face({name: value for name, value in PLAIN.items() if name != "hat"}, STILL))
    for value in (1.01, -2, float("nan"), "left", None):
        with pytest.raises(ValueError, match=r"turn was .* from -1\.0 to 1\.0"):
            function(plain(turn=value))


def test_speed():
    """Drawing 50,000 faces has to stay a matter of minutes.  (About 3 ms each; the bound is generous.)"""
    started = time.process_time()
    faces.dataset(range(50))
    assert time.process_time() - started < 50 * 0.030


def test_the_judge_learns_from_faces_that_nobody_else_sees():
    from playground import data

    spans = [data.FACES[key] for key in (("faces", "train"), ("faces", "test"), ("manyfaces", "train"))]
    assert all(a[-1] < b[0] for a, b in itertools.pairwise(spans)), "no seed is in two of them"
    assert data.FACES["manyfaces", "test"] == data.FACES["faces", "test"], "all are examined on the same"
