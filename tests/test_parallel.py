"""Several processes that train together take the steps of one process with the whole batch."""

import os
import sys
from pathlib import Path

import pytest
import together
import torch
from checkpoints import tiny_data

from playground.api import PlaygroundError
from playground.cli import main, parser
from playground.cli.train import again
from playground.training import Run, launch
from playground.training.parallel import Team, assemble, check_share

pytest.importorskip("accelerate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two CPU processes made of both trainings."""
    folder = tmp_path_factory.mktemp("together")
    script = Path(together.__file__)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(script.parent.parent), before]))
    try:
        launch.run([str(script), str(folder)], 2, "cpu", together.BATCH)
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    return folder


@pytest.fixture(params=together.recipes(), ids=lambda recipe: recipe.name)
def recipe(request):
    return request.param


def test_two_processes_take_the_steps_of_one(folder, recipe, tmp_path):
    weights, losses = together.train(recipe, tmp_path)
    first, second = (torch.load(folder / f"{recipe.name}-{k}.pt") for k in (0, 1))
    assert torch.equal(first[0], second[0]), "the processes have drifted apart"
    assert (first[0] - weights).abs().max() < 1e-5 < (weights - fresh(recipe, tmp_path)).abs().max()
    assert first[1] == second[1] and first[1]["loss"] == pytest.approx(losses["loss"], rel=1e-4)


def fresh(recipe, folder):
    with Run(recipe, state=folder / "fresh", dataset=tiny_data("mnist", 40), device="cpu") as run:
        return torch.cat([p.detach().flatten() for m in run.learner.modules.values() for p in m.parameters()])


def test_each_process_sees_its_share(folder):
    for k in (0, 1):
        assert torch.load(folder / f"mixture-{k}.pt")[1]["batch"] == together.BATCH // 2


def test_a_state_of_two_processes_is_resumed_by_one(folder, recipe):
    with Run(recipe, state=folder / recipe.name, dataset=tiny_data("mnist", 40), device="cpu") as run:
        assert run.resume() and run.updates == together.STEPS
        learned = torch.cat([p.detach().flatten() for m in run.learner.modules.values() for p in m.parameters()])
    assert torch.equal(learned, torch.load(folder / f"{recipe.name}-0.pt")[0])
    assert {path.name for path in (folder / recipe.name).iterdir()} == {"state.pt", "lock"}


def test_a_process_on_its_own_is_a_team():
    team = assemble("cpu")
    assert type(team) is Team and team.main and team.size == 1 and team.device is None
    assert team.mean({"loss": 2.0}) == {"loss": 2.0} and team.agreed(3.0) == 3.0


def test_a_batch_that_cannot_be_shared_is_refused():
    check_share(64, 2)
    with pytest.raises(PlaygroundError, match="64 pictures cannot be shared evenly by 3 processes"):
        check_share(64, 3)


def test_a_process_that_fails_stops_the_others(tmp_path):
    script = tmp_path / "fails.py"
    script.write_text("import os, sys, time\ntime.sleep(60 if os.environ['RANK'] == '0' else 0)\nsys.exit(3)\n")
    with pytest.raises(PlaygroundError, match="one of its processes"):
        launch.run([str(script)], 2, "cpu", 2)


def test_the_command_line_of_a_process_asks_for_the_same():
    given = ["train", "vae-mnist", "--minutes", "2.5", "--out", "a", "--state", "b", "--fresh", "--seed", "3"]
    given += ["--precision", "fp32", "--save-every", "5", "--device", "cpu", "--evaluate"]
    options = parser().parse_args([*given, "--processes", "2"])
    repeated = parser().parse_args(again(options))
    assert vars(repeated) == {**vars(options), "processes": 1}


def test_processes_that_cannot_be_had_are_refused(monkeypatch, capsys):
    assert main(["train", "vae-mnist", "--processes", "3", "--device", "cpu"]) == 2
    assert "shared evenly by 3 processes" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["train", "vae-mnist", "--processes", "2", "--device", "cpu"]) == 2
    assert "pip install accelerate" in capsys.readouterr().err
