"""The laboratory under real hands: it plays, is scrubbed, turned back, broken, cured, and sprayed."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import expect

from tabs.train import lab_spray

pytestmark = pytest.mark.browser
TAB = "pg.tab('train')"
CLOCK = "+document.querySelector('[data-part=clock]').textContent.match(/\\d+/)[0]"


@pytest.fixture(scope="module")
def address(open_page):
    from tabs import train

    return open_page([train])


def opened(page, address: str, query: str = ""):
    page.goto(f"{address}/?tab=train{query}")
    page.wait_for_function(f"window.pg?.tabs.train?.last && {CLOCK} >= 0")
    return page


def press(page, name: str, **options):
    page.get_by_role("button", name=name, exact=True, **options).click()


def drawn(page, lane: int = 0) -> str:
    """What stands on a lane's canvas."""
    return page.locator(".tr-lane canvas").nth(lane).evaluate("canvas => canvas.toDataURL()")


def settled(page, updates: str):
    page.wait_for_function(f"{TAB}.shown?.updates === {updates!r} && {TAB}.values.updates === {updates!r}")


def paused(page) -> int:
    """Stops playing; the clock it stands at."""
    press(page, "Pause")
    page.wait_for_function(f"{TAB}.shown.updates === String({CLOCK}) && {TAB}.shown.updates !== ''")
    return page.evaluate(CLOCK)


def knob(page, name: str):
    return page.locator(f"#tr-knob-{name}")


def test_it_plays_pauses_and_its_link_brings_the_same_picture_back(page, make_browser_page, address):
    opened(page, address, "&learners=vae")
    before = drawn(page)
    press(page, "Play")
    page.wait_for_function(f"{CLOCK} >= 40")
    assert drawn(page) != before
    clock = paused(page)
    expect(page.locator("#train-stage .pg-sentence")).to_contain_text(f"VAE after {clock} updates")
    page.wait_for_function(f"location.search.includes('updates={clock}')")
    other = make_browser_page()
    other.goto(page.url)
    other.wait_for_function(f"window.pg?.tabs.train?.shown?.updates === '{clock}'")
    assert other.evaluate(f"{TAB}.last.picture") == page.evaluate(f"{TAB}.last.picture")


def test_one_step_by_button_and_by_key_and_undo_takes_it_back(page, address):
    opened(page, address)
    page.wait_for_function(f"{TAB}.at === 0")
    press(page, "One step")
    settled(page, "1")
    page.locator(".pg-sentence").first.click()
    page.keyboard.press("ArrowRight")
    settled(page, "2")
    page.wait_for_function(f"{TAB}.at > 0 && {TAB}.entries[{TAB}.at].state.updates === '2'")
    page.keyboard.press("Control+z")
    page.wait_for_function(f"{TAB}.shown.updates !== '2' && {CLOCK} < 2")
    page.keyboard.press("Space")
    page.wait_for_function(f"{CLOCK} > 20")
    page.keyboard.press("Space")
    page.wait_for_function(f"{TAB}.shown.updates === String({CLOCK})")


def test_a_bench_that_was_cleared_away_is_built_again_unnoticed(page, address, engine):
    from tabs.train.desk import desk_of

    opened(page, address, "&learners=autoencoder&updates=15")
    desk_of(engine).shelf.clear()
    press(page, "One step")
    settled(page, "16")
    assert page.locator("#train-stage .pg-error").is_hidden()


def test_looking_back_needs_no_request_and_it_goes_on_from_there(page, address):
    opened(page, address, "&learners=autoencoder")
    press(page, "Play")
    page.wait_for_function(f"{CLOCK} >= 50")
    clock, last = paused(page), drawn(page)
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    scrub = page.get_by_role("slider", name="Recorded moments")
    scrub.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-part=clock]")).to_have_text(f"update 5 of {clock}")
    assert drawn(page) != last and not [url for url in asked if "component_server" in url]
    press(page, "Back to now")
    assert drawn(page) == last
    scrub.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    press(page, "Go on from here")
    settled(page, "5")
    assert page.evaluate(CLOCK) == 5 and scrub.get_attribute("max") == "1"


def test_slow_motion_names_the_parts(page, address):
    opened(page, address, "&learners=gan")
    press(page, "Slow motion")
    press(page, "One step")
    caption = page.locator(".tr-lane figcaption")
    page.wait_for_function("document.querySelector('.tr-lane figcaption').textContent.startsWith('discriminator:')")
    expect(caption).to_contain_text("tell them apart")
    expect(caption).to_contain_text("Circles: fakes")
    press(page, "One step")
    page.wait_for_function("document.querySelector('.tr-lane figcaption').textContent.startsWith('generator:')")
    settled(page, "1")
    press(page, "10")
    press(page, "G only")
    press(page, "One step")
    page.wait_for_function(f"{TAB}.shown.edits === '1:1!generator*1'")


def test_an_explosion_is_explained_over_the_picture_and_cured(page, address):
    opened(page, address)
    page.get_by_role("button", name="Exploding").click()
    page.wait_for_function(f"{TAB}.shown.learners === 'realnvp'")
    press(page, "Play")
    alarm = page.get_by_role("alert").filter(has_text="went back to the last good moment, update 0")
    alarm.wait_for()
    page.get_by_role("button", name="Play", exact=True).wait_for()
    press(page, "Cure: a learning rate 500 times smaller")
    alarm.wait_for(state="hidden")
    page.wait_for_function(f"{CLOCK} >= 20")
    expect(page.locator("#train-stage .pg-lesson")).to_contain_text("smaller steps go downhill")
    paused(page)
    assert page.evaluate(f"{TAB}.values.edits") == "0:1.lr=0.002"


def test_knobs_turn_live_and_bad_ones_are_explained(page, address):
    opened(page, address, "&learners=vae&updates=10")
    knob(page, "beta").fill("4")
    knob(page, "beta").press("Enter")
    page.wait_for_function(f"{TAB}.shown.edits === '10:1.beta=4'")
    knob(page, "lr").fill("NaN")
    knob(page, "lr").press("Enter")
    page.get_by_role("alert").filter(has_text="Learning rate was 'NaN'").wait_for()
    knob(page, "lr").fill("1e9")
    knob(page, "lr").press("Enter")
    page.wait_for_function(f"{TAB}.shown.edits.includes('lr=1e+09')")
    press(page, "One step")
    press(page, "One step")
    page.get_by_role("alert").filter(has_text="A learning rate of 1e+09 may be too high").wait_for()
    page.get_by_role("button", name="Learning rate back to 0.003, and go on").click()
    page.wait_for_function(f"{CLOCK} >= 30")
    paused(page)


def test_learners_join_leave_and_never_are_more_than_four(page, address):
    opened(page, address, "&learners=autoencoder&updates=20")
    chips = page.locator("[data-part=chips]")
    chips.get_by_role("button", name="RealNVP").click()
    page.wait_for_function(f"{TAB}.shown.learners === 'autoencoder,realnvp' && {TAB}.shown.updates === '20'")
    assert page.locator(".tr-lane canvas").count() == 2
    page.get_by_role("button", name="Another RealNVP").click()
    page.wait_for_function(f"{TAB}.shown.learners === 'autoencoder,realnvp,realnvp'")
    page.locator(".tr-lane").nth(2).locator(".tr-name").click()
    knob(page, "lr").fill("0.01")
    knob(page, "lr").press("Enter")
    page.wait_for_function(f"{TAB}.shown.edits === '20:3.lr=0.01'")
    page.locator(".tr-lane").nth(1).get_by_role("button", name="Take RealNVP away").click()
    page.wait_for_function(f"{TAB}.shown.learners === 'autoencoder,realnvp' && {TAB}.shown.edits === '20:2.lr=0.01'")
    chips.get_by_role("button", name="VAE").click()
    chips.get_by_role("button", name="Autoregressive").click()
    page.wait_for_function("document.querySelectorAll('.tr-lane canvas').length === 4")
    chips.get_by_role("button", name="Diffusion").click(force=True)  # it is greyed and says why
    sentence = page.locator("#train-stage .pg-sentence")
    page.evaluate(f"{TAB}.say('A lane has caught up.')")  # as a late answer does
    expect(sentence).to_contain_text("Four lanes are the most")
    assert page.locator(".tr-lane canvas").count() == 4
    page.wait_for_function(f"{TAB}.shown.learners === 'autoencoder,realnvp,vae,autoregressive'")
    sentence.click()  # the next gesture: what was said meanwhile is said now
    expect(sentence).not_to_contain_text("Four lanes are the most")


def test_points_are_sprayed_and_learned(page, address):
    opened(page, address, "&learners=vae")
    page.evaluate(f"{TAB}.input('target', 'sprayed')")
    pad = page.locator(".tr-spray")
    pad.scroll_into_view_if_needed()
    press(page, "Play")
    page.get_by_role("alert").filter(has_text="No points were sprayed").wait_for()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"], steps=12)
    page.mouse.up()
    page.wait_for_function(f"{TAB}.shown.points.length > 20")
    cells = page.evaluate(f"pg.train.spray.unpack({TAB}.values.points)")
    assert lab_spray.unpack(page.evaluate(f"{TAB}.values.points")) == cells and len(cells) >= 50
    pad.focus()
    page.keyboard.press("Space")
    page.wait_for_function(f"pg.train.spray.unpack({TAB}.shown.points).length === {len(cells) + 5}")
    press(page, "Play")
    page.wait_for_function(f"{CLOCK} >= 20")
    paused(page)


def test_both_sides_write_sprayed_points_alike(page, address):
    opened(page, address)
    chance = random.Random(1)
    for count, reach in ((1, 11663), (40, 300), (2000, 11663), (300, 5)):
        cells = [chance.randint(0, reach) for _ in range(count)]
        assert page.evaluate("cells => pg.train.spray.pack(cells)", cells) == lab_spray.pack(cells)
        assert page.evaluate("text => pg.train.spray.unpack(text)", lab_spray.pack(cells)) == sorted(cells)


def test_finished_curves_stand_on_the_stage(page, address):
    opened(page, address, "&learners=gan&updates=20")
    press(page, "Curves")
    page.locator("[data-part=curves] .js-plotly-plot").wait_for()
    page.get_by_text("Losses of GAN").first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation_and_no_sideways_scrolling_on_a_phone(
    make_browser_page, address, axe, scheme
):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    page = make_browser_page(color_scheme=scheme, reduced_motion="reduce", **phone)
    opened(page, address, "&learners=gan,realnvp&settings=2.lr%3D1")
    press(page, "One step")
    press(page, "One step")
    page.get_by_role("alert").filter(has_text="went back").wait_for()
    found, wide = axe(page), page.evaluate("document.documentElement.scrollWidth")
    page.evaluate(f"{TAB}.input('target', 'sprayed')")
    page.locator(".tr-spray").wait_for()
    found += axe(page)
    assert not found and wide <= 390 and page.evaluate("document.documentElement.scrollWidth") <= 390
