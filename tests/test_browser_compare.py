"""The comparison in a real browser: one test for each gesture, on two tiny models that answer at once."""

import io
import re
import time

import pytest
from PIL import Image
from playwright.sync_api import expect
from test_tab_compare import page_of, tiny_engine

from playground.comparison import Comparison
from tabs.compare.desk import Desk

pytestmark = pytest.mark.browser
TAB = "pg.tab('compare')"


@pytest.fixture(scope="module")
def address(tmp_path_factory, open_page):
    return open_page([page_of(tiny_engine(tmp_path_factory.mktemp("checkpoints")))])


def a_picture():
    """A PNG with a bright bar on dark paper."""
    page, out = Image.new("L", (90, 90), 0), io.BytesIO()
    page.paste(255, (40, 10, 52, 80))
    page.save(out, "PNG")
    return out.getvalue()


def opened(page, address, query=""):
    page.goto(f"{address}/?tab=compare&{query}")
    return settled(page)


def settled(page):
    """Waits for the end of the run under way."""
    page.wait_for_function(f"window.pg?.tabs.compare?.last && !{TAB}.running")
    return page


def act(page, gesture):
    """Does something that starts a run, and waits until that very run is over."""
    page.evaluate("window.over = new Promise(resolve => pg.tab('compare').on('ended', resolve)); 0")
    gesture()
    page.evaluate("window.over")
    return settled(page)


def value(page, name):
    return page.evaluate(f"{TAB}.values.{name}")


def lanes(page):
    return page.locator("#compare-stage .cmp-columns .cmp-lane")


def names_of(cells):
    return cells.evaluate_all("all => all.map(cell => cell.ariaLabel)")


def mode(page, name):
    return act(page, lambda: page.locator(f"#compare-mode input[value={name}]").check(force=True))


def test_opens_with_a_picture_of_every_model(page, address):
    opened(page, address)
    assert lanes(page).locator("h3").all_inner_texts() == ["The early one", "The late one"]
    for image in lanes(page).locator(".pg-sheet img").all():
        assert image.evaluate("i => i.complete && i.naturalWidth") == 56
    expect(page.locator("#compare-stage .pg-sentence")).to_contain_text("4 pictures from each of 2 models")
    expect(lanes(page).first.locator(".cmp-cost")).to_have_text(re.compile("1 call$"))


def test_a_column_is_switched_off_and_on_and_the_last_one_stays(page, address):
    opened(page, address)
    early, late = (page.get_by_role("button", name=n) for n in ("The early one", "The late one"))
    act(page, early.first.click)
    assert lanes(page).locator("h3").all_inner_texts() == ["The late one"] and value(page, "switched") == "early"
    assert early.first.get_attribute("aria-pressed") == "false"
    late.first.click()
    page.get_by_role("alert").filter(has_text="One column has to stay").wait_for()
    act(page, early.first.click)
    assert lanes(page).count() == 2 and value(page, "switched") == ""


def test_one_seed_is_marked_in_every_column_and_a_cell_takes_its_seed(page, address):
    opened(page, address)
    lanes(page).first.get_by_role("button", name="seed 9").hover()
    marked = names_of(page.locator("#compare-stage .pg-cells [aria-pressed=true]"))
    assert marked == ["seed 9", "seed 9"]
    act(page, lanes(page).first.get_by_role("button", name="seed 9").click)
    assert value(page, "seed") == 9


def test_a_class_is_asked_for(page, address):
    opened(page, address, "mode=class&tries=20")
    act(page, page.get_by_role("button", name="7", exact=True).click)
    assert value(page, "ask") == "digit=7"
    expect(page.locator("#compare-stage .pg-sentence")).to_contain_text("asked for a 7")
    expect(lanes(page).first.locator(".cmp-note")).to_contain_text("draws the classifier calls a 7")


def test_the_walk_is_scrubbed_in_every_row_without_a_request(page, address):
    opened(page, address, "mode=between")
    rows = page.locator("#compare-stage .cmp-walk .cmp-lane")
    assert rows.count() == 2
    page.wait_for_function("document.querySelector('#compare-stage .cmp-walk canvas').width === 28")
    before = rows.first.locator("canvas").evaluate("c => c.toDataURL()")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "component_server" in request.url else None)
    page.get_by_label("Place on the walk").focus()
    page.keyboard.press("Home")
    assert value(page, "frame") == 0
    changed = "was => document.querySelector('#compare-stage .cmp-walk canvas').toDataURL() !== was"
    page.wait_for_function(changed, arg=before)
    assert names_of(rows.locator("[aria-pressed=true]")) == ["0 %", "0 %"] and asked == []


def test_painting_hides_a_part_and_undo_brings_it_back(page, address):
    opened(page, address, "mode=repair")
    page.wait_for_function(f"{TAB}.at === 0")  # kept: there is something to go back to
    first = page.evaluate(f"{TAB}.last.picture")
    box = page.locator("#compare-stage [data-part=mask] canvas").bounding_box()

    def stroke():
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 20, steps=4)
        page.mouse.up()

    act(page, stroke)
    assert value(page, "damage") == "painted" and value(page, "mask").startswith("data:image/png")
    expect(page.locator("#compare-stage .pg-sentence")).to_contain_text("without the painted part")
    page.wait_for_function(f"{TAB}.at === 1")
    act(page, page.get_by_role("button", name="Undo").click)
    assert value(page, "damage") == "left" and page.evaluate(f"{TAB}.last.picture") == first


def test_an_uploaded_picture_is_repaired(page, address, tmp_path):
    opened(page, address, "mode=repair")
    file = tmp_path / "mine.png"
    file.write_bytes(a_picture())
    act(page, lambda: page.get_by_label("Upload a picture").set_input_files(file))
    assert value(page, "source") == "own"
    expect(page.locator("#compare-stage .pg-sentence")).to_have_text(re.compile("^Your picture without its left half"))


def test_something_that_is_no_picture_is_explained_and_loses_nothing(page, address, tmp_path):
    opened(page, address, "mode=repair")
    before = page.evaluate(f"{TAB}.last.picture")
    file = tmp_path / "mine.png"
    file.write_bytes(b"hello")
    act(page, lambda: page.get_by_label("Upload a picture").set_input_files(file))
    page.get_by_role("alert").filter(has_text="picture").wait_for()
    assert page.evaluate(f"{TAB}.last.picture") == before


def test_neighbours_stand_beside_the_samples(page, address):
    opened(page, address, "mode=neighbours&count=2")
    cells = lanes(page).first.locator(".pg-cells button")
    assert cells.count() == 4 and "away" in cells.nth(1).get_attribute("aria-label")
    expect(page.locator("#compare-stage .pg-sentence")).to_contain_text("A copy would be at 0")


def test_measuring_waits_for_the_start_and_fills_table_and_figure(page, address):
    opened(page, address, "mode=measure")
    expect(page.locator("[data-part=estimate]")).to_contain_text("64 pictures of each of 2 models will take")
    cells = page.locator("[data-part=table] tbody td")
    assert set(cells.all_inner_texts()) == {"–"}
    act(page, page.get_by_role("button", name="Measure", exact=True).click)
    assert cells.filter(has_text="64").count() == 2 and not value(page, "go")
    page.locator(".cmp-plot .js-plotly-plot .scatterlayer").wait_for()
    assert "Quality against speed" in page.locator("#compare-plot-box").get_attribute("aria-label")
    assert page.locator("[data-part=start]").is_hidden()


def slowly(monkeypatch, owner, name, seconds=0.5):
    """As on a busy machine: a method that waits before it does anything."""
    whole = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *given: (time.sleep(seconds), whole(*given))[1])


def test_the_figure_is_there_although_the_answer_is_kept_slowly(page, address, monkeypatch):
    slowly(monkeypatch, Desk, "finish")
    opened(page, address, "mode=measure&seed=41")
    act(page, page.get_by_role("button", name="Measure", exact=True).click)
    page.locator(".cmp-plot .js-plotly-plot .scatterlayer").wait_for()


def test_a_start_during_the_estimate_is_not_lost(page, address, monkeypatch):
    slowly(monkeypatch, Comparison, "probe")
    page.goto(f"{address}/?tab=compare&mode=measure&seed=42")
    page.get_by_role("button", name="Measure", exact=True).click()
    page.wait_for_function(f"{TAB}.last.data.points?.length && !{TAB}.running")
    assert not value(page, "go")


def test_a_change_during_a_measurement_takes_the_start_back(page, address):
    opened(page, address, "mode=measure&number=512&seed=31")  # not yet measured by another test
    page.evaluate("""pg.tab('compare').on('reply', reply => {
      if (!reply.data.estimate && reply.step < reply.total) pg.tab('compare').set({seed: 32});
    }); 0""")
    page.get_by_role("button", name="Measure", exact=True).click()
    page.wait_for_function(f"{TAB}.values.seed === 32 && {TAB}.last.data.estimate && !{TAB}.running", timeout=20_000)
    assert page.get_by_role("button", name="Measure", exact=True).is_visible() and not value(page, "go")


def test_the_wall_fills_and_a_cell_opens_its_seed(page, address):
    opened(page, address, "mode=wall&rows=3")
    act(page, page.get_by_role("button", name="Fill the wall").click)
    expect(page.locator("#compare-stage .pg-sentence")).to_contain_text("3 of 3 seeds")
    act(page, page.get_by_role("button", name="The late one, seed 9").click)
    assert value(page, "mode") == "samples" and value(page, "seed") == 9 and lanes(page).count() == 2


def test_a_long_run_is_stopped_in_the_middle(page, address):
    opened(page, address, "mode=wall&rows=32&seed=500")

    def start():
        page.evaluate("""pg.tab('compare').on('reply', reply => {
          if (reply.step === reply.total || reply.data.estimate) return;
          document.querySelector('#compare-stage [data-tool=stop]').click();
        }); 0""")
        page.get_by_role("button", name="Fill the wall").click()

    act(page, start)
    assert page.evaluate(f"{TAB}.last.step < {TAB}.last.total")


def test_the_quiz_is_played_with_keys_and_keeps_its_tally(page, address):
    opened(page, address, "mode=quiz")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("1")
    verdict = page.locator("[data-part=verdict]")
    verdict.filter(has_text="it is").wait_for()
    tally = page.locator("[data-part=tally]").inner_text()
    assert tally in ("1 of 1 right.", "0 of 1 right.") and ("✓" in verdict.inner_text()) == tally.startswith("1")
    page.keyboard.press("2")  # a second guess does not count
    act(page, lambda: page.keyboard.press("Space"))
    assert value(page, "riddle") == 2 and verdict.inner_text() == ""
    page.wait_for_url("**riddle=2*")
    page.reload()
    settled(page)
    expect(page.locator("[data-part=tally]")).to_have_text(tally)
    page.get_by_role("button", name="Start the tally again").click()
    expect(page.locator("[data-part=tally]")).to_have_text(re.compile("^No guess yet"))


def test_the_quiz_gives_nothing_away_before_the_guess(page, address):
    opened(page, address, "mode=quiz")
    text = page.locator("#compare-stage .pg-card").inner_text()
    assert " ms" not in text and "seed" not in text.replace("One seed, many minds", "")


def test_a_preset_opens_its_question(page, address):
    opened(page, address)
    act(page, page.get_by_role("button", name="The straight way").click)
    assert value(page, "mode") == "between" and value(page, "way") == "straight"
    assert page.locator("#compare-stage .cmp-walk .cmp-lane").count() == 2


def test_a_saved_sheet_brings_its_question_back(page, address, tmp_path):
    opened(page, address, "mode=between&seed=3&other=11")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save PNG").click()
    file = tmp_path / "sheet.png"
    download.value.save_as(file)
    act(page, lambda: page.evaluate(f"{TAB}.reset()"))
    act(page, lambda: page.locator("#compare-stage .pg-tools input[type=file]").set_input_files(file))
    assert (value(page, "mode"), value(page, "seed"), value(page, "other")) == ("between", 3, 11)


def test_questions_are_changed_without_a_jump_of_the_columns(page, address):
    opened(page, address)
    top = "document.querySelector('#compare-stage .cmp-chips').getBoundingClientRect().top"
    before = page.evaluate(top)
    for name in ("class", "neighbours", "quiz", "measure", "samples"):
        mode(page, name)
        assert page.evaluate(top) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation(make_browser_page, address, axe, scheme):
    page = opened(make_browser_page(color_scheme=scheme), address)
    for name in ("samples", "class", "between", "repair", "neighbours", "measure", "wall", "quiz"):
        if name != "samples":
            mode(page, name)
        assert axe(page) == [], name


def test_a_phone_scrolls_columns_and_not_the_page(make_browser_page, address):
    page = opened(make_browser_page(viewport={"width": 390, "height": 844}), address)
    for name in ("samples", "between", "repair", "measure", "wall", "quiz"):
        if name != "samples":
            mode(page, name)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
