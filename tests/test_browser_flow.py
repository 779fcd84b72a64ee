"""The flow tab under real hands: a Chromium scrubs, points, draws and walks."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tabs.flow.desk import desk_of
from tabs.flow.state import MODES

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(open_page):
    """This tab alone, which opens sooner; whole pages are looked at in the end."""
    from tabs import flow

    return open_page([flow])


@pytest.fixture
def here(engine):
    """Modes that a shipped flow can be shown in."""
    return [mode for mode in MODES if desk_of(engine).cards(mode)]


def opened(page, address: str, query: str = ""):
    page.goto(f"{address}/?tab=flow{query}")
    page.wait_for_function("window.pg?.tabs.flow?.last && pg.tab('flow').at >= 0")
    page.wait_for_function("pg.tab('flow').shown.mode === pg.tab('flow').values.mode")
    return page


def values(page):
    return page.evaluate("pg.tab('flow').values")


def mode(page, name: str):
    page.locator(f"#flow-mode input[value={name}]").check()
    page.wait_for_function(f"pg.tab('flow').values.mode === '{name}' && pg.tab('flow').shown?.mode === '{name}'")


def part(page, name: str):
    return page.locator(f"#flow-stage [data-part={name}]")


def travelled(page):
    """Waits until the plane is drawn, and gives what is on it."""
    page.wait_for_function("document.querySelectorAll('[data-part=ticks] i').length > 1")
    return page.evaluate("document.querySelector('[data-part=plane] canvas').toDataURL()")


def needs(here, *modes):
    for name in modes:
        if name not in here:
            pytest.skip(f"no flow for {name} is here")


def test_the_plane_is_scrubbed_without_a_request(page, address, here):
    needs(here, "plane")
    opened(page, address)
    last = travelled(page)
    page.wait_for_function("document.querySelectorAll('[data-part=choices] button').length === 6")
    asked = []
    page.on("request", lambda r: asked.append(r.post_data or ""))
    slider = page.get_by_role("slider", name="Layer")
    slider.focus()
    page.keyboard.press("Home")
    first = travelled(page)
    assert values(page)["at"] == 0
    expect(part(page, "count")).to_have_text("noise")
    page.keyboard.press("ArrowRight")
    expect(part(page, "count")).to_have_text(re.compile("^layer 1 of"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(part(page, "count")).to_have_text(re.compile("^layer 1 of"))
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    assert 0.4 < values(page)["at"] < 0.6
    middle = travelled(page)
    page.keyboard.press("End")
    assert values(page)["at"] == 1 and len({first, middle, last}) == 3
    fastest = """(() => { const slider = document.querySelector('[data-part=at]'); let least = Infinity;
      for (let i = 0; i < 20; i++) { const start = performance.now(); slider.value = 50 * i;
        slider.dispatchEvent(new Event('input')); least = Math.min(least, performance.now() - start); }
      return least; })()"""
    assert page.evaluate(fastest) < 16, "a frame of the scrub; the fastest, since other work may hold up any of them"
    page.keyboard.press("Space")
    page.wait_for_function(
        "pg.tab('flow').values.at === 1 && document.querySelector('[data-do=play]').textContent === '▶'"
    )
    assert not [sent for sent in asked if any(f in sent for f in ("pg_draw", "flow_journey", "flow_point"))]


def test_pointing_shows_the_density_and_a_click_keeps_it(page, address, here):
    needs(here, "plane")
    opened(page, address)
    travelled(page)
    rest = part(page, "logp").inner_text()
    part(page, "plane").hover(position={"x": 20, "y": 30})
    page.wait_for_function(f"document.querySelector('[data-part=logp]').textContent !== {rest!r}")
    page.mouse.move(5, 5)
    page.wait_for_function(f"document.querySelector('[data-part=logp]').textContent === {rest!r}")
    part(page, "truth").click(position={"x": 60, "y": 60})
    page.wait_for_function("pg.tab('flow').values.x !== -1 && pg.tab('flow').shown.x === pg.tab('flow').values.x")
    before = values(page)
    part(page, "plane").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Math.abs(pg.tab('flow').values.x - {before['x']} - 0.1) < 0.02")
    assert part(page, "dets").locator("i").count() > 3
    page.get_by_role("slider", name="Layer").focus()
    page.keyboard.press("Home")
    part(page, "plane").click(position={"x": 150, "y": 150})  # a place of the noise: the mark goes where that leads
    page.wait_for_function(f"pg.tab('flow').values.y !== {before['y']}")


def test_another_density_direction_and_temperature(page, address, here):
    needs(here, "plane")
    opened(page, address)
    travelled(page)
    page.get_by_role("button", name="eight gaussians").click()
    page.wait_for_function("pg.tab('flow').shown.density === 'eight gaussians'")
    assert page.get_by_role("button", name="eight gaussians").get_attribute("aria-pressed") == "true"
    before = travelled(page)
    page.locator("#flow-temperature input[type=number]").fill("0.5")
    page.wait_for_function("pg.tab('flow').shown.temperature === 0.5")
    page.wait_for_function(f"document.querySelector('[data-part=plane] canvas').toDataURL() !== {before!r}")
    page.get_by_label("Data to noise").check()
    page.wait_for_function("document.querySelector('[data-part=left]').textContent === 'data'")
    page.wait_for_function("document.querySelector('#flow-temperature input[type=number]').disabled")


def test_a_drawing_is_weighed(page, address, here):
    needs(here, "pictures")
    opened(page, address, "&mode=pictures")
    before = part(page, "z").get_attribute("src")
    page.get_by_role("button", name="Clear").click()
    page.locator(".flow-pictures .pg-canvas canvas").focus()
    page.keyboard.press("Space")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.wait_for_function("pg.tab('flow').shown.source === 'drawing' && pg.tab('flow').values.drawing.length < 4000")
    assert part(page, "z").get_attribute("src") != before
    expect(page.locator("#flow-stage .pg-sentence")).to_contain_text("Your picture")
    assert page.locator(".flow-score").count() >= 1


def test_samples_lead_to_pictures(page, address, here):
    needs(here, "samples")
    opened(page, address, "&mode=samples&temperature=0.6")
    page.locator(".flow-samples .pg-cells button").nth(3).click()
    page.wait_for_function("pg.tab('flow').shown.mode === 'pictures' && pg.tab('flow').shown.source === 'sample'")
    assert values(page)["seed"] == 10


def test_the_walk_and_its_corners(page, address, here):
    needs(here, "between")
    opened(page, address, "&mode=between")
    page.wait_for_function("document.querySelectorAll('.flow-between canvas').length === 2")
    look = "document.querySelector('.flow-between canvas').toDataURL()"
    page.get_by_role("slider", name="Place on the walk").focus()
    page.keyboard.press("Home")
    first = page.evaluate(look)
    page.keyboard.press("End")
    assert values(page)["frame"] == 8 and page.evaluate(look) != first
    before = part(page, "corners").get_attribute("src")
    page.get_by_role("button", name="Corner D").click()
    page.wait_for_function(f"document.querySelector('[data-part=corners]').src !== {before!r}")


def test_an_attribute_on_a_face(page, address, here):
    needs(here, "faces")
    opened(page, address, "&mode=faces")
    page.locator("#flow-hat input[type=number]").fill("1.5")
    page.locator("#flow-stage .pg-sentence", has_text="+1.5 hat").wait_for()


def test_dots_are_read_out(page, address, here):
    needs(here, "surprise")
    opened(page, address, "&mode=surprise")
    words = page.locator(".flow-close p")
    page.wait_for_function("document.querySelector('.flow-close p').textContent.startsWith('plain, 1 of 3')")
    page.locator(".flow-panels").focus()
    page.keyboard.press("ArrowUp")
    expect(words).to_have_text(re.compile("^inverted digits"))
    page.keyboard.press("ArrowRight")
    page.locator(".flow-panels canvas").first.hover(position={"x": 120, "y": 30})
    page.wait_for_function("!document.querySelector('.flow-close p').textContent.startsWith('inverted')")
    assert page.locator(".flow-table tbody tr").count() == 7


STILL = """Promise.allSettled(document.getAnimations()
    .filter(a => a.effect.getTiming().iterations !== Infinity).map(a => a.finished))"""  # faint half-way


def test_no_serious_accessibility_violation_in_any_mode(make_browser_page, server, axe, here):
    page = opened(make_browser_page(color_scheme="light"), server)
    found = {}
    for name in here:
        mode(page, name)
        page.evaluate(STILL)
        found[name] = axe(page)
        page.get_by_role("button", name="Dark").click()
        page.evaluate(STILL)
        found[name] += axe(page)
        page.get_by_role("button", name="Dark").click()
    assert not any(found.values()), found


def test_a_phone_shows_everything_without_sideways_scrolling(make_browser_page, server, here):
    page = opened(make_browser_page(viewport={"width": 390, "height": 844}, has_touch=True), server)
    for name in here:
        mode(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        assert page.locator(f"#flow-stage .flow-{name}").bounding_box()["width"] > 300, name
