"""A piece of the page with markup and a script of its own."""

from __future__ import annotations

from typing import Any

import gradio as gr


def markup(template: str, script: str, value: Any = None, **options: Any) -> gr.HTML:
    """`gr.HTML` without its looks.

    Gradio takes a word that stands in quotes in the script for an event, even where it is a parameter of its own. A
    state with a value named "every" made such an event of `every`, which holds on to the whole app; and all that a
    component holds is copied for each page that is opened, which took more than half a second.

    Args:
        template: HTML with `{{value}}` in it. script: what runs when it stands on the page.
    """
    made = gr.HTML(value, html_template=template, js_on_load=script, apply_default_css=False, **options)
    made.every = None
    return made
