"""The diffusion tab under the hand: one test per gesture, few steps, no waiting but for what must come."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from tabs import diffusion
from tabs.diffusion import shortcut
from tabs.diffusion.state import MODES

pytestmark = pytest.mark.browser
DONE = """window.pg?.tabs.diffusion?.last && !pg.tab('diffusion').running
    && pg.tab('diffusion').last.step === pg.tab('diffusion').last.total"""
TAB = "pg.tab('diffusion')"


@pytest.fixture(scope="module")
def address(open_page) -> str:
    return open_page([diffusion])


def opened(page, address, steps=4, **values):
    """The tab in a given state, its run over and its film there."""
    query = "&".join(f"{name}={value}" for name, value in {"steps": steps, **values}.items())
    page.goto(f"{address}/?tab=diffusion&{query}")
    settled(page)
    return page


def settled(page, condition="true"):
    page.wait_for_function(f"{DONE} && ({condition})", timeout=60_000)


def values(page, name):
    return page.evaluate(f"{TAB}.values[{json.dumps(name)}]")


def count(page, part="main"):
    return page.locator(f"[data-part='{part}'] .pg-count")


def at(page, text, part="main"):
    page.wait_for_function(
        "([part, text]) => document.querySelector(`[data-part='${part}'] .pg-count`).textContent.startsWith(text)",
        arg=[part, text],
    )


def canvas(page, part="main", lane=0):
    """What the picture of a lane shows now."""
    return page.locator(f"[data-part='{part}'] canvas").nth(lane).evaluate("c => c.toDataURL()")


def requests_of(page):
    made = []
    page.on("request", lambda r: made.append(r.url) if r.url.startswith("http") and "heartbeat" not in r.url else None)
    return made


def stroke(page, pad, *points):
    """Draws through points given as shares of the pad's size."""
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    spots = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in points]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=4)
    page.mouse.up()


def test_opening_shows_a_run_that_can_be_watched(page, address):
    page.goto(f"{address}/?tab=diffusion&steps=25")
    midway = f"window.pg?.tabs.diffusion?.last && {TAB}.last.step < {TAB}.last.total"
    shown = "document.querySelector('.pg-progress').checkVisibility({ visibilityProperty: true })"
    page.wait_for_function(f"{midway} && {shown}")  # asked at once, for the run may end between two questions
    settled(page)
    at(page, "result")
    expect(page.locator(".pg-sentence")).to_contain_text("25 steps")


def test_scrubbing_needs_no_request(page, address):
    opened(page, address)
    at(page, "result")
    end = [canvas(page, lane=lane) for lane in range(3)]
    page.wait_for_function(f"{TAB}.entries.length > 0")
    made = requests_of(page)
    page.keyboard.press("Home")
    at(page, "step 1 / 4")
    assert all(canvas(page, lane=lane) != end[lane] for lane in range(3))
    expect(page.locator(".pg-sentence")).to_contain_text("99")
    expect(page.locator(".pg-sentence")).to_contain_text("noise")
    page.keyboard.press("ArrowRight")
    at(page, "step 2 / 4")
    page.locator("[data-part=main] input[type=range]").focus()
    page.keyboard.press("ArrowLeft")
    at(page, "step 1 / 4")
    page.keyboard.press("End")
    at(page, "result")
    assert [canvas(page, lane=lane) for lane in range(3)] == end
    assert not made


def test_space_plays_the_film(page, address):
    opened(page, address, 6)
    at(page, "result")
    page.keyboard.press("Home")
    at(page, "step 1 / 6")
    page.keyboard.press(" ")
    at(page, "result")


def test_a_step_of_the_schedule_can_be_chosen(page, address):
    opened(page, address)
    at(page, "result")
    plot = page.locator("[data-part=plots-denoise] canvas").first
    plot.click(position={"x": 10, "y": 40})  # far left: pure noise
    at(page, "step 1 / 4")


def test_b_branches_here_and_lanes_stack_and_go(page, address):
    opened(page, address)
    at(page, "result")
    button = page.get_by_role("button", name="Branch here")
    assert button.is_disabled()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert button.is_enabled()
    page.keyboard.press("b")
    settled(page, f"{TAB}.last.data.lanes.length === 2")
    assert json.loads(values(page, "branches")) == [{"from": 0, "step": 2, "label": "8"}]
    at(page, "step 2 / 4")  # the run itself stays where it was
    branch = page.get_by_role("region", name="Branch 1")
    branch.locator("input[type=range]").focus()
    page.keyboard.press("Home")
    button.click()
    settled(page, f"{TAB}.last.data.lanes.length === 3")
    assert json.loads(values(page, "branches"))[1]["from"] == 1
    page.get_by_role("button", name="Remove branch 1").click()  # and with it what grew from it
    settled(page, f"{TAB}.last.data.lanes.length === 1")
    assert values(page, "branches") == "[]" and page.locator(".dif-branch").count() == 0


def test_a_branch_takes_other_settings_and_undo_brings_them_back(page, address):
    opened(page, address, branches='[{"from":0,"step":2,"label":"8"}]')
    settled(page, f"{TAB}.last.data.lanes.length === 2 && {TAB}.at === 0")
    page.get_by_label("Scheduler of branch 1").select_option("Heun")
    settled(page, f"{TAB}.last.data.lanes[1].settings.scheduler === 'Heun' && {TAB}.at === 1")
    page.get_by_label("Steps of branch 1").fill("6")
    page.get_by_label("Steps of branch 1").press("Tab")
    settled(page, f"{TAB}.last.data.lanes[1].settings.steps === 6 && {TAB}.at === 2")
    page.get_by_role("button", name="Undo").click()
    settled(page, f"{TAB}.last.data.lanes[1].settings.steps === 4")
    assert page.get_by_label("Steps of branch 1").input_value() == "4"
    assert page.get_by_label("Scheduler of branch 1").input_value() == "Heun"
    assert "branches" in page.url


def test_a_branch_that_makes_no_sense_is_explained(page, address):
    opened(page, address)
    page.evaluate(f"{TAB}.set({{branches: '[7]'}})")
    page.get_by_role("alert").filter(has_text="Branch 1 is not understood").wait_for()
    page.get_by_role("button", name="Reset", exact=True).first.click()
    settled(page, f"{TAB}.values.branches === '[]'")


def test_presets_lead_into_the_tab(page, address):
    opened(page, address)
    page.get_by_role("button", name="Two steps are too few").click()
    settled(page, f"{TAB}.last.data.lanes?.[0].t.length === 3")
    page.get_by_role("button", name="One noise, two digits").click()
    settled(page, f"{TAB}.last.data.lanes?.length === 2")
    expect(page.locator(".pg-lesson")).to_have_text(re.compile("^Both lanes"))


def test_stop_ends_a_run_within_a_step(page, address):
    page.goto(f"{address}/?tab=diffusion&steps=100&seed=91")
    page.wait_for_function(f"window.pg?.tabs.diffusion?.last?.step > 1 && {TAB}.running")
    page.locator("[data-tool=stop]").click()
    page.wait_for_function(f"!{TAB}.running")
    assert page.evaluate(f"{TAB}.last.step") < 101


def test_the_forward_slider_drowns_the_picture_without_a_request(page, address):
    opened(page, address, mode="forward")
    at(page, "t = 300", "forward")
    page.wait_for_function(f"{TAB}.entries.length > 0")
    before, made = canvas(page, "forward"), requests_of(page)
    page.locator("[data-part=forward] input[type=range]").focus()
    page.keyboard.press("End")
    at(page, "t = 999", "forward")
    assert canvas(page, "forward") != before and values(page, "t") == 999
    expect(page.locator("[data-part=forward]")).to_contain_text("1.00 × noise")
    assert not made
    page.wait_for_url("**t=999*")


def test_any_picture_can_be_drowned(page, address, tmp_path):
    from PIL import Image

    opened(page, address, mode="forward", model="diffusion-faces")
    file = tmp_path / "photo.png"
    Image.new("RGB", (300, 200), (200, 30, 30)).save(file)
    page.locator("[data-part=own-forward] input[type=file]").set_input_files(file)
    settled(page, f"{TAB}.values.source === 'own' && {TAB}.last.code.includes('my-picture')")
    file.write_bytes(b"this is no picture")
    page.locator("[data-part=own-forward] input[type=file]").set_input_files(file)
    page.get_by_role("alert").filter(has_text="not a picture").wait_for()


def test_a_row_of_the_scheduler_sheet_is_gone_on_with(page, address):
    opened(page, address, 2, mode="schedulers", guidance=2)
    assert page.locator(".dif-table tbody tr").count() == 10
    expect(page.locator(".dif-table tbody tr", has_text="Heun").locator("td").nth(1)).to_have_text("6")
    page.get_by_role("button", name="UniPC").click()
    settled(page, f"{TAB}.last.data.lanes?.[0].settings.scheduler === 'UniPC'")
    assert values(page, "mode") == "denoise"


def test_a_drawing_becomes_a_picture(page, address):
    opened(page, address, 4, mode="from a drawing")
    at(page, "result", "edit")
    before = canvas(page, "edit", 1)
    page.locator("[data-part=paper-mono] .pg-pen button", has_text="Clear").click()
    stroke(page, page.locator("[data-part=paper-mono] .pg-canvas canvas"), (0.3, 0.2), (0.7, 0.2), (0.45, 0.8))
    settled(page, f"{TAB}.values.source === 'own' && {TAB}.last.sentence.startsWith('Your picture')")
    at(page, "result", "edit")
    assert canvas(page, "edit", 1) != before
    assert page.locator(".dif-ruler .dif-skipped").count() == 3 and "t = 450" in page.locator(
        "[data-part=ruler-note]"
    ).inner_text()


def test_paint_and_it_is_made_up_again(page, address):
    opened(page, address, 2, mode="inpaint")
    at(page, "step 2 / 2", "repair")
    page.wait_for_function(f"{TAB}.at === 0")  # kept, so that there is something to go back to
    before, mask = page.locator(".pg-sentence").inner_text(), values(page, "mask")
    pad = page.locator("[data-part=mask]")
    pad.get_by_role("button", name="Clear").click()
    stroke(page, pad.locator("canvas"), (0.2, 0.2), (0.8, 0.2))
    settled(page, f"{TAB}.last.sentence !== {json.dumps(before)}")
    assert values(page, "mask") != mask
    share = int(page.locator(".pg-sentence").inner_text().split(" %")[0])
    assert 5 < share < 30
    page.wait_for_function(f"{TAB}.at === 1")
    page.get_by_role("button", name="Undo").click()
    settled(page, f"{TAB}.last.sentence === {json.dumps(before)}")


def test_two_noises_and_what_lies_between(page, address):
    opened(page, address, 2, mode="between")
    at(page, "result", "between")
    before = canvas(page, "between")
    page.locator("#diffusion-other input").fill("99")
    settled(page, f"{TAB}.last.sentence.includes('to that of seed 99')")
    at(page, "result", "between")
    assert canvas(page, "between") != before


@pytest.fixture
def short_teacher(monkeypatch):
    """A teacher of few steps: the server is a thread of the tests."""
    monkeypatch.setattr(shortcut, "STEPS", 4)


def race(page):
    """Row → (words, picture) of the shortcut."""
    runs = page.locator(".dif-run")
    words = [text.split("\n")[0] for text in runs.locator(".dif-words").all_inner_texts()]
    return dict(zip(words, runs.locator("img").evaluate_all("all => all.map(image => image.src)")))


def test_a_student_arrives_where_its_teacher_walks(page, address, short_teacher):
    opened(page, address, mode="shortcut", seed=50)
    first = race(page)
    assert list(first) == ["Noise xT", "Teacher, 4 steps", "Student, one look", "Student, two looks"]
    assert len(set(first.values())) == 4 and all(src.startswith("data:image") for src in first.values())
    costs = page.locator(".dif-run .dif-words").all_inner_texts()
    assert ["8 calls" in costs[1], "1 call ·" in costs[2], "2 calls" in costs[3]] == [True] * 3
    assert all(" ms a picture" in cost for cost in costs[1:])
    page.locator("#diffusion-label input").click()
    page.get_by_role("option", name="8", exact=True).click()
    settled(page, f"{TAB}.last.data.labels?.[0] === '8'")
    eights = race(page)
    assert eights["Noise xT"] == first["Noise xT"]  # another class, the same noise
    assert all(eights[name] != first[name] for name in list(first)[1:])
    page.get_by_label("Each class in turn").check()
    settled(page, f"{TAB}.last.data.labels?.[1] === '9'")
    page.locator("#diffusion-seed input").fill("60")
    settled(page, f"{TAB}.last.data.seeds?.[0] === 60")
    sixty = race(page)
    assert all(sixty[name] != eights[name] for name in first)
    page.wait_for_url("**each=true*")


def test_a_picture_of_the_shortcut_opens_its_denoising(page, address, short_teacher):
    opened(page, address, mode="shortcut", seed=50, each="true", label=4)
    page.get_by_role("button", name="Student, one look, seed 52, class 6").click()
    settled(page, f"{TAB}.last.data.lanes?.[0].settings.seed === 52")
    at(page, "result")
    assert (values(page, "mode"), values(page, "label"), values(page, "steps")) == ("denoise", "6", 4)


def test_the_student_is_there_while_its_teacher_is_on_its_way(page, address):
    page.goto(f"{address}/?tab=diffusion&mode=shortcut&seed=51")
    page.wait_for_function(f"window.pg?.tabs.diffusion?.last?.data.rows?.[1].calls > 0 && {TAB}.running")
    shown = page.evaluate(f"{TAB}.last")
    assert shown["step"] < shown["total"] and all(row["src"] for row in shown["data"]["rows"])
    page.locator("[data-tool=stop]").click()
    page.wait_for_function(f"!{TAB}.running")


def test_a_model_without_a_student_gives_way_and_says_so(page, address, short_teacher):
    opened(page, address, mode="shortcut", model="diffusion-emoji")
    expect(page.locator(".pg-sentence")).to_contain_text("Diffusion of emoji has no student")
    assert values(page, "model") == "diffusion-faces"


def test_a_model_without_classes_says_so(page, address):
    opened(page, address, model="diffusion-faces")
    page.locator("#diffusion-label").get_by_text("taught no classes").wait_for()
    expect(page.locator(".pg-sentence")).to_contain_text("16×16×4")


def test_a_phone_needs_no_sideways_scrolling(make_browser_page, address, short_teacher):
    page = make_browser_page(viewport={"width": 390, "height": 844}, has_touch=True)
    for mode in ("denoise", "schedulers", "inpaint", "shortcut"):
        opened(page, address, 2, mode=mode, branches='[{"from":0,"step":1}]')
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("mode", MODES)
def test_no_serious_accessibility_violation(make_browser_page, address, axe, mode, scheme, short_teacher):
    page = opened(make_browser_page(color_scheme=scheme), address, 4, mode=mode, branches='[{"from":0,"step":1}]')
    assert axe(page) == []
