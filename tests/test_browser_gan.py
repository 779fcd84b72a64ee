"""The GAN tab under real hands: a Chromium drags, mixes, moves, draws, searches and counts."""

from __future__ import annotations

import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
MODES = ("walk", "mix", "directions", "verdict", "project", "diversity")
PATIENT = 90_000  # ms: a search on a busy machine


@pytest.fixture(scope="module")
def address(open_page):
    """This tab alone, which opens sooner; whole pages are looked at in the end."""
    from tabs import gan

    return open_page([gan])


def opened(page, address: str, query: str = "&model=gan-mnist"):
    page.goto(f"{address}/?tab=gan{query}")
    at_rest = "window.pg?.tabs.gan?.last && pg.tab('gan').at >= 0 && !pg.tab('gan').running"
    page.wait_for_function(at_rest, timeout=PATIENT)
    return page


def values(page):
    return page.evaluate("pg.tab('gan').values")


def answered(page, condition: str):
    """Until the server has drawn a state for which the condition on `v` holds."""
    page.wait_for_function(f"(v => v && ({condition}))(pg.tab('gan').shown)")


def mode(page, name: str):
    page.locator(f"#gan-mode input[value={name}]").check()
    answered(page, f"v.mode === '{name}'")


def source(page, part: str) -> str:
    return page.evaluate(f"document.querySelector('#gan-stage [data-part={part}]').src")


def changed(page, part: str, before: str):
    page.wait_for_function(f"document.querySelector('#gan-stage [data-part={part}]').src !== {before!r}")


def sentence(page) -> str:
    return page.locator("#gan-stage .pg-sentence").inner_text()


def cells(page, part: str):
    return page.locator(f"[data-part={part}] .pg-cells button")


# ------------------------------------------------------------------------------------------------ walk


def test_a_face_stands_there_at_once(page, address):
    opened(page, address, "")
    assert source(page, "out").startswith("data:image/jpeg") and values(page)["mode"] == "walk"
    expect(page.locator("#gan-stage .pg-facts")).to_contain_text("ms · gan-faces")


def test_dragging_the_picture_walks_between_seeds(page, address):
    opened(page, address)
    box = page.locator("[data-part=plane]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(1, 6):
        before = source(page, "out")
        page.mouse.move(x + i * box["width"] / 10, y)
        changed(page, "out", before)
    page.mouse.up()
    there = values(page)
    assert (there["seed"], round(there["dx"], 2), there["dy"]) == (8, 0, 0)  # half the picture's width is one seed
    page.mouse.move(x + box["width"] / 2 - 50, y)
    assert values(page) == there  # the hand is off
    page.wait_for_function("document.querySelector('#gan-seed input').value === '8'")
    page.wait_for_function("pg.tab('gan').entries.length === 2")  # the whole drag is one step of the history


def test_the_walk_by_keyboard(page, address):
    opened(page, address)
    page.locator("[data-part=plane]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert [values(page)[k] for k in ("seed", "dx", "dy")] == [7, 0.3, -0.1]
    page.keyboard.press("Shift+ArrowUp")
    assert [values(page)[k] for k in ("seed", "dx", "dy")] == [107, 0.3, -0.1]
    page.keyboard.press("s")
    assert [values(page)[k] for k in ("seed", "dx", "dy")] == [107, 0, 0]
    page.keyboard.press("a")
    page.wait_for_function("pg.tab('gan').values.seed > 107")
    page.keyboard.press("a")
    assert page.locator("[data-do=animate]").get_attribute("aria-pressed") == "false"


def test_the_neighbourhood_follows(page, address):
    opened(page, address)
    page.wait_for_function("document.querySelector('[data-part=around]').textContent.includes('107, 108, 7, 8')")
    before = source(page, "corners")
    page.locator("[data-part=plane]").press("Shift+ArrowRight")
    page.wait_for_function("document.querySelector('[data-part=around]').textContent.includes('108, 109, 8, 9')")
    assert source(page, "corners") != before


def test_a_typed_seed_and_the_dice_start_at_a_whole_step(page, address):
    opened(page, address, "&model=gan-mnist&dx=0.4&dy=-0.2")
    assert values(page)["dx"] == 0.4
    page.locator("#gan-seed input").fill("55")
    answered(page, "v.seed === 55 && v.dx === 0 && v.dy === 0")
    page.locator("[data-part=plane]").press("ArrowUp")
    page.locator(".pg-seed-buttons [data-seed=dice]:visible").click()
    answered(page, "v.seed !== 55 && v.dx === 0 && v.dy === 0")


def test_choosing_a_truncation_beside_the_mean_picture(page, address):
    opened(page, address)
    before = source(page, "out")
    cells(page, "psi").first.click()
    answered(page, "v.truncation === 0")
    changed(page, "out", before)
    page.wait_for_function("document.querySelector('#gan-truncation input[type=number]').value == 0")


def test_undo_walks_back(page, address):
    opened(page, address)
    page.locator("[data-part=plane]").press("ArrowRight")
    page.wait_for_function("pg.tab('gan').entries.length === 2")
    page.keyboard.press("Control+z")
    answered(page, "v.dx === 0 && v.seed === 7")


# ------------------------------------------------------------------------------------------------ mix, directions


def test_mixing_by_cut_by_cell_and_by_another_parent(page, address):
    opened(page, address, "&model=gan-mnist&mode=mix&cut=2")
    before = source(page, "mixed")
    cells(page, "cuts").nth(1).click()
    changed(page, "mixed", before)
    assert values(page)["cut"] == 1
    cells(page, "grid").nth(2 * 6 + 3).click()  # second A, third B
    answered(page, "v.seed === 8 && v.seed_b === 14")
    before = source(page, "b")
    page.locator("[data-do=other-b]").click()
    changed(page, "b", before)


def test_a_direction_moves_nine_seeds_and_leaves_the_others_for_comparison(page, address):
    opened(page, address, "&model=gan-mnist&mode=directions")
    before, still = source(page, "after"), source(page, "before")
    assert before == still
    page.locator("#gan-p1 input[type=number]").fill("2")
    changed(page, "after", before)
    assert source(page, "before") == still
    page.wait_for_function("document.querySelectorAll('[data-part=meaning] li').length === 5", timeout=PATIENT)
    page.get_by_role("button", name="Direction 2: plus one sigma").click()
    answered(page, "v.p1 === 2 && v.p2 === 1")
    page.wait_for_function("document.querySelector('#gan-p2 input[type=number]').value == 1")


def test_attributes_fit_the_data_and_are_tried(page, address):
    opened(page, address, "&model=gan-mnist&mode=directions")
    assert page.locator("#gan-digit_trait").is_visible() and not page.locator("#gan-face_trait").is_visible()
    page.wait_for_function("document.querySelectorAll('[data-part=dose] li').length === 5", timeout=PATIENT)
    expect(page.locator("[data-part=dose-note]")).to_contain_text("fresh seeds")
    before = source(page, "after")
    page.locator("#gan-strength input[type=number]").fill("3")
    changed(page, "after", before)
    assert "thick strokes" in sentence(page)


# ------------------------------------------------------------------------------------------------ verdict, project


def draw_a_one(page):
    box = page.locator("[data-part=ink] canvas").bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"] * 0.8, steps=5)
    page.mouse.up()


def test_the_verdict_on_a_drawing(page, address):
    opened(page, address, "&model=gan-mnist&mode=verdict")
    line = page.evaluate("document.querySelector('[data-part=scale]').toDataURL()")
    page.locator("[data-part=ink]").get_by_role("button", name="Clear").click()
    draw_a_one(page)
    answered(page, "v.source === 'drawing'")
    page.wait_for_function(f"document.querySelector('[data-part=scale]').toDataURL() !== {line!r}")
    expect(page.locator("[data-part=words]")).to_contain_text("says the discriminator")
    assert sentence(page).startswith("Your picture")


def test_a_judged_sample_can_be_walked_from(page, address):
    opened(page, address, "&model=gan-mnist&mode=verdict")
    first = page.evaluate("pg.tab('gan').last.data.seeds[0]")
    cells(page, "fakes").first.click()
    answered(page, f"v.mode === 'walk' && v.seed === {first}")
    assert page.locator("[data-part=plane]").is_visible()


def test_a_search_runs_is_scrubbed_without_a_request_and_can_be_had_again(page, address):
    opened(page, address, "&model=gan-mnist&mode=project&test=120")
    page.wait_for_function("pg.tab('gan').last.data.film.frames === 80", timeout=PATIENT)
    frame = "document.querySelector('[data-part=film] canvas').toDataURL()"
    end, requests = page.evaluate(frame), []
    page.on("request", lambda r: requests.append(r.url) if "component_server" in r.url else None)
    page.locator("[data-part=film] input[type=range]").press("Home")
    page.wait_for_function(f"{frame} !== {end!r}")
    page.locator("[data-part=film] input[type=range]").press("End")
    page.wait_for_function(f"{frame} === {end!r}")
    assert not [url for url in requests if "pg_draw" in url]
    page.get_by_role("button", name="Search again").click()
    page.wait_for_function("pg.tab('gan').running", timeout=PATIENT)
    page.wait_for_function("!pg.tab('gan').running && pg.tab('gan').last.data.film.frames === 80", timeout=PATIENT)
    assert values(page)["seed"] != 7


def test_a_stopped_search_keeps_its_steps(page, address):
    opened(page, address, "")
    mode(page, "project")
    page.wait_for_function("pg.tab('gan').running && pg.tab('gan').last.step >= 3", timeout=PATIENT)
    page.locator("#gan-stage [data-tool=stop]").click()
    page.wait_for_function("!pg.tab('gan').running", timeout=PATIENT)
    page.wait_for_function("document.querySelector('#gan-stage .pg-sentence').textContent.includes('was stopped')")
    assert int(page.locator("[data-part=film] input[type=range]").get_attribute("max")) >= 1


def test_leaving_a_search_ends_it(page, address):
    opened(page, address, "")
    mode(page, "project")
    page.wait_for_function("pg.tab('gan').running && pg.tab('gan').last.step >= 2", timeout=PATIENT)
    mode(page, "walk")
    page.wait_for_function("!pg.tab('gan').running", timeout=PATIENT)
    assert "generator's picture" in sentence(page)


def test_upload_and_a_file_that_is_no_picture(page, address, tmp_path):
    opened(page, address, "&model=gan-mnist&mode=verdict")
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    chooser = page.locator(".gan-own input[type=file]")
    chooser.set_input_files(bad)
    page.locator("#gan-stage .pg-error").wait_for()
    expect(page.locator("#gan-stage .pg-error")).to_contain_text("not a picture")
    assert values(page)["source"] == "test"
    page_of = Image.new("L", (400, 300), 255)
    page_of.paste(0, (180, 40, 220, 260))
    page_of.save(tmp_path / "one.png")
    chooser.set_input_files(tmp_path / "one.png")
    answered(page, "v.source === 'drawing'")
    assert page.locator("#gan-stage .pg-error").is_hidden() and sentence(page).startswith("Your picture")


# ------------------------------------------------------------------------------------------------ diversity


def test_sixty_four_are_counted_and_looked_up(page, address):
    opened(page, address, "&model=gan-mnist&mode=diversity")
    assert cells(page, "made").count() == 64 and page.locator("[data-part=spread] li").count() == 2
    assert page.locator("[data-part=counts] span").count() == 10
    found = "document.querySelectorAll('[data-part=nearest] .pg-cells button').length === 64"
    told = "document.querySelector('[data-part=pair-note]').textContent.includes('evaluate')"  # no index yet
    page.wait_for_function(f"{found} || {told}")
    cells(page, "made").nth(9).click()
    assert cells(page, "made").nth(9).get_attribute("aria-pressed") == "true"


def test_little_truncation_room_takes_diversity_away(page, address):
    opened(page, address, "&mode=diversity&truncation=1")
    spread = "parseFloat(document.querySelector('[data-part=spread] li span:last-child').textContent)"
    wide = page.evaluate(spread)
    page.locator("#gan-truncation input[type=number]").fill("0.1")
    page.wait_for_function(f"{spread} < {wide} / 2")
    assert "nearer together" in sentence(page)


# ------------------------------------------------------------------------------------------------ everywhere


def test_only_the_controls_of_the_mode_are_there(page, address):
    opened(page, address, "")
    assert not page.locator("#gan-label").is_visible() and not page.locator("#gan-cut").is_visible()
    mode(page, "mix")
    assert page.locator("#gan-cut").is_visible() and not page.locator("#gan-p1").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation_in_any_mode(make_browser_page, server, axe, scheme):
    page = opened(make_browser_page(color_scheme=scheme), server)
    found = {}
    for name in MODES:
        mode(page, name)
        found[name] = axe(page)
    assert not any(found.values()), found


def test_a_phone_shows_everything_without_sideways_scrolling(make_browser_page, server):
    page = opened(make_browser_page(viewport={"width": 390, "height": 844}, has_touch=True), server)
    for name in MODES:
        mode(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
