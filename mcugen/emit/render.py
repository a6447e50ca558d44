"""Jinja set up the way all templates need it: they print, they never decide."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jinja2

from mcugen.resources import resource_dir


@functools.cache
def environment() -> jinja2.Environment:
    """The environment of templates/: undefined names are errors, blocks leave no blank lines."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the output is C, CMake and text, not HTML
    )


def render(template: str, context: Mapping[str, Any]) -> str:
    """The text of a template with a context. Raises jinja2 errors: a template that does not fit is a bug."""
    return environment().get_template(template).render(context)
