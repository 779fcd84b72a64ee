"""The command line, called as a function: what it writes, and what it says when it cannot."""

import json

import numpy as np
import pytest
import torch
from checkpoints import tiny_data, write_tiny_vae
from PIL import Image

from playground import Engine
from playground import data as datasets
from playground.__main__ import clock, main, seed_range


@pytest.fixture
def root(tmp_path):
    write_tiny_vae(tmp_path / "models" / "tiny")
    return tmp_path / "models"


@pytest.fixture
def cli(root):
    def run(*arguments):
        return main([*map(str, arguments), "--checkpoints", str(root), "--device", "cpu"])

    return run


def test_list_shows_every_card(cli, root, capsys):
    write_tiny_vae(root / "other", title="Another one", labels=list("0123456789"))
    assert cli("list") == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3
    assert "A tiny VAE" in lines[2] and "1×28×28" in lines[2]
    assert "Another one" in lines[1] and " 10 " in lines[1]


def test_sample_writes_the_engine_s_pictures(cli, root, tmp_path, capsys):
    path = tmp_path / "out.npz"
    assert cli("sample", "tiny", "--seeds", "3:8", "--npz", path, "--set", "temperature=0.5", "--batch", 2) == 0
    with np.load(path, allow_pickle=False) as stored:
        images = stored["images"]
        assert "labels" not in stored
    assert images.shape == (5, 28, 28, 1) and images.dtype == np.uint8
    frame = Engine("cpu", root).run("tiny", [3, 4, 5, 6, 7], temperature=0.5)
    expected = (frame.images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.abs(images.astype(int) - expected).max() <= 1
    assert "5 of 5" in capsys.readouterr().err


def test_npz_keeps_its_name_whatever_the_ending(cli, tmp_path):
    assert cli("sample", "tiny", "--seeds", "1", "--npz", tmp_path / "pictures") == 0
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["pictures"]


@pytest.mark.parametrize(
    "given, expected", [((), [4, 5, 0]), (("--labels", "3"), [3, 3, 3]), (("--labels", "0,2,1"), [0, 2, 1])]
)
def test_labels_are_stored_for_conditional_models(cli, root, tmp_path, given, expected):
    write_tiny_vae(root / "asked", labels=list("012345"))
    assert cli("sample", "asked", "--seeds", "4:7", "--npz", tmp_path / "out.npz", *given) == 0
    with np.load(tmp_path / "out.npz", allow_pickle=False) as stored:
        assert stored["labels"].tolist() == expected


def test_the_sheet_holds_every_picture_and_its_recipe(cli, root, tmp_path):
    path = tmp_path / "sheet.png"
    assert cli("sample", "tiny", "--seeds", "1,2,5", "--png", path) == 0
    with Image.open(path) as sheet:
        assert sheet.size == (56, 56)
        recipe = json.loads(sheet.text["playground"])
        left = np.asarray(sheet.convert("L"))[:28, :28]
    assert recipe["model"] == "tiny" and recipe["seeds"] == [1, 2, 5]
    first = (Engine("cpu", root).run("tiny", [1]).images[0, 0] * 255).round().numpy()
    assert np.abs(left - first).max() <= 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["sample", "tiny"], "--npz FILE"),
        (["sample", "nope", "--png", "OUT"], "no model 'nope'"),
        (["sample", "tiny", "--png", "OUT", "--set", "temperature=9"], "from 0 to 2"),
        (["sample", "tiny", "--png", "OUT", "--set", "temperature"], "NAME=VALUE"),
        (["sample", "tiny", "--png", "OUT", "--set", "colour=red"], "no control 'colour'"),
        (["sample", "tiny", "--png", "OUT", "--labels", "3"], "Leave --labels out"),
        (["sample", "tiny", "--png", "OUT", "--seeds", "4294967296"], "whole number"),
        (["sample", "tiny", "--png", "OUT", "--seeds", "0:2000"], "A sheet holds"),
        (["sample", "tiny", "--npz", "/nowhere/at/all/out.npz"], "does not exist"),
        (["evaluate"], "--all"),
        (["evaluate", "tiny", "--all"], "--all"),
        (["evaluate", "tiny", "--samples", "100"], "needs classifier|need classifier"),
    ],
)
def test_what_cannot_be_done_is_said_plainly(cli, tmp_path, capsys, arguments, message):
    arguments = [str(tmp_path / "out.png") if a == "OUT" else a for a in arguments]
    assert cli(*arguments) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert any(part in said for part in message.split("|")), said


def test_two_labels_for_three_seeds_are_refused(cli, root, tmp_path, capsys):
    write_tiny_vae(root / "asked", labels=["a", "b"])
    assert cli("sample", "asked", "--seeds", "0:3", "--labels", "0,1", "--png", tmp_path / "x.png") == 2
    assert "2 labels were given for 3 seeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["sample", "tiny", "--seeds", "5:5"], ["sample", "tiny", "--seeds", "a:b"], ["sample"], ["fly"], []]
)
def test_a_wrong_command_line_shows_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["list", "sample", "train", "evaluate", "data", "benchmark"])
def test_every_option_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "--device" in capsys.readouterr().out or command == "data"


def test_every_option_of_every_command_is_explained():
    import argparse

    from playground.__main__ import parser

    top = parser()
    commands = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction)).choices
    for name, command in commands.items():
        silent = [a.dest for a in command._actions if not a.help]
        assert not silent, f"{name}: {silent}"


def test_seed_range():
    assert seed_range("7") == [7]
    assert seed_range("1,2,5") == [1, 2, 5]
    assert seed_range("3:6") == [3, 4, 5]


def test_clock():
    assert (clock(5), clock(65), clock(3725)) == ("0:05", "1:05", "1:02:05")


def test_interrupting_says_so_and_is_no_traceback(cli, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("playground.registry.discover", interrupt)
    assert cli("list") == 130
    assert "Stopped." in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------- train, data


def test_train_lists_its_recipes(capsys):
    assert main(["train", "--list"]) == 0
    assert "vae-mnist-2d" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train"], "which recipe"),
        (["train", "nope"], "no recipe 'nope'"),
        (["train", "vae-mnist-2d", "--minutes", "0"], "above 0"),
        (["data", "nope"], "no data set 'nope'"),
    ],
)
def test_train_and_data_refuse_plainly(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_train_writes_a_checkpoint_that_samples(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(datasets, "load", lambda name, *_: tiny_data("mnist"))
    folder = tmp_path / "models" / "mine"
    arguments = ["train", "vae-mnist-2d", "--images", "1024", "--device", "cpu", "--out", str(folder)]
    assert main([*arguments, "--state", str(tmp_path / "state")]) == 0
    said = capsys.readouterr().err
    assert "100.0%" in said and "left" in said and "loss" in said
    assert torch.isfinite(Engine("cpu", tmp_path / "models").run("mine", [1]).images).all()


def test_data_says_what_is_there(monkeypatch, capsys):
    monkeypatch.setattr(datasets, "load", lambda name, *_: tiny_data("mnist"))
    assert main(["data", "mnist"]) == 0
    assert "mnist train: 256 pictures, 28×28×1; digit (10)" in capsys.readouterr().out


def test_a_damaged_data_file_is_said_plainly(tmp_path, monkeypatch, capsys):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    monkeypatch.setenv("PLAYGROUND_DATA", str(tmp_path))
    assert main(["data", "mnist"]) == 2
    said = capsys.readouterr().err
    assert "train-images-idx3-ubyte.gz" in said and "Traceback" not in said
