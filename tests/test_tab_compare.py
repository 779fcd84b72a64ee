"""The comparison tab without a browser: what each question answers, and what nonsense is told."""

import base64
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from checkpoints import write_tiny_vae
from PIL import Image

from playground import metrics, registry, render
from playground.engine import Engine
from playground.models.classifier import Classifier
from playground.models.vae import VAE
from tabs import _ui as ui
from tabs import compare
from tabs.compare import modes, scores
from tabs.compare.desk import Desk, grid, labelled
from tabs.compare.lanes import progress
from tabs.compare.quiz import ask
from tabs.compare.state import declare
from tabs.compare.words import counted, duration, listed, weights

FRONT = {"family": "classifier", "title": "A tiny judge", "data": "mnist", "shape": [1, 28, 28]}


def tiny_engine(root):
    """Two tiny VAEs and a judge with an index of random pictures."""
    write_tiny_vae(root / "early", title="The early one", year=2013)
    late = write_tiny_vae(root / "late")
    VAE(latent_size=3, widths=(8,)).save_pretrained(str(late))  # other weights than the early one's
    front = {**FRONT, "family": "vae", "title": "The late one", "year": 2020}
    registry.write_card(late, {"playground": front}, "Another network for tests.")
    folder = root / "judge"
    folder.mkdir()
    torch.manual_seed(1)
    judge = Classifier(widths=(8, 8), features=4)
    judge.save_pretrained(str(folder))
    pictures = torch.randint(0, 256, (200, 28, 28), dtype=torch.uint8)
    features = judge.eval().features(pictures[:, None] / 255).detach()
    metrics.Index.of_pictures(features, pictures).save(folder)
    registry.write_card(folder, {"license": "apache-2.0", "playground": dict(FRONT)}, "A judge for tests.")
    return Engine("cpu", root)


def page_of(engine):
    """The tab as a module whose models are the given engine's."""
    return SimpleNamespace(__name__="tabs.compare", TITLE="Compare", ORDER=1, build=lambda _: compare.build(engine))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_engine(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture
def desk(tiny):
    return Desk(tiny)


@pytest.fixture(scope="module")
def state(tiny):
    return declare(tiny)


def ask_for(desk, state, **values):
    return list(modes.stream(desk, state.check(values)))


EVERY = [
    {"mode": "samples"}, {"mode": "samples", "count": 1}, {"mode": "class", "tries": 20}, {"mode": "between"},
    {"mode": "between", "way": "straight"}, {"mode": "repair"}, {"mode": "repair", "damage": "centre"},
    {"mode": "neighbours"}, {"mode": "neighbours", "count": 6}, {"mode": "measure"}, {"mode": "measure", "go": True},
    {"mode": "wall"}, {"mode": "wall", "go": True, "rows": 2}, {"mode": "quiz"}, {"mode": "quiz", "riddle": 2},
]  # fmt: skip


@pytest.mark.parametrize("values", EVERY, ids=str)
def test_every_question_ends_with_a_picture_a_sentence_and_plain_json(desk, state, values):
    told = ask_for(desk, state, **values)
    final = told[-1]
    assert final.step == final.total and all(shown.step < shown.total for shown in told[:-1])
    assert torch.isfinite(final.picture).all() and final.picture.shape[1:] == (1, 28, 28)
    assert len(final.sentence) > 20 and final.code.startswith("from playground import Engine")
    json.dumps(final.data, allow_nan=False)


@pytest.mark.parametrize("values", [v for v in EVERY if v["mode"] != "quiz"], ids=str)
def test_the_python_beside_it_is_python_and_runs(desk, state, values, tiny, monkeypatch, capsys):
    code = ask_for(desk, state, **values)[-1].code
    monkeypatch.setattr("playground.Engine", lambda: tiny)
    exec(compile(code, "copied", "exec"), {})
    assert capsys.readouterr().out.strip()


def test_models_come_by_themselves_and_in_the_order_of_years(desk, state):
    final = ask_for(desk, state)[-1]
    assert [c["title"] for c in final.data["columns"]] == ["The early one", "The late one"]
    assert [c["on"] for c in final.data["chips"]] == [True, True] and final.columns == 2


def test_where_not_all_fit_the_best_of_each_family_comes_first(desk, state, monkeypatch):
    monkeypatch.setattr("tabs.compare.desk.FITTING", 1)
    near = {"pictures": {"fd_over_floor": 2.0}}
    cards = {**desk.engine._cards, "late": replace(desk.engine.card("late"), scores=near)}
    monkeypatch.setattr(desk.engine, "_cards", cards)
    assert [c["name"] for c in ask_for(desk, state, seed=31)[-1].data["columns"]] == ["late"]
    both = ask_for(desk, state, seed=31, switched="early")[-1]
    assert [c["name"] for c in both.data["columns"]] == ["early", "late"]


def test_a_model_with_a_likelihood_tells_it(desk, state):
    rows = ask_for(desk, state, mode="measure", go=True)[-1].data["table"]["rows"]
    assert all(500 < float(row["cells"]["nats"]) < 600 for row in rows)  # untrained: 784 · log 2 = 543
    assert not any("bits" in row["cells"] for row in rows)


def test_a_column_can_be_switched_off_but_not_the_last(desk, state):
    final = ask_for(desk, state, switched="early,nobody")[-1]
    assert [c["name"] for c in final.data["columns"]] == ["late"]
    assert [c["on"] for c in final.data["chips"]] == [False, True]
    with pytest.raises(ui.PlaygroundError, match="switched off"):
        ask_for(desk, state, switched="early,late")


def test_a_broken_model_says_why_and_the_others_go_on(tmp_path):
    write_tiny_vae(tmp_path / "fine")
    write_tiny_vae(tmp_path / "torn")
    weights_file = tmp_path / "torn" / "model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:-1])
    engine = Engine("cpu", tmp_path)
    final = ask_for(Desk(engine), declare(engine))[-1]
    fine, torn = final.data["columns"]
    assert fine["src"] and not fine["why"] and "digest" in torn["why"] and not torn["src"]


def test_one_seed_gives_the_same_pictures_in_every_question(desk, state):
    samples = ask_for(desk, state, seed=5, count=2)[-1].picture
    wall = ask_for(desk, state, seed=5, mode="wall", rows=2, go=True)[-1].picture
    assert torch.allclose(samples, wall, atol=1e-6)


def test_long_runs_wait_for_a_start_and_tell_the_time_before(desk, state):
    told = ask_for(desk, state, mode="measure")
    assert told[-1].data["estimate"] and "will take" in told[-1].sentence
    assert desk.finished(state.check({"mode": "measure"})) is None  # an estimate is no answer
    done = ask_for(desk, state, mode="measure", go=True)[-1]
    assert ask_for(desk, state, mode="measure") == [done]  # found again, without a start


def test_an_answer_is_kept_and_found_by_whoever_asks_the_same(desk, state, monkeypatch):
    first = ask_for(desk, state, seed=3)[-1]
    monkeypatch.setattr("playground.comparison.Comparison.samples", lambda *_: pytest.fail("asked again"))
    assert ask_for(desk, state, seed=3, frame=2) == [first]


def test_stopping_in_the_middle_keeps_nothing(desk, state):
    run = modes.stream(desk, state.check({"seed": 4}))
    next(run)
    run.close()
    assert desk.finished(state.check({"seed": 4})) is None


def test_the_table_holds_every_score_and_marks_the_best(desk, state):
    data = ask_for(desk, state, mode="measure", go=True)[-1].data
    assert {row["pictures"] for row in data["table"]["rows"]} == {64}
    names = [head["name"] for head in data["table"]["heads"]]
    for row in data["table"]["rows"]:
        assert set(names) - set(row["cells"]) == {"accuracy", "bits"}
        assert "cannot be asked" in row["notes"]["accuracy"] and "grey levels" in row["notes"]["bits"]
    best = [row for row in data["table"]["rows"] if "fd_over_floor" in row.get("best", [])]
    assert len(best) == 1
    assert not any("calls" in row.get("best", []) for row in data["table"]["rows"])  # equal: nobody is best


def test_the_figure_stands_where_the_table_says(desk, state):
    data = ask_for(desk, state, mode="measure", go=True)[-1].data
    drawn = scores.figure(data, dark=True).to_dict()
    assert list(drawn["data"][0]["x"]) == [p["x"] for p in data["points"]] and len(data["points"]) == 2
    assert drawn["layout"]["xaxis"]["type"] == drawn["layout"]["yaxis"]["type"] == "log"
    assert scores.figure({}, dark=False) is None


def test_without_an_index_the_measurement_says_what_to_do(tmp_path):
    write_tiny_vae(tmp_path / "tiny")
    folder = tmp_path / "judge"
    folder.mkdir()
    Classifier(widths=(8, 8), features=4).save_pretrained(str(folder))
    registry.write_card(folder, {"license": "apache-2.0", "playground": dict(FRONT)}, "A judge for tests.")
    engine = Engine("cpu", tmp_path)
    final = ask_for(Desk(engine), declare(engine), mode="measure", go=True)[-1]
    assert "evaluate judge" in final.sentence and final.data["points"] == []
    assert "milliseconds" in final.data["table"]["rows"][0]["cells"]
    near = ask_for(Desk(engine), declare(engine), mode="neighbours")[-1]
    assert near.data["columns"][0]["src"] and "evaluate judge" in near.data["columns"][0]["note"]


def test_a_wish_of_another_data_set_becomes_one_of_this(desk, state):
    final = ask_for(desk, state, mode="class", ask="glasses=round", tries=20)[-1]
    assert final.patch == {"ask": "digit=1"} and final.data["value"] == "1"


BAD = [
    {"mode": "class", "ask": "digit=99"}, {"mode": "repair", "source": "own"}, {"mode": "repair", "damage": "painted"},
    {"mode": "repair", "source": "own", "own": "data:image/png;base64,###"},
    {"mode": "repair", "damage": "painted", "mask": "x"},
]  # fmt: skip


@pytest.mark.parametrize("values", BAD, ids=str)
def test_what_cannot_be_answered_is_explained(desk, state, values):
    with pytest.raises(ui.PlaygroundError) as caught:
        ask_for(desk, state, **values)
    assert len(str(caught.value)) > 30


WRONG = [{"count": 0}, {"count": 99}, {"steps": 0}, {"data": "nowhere"}, {"number": "65"}, {"rows": 1e9}, {"seed": -1},
         {"other": 2**32}, {"mode": "other"}, {"riddle": 0}, {"switched": "x" * 601}, {"frame": 9}]  # fmt: skip


@pytest.mark.parametrize("values", WRONG, ids=str)
def test_values_outside_their_range_are_refused(state, values):
    with pytest.raises(ui.PlaygroundError):
        state.check(values)


def painted(box):
    page = Image.new("L", (64, 64), 0)
    page.paste(255, box)
    out = io.BytesIO()
    page.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def test_the_painted_part_is_hidden_and_only_that(state):
    values = state.check({"mode": "repair", "damage": "painted", "mask": painted((0, 0, 64, 16))})
    mask = modes.known(values, (1, 28, 28))
    assert mask[..., :6, :].max() == 0 and mask[..., 8:, :].min() == 1


def test_a_riddle_does_not_give_itself_away(desk, state):
    for number in range(1, 12):
        values = state.check({"mode": "quiz", "riddle": number})
        shown = ask_for(desk, state, mode="quiz", riddle=number)[-1]
        secret = json.dumps({**shown.data, "chips": 0, "riddle": 0}) + shown.sentence + shown.model + shown.code
        riddle = ask(desk, values)
        assert not riddle.name or riddle.name not in secret
        assert str(riddle.seed) not in secret or riddle.seed < 1000


def test_the_reveal_tells_truth_and_refuses_nonsense(tiny, make_client, state):
    client = make_client([page_of(tiny)])
    seen = set()
    for number in range(1, 9):
        asked = {"mode": "quiz", "riddle": number}
        riddle = ask(Desk(tiny), state.check(asked))
        reply = client.call("compare-stage", "compare_reveal", {"state": asked, "guess": "real"})
        assert reply["right"] == riddle.real == reply["real"]
        seen.add(reply["real"])
        assert ("near" in reply) == (not riddle.real)
    assert seen == {True, False}
    wrong_seed, listed_guess = {"guess": "real", "state": {"seed": "x"}}, {"guess": ["real"]}
    for nonsense in (None, [], 3, {}, {"guess": "maybe"}, wrong_seed, listed_guess):
        assert client.call("compare-stage", "compare_reveal", nonsense)["error"]
    reply = client.call("compare-stage", "pg_save", {"state": {"mode": "wall", "rows": 2}})
    image = Image.open(io.BytesIO(base64.b64decode(reply["src"].partition(",")[2])))
    assert json.loads(image.text[render.RECIPE])["state"]["mode"] == "wall"
    assert image.width * 3 == image.height * 2  # two models; their names and two rows of pictures


def test_saved_sheets_carry_names_above_or_beside():
    tiles = torch.zeros(6, 1, 28, 28)
    above, columns = labelled(tiles, 3, ["a", "b", "c"], down=False)
    assert above.shape == (9, 3, 112, 112) and columns == 3 and above[0].max() == 1 and above[3:].max() == 0
    beside, columns = labelled(tiles, 3, ["a", "b"], down=True)
    assert beside.shape == (8, 3, 112, 112) and columns == 4 and beside[4].max() == 1 and beside[5].max() == 0


def test_grid_puts_columns_side_by_side():
    page = grid([torch.zeros(2, 1, 4, 4), None], 2, (1, 4, 4))
    assert [float(cell.mean()) for cell in page] == pytest.approx([0, 0.6, 0, 0.6])


def test_progress_is_never_complete_before_everybody_is_done():
    cards = [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    answer = SimpleNamespace(step=5, total=5, done=True)
    assert progress(cards, {"a": answer}) == (5, 6)
    assert progress(cards, {"a": answer, "b": SimpleNamespace(step=1, total=9, done=True)}) == (14, 14)


def test_words():
    assert [duration(t) for t in (0.04, 3.14, 31, 4200)] == ["0.04 ms", "3.1 ms", "31 ms", "4.2 s"]
    assert weights(1_572_000) == "1.6 M" and weights(960) == "1 k"
    assert counted(1, "model") == "1 model" and counted(3, "model") == "3 models"
    assert listed(["a", "b", "c"]) == "a, b and c" and listed(["a"]) == "a" and listed([]) == ""
    assert scores.spell(0.2) == "less than a second" and scores.spell(200) == "about 3 minutes"
