"""The autoregressive tab under real hands: a Chromium plays, branches, paints holes and points at surprises."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
TAB = "pg.tab('autoregressive')"
EVERY = ("watch", "branch", "complete", "surprise", "what it sees")
QUICK = "&particles=1"


@pytest.fixture(scope="module")
def address(open_page):
    """This tab alone, which opens sooner; whole pages are looked at in the end."""
    from tabs import autoregressive

    return open_page([autoregressive])


def opened(page, address: str, query: str = "", mode: str = "watch"):
    more = "" if mode == "watch" else f"&mode={mode}"
    page.goto(f"{address}/?tab=autoregressive{query}{more}")
    drawn(page, mode)
    return page


def drawn(page, mode: str):
    """The answer to this mode is on screen, and nothing runs."""
    page.wait_for_function(
        f"window.pg?.tabs.autoregressive?.last && {TAB}.shown.mode === {mode!r} && !{TAB}.running", timeout=120_000
    )


def choose(page, mode: str):
    page.locator(f"#autoregressive-mode input[value='{mode}']").check()
    drawn(page, mode)


def values(page):
    return page.evaluate(f"{TAB}.values")


def sentence(page) -> str:
    return page.locator("#autoregressive-stage .pg-sentence").inner_text()


def canvas(page, part: str) -> str:
    return page.evaluate(f"document.querySelector('[data-part={part}] canvas').toDataURL()")


def at(page, part: str, row: int, column: int, side: int = 28) -> dict[str, float]:
    box = page.locator(f"[data-part={part}] .ar-board").bounding_box()
    return {"x": (column + 0.5) * box["width"] / side, "y": (row + 0.5) * box["height"] / side}


def test_a_picture_is_scrubbed_and_played_without_a_request(page, address):
    opened(page, address, "&pace=slow")
    assert "784 pixels one after the other" in sentence(page)
    whole, asked = canvas(page, "watch"), []
    page.on("request", lambda r: asked.append(r.url) if "pg_status" not in (r.post_data or "") else None)
    slider = page.get_by_role("slider", name="How much is drawn")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.input_value() == "0" and "Nothing is drawn yet" in sentence(page)
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "1" and "Pixel 1 of 784, row 1, column 1: black" in sentence(page)
    page.locator("[data-part=watch] .ar-board").click(position=at(page, "watch", 10, 3))
    assert slider.input_value() == str(10 * 28 + 4) and "row 11, column 4" in sentence(page)
    assert canvas(page, "watch") != whole
    expect(page.locator("[data-part=die]")).to_contain_text("The die fell at")
    page.keyboard.press("ArrowDown")  # the picture has the focus: a row further
    assert slider.input_value() == str(11 * 28 + 4)
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('.ar-transport input').value > 314")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="instant").click()
    page.get_by_role("button", name="Play from here").click()
    assert slider.input_value() == "784" and "784 pixels one after the other" in sentence(page) and asked == []


def test_temperature_keeps_the_dice_and_R_rolls_others(page, address):
    opened(page, address)
    before = page.evaluate(f"{TAB}.last.data.dice")
    page.locator("#autoregressive-temperature input[type=number]").fill("1.6")
    page.wait_for_function(f"{TAB}.shown.temperature === 1.6")
    assert page.evaluate(f"{TAB}.last.data.dice") == before and "temperature 1.60" in sentence(page)
    page.locator("#autoregressive-stage .pg-facts").click()
    page.keyboard.press("r")
    page.wait_for_function(f"{TAB}.last.data.dice !== {before!r}")
    page.wait_for_function("document.querySelector('.ar-play').textContent === 'Pause'")  # another picture is played


def test_pointing_shows_the_odds_and_a_click_branches(page, address):
    opened(page, address, mode="branch")
    board, asked = page.locator("[data-part=branch] .ar-board"), []
    page.on("request", lambda r: asked.append(r.url) if "pg_status" not in (r.post_data or "") else None)
    board.hover(position=at(page, "branch", 20, 9))
    expect(page.locator("[data-part=choice-title]")).to_have_text("Row 21, column 10, after 569 pixels")
    board.click(position=at(page, "branch", 8, 14))
    assert values(page)["pixel"] == 8 * 28 + 14 and asked == []
    page.locator(".ar-choices button[aria-pressed=false]").click()
    page.wait_for_function(f"{TAB}.last.data.lanes.length === 2")
    assert "row 9, column 15" in sentence(page) and values(page)["lane"] == 1
    page.locator("[data-part=branch] .ar-board").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("b")
    page.wait_for_function(f"{TAB}.last.data.lanes.length === 3")
    assert [lane["from"] for lane in page.evaluate(f"{TAB}.last.data.lanes")] == [-1, 0, 1]
    page.get_by_role("button", name="The first picture").click()  # back to where it began
    assert values(page)["lane"] == 0
    page.get_by_role("button", name="1: from the first").click()
    page.get_by_role("button", name="Remove this branch").click()
    page.wait_for_function(f"{TAB}.last.data.lanes.length === 1")  # what left from it goes with it


def test_the_odds_follow_the_temperature_at_once(page, address):
    opened(page, address, mode="branch")
    spent = page.evaluate(f"""() => {{
        const text = () => document.querySelector('.ar-choices').innerText, before = text(), start = performance.now();
        const board = document.querySelector('[data-part=branch] .ar-board');
        board.dispatchEvent(new KeyboardEvent('keydown', {{key: 'ArrowUp'}}));
        const moved = performance.now() - start, again = text();
        {TAB}.set({{temperature: 0.3}});
        return [moved, before !== again || text() !== again, performance.now() - start];
    }}""")
    assert spent[1] and spent[2] < 400  # 30 ms on a quiet machine


def test_a_hole_is_painted_and_filled_eight_times(page, address):
    opened(page, address, QUICK, mode="complete")
    page.wait_for_function("document.querySelectorAll('[data-part=endings] .pg-cells button').length === 8")
    before = page.locator("[data-part=endings] img").get_attribute("src")
    paper = page.locator("[data-part=mask] canvas")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    page.get_by_role("button", name="Clear").first.click()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    page.mouse.up()
    page.wait_for_function(f"{TAB}.shown.hole === 'brush' && {TAB}.last.data.cells && !{TAB}.running")
    assert values(page)["mask"].startswith("data:image/png") and "% are covered" in sentence(page)
    assert page.locator("[data-part=endings] img").get_attribute("src") != before
    expect(page.locator("[data-part=endings-note]")).to_contain_text("Those below and to its right come later")
    assert page.get_by_role("button", name="Brush").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Ending 3").click()
    drawn(page, "surprise")
    assert values(page)["source"] == "own"


def test_the_surprise_under_the_pointer(page, address):
    opened(page, address, mode="surprise")
    expect(page.locator("[data-part=figures]")).to_contain_text("bits per dimension")
    board, here = page.locator("[data-part=heat] .ar-board"), page.locator("[data-part=here]")
    board.hover(position=at(page, "heat", 4, 6))
    expect(here).to_have_text(re.compile("^Row 5, column 7: black had a chance of"))
    expect(page.locator("[data-part=classes-title]")).to_have_text("What it takes it for after 119 pixels")
    board.focus()
    page.keyboard.press("ArrowRight")
    expect(here).to_contain_text("Row 1, column 2")
    page.mouse.move(2, 2)
    page.locator("#autoregressive-stage .pg-facts").click()
    before = values(page)["test"]
    page.keyboard.press("r")
    page.wait_for_function(f"{TAB}.shown.test !== {before}")


def test_drawing_something_that_is_no_digit(page, address):
    opened(page, address, mode="surprise")
    total = page.evaluate(f"{TAB}.last.data.total")
    page.get_by_role("button", name="Draw one").last.click()
    paper = page.locator(".ar-surprise .ar-sketch .pg-canvas canvas").first
    paper.focus()
    page.keyboard.press("Space")
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("Space")
    page.wait_for_function(f"{TAB}.shown.source === 'own' && {TAB}.last.data.total !== {total}")
    assert sentence(page).startswith("Your picture costs")


def test_what_a_pixel_sees(page, address):
    opened(page, address, mode="what it sees")
    page.locator("[data-part=fields] .ar-board").first.click(position={"x": 100, "y": 60})
    page.wait_for_function(f"{TAB}.last.data.row === {TAB}.values.row && {TAB}.values.row < 10")
    row = values(page)["row"]
    page.keyboard.press("ArrowDown")
    page.wait_for_function(f"{TAB}.last.data.row === {row + 1}")
    seen = page.locator("[data-part=fields] figcaption").first.inner_text()
    page.locator("#autoregressive-layers input[type=number]").fill("3")
    page.wait_for_function(f"{TAB}.shown.layers === 3")
    assert page.locator("[data-part=fields] figcaption").first.inner_text() != seen and "3 layers" in sentence(page)


def test_a_face_grows_and_branches_word_by_word(page, address):
    opened(page, address)
    if "imagegpt-faces" not in page.evaluate(f"{TAB}.fields.model.choices"):
        pytest.skip("no imagegpt-faces here")
    page.evaluate(f"{TAB}.set({{model: 'imagegpt-faces', mode: 'branch', lane: 0, branches: '[]', pixel: 27}})")
    page.wait_for_function("document.querySelectorAll('.ar-branch .ar-choices button').length >= 12")
    page.locator(".ar-branch .ar-choices button[aria-pressed=false]").nth(3).click()
    page.wait_for_function(f"{TAB}.last.data.lanes.length === 2")
    assert "row 4, column 4 got another word" in sentence(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation_in_any_mode(make_browser_page, server, axe, scheme):
    page = opened(make_browser_page(color_scheme=scheme), server, QUICK)
    found = {}
    for mode in EVERY:
        choose(page, mode)
        found[mode] = axe(page)
    assert not any(found.values()), found


def test_a_phone_shows_everything_without_sideways_scrolling(make_browser_page, server):
    page = opened(make_browser_page(viewport={"width": 390, "height": 844}, has_touch=True), server, QUICK)
    for mode in EVERY:
        choose(page, mode)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, mode
        stage = page.locator(f"#autoregressive-stage [data-mode='{mode}']")
        assert stage.bounding_box()["width"] > 300, mode
