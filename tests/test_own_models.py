"""Models that visitors trained: in no list, opened by name, refused where they do not suit."""

import shutil

import pytest
import torch

from playground import Engine, PlaygroundError, registry
from playground import engine as engines
from playground.comparison import Comparison
from tabs import _ui as ui
from tabs.compare import desk as compare_desks
from tabs.compare.state import declare as compare_state
from tabs.energy.desk import Desk as EnergyDesk
from tabs.energy.machine import machine_of
from tabs.flow.desk import Desk as FlowDesk
from tabs.vae import modes as vae_modes
from tabs.vae.desk import Desk as VaeDesk


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Engine("cpu", own=tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def own(home):
    """A visitor's copy of three shipped models, by family."""
    return {n.split("-")[0]: home.adopt(home.card(n).folder).name for n in ("vae-mnist", "rbm-mnist", "nice-mnist")}


def test_it_opens_by_its_name_alone_and_makes_the_same_pictures(home, own):
    listed = {card.name for card in home.cards()}
    assert not listed & set(own.values())
    ours, theirs = home.run(own["vae"], [1, 2]).images, home.run("vae-mnist", [1, 2]).images
    assert torch.equal(ours, theirs)
    assert own["vae"] in {card.name for card in home.cards(data="mnist", also=[own["vae"], "own-0000000000"])}


BAD = ["own-0000000000", "own-../../secret", "../own-abcdefghij", "own-ABCDEFGHIJ", ["own"], 7]


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_the_name_of_one_is_refused(home, name):
    assert home.own_card(name) is None and not ui.suits(home)(name)
    with pytest.raises(PlaygroundError, match=r"no longer here|There is no model"):
        home.card(str(name))


def test_the_list_of_models_takes_it_only_where_family_and_data_suit(home, own):
    field = ui.model_field(home, family="vae")
    assert field.check(own["vae"]) == own["vae"] and field.restore(own["rbm"]) == field.default
    with pytest.raises(PlaygroundError, match="must be one of"):
        field.check(own["rbm"])
    assert not ui.suits(home, "vae", "faces")(own["vae"])


def test_the_declaration_stays_json(home):
    import json

    state = ui.State("x", (ui.model_field(home, family="vae"),))
    assert "opens" not in json.loads(json.dumps(state.spec()))["fields"][0]


def test_tabs_work_with_it(home, own):
    assert vae_modes.fitting(VaeDesk(home), {"mode": "sliders", "model": own["vae"]}) == own["vae"]
    assert FlowDesk(home).fitting(own["nice"], "pictures") == own["nice"]
    assert machine_of(EnergyDesk(home), {"model": own["rbm"]}) == own["rbm"]
    assert machine_of(EnergyDesk(home), {"model": "dbn-mnist"}) == "rbm-mnist"


def test_the_comparison_takes_it_in_where_it_is_switched_on(home, own):
    desk, first = compare_desks.Desk(home), compare_state(home).first()
    usual = [card.name for card in desk.chosen(first)]
    assert [card.name for card in desk.chosen(first | {"switched": own["vae"]})] != usual
    assert own["vae"] in [card.name for card in desk.chosen(first | {"switched": own["vae"]})]
    assert own["vae"] not in [card.name for card in desk.chosen(first | {"switched": own["vae"], "data": "faces"})]
    assert own["vae"] not in Comparison(home, "mnist", own=[own["vae"]]).champions()


def test_a_damaged_folder_is_not_adopted(home, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(home.card("vae-mnist").folder, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    before = set(home.own.iterdir())
    with pytest.raises(PlaygroundError, match="digest"):
        home.adopt(folder)
    assert set(home.own.iterdir()) == before


def test_a_full_disk_is_said_and_leaves_nothing_behind(home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(engines.shutil, "copytree", full)
    with pytest.raises(PlaygroundError, match="No space left"):
        home.adopt(home.card("vae-mnist-2d").folder)
    assert not list(home.own.glob(".own-*"))


def test_only_the_latest_few_stay_in_memory_and_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "OPEN_AT_ONCE", 2)
    monkeypatch.setattr(engines, "KEPT", 3)
    home = Engine("cpu", own=tmp_path)
    names = [home.adopt(registry.CHECKPOINTS / "vae-mnist-2d").name for _ in range(4)]
    assert len(list(tmp_path.iterdir())) == 3 and home.own_card(names[-1])
    for name in names[1:]:
        home.model(name)
    assert names[1] not in home._models and {names[2], names[3]} <= set(home._models)


def test_a_student_is_no_champion_but_may_take_part(home):
    there = Comparison(home, "mnist")
    assert "diffusion-mnist-student" in [card.name for card in there.contestants()]
    assert "diffusion-mnist" in there.champions() and "diffusion-mnist-student" not in there.champions()
