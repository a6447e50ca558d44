"""Templates print, they never decide: their syntax trees have names, loops over names and tests of single flags."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import nodes

from mcugen.emit.render import environment
from mcugen.resources import resource_dir

FOLDER = resource_dir("templates")
TEMPLATES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.j2"))

# All that a template may consist of. Not among it: arithmetic, comparisons, not/and/or, calls, filters, tests,
# conditional expressions, literals, subscripts, set, macros.
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.For,
    nodes.If,
    nodes.Include,
)


def offences(source: str) -> list[str]:
    """What a template has beyond ALLOWED, as "line: node"."""
    found = []
    pending: list[nodes.Node] = [environment().parse(source)]
    while pending:
        node = pending.pop()
        if not isinstance(node, ALLOWED):
            found.append(f"{node.lineno}: {type(node).__name__}")
        elif isinstance(node, nodes.Include):
            if not isinstance(node.template, nodes.Const):
                found.append(f"{node.lineno}: include of a computed name")
        elif isinstance(node, nodes.For) and (node.test is not None or node.recursive):
            found.append(f"{node.lineno}: loop with a condition")
        else:
            pending.extend(node.iter_child_nodes())
    return found


def test_there_are_templates() -> None:
    assert "model.c.j2" in TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_is_logic_free(template: str) -> None:
    assert offences(Path(FOLDER / template).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "{{ a + 1 }}", "{{ -a }}", "{{ a ~ b }}", "{% if a > 1 %}{% endif %}", "{% if a and b %}{% endif %}",
        "{% if not a %}{% endif %}", "{{ a() }}", "{{ a | upper }}", "{{ a if b }}", "{{ a[0] }}", "{{ 'text' }}",
        "{% set a = 1 %}", "{% if a is defined %}{% endif %}", "{% for a in b if a %}{% endfor %}",
        "{% macro a() %}{% endmacro %}", "{% include a %}",
    ],
)  # fmt: skip
def test_logic_is_found(source: str) -> None:
    assert offences(source)
