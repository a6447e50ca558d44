"""The documents that are generated are up to date."""

from pathlib import Path

from mcugen.report.operators import operators_markdown

DOCS = Path(__file__).parents[2] / "docs"


def test_operator_reference_is_current() -> None:
    assert (DOCS / "OPERATORS.md").read_text(encoding="utf-8") == operators_markdown(), (
        "run: python -m mcugen.report.operators > docs/OPERATORS.md"
    )
