"""A model that the visitor trained is in every list it suits, at once, and opens from a link."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def own(engine):
    """A visitor's copy of a shipped VAE."""
    return engine.adopt(engine.card("vae-mnist").folder)


def opened(page, server, tab, query=""):
    page.goto(f"{server}/?tab={tab}{query}")
    page.wait_for_function(f"window.pg?.tabs.{tab}?.last")


def remember(page, card):
    model = {"name": card.name, "title": "My VAE", "family": card.family, "data": card.data}
    with page.expect_response(lambda reply: "/run/predict" in reply.url):  # the tab asks which of its models suit it
        page.evaluate(f"pg.own.add({json.dumps(model)})")


def listed(page, tab):
    """The titles in a tab's list of models."""
    page.locator(f"#{tab}-model input").click()
    page.locator(f"#{tab}-model [role=option]").first.wait_for()
    titles = page.locator(f"#{tab}-model [role=option]").all_inner_texts()
    page.locator(f"#{tab}-model input").press("Escape")
    page.locator(f"#{tab}-model input").blur()
    return [title.strip().removeprefix("✓").strip() for title in titles]


def test_a_new_model_joins_the_list_and_can_be_chosen(page, server, own):
    opened(page, server, "vae", "&mode=samples")
    before = listed(page, "vae")
    remember(page, own)
    assert len(listed(page, "vae")) == len(before) + 1
    page.locator("#vae-model input").click()
    page.locator("#vae-model [role=option]").nth(len(before)).click()
    page.wait_for_function(f"pg.tab('vae').shown?.model === '{own.name}'")
    expect(page.locator("#vae-stage .pg-facts")).to_contain_text(own.name)
    page.wait_for_function(f"document.querySelector('#vae-stage .pg-address').value.includes('{own.name}')")


def test_a_link_opens_it_where_nobody_has_heard_of_it(page, server, own):
    opened(page, server, "vae", f"&mode=samples&model={own.name}")
    page.wait_for_function(f"pg.tab('vae').shown?.model === '{own.name}'")
    page.wait_for_function("document.querySelector('#vae-model input').value === 'VAE, forty latents'")


def test_a_family_it_does_not_belong_to_leaves_it_out(page, server, own):
    opened(page, server, "gan")
    before = listed(page, "gan")
    remember(page, own)
    assert listed(page, "gan") == before


def test_the_comparison_offers_it_as_a_column(page, server, own):
    opened(page, server, "vae")
    remember(page, own)
    opened(page, server, "compare", "&mode=quiz")
    page.get_by_role("button", name="more models").click()
    page.locator(f".cmp-chips [data-name={own.name}]").click()
    page.wait_for_function(f"pg.tab('compare').values.switched === '{own.name}'")
    page.locator(f".cmp-chips [data-name={own.name}][aria-pressed=true]").wait_for()
