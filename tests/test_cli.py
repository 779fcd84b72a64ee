"""The command line, called as a function: what it writes, and what it says when it cannot."""

import errno
import json
import math
import os
import signal
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from checkpoints import tiny_data, write_tiny_vae
from PIL import Image

from playground import Engine, registry
from playground import data as datasets
from playground.cli import main, parser
from playground.cli.common import clock, seed_range
from playground.evaluate import write
from playground.models.vae import VAELearner
from playground.training import Run
from playground.training.loop import find


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


@pytest.mark.parametrize("command", ["list", "sample", "train", "evaluate", "table", "data", "benchmark"])
def test_every_option_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "--device" in capsys.readouterr().out or command == "data"


def test_every_option_of_every_command_is_explained():
    import argparse

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
        (["train", "vae-mnits"], "Did you mean vae-mnist"),
        (["train", "vae-mnist-2d", "--minutes", "0"], "above 0"),
        (["train", "vae-mnist-2d", "--minutes", "-3"], "above 0"),
        (["train", "vae-mnist-2d", "--minutes", "nan"], "above 0"),
        (["train", "vae-mnist-2d", "--minutes", "inf"], "above 0"),
        (["train", "vae-mnist-2d", "--device", "abacus"], "'abacus' is not here"),
        (["data", "nope"], "no data set 'nope'"),
    ],
)
def test_train_and_data_refuse_plainly(arguments, message, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said


@pytest.mark.parametrize("flag, value", [("--save-every", "-1"), ("--save-every", "nan"), ("--precision", "fp8")])
def test_a_wrong_option_of_train_shows_the_usage(flag, value, capsys):
    with pytest.raises(SystemExit):
        main(["train", "vae-mnist-2d", flag, value])
    assert "usage:" in capsys.readouterr().err


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Trains a small VAE on a handful of pictures, for four updates unless told otherwise; the exit code."""
    monkeypatch.setattr(datasets, "load", lambda name, *_: tiny_data("mnist"))

    def run(*more):
        places = ["--out", str(tmp_path / "models" / "mine"), "--state", str(tmp_path / "state"), "--device", "cpu"]
        return main(["train", "vae-mnist-2d", "--images", "1024", *places, *map(str, more)])

    return run


def test_train_writes_a_checkpoint_that_samples(training, tmp_path, capsys):
    assert training() == 0
    said = capsys.readouterr()
    assert "100.0%" in said.err and "left" in said.err and "loss" in said.err
    assert "seed 0, precision auto" in said.out and "evaluate mine --checkpoints" in said.out
    assert torch.isfinite(Engine("cpu", tmp_path / "models").run("mine", [1]).images).all()


def test_the_losses_become_a_small_picture_on_the_card(training, tmp_path):
    assert training("--seed", 4, "--precision", "fp32") == 0
    folder = tmp_path / "models" / "mine"
    picture = ElementTree.parse(folder / "curves.svg").getroot()
    assert (folder / "curves.svg").stat().st_size <= 40_000
    assert len(picture.findall("{*}polyline")) == 3  # loss, reconstruction, kl
    front, body = registry.read_front(folder)
    assert "(curves.svg)" in body
    assert (front["playground"]["seed"], front["playground"]["precision"]) == (4, "fp32")


def test_a_training_goes_on_where_it_was_unless_told_to_start_anew(training, tmp_path, capsys):
    assert training("--images", "512") == 0 and training() == 0
    assert "Going on after 512 pictures" in capsys.readouterr().err
    assert training("--fresh", "--images", "256") == 0
    assert "Going on" not in capsys.readouterr().err
    states = [torch.load(tmp_path / "state" / at / "state.pt")["seen"] for at in ("", "aside-1")]
    assert states == [256, 1024]


def test_ctrl_c_finishes_the_step_and_keeps_it(training, tmp_path, monkeypatch, capsys):
    step = Run.step

    def interrupted(run):
        signal.raise_signal(signal.SIGINT)
        return step(run)

    monkeypatch.setattr(Run, "step", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert training() == 130
    assert "Stopped after 256 pictures" in capsys.readouterr().err
    assert torch.load(tmp_path / "state" / "state.pt")["seen"] == 256
    assert signal.getsignal(signal.SIGINT) is before and not (tmp_path / "models").exists()


def test_a_training_that_fails_says_what_is_left(training, tmp_path, monkeypatch, capsys):
    assert training("--images", "512") == 0
    with Run(find("vae-mnist-2d"), state=tmp_path / "state", device="cpu"):
        assert training() == 2
    assert "in use by another training" in capsys.readouterr().err

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert training() == 2
    assert "No space left on device). The state after 512 pictures is still there" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(VAELearner, "step", lambda self, batch: {"loss": math.nan})
        assert training() == 2
    assert "stopped after 512 pictures: the loss 'loss' is not a finite number" in capsys.readouterr().err
    (tmp_path / "state" / "state.pt").write_bytes(b"half a file")
    assert training() == 2
    assert "Delete it to start anew" in capsys.readouterr().err
    assert training("--fresh") == 0


def test_a_folder_that_cannot_be_written_is_said_plainly(training, tmp_path, capsys):
    (tmp_path / "models").write_text("in the way")
    assert training() == 2
    assert "state is kept" in capsys.readouterr().err


def test_losses_go_to_tensorboard_where_it_is_installed(training, tmp_path, monkeypatch, capsys):
    written = []

    class Writer:
        def __init__(self, folder):
            written.append(folder)

        def add_scalar(self, name, value, images):
            written.append((name, images))

        def close(self):
            written.append("closed")

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
        assert training("--tensorboard", tmp_path / "log") == 0
    assert written[0] == str(tmp_path / "log") and written[-1] == "closed" and ("loss", 1024) in written
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert training("--tensorboard", tmp_path / "log", "--fresh") == 2
    assert "pip install tensorboard" in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------- tables


def test_the_table_is_the_one_the_readme_shows(capsys):
    assert main(["table"]) == 0
    readme = (registry.CHECKPOINTS.parent.parent / "README.md").read_text(encoding="utf-8")
    wanted = "run: python -m playground table --write README.md"
    assert capsys.readouterr().out.strip() in readme, wanted


def test_the_table_is_written_in_place_of_the_old_one(cli, root, tmp_path, capsys):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- scores -->\nold\n<!-- /scores -->\nafter\n")
    assert cli("table", "--write", path) == 0 and cli("table", "--write", path) == 0
    text = path.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert text.count("| `tiny` | A tiny VAE |") == 1
    path.write_text("no place")
    assert cli("table", "--write", path) == 2 and cli("table", "--write", tmp_path / "none" / "x.md") == 2
    said = capsys.readouterr().err
    assert "no place for the tables" in said and "cannot be read and written" in said


def test_evaluating_all_ends_with_the_same_table(cli, root, monkeypatch, capsys):
    scores = {"pictures": {"fd_over_floor": 2.0, "samples": 1000, "protocol": ""}}

    def measured(engine, name, **_):
        write(engine, name, scores)
        return scores

    monkeypatch.setattr("playground.evaluate.evaluate", measured)
    assert cli("evaluate", "--all") == 0
    printed = capsys.readouterr().out
    assert cli("table") == 0 and capsys.readouterr().out == printed
    assert "1,000 samples a block" in printed and "| tiny | 2.00 |" in printed


# ---------------------------------------------------------------------------------------------------------- data


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
