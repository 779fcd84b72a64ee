"""The VAE tab under real hands: a Chromium drags, draws, uploads, walks."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(open_page):
    """This tab alone, which opens sooner; whole pages are looked at in the end."""
    from tabs import vae

    return open_page([vae])


def opened(page, address: str, query: str = ""):
    page.goto(f"{address}/?tab=vae{query}")
    page.wait_for_function("window.pg?.tabs.vae?.last && pg.tab('vae').at >= 0")
    return page


def values(page):
    return page.evaluate("pg.tab('vae').values")


def mode(page, name: str):
    page.locator(f"#vae-mode input[value={name}]").check()
    page.wait_for_function(f"pg.tab('vae').values.mode === '{name}' && pg.tab('vae').shown?.mode === '{name}'")


def source(page, part: str) -> str:
    return page.locator(f"[data-part={part}]").get_attribute("src")


def changed(page, part: str, before: str):
    page.wait_for_function(f"document.querySelector('[data-part={part}]').src !== {before!r}")


def test_a_picture_stands_there_at_once(page, address):
    opened(page, address)
    assert source(page, "out").startswith("data:image/jpeg")
    expect(page.locator("#vae-stage .pg-sentence")).to_have_text(re.compile("^The picture decoded at"))
    expect(page.locator("#vae-stage .pg-facts")).to_contain_text("ms · vae-mnist-2d")


def test_dragging_the_map_decodes_live(page, address):
    opened(page, address)
    box = page.locator(".vae-map .pg-pad").bounding_box()
    seen, start = {source(page, "out")}, (box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    page.mouse.move(*start)
    page.mouse.down()
    for i in range(1, 7):
        before = source(page, "out")
        page.mouse.move(start[0] + i * 25, start[1] + i * 10)
        changed(page, "out", before)
        seen.add(source(page, "out"))
    page.mouse.up()
    assert len(seen) == 7
    page.wait_for_function("document.querySelector('#vae-x input[type=number]').value == pg.tab('vae').values.x")
    page.wait_for_function("pg.tab('vae').entries.length === 2")  # the whole drag is one step of the history


def test_hovering_shows_and_leaving_puts_back(page, address):
    opened(page, address)
    before, at = source(page, "out"), values(page)
    page.locator(".vae-map .pg-pad").hover(position={"x": 40, "y": 40})
    changed(page, "out", before)
    page.mouse.move(5, 5)
    page.wait_for_function(f"document.querySelector('[data-part=out]').src === {before!r}")
    assert values(page) == at


def test_the_map_by_keyboard(page, address):
    opened(page, address)
    page.locator(".vae-map .pg-pad").focus()
    start = values(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowUp")
    now = values(page)
    assert round(now["x"] - start["x"], 2) == 0.05 and round(now["y"] - start["y"], 2) == 0.55
    page.keyboard.press("s")
    assert values(page)["x"] == round(now["x"]) and values(page)["y"] == round(now["y"])
    page.keyboard.press("a")
    page.wait_for_function(f"pg.tab('vae').values.x !== {values(page)['x']}")
    page.keyboard.press("a")


def stroke(page, box, points):
    at = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for point in at[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def test_drawing_encodes_at_each_stroke_and_moves_the_ellipse(page, address):
    opened(page, address, "&mode=draw")
    page.get_by_role("button", name="Clear").click()
    canvas = page.locator(".vae-draw .pg-canvas canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    before, ellipse = source(page, "recon"), page.evaluate("pg.tab('vae').last.data.ellipse")
    stroke(page, box, [(0.5, 0.15), (0.5, 0.85)])
    changed(page, "recon", before)
    page.wait_for_function("pg.tab('vae').values.source === 'drawing' && pg.tab('vae').values.drawing.length < 2000")
    one = page.evaluate("pg.tab('vae').last.data.ellipse")
    assert one != ellipse
    before = source(page, "recon")
    stroke(page, box, [(0.2, 0.15), (0.8, 0.15)])
    changed(page, "recon", before)
    assert page.evaluate("pg.tab('vae').last.data.ellipse") != one


def test_R_draws_again_from_the_posterior(page, address):
    opened(page, address, "&mode=draw&test=60")
    before, mean = source(page, "again"), source(page, "recon")
    page.locator("#vae-stage .pg-facts").click()  # the keyboard belongs to the page
    page.keyboard.press("r")
    changed(page, "again", before)
    assert source(page, "recon") == mean


def test_drawing_by_keyboard(page, address):
    opened(page, address, "&mode=draw")
    page.get_by_role("button", name="Clear").click()
    page.locator(".vae-draw .pg-canvas canvas").focus()
    page.keyboard.press("Space")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.wait_for_function("pg.tab('vae').values.source === 'drawing'")


def test_upload_and_a_file_that_is_no_picture(page, address, tmp_path):
    opened(page, address, "&mode=draw")
    before = source(page, "recon")
    page_ = np.full((100, 100), 255, np.uint8)
    page_[15:85, 45:57] = 0
    Image.fromarray(page_).save(tmp_path / "one.png")
    (tmp_path / "bad.png").write_bytes(b"this is text")
    page.locator(".vae-buttons input[type=file]").set_input_files(tmp_path / "one.png")
    changed(page, "recon", before)
    stands = source(page, "recon")
    page.locator(".vae-buttons input[type=file]").set_input_files(tmp_path / "bad.png")
    page.get_by_role("alert").filter(has_text="not a picture").wait_for()
    assert source(page, "recon") == stands
    page.get_by_role("button", name="Another test picture").click()
    page.get_by_role("alert").filter(has_text="not a picture").wait_for(state="hidden")
    page.wait_for_function("pg.tab('vae').entries.at(-1).state.source === 'test' && pg.tab('vae').entries.length > 1")
    kept = page.evaluate("pg.tab('vae').entries.map(e => e.state.drawing)")
    assert not any("dGhpcyBpcyB0ZXh0" in drawing for drawing in kept)  # "this is text" in base64


def test_samples_lead_to_sliders(page, address):
    opened(page, address, "&mode=samples&model=vae-mnist")
    page.get_by_role("button", name="seed 10", exact=True).click()
    page.wait_for_function("pg.tab('vae').shown?.mode === 'sliders'")
    assert values(page)["seed"] == 10 and values(page)["start"] == "seed"
    before = source(page, "moved")
    page.locator("#vae-k1 input[type=number]").fill("2.5")
    changed(page, "moved", before)
    before = source(page, "moved")
    page.locator(".vae-sliders .pg-cells button").nth(9).click()
    changed(page, "moved", before)
    assert values(page)["k2"] != 0
    page.get_by_role("button", name="Reset Strongest latents").click()
    page.wait_for_function("pg.tab('vae').values.k1 === 0")


def test_the_walk_is_scrubbed_without_a_request(page, address):
    opened(page, address, "&mode=between")
    page.wait_for_function("document.querySelectorAll('.vae-between canvas').length === 3")
    asked = []
    page.on("request", lambda r: asked.append(r.url))
    look = "document.querySelector('.vae-between canvas').toDataURL()"
    middle = page.evaluate(look)
    slider = page.get_by_role("slider", name="Place on the walk")
    slider.focus()
    page.keyboard.press("Home")
    first = page.evaluate(look)
    page.keyboard.press("End")
    assert len({first, middle, page.evaluate(look)}) == 3 and values(page)["frame"] == 32
    page.keyboard.press("ArrowLeft")
    assert values(page)["frame"] == 31 and asked == []
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.wait_for_function("pg.tab('vae').values.frame > 3")


def test_another_corner(page, address):
    opened(page, address, "&mode=between")
    before = page.locator("[data-part=grid]").get_attribute("src")
    page.get_by_role("button", name="Corner D").click()
    changed(page, "grid", before)


def test_faces_by_arithmetic(page, address):
    opened(page, address)
    page.get_by_role("button", name="Glasses by arithmetic").click()
    page.wait_for_function("pg.tab('vae').shown?.mode === 'faces'", timeout=60_000)
    before = source(page, "after")
    page.locator("#vae-hat input[type=number]").fill("1.5")
    changed(page, "after", before)
    expect(page.locator("#vae-stage .pg-sentence")).to_contain_text("+1.5 hat")


def test_only_the_controls_of_the_mode_are_there(page, address):
    opened(page, address)
    assert page.locator("#vae-x").is_visible() and not page.locator("#vae-temperature").is_visible()
    mode(page, "samples")
    assert page.locator("#vae-temperature").is_visible() and not page.locator("#vae-x").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation_in_any_mode(make_browser_page, server, axe, scheme):
    page = opened(make_browser_page(color_scheme=scheme), server)
    found = {}
    for name in ("map", "draw", "samples", "sliders", "between", "faces"):
        mode(page, name)
        found[name] = axe(page)
    assert not any(found.values()), found


def test_a_phone_shows_everything_without_sideways_scrolling(make_browser_page, server):
    page = opened(make_browser_page(viewport={"width": 390, "height": 844}, has_touch=True), server)
    for name in ("map", "draw", "samples", "sliders", "between", "faces"):
        mode(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        stage = page.locator(f"#vae-stage .vae-mode.vae-{name}")
        if stage.count():  # a collapsed stage needs no scrolling either
            assert stage.first.bounding_box()["width"] > 300, name


def test_on_a_phone_the_starting_points_are_one_row_and_the_taken_one_is_in_sight(make_browser_page, server):
    query = "&mode=sliders&model=betavae-faces"
    page = opened(make_browser_page(viewport={"width": 390, "height": 844}, has_touch=True), server, query)
    page.locator(".pg-preset[aria-pressed=true]").filter(has_text="One slider").wait_for()
    boxes = [box.bounding_box() for box in page.locator("#vae-stage .pg-preset").all()]
    assert len({round(box["y"]) for box in boxes}) == 1, "one row"
    assert boxes[2]["x"] >= 0 and boxes[2]["x"] + boxes[2]["width"] <= 390
    assert page.evaluate("window.scrollY") == 0, "the page itself stays where it is"


def test_asking_for_a_crown(page, address):
    """The pickers are folded away, there for the models that understand them, and part of the address."""
    opened(page, address, "&mode=samples")
    asking = page.locator("#vae-group-ask-for")
    assert not asking.is_visible(), "a VAE of digits cannot be asked"
    opened(page, address, "&mode=samples&model=cvae-faces")
    asking.locator(".label-wrap").click()
    page.locator("#vae-ask_hat input").click()
    page.get_by_role("option", name="Crown", exact=True).click()
    page.locator("#vae-stage .pg-sentence").get_by_text("with hat crown").wait_for()
    page.wait_for_function("location.search.includes('ask_hat=crown')")
    assert values(page)["ask_hat"] == "crown"
