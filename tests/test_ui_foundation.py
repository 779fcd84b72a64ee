"""What every tab gets from its declaration, shown on a small tab made here."""

from __future__ import annotations

import base64
import functools
import io
import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from playground import PlaygroundError, render
from playground.api import Field
from tabs import _ui as ui

FIELDS = (
    Field("level", "float", 0.25, 0.0, 1.0, 0.01, label="Level"),
    Field("hue", "choice", "grey", choices=("grey", "red"), label="Hue"),
    Field("word", "text", "", length=20, label="Word"),
    ui.seed_field(),
)
PRESETS = (
    ui.Preset("works", "Dark grey", "A quarter of white.", {}),
    ui.Preset("fails", "Nothing", "No light at all.", {"level": 0.0}),
    ui.Preset("surprises", "Red", "All red.", {"level": 1.0, "hue": "red"}),
)
STATE = ui.State("stub", FIELDS, PRESETS)


def draw(values) -> ui.Shown:
    if values["word"] == "mend":
        raise PlaygroundError("The word was 'mend'. Use another one.")
    if values["word"] == "crash":
        raise RuntimeError("secret detail")
    picture = torch.full((1, 3, 8, 8), values["level"])
    if values["hue"] == "red":
        picture[:, 1:] = 0
    sentence = f"A {values['hue']} square of level {values['level']:.2f}, seed {values['seed']}."
    return ui.Shown(picture, sentence, model="paint", code="print('square')")


def build(engine) -> None:
    shell = ui.Shell(STATE, engine, draw, body='<img class="shown" alt="">', about="Why $x^2$?")
    with shell.layout(top=["hue"]), shell.group("Square"):
        shell.control("level")
        shell.control("word")
        shell.seed_row()


def build_run(engine) -> None:
    """A tab whose picture takes twenty steps."""
    state = ui.State("stubrun", (Field("level", "float", 0.5, 0, 1, 0.01, label="Level"), ui.seed_field()))

    def shown(values, step):
        return ui.Shown(torch.full((1, 1, 4, 4), values["level"]), f"Step {step}.", model="m", step=step, total=20)

    def stream(values):
        for step in range(1, 21):
            time.sleep(0.05)
            yield shown(values, step)

    shell = ui.Shell(state, engine, lambda v: shown(v, 20), body="", stream=stream)
    with shell.layout(), shell.group("Run"):
        shell.control("level")


STUB = SimpleNamespace(__name__="tabs.stub", TITLE="Stub", ORDER=1, build=build)
STUBRUN = SimpleNamespace(__name__="tabs.stubrun", TITLE="Run", ORDER=2, build=build_run)


@pytest.fixture(scope="module")
def stub(make_client):
    return make_client([STUB, STUBRUN])


@pytest.fixture(scope="module")
def address(open_page) -> str:
    return open_page([STUB, STUBRUN])


def values(page, tab="stub"):
    return page.evaluate(f"pg.tab('{tab}').values")


def opened(page, url, tab="stub"):
    page.goto(url)
    page.wait_for_function(f"window.pg?.tabs.{tab}?.last && pg.tabs.{tab}.at >= 0")
    return page


# ------------------------------------------------------------------------------------------------ state


def test_state_checks_every_value():
    assert STATE.check({"level": "0.5"})["level"] == 0.5
    numbers = ({"level": 2}, {"level": float("nan")}, {"seed": -1}, {"seed": 2**32})
    for bad in (*numbers, {"hue": "blue"}, {"other": 1}, []):
        with pytest.raises(PlaygroundError):
            STATE.check(bad)


def test_restore_turns_what_cannot_be_used_into_the_default():
    got = STATE.restore({"level": "7", "hue": "red", "seed": "x", "word": "y" * 99, "unknown": 1})
    assert got == {"level": 0.25, "hue": "red", "seed": 7, "word": ""}
    assert STATE.restore("nonsense") == STATE.defaults()


def test_a_preset_outside_its_range_is_found_when_it_is_declared():
    with pytest.raises(PlaygroundError, match="Level"):
        ui.State("x", FIELDS, (ui.Preset("works", "a", "b", {"level": 3}),))


# ------------------------------------------------------------------------------------------------ server functions


def test_draw_answers_with_picture_sentence_and_facts(stub):
    reply = stub.call("stub-stage", "pg_draw", {"state": {"level": 0.5}})
    assert reply["sentence"] == "A grey square of level 0.50, seed 7."
    assert reply["facts"]["model"] == "paint" and reply["facts"]["device"] == "cpu"
    image = Image.open(io.BytesIO(base64.b64decode(reply["picture"].partition(",")[2])))
    assert image.size == (8, 8) and abs(image.getpixel((3, 3))[0] - 128) <= 2


NONSENSE = [None, [], 3, {"state": {"level": 9}}, {"state": {"seed": 1.5}}, {"state": "x"}, {}]


@pytest.mark.parametrize("request_", NONSENSE)
def test_any_json_posted_to_an_endpoint_gets_a_plain_message(stub, request_):
    for function in ("pg_draw", "pg_save"):
        assert stub.call("stub-stage", function, request_)["error"]


def test_an_unexpected_error_is_neutral_and_logged(stub, caplog):
    reply = stub.call("stub-stage", "pg_draw", {"state": {"word": "crash"}})
    assert "secret" not in reply["error"] and "secret detail" in caplog.text


def test_saved_png_carries_its_recipe(stub):
    reply = stub.call("stub-stage", "pg_save", {"state": {"level": 1.0, "hue": "red"}})
    image = Image.open(io.BytesIO(base64.b64decode(reply["src"].partition(",")[2])))
    recipe = json.loads(image.text[render.RECIPE])
    assert recipe["tab"] == "stub" and recipe["state"] == STATE.check({"level": 1.0, "hue": "red"})
    assert image.format == "PNG" and min(image.size) >= 256 and image.getpixel((9, 9)) == (255, 0, 0)


def test_what_a_page_is_made_of_holds_on_to_no_live_object(client):
    """Gradio copies it for every page that is opened, and with an object all that hangs on it."""
    for component in client.demo.config["components"]:
        strange = {k: v for k, v in component["props"].items() if isinstance(v, functools.partial) or callable(v)}
        assert not strange, component["props"].get("elem_id")


def test_page_is_compressed_and_not_sniffed(address):
    import httpx

    reply = httpx.get(address, headers={"accept-encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip" and reply.headers["x-content-type-options"] == "nosniff"


# ------------------------------------------------------------------------------------------------ pictures


def encoded(image: Image.Image, kind="PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def seven(ink=0, paper=255, size=120, mode="L") -> Image.Image:
    page = np.full((size, size), paper, np.uint8)
    page[20:30, 30:90] = ink
    page[20:100, 80:90] = ink
    return Image.fromarray(page).convert(mode)


DIGIT = (1, 28, 28)


def test_a_digit_is_white_on_black_and_centred_whatever_its_paper():
    dark = ui.read_picture(encoded(seven(0, 255)), DIGIT, "mnist")
    light = ui.read_picture(encoded(seven(255, 0)), DIGIT, "mnist")
    assert dark.shape == (1, 1, 28, 28) and torch.allclose(dark, light, atol=0.02)
    picture = dark[0, 0]
    mass = picture / picture.sum()
    grid = torch.arange(28.0)
    assert abs((mass.sum(0) * grid).sum() - 13.5) < 0.6 and abs((mass.sum(1) * grid).sum() - 13.5) < 0.6
    rows = torch.nonzero(picture.amax(1) > 0.2)
    assert 19 <= rows[-1] - rows[0] + 1 <= 21


def test_transparent_ink_is_seen_on_either_paper():
    for ink in (0, 255):
        image = Image.new("RGBA", (120, 120), (ink, ink, ink, 0))
        image.putalpha(seven(255, 0))
        assert ui.read_picture(encoded(image), DIGIT, "mnist").sum() > 20


def test_a_28_pixel_digit_is_left_as_it_is():
    from tabs._ui.examples import digits

    images, _ = digits()
    for index in (0, 130, 499):
        again = ui.read_picture(render.png_uri(images[index : index + 1]), DIGIT, "mnist")
        assert torch.allclose(again, images[index : index + 1], atol=0.5 / 255)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "I;16", "LA", "CMYK"])
def test_every_mode_becomes_a_colour_picture(mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((40, 60), 60000, np.uint16))
        x = ui.read_picture(encoded(image), (3, 64, 64))
        assert abs(x.mean() - 60000 / 65535) < 0.01
        return
    image = Image.new("RGB", (60, 40), (200, 40, 40)).convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert ui.read_picture(encoded(image, kind), (3, 64, 64)).shape == (1, 3, 64, 64)


def test_exif_rotation_is_applied():
    image = Image.new("RGB", (40, 40), (255, 255, 255))
    image.paste((0, 0, 0), (0, 0, 40, 10))  # dark on top, to be shown turned by 90°
    exif = Image.Exif()
    exif[0x0112] = 6
    x = ui.read_picture(encoded(image, "JPEG", exif=exif.tobytes()), (3, 64, 64))
    assert x[..., :, 56:].mean() < 0.3 and x[..., :8, :40].mean() > 0.7


def bomb(side: int) -> bytes:
    return encoded(Image.new("1", (side, side)))


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))


BAD = {
    "not a picture": b"hello",
    "a page": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "truncated": encoded(noise())[:900],
    "truncated jpeg": encoded(noise(), "JPEG")[:900],
    "far too large": bomb(12000),
    "too large": bomb(3000),
    "one pixel": encoded(Image.new("L", (1, 1))),
    "nothing": b"",
    "no data uri": "http://127.0.0.1/x.png",
    "broken data uri": "data:image/png;base64,###",
    "a number": 3,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_explained(name):
    for shape, data in ((DIGIT, "mnist"), ((3, 64, 64), "faces")):
        with pytest.raises(PlaygroundError) as caught:
            ui.read_picture(BAD[name], shape, data)
        assert len(str(caught.value)) > 30


def test_the_bomb_is_small_and_never_decoded(monkeypatch):
    assert len(bomb(12000)) < 40_000
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(PlaygroundError, match="too large"):
        ui.read_picture(BAD["far too large"], DIGIT, "mnist")


def test_an_empty_drawing_is_explained():
    for paper in (0, 255):
        with pytest.raises(PlaygroundError, match="nothing on the picture"):
            ui.read_picture(encoded(Image.new("L", (280, 280), paper)), DIGIT, "mnist")


# ------------------------------------------------------------------------------------------------ render


def test_sheet_and_sprite_put_every_frame_where_they_say():
    frames = torch.arange(6.0).div(6)[:, None, None, None].expand(6, 1, 16, 16)
    film = render.sprite({"a": frames[:3], "b": frames[3:]})
    page = np.asarray(Image.open(io.BytesIO(base64.b64decode(film["src"].partition(",")[2]))).convert("L"))
    for cell in range(6):
        y, x = cell // film["columns"] * film["h"], cell % film["columns"] * film["w"]
        assert abs(int(page[y + 8, x + 8]) - cell / 6 * 255) <= 2
    assert film["frames"] == 3 and film["names"] == ["a", "b"]
    assert render.enlarge(render.sheet(frames, 3), 256).shape == (256, 384, 3)


# ------------------------------------------------------------------------------------------------ browser


@pytest.mark.browser
def test_a_slider_draws_keeps_history_and_address(page, address):
    opened(page, address)
    page.locator("#stub-level input[type=number]").fill("0.75")
    page.wait_for_function("pg.tab('stub').last.sentence.includes('0.75')")
    page.wait_for_url("**level=0.75*")
    page.wait_for_function("pg.tab('stub').entries.length === 2")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("document.querySelector('#stub-level input[type=number]').value === '0.25'")
    assert values(page)["level"] == 0.25 and page.locator("[data-tool=undo]").is_disabled()
    page.keyboard.press("Control+Shift+Z")
    page.wait_for_function("document.querySelector('#stub-level input[type=number]').value === '0.75'")


@pytest.mark.browser
def test_address_restores_and_refuses(page, address):
    opened(page, f"{address}/?tab=stub&level=0.5&hue=red&seed=99999999999&other=1")
    assert values(page) == {"level": 0.5, "hue": "red", "word": "", "seed": 7}
    page.wait_for_function("document.querySelector('#stub-level input[type=number]').value === '0.5'")
    assert page.locator("#stub-hue input[value=red]").is_checked()
    assert "level=0.5" in page.url and "other" not in page.url


@pytest.mark.browser
def test_address_opens_the_tab_it_names(page, address):
    opened(page, f"{address}/?tab=stubrun&level=0.9", "stubrun")
    assert values(page, "stubrun")["level"] == 0.9
    assert page.get_by_role("tab", name="Run", exact=True).get_attribute("aria-selected") == "true"
    page.get_by_role("tab", name="Stub", exact=True).click()
    page.wait_for_url("**tab=stub*")


@pytest.mark.browser
def test_the_address_never_loses_what_was_asked_while_the_page_opens(page, address):
    """A reload at any moment has to find it again."""
    page.add_init_script("""window.written = []; const keep = history.replaceState.bind(history);
        history.replaceState = (a, b, url) => { written.push(String(url)); keep(a, b, url); };""")
    opened(page, f"{address}/?tab=stubrun&level=0.9", "stubrun")
    page.wait_for_function("written.length && pg.tab('stubrun').arrived")
    page.wait_for_function("document.getElementById('tab-stubrun-button').getAttribute('aria-selected') === 'true'")
    page.evaluate("pg.select('stub')")  # Gradio's selection of the first tab, reported late
    assert all("level=0.9" in url for url in page.evaluate("written"))


@pytest.mark.browser
def test_presets_lock_and_resets(page, address):
    opened(page, address)
    assert page.locator("[data-tool=reset]").is_disabled()
    page.locator("#stub-seed input").fill("42")
    page.get_by_role("button", name="Keep this seed").click()
    assert page.get_by_role("button", name="Another seed").is_disabled()
    page.get_by_role("button", name="Surprises").click()
    page.wait_for_function("pg.tab('stub').last.sentence.includes('seed 42')")
    assert values(page) == {"level": 1.0, "hue": "red", "word": "", "seed": 42}
    assert page.locator(".pg-lesson").inner_text() == "All red."
    page.get_by_role("button", name="Reset Square").click()
    assert values(page) == {"level": 0.25, "hue": "red", "word": "", "seed": 42}
    page.get_by_role("button", name="Keep this seed").click()
    page.get_by_role("button", name="Reset", exact=True).first.click()
    page.wait_for_function("pg.tab('stub').last.sentence === 'A grey square of level 0.25, seed 7.'")


@pytest.mark.browser
def test_an_error_stands_over_the_picture_and_loses_nothing(page, address):
    opened(page, address)
    before = page.evaluate("pg.tab('stub').last.picture")
    page.locator("#stub-word textarea, #stub-word input").fill("mend")
    page.get_by_role("alert").filter(has_text="Use another one").wait_for()
    assert page.evaluate("pg.tab('stub').last.picture") == before
    page.locator("#stub-word textarea, #stub-word input").fill("fine")
    page.get_by_role("alert").filter(has_text="Use another one").wait_for(state="hidden")


@pytest.mark.browser
def test_a_saved_picture_brings_everything_back(page, address, tmp_path):
    opened(page, f"{address}/?tab=stub&level=0.5&hue=red&seed=3")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save PNG").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    page.get_by_role("tab", name="Run", exact=True).click()
    page.wait_for_function("window.pg?.tabs.stubrun?.last")
    page.evaluate("pg.tab('stub').reset()")
    page.locator("#stubrun-stage input[type=file]").set_input_files(file)
    page.wait_for_function("pg.active === 'stub' && pg.tab('stub').values.hue === 'red'")
    assert values(page) == {"level": 0.5, "hue": "red", "word": "", "seed": 3}


@pytest.mark.browser
def test_a_picture_without_recipe_is_explained(page, address, tmp_path):
    opened(page, address)
    file = tmp_path / "plain.png"
    file.write_bytes(encoded(seven()))
    page.locator("#stub-stage input[type=file]").set_input_files(file)
    page.get_by_role("alert").filter(has_text="no recipe").wait_for()


@pytest.mark.browser
def test_a_run_streams_stops_and_gives_way_to_a_newer_one(page, address):
    page.goto(f"{address}/?tab=stubrun")
    page.wait_for_function("window.pg?.tabs.stubrun?.last?.step > 2")
    page.locator("#stubrun-stage [data-tool=stop]").click()
    page.wait_for_function("!pg.tab('stubrun').running")
    assert page.evaluate("pg.tab('stubrun').last.step") < 20
    page.locator("#stubrun-level input[type=number]").fill("0.8")
    page.wait_for_function("pg.tab('stubrun').running && pg.tab('stubrun').last.step > 1")
    page.locator("#stubrun-level input[type=number]").fill("0.9")
    page.wait_for_function("!pg.tab('stubrun').running && pg.tab('stubrun').last.step === 20")
    page.wait_for_function("pg.tab('stubrun').entries.at(-1)?.state.level === 0.9")


@pytest.mark.browser
def test_history_survives_a_reload(page, address):
    opened(page, address)
    page.get_by_role("button", name="Surprises").click()
    page.wait_for_function("pg.tab('stub').entries.length === 2")
    page.reload()
    page.wait_for_function("window.pg?.tabs.stub?.entries.length >= 2 && pg.tab('stub').last")
    assert values(page)["hue"] == "red"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_accessibility_violation(make_browser_page, address, axe, scheme):
    page = opened(make_browser_page(color_scheme=scheme), address)
    page.get_by_role("button", name="What is this?").click()
    page.locator(".pg-share summary").click()
    assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
    assert axe(page) == []


@pytest.mark.browser
def test_projector_mode_makes_the_type_larger_and_is_remembered(page, address):
    opened(page, address)
    size = "document.querySelector('.pg-sentence').getBoundingClientRect().height"
    before = page.evaluate(size)
    page.get_by_role("button", name="Projector").click()
    assert page.evaluate(size) > 1.15 * before
    page.reload()
    page.wait_for_function("document.documentElement.classList.contains('pg-projector')")
