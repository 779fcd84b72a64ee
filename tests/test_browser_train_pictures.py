"""The train tab's pictures under real hands: train, stop, scrub, draw, close the page and find the training again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
QUICK = "&mode=pictures&pic_pictures=64"
STANDS = "(document.querySelector('[data-part=pic-standing]')?.textContent ?? '')"
FRAMES = "+document.querySelector('[data-part=pic-scrub]')?.max"


@pytest.fixture(scope="module")
def address(open_page, engine, tmp_path_factory):
    from tabs import train
    from tabs.train.pictures import jobs_of

    jobs = jobs_of(engine)
    jobs.root, before = tmp_path_factory.mktemp("jobs"), jobs.root
    engine.own, own = tmp_path_factory.mktemp("own"), engine.own
    engine.model("classifier-mnist")
    yield open_page([train])
    jobs.close()
    jobs.root, engine.own = before, own


@pytest.fixture(autouse=True)
def nobody_trains_afterwards(engine):
    from tabs.train.pictures import jobs_of

    yield
    jobs_of(engine).close()


def opened(page, address: str, query: str = QUICK):
    page.goto(f"{address}/?tab=train{query}")
    page.wait_for_function("window.pg?.tabs.train?.last && pg.tab('train').shown.mode === 'pictures'")
    return page


def train(page, until: str):
    page.get_by_role("button", name="Train", exact=True).click()
    page.wait_for_function(until)


def test_a_training_runs_to_its_end_and_its_film_is_scrubbed_without_a_request(page, address):
    opened(page, address, QUICK + "&pic_updates=60")
    expect(page.locator("[data-part=pic-when]")).to_contain_text("what it will see")
    train(page, f"{STANDS}.includes('over') && {FRAMES} >= 2")
    page.locator("[data-part=pic-ends]").wait_for()
    page.locator("[data-part=pic-near]").wait_for()
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    page.get_by_role("slider", name="Picture of the film").focus()
    page.keyboard.press("Home")
    expect(page.locator("[data-part=pic-when]")).to_have_text("after 0 updates")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-part=pic-when]")).not_to_have_text("after 0 updates")
    page.locator("[data-part=pic-strip] button").last.click()
    expect(page.locator("[data-part=pic-when]")).to_have_text("after 60 updates")
    assert not [url for url in asked if "component_server" in url]
    page.wait_for_function("pg.own.names().length === 1")
    expect(page.locator("[data-part=pic-model]")).to_contain_text("own-")


def test_while_it_runs_the_reason_is_said_once_and_its_step_shows_what_became_of_it(page, address):
    opened(page, address, QUICK + "&pic_updates=300")
    page.get_by_role("button", name="Train", exact=True).click()
    lesson = page.locator("#train-stage .pg-lesson")
    expect(lesson).to_contain_text("Stop it to change something")
    expect(page.get_by_text("Stop it to change something")).to_have_count(1)
    page.wait_for_function(f"{STANDS}.includes('over')")
    expect(lesson).not_to_contain_text("Stop it to change something")
    expect(page.locator("#train-stage .pg-history button").last).to_have_attribute("title", re.compile("300 of 300"))


def test_the_page_is_closed_and_the_link_finds_the_training_again(make_browser_page, address):
    first = opened(make_browser_page(), address, QUICK + "&pic_updates=30000")
    train(first, f"{FRAMES} >= 2")
    first.wait_for_function("location.href.includes('job=')")  # the address follows when the hand rests
    link = first.url
    first.context.close()
    second = make_browser_page()
    second.goto(link)
    second.wait_for_function(f"{FRAMES} >= 2")
    second.get_by_text("Found again").wait_for()
    now = second.evaluate("pg.tab('train').values")
    assert (now["pic_what"], now["pic_updates"]) == ("vae", 30000)
    second.get_by_role("button", name="Stop", exact=True).first.click()
    second.wait_for_function(f"{STANDS}.includes('nothing is lost')")
    second.get_by_role("button", name="Go on", exact=True).click()
    second.wait_for_function("!document.querySelector('[data-do=pic-stop]').hidden")
    second.get_by_role("button", name="Stop", exact=True).first.click()
    second.wait_for_function(f"{STANDS}.includes('nothing is lost')")
    with second.expect_download() as film:
        second.get_by_role("button", name="Film as GIF").click()
    assert film.value.suggested_filename.endswith(".gif")


def test_a_plan_that_is_changed_is_another_training(page, address):
    opened(page, address, QUICK + "&pic_updates=40")
    train(page, f"{STANDS}.includes('over')")
    page.wait_for_function("pg.tab('train').shown.job")
    page.locator("#train-pic_updates input[type=number]").fill("80")
    page.locator("#train-pic_updates input[type=number]").press("Tab")
    page.wait_for_function("!pg.tab('train').values.job")
    page.get_by_role("button", name="Train", exact=True).wait_for()
    expect(page.locator("#train-stage .pg-sentence")).to_contain_text("Press Train")
    page.get_by_role("button", name="Show it").click()  # the one before is kept
    page.wait_for_function("pg.tab('train').values.job && pg.tab('train').values.pic_updates === 40")
    page.wait_for_function(f"{STANDS}.includes('over')")
    page.get_by_role("button", name="Cure").click()
    page.wait_for_function("!pg.tab('train').values.job && pg.tab('train').values.pic_augment")


def test_digits_are_drawn_named_and_deleted(page, address):
    opened(page, address, "&mode=pictures&pic_data=drawings")
    train(page, "true")
    page.get_by_role("alert").get_by_text("no drawings yet").wait_for()
    pad = page.locator("[data-part=pic-pad] canvas")
    box = pad.bounding_box()
    for count in (1, 2, 3):
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + (0.4 + 0.1 * count) * box["height"], steps=4)
        page.mouse.up()
        page.get_by_role("button", name="Keep it").click()
        page.wait_for_function(f"document.querySelectorAll('[data-part=pic-thumbs] li').length === {count}")
    assert [t.inner_text() for t in page.locator("[data-part=pic-thumbs] span").all()] == ["0", "1", "2"]
    page.get_by_role("button", name="Undo the last").click()
    page.wait_for_function("document.querySelectorAll('[data-part=pic-thumbs] li').length === 2")
    page.get_by_role("button", name="Delete drawing 1, a 0").click()
    page.wait_for_function("document.querySelectorAll('[data-part=pic-thumbs] li').length === 1")
    page.get_by_role("button", name="Take twenty examples").click()
    page.wait_for_function("document.querySelectorAll('[data-part=pic-thumbs] li').length === 20")
    assert page.evaluate("pg.tab('train').values.pic_drawings") == "examples"


def test_an_explosion_is_explained_and_mended(page, address):
    opened(page, address, QUICK + "&pic_updates=40&pic_rate=1000000000")
    train(page, f"{STANDS}.includes('exploded')")
    page.get_by_role("button", name="Back to the last good state, usual rate").click()
    page.wait_for_function(f"{STANDS}.includes('over')")


def test_a_phone_shows_everything_without_scrolling_sideways(make_browser_page, address, axe):
    page = opened(make_browser_page(viewport={"width": 390, "height": 844}), address, QUICK + "&pic_updates=60")
    train(page, f"{STANDS}.includes('over')")
    page.locator("[data-part=pic-ends]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert axe(page) == []
