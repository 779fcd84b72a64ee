"""The energy tab under real hands: walkers are dropped, pixels held, holes painted, drawings remembered."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
MODES = ("landscape", "rbm", "repair", "dream", "hopfield", "learn")
QUICK = "&steps=100&walkers=8"


@pytest.fixture(scope="module")
def address(open_page):
    from tabs import energy

    return open_page([energy])


def opened(page, address: str, query: str = QUICK):
    page.goto(f"{address}/?tab=energy{query}")
    page.wait_for_function("window.pg?.tabs.energy?.last && !pg.tab('energy').running")
    return page


def values(page):
    return page.evaluate("pg.tab('energy').values")


def mode(page, name: str):
    page.locator(f"#energy-mode input[value={name}]").check()
    page.wait_for_function(f"pg.tab('energy').shown?.mode === '{name}' && !pg.tab('energy').running")


def sentence(page) -> str:
    return page.locator("#energy-stage .pg-sentence").inner_text()


def at(page, part: str) -> str:
    """JavaScript of the number that stands beside a slider."""
    return f"+document.querySelector('[data-part={part}] .pg-count').textContent.replace(/[^0-9]/g, '')"


def drag(page, locator, points):
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def test_walkers_play_by_themselves_and_are_scrubbed_without_a_request(page, address):
    opened(page, address)
    now = at(page, "walk-player")
    page.wait_for_function(f"{now} > 5")
    page.get_by_role("button", name="Pause").click()
    stood = page.evaluate(now)
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    page.get_by_role("slider", name="Step of the walk").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(now) == stood + 1
    page.keyboard.press("End")
    assert page.evaluate(now) == 100
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.wait_for_function(f"{now} > 3")
    assert not [url for url in asked if "component_server" in url]
    expect(page.locator("[data-part=shares-note]")).to_contain_text("of the time was spent in the wrong part")


def test_a_walker_is_dropped_dragged_and_taken_back(page, address):
    opened(page, address)
    pad = page.locator(".en-land .pg-pad")
    drag(page, pad, [(0.5, 0.5), (0.25, 0.25)])
    page.wait_for_function("pg.tab('energy').shown.points === '-2,2' && pg.tab('energy').last.data.shape[1] === 9")
    expect(page.locator("[data-part=trace-title]")).to_contain_text("Your walker")
    pad.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_function("pg.tab('energy').last.data.shape[1] === 10")
    page.keyboard.press("Delete")
    page.wait_for_function("pg.tab('energy').last.data.shape[1] === 9")
    page.get_by_role("button", name="Remove my walkers").click()
    page.wait_for_function("pg.tab('energy').shown.points === '' && pg.tab('energy').last.data.shape[1] === 8")


def test_an_answer_without_the_new_walker_does_not_take_its_trace_away(page, address):
    """It was asked for before the walker was dropped, and comes after."""
    opened(page, address)
    page.evaluate("window.before = pg.tab('energy').last")
    drag(page, page.locator(".en-land .pg-pad"), [(0.5, 0.5), (0.25, 0.25)])
    page.wait_for_function("pg.tab('energy').last.data.shape[1] === 9")
    titles = page.evaluate(
        """async () => {
          const tab = pg.tab('energy'), now = tab.last, titles = [];
          for (const reply of [window.before, now]) {
            await Promise.all(tab.emit('reply', reply, tab.shown));
            titles.push(document.querySelector('[data-part=trace-title]').textContent);
          }
          return titles;
        }"""
    )
    assert titles == ["Walker", "Your walker"]


def test_a_diverging_chain_says_so_and_its_last_good_frames_stay(page, address):
    opened(page, address)
    page.get_by_role("button", name="A step too far").click()
    page.get_by_role("alert").filter(has_text="left the plane").wait_for()
    steps = page.evaluate("pg.tab('energy').last.data.shape[0]")
    page.wait_for_function(f"{at(page, 'walk-player')} === {steps - 1}")
    page.locator("#energy-step input[type=number]").fill("0.1")
    page.get_by_role("alert").filter(has_text="left the plane").wait_for(state="hidden")


def test_the_surface_stands_where_the_map_was(page, address):
    opened(page, address)
    page.get_by_role("button", name="Surface").click()
    page.locator(".en-surface .js-plotly-plot").wait_for()
    assert "surface to turn" in page.locator("#energy-plot-box").get_attribute("aria-label")
    page.get_by_role("button", name="Map", exact=True).click()
    page.locator(".en-land .pg-pad").wait_for()


def test_particles_run_and_held_pixels_are_kept(page, address):
    opened(page, address, "&mode=rbm")
    now = at(page, "rbm-player")
    page.wait_for_function(f"{now} > 12")
    expect(page.locator("[data-part=units-note]")).to_have_text(re.compile("^[0-5]"))
    drag(page, page.locator("[data-part=clamp] .en-over"), [(0.3, 0.2), (0.7, 0.2)])
    page.wait_for_function("pg.tab('energy').values.clamp.length > 200")
    page.wait_for_function(
        "document.querySelector('#energy-stage .pg-sentence').textContent.includes('pixels are held on')"
    )
    here = page.evaluate(now)
    page.wait_for_function(f"{now} > {here + 5}")
    page.get_by_role("button", name="Particle 6", exact=True).click()
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function(f"pg.tab('energy').values.sweeps === {now}")
    page.locator("[data-part=clamp] .en-over").focus()
    before = values(page)["clamp"]
    for key in ("Space", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    page.wait_for_function(f"pg.tab('energy').values.clamp !== '{before}'")
    page.get_by_role("button", name="Clear").first.click()
    page.wait_for_function("pg.tab('energy').values.clamp === ''")


def test_painted_damage_is_repaired_in_every_lane(page, address):
    opened(page, address, "&mode=repair")
    lanes = page.locator("[data-part=repair] canvas").count()
    before = values(page)["hole"]
    drag(page, page.locator("[data-part=hole] .en-over"), [(0.3, 0.3), (0.6, 0.3)])
    page.wait_for_function(f"pg.tab('energy').shown.hole !== '{before}' && !pg.tab('energy').running")
    assert lanes >= 1 and "cut out, mended by" in sentence(page)
    page.get_by_role("slider", name="Step of the repair").focus()
    page.keyboard.press("Home")
    expect(page.locator("[data-part=repair] .pg-count")).to_have_text("damaged")


def test_a_drawing_is_remembered_and_recalled(page, address):
    opened(page, address, "&mode=hopfield")
    count = page.locator("[data-part=memories] canvas").count()
    drag(page, page.locator("[data-part=pad] canvas"), [(0.3, 0.2), (0.3, 0.8), (0.7, 0.8)])
    page.get_by_role("button", name="Remember it").click()
    page.wait_for_function(f"document.querySelectorAll('[data-part=memories] canvas').length === {count + 1}")
    assert values(page)["which"] == count + 1 and values(page)["memories"].split(".")[-1].startswith("p")
    assert "settled into" in sentence(page)
    page.get_by_role("button", name="20 random patterns").click()
    page.wait_for_function(f"document.querySelectorAll('[data-part=memories] canvas').length === {count + 21}")
    page.wait_for_function("document.querySelector('[data-part=capacity-note]').textContent.includes('23 memories')")
    page.get_by_role("button", name="Forget all but two").click()
    page.wait_for_function("document.querySelectorAll('[data-part=memories] canvas').length === 2")
    page.get_by_role("button", name="Memory 2, overlap").click()
    page.wait_for_function("pg.tab('energy').shown.which === 2")


def test_training_starts_stops_and_goes_on(page, address):
    opened(page, address, "&mode=learn&rate=0.3")
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function("pg.tab('energy').values.updates > 40")
    page.get_by_role("button", name="Stop training").click()
    page.wait_for_function("!pg.tab('energy').running")
    reached = values(page)["updates"]
    page.get_by_role("button", name="Train on").click()
    page.wait_for_function(f"pg.tab('energy').values.updates > {reached}")
    page.get_by_role("button", name="Start afresh").click()
    page.wait_for_function("!pg.tab('energy').running && pg.tab('energy').values.updates === 0")
    page.locator("#energy-rate input[type=number]").fill("5")
    page.wait_for_function("pg.tab('energy').shown.rate === 5")
    page.get_by_role("button", name="Train", exact=True).click()
    page.get_by_role("alert").filter(has_text="too large").wait_for()
    page.wait_for_function("!pg.tab('energy').running")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation_and_no_sideways_scrolling_on_a_phone(
    make_browser_page, address, axe, scheme
):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    page = opened(
        make_browser_page(color_scheme=scheme, reduced_motion="reduce", **phone), address, QUICK + "&model=rbm-mnist"
    )
    found, wide = {}, {}
    for name in MODES:
        mode(page, name)
        found[name] = axe(page)
        wide[name] = page.evaluate("document.documentElement.scrollWidth")
    assert not any(found.values()), found
    assert max(wide.values()) <= 390, wide
