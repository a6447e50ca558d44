"""C identifiers, literals and arrays: the one place that formats them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

import numpy as np

from mcugen.ir import Array

_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main
""".split()  # noqa: SIM905 - as a list it would fill a page
# A model's header must not stand in for one of these on an include path.
_HEADERS = """
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic
stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype mcugen_rt
""".split()  # noqa: SIM905
_RESERVED = frozenset(_KEYWORDS + _HEADERS)
MAX_COLUMNS = 110
_ARRAY_INDENT = 4

C_TYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t",
    "uint32": "uint32_t", "float32": "float",
}  # fmt: skip


def identifier(text: str) -> str:
    """A C identifier made from any text: lower case, runs of other characters become one underscore."""
    name = re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_") or "model"
    return f"m_{name}" if name[0].isdigit() or name in _RESERVED else name


def comment(text: str) -> str:
    """Text that is safe within a C comment, on one line."""
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return printable.replace("*/", "* /").replace("/*", "/ *")


def literal(value: int | float | tuple[int, ...]) -> str:
    """A C literal: int32 range integers, floats as exact float32 constants, tuples as initialisers."""
    if isinstance(value, tuple):
        return "{" + ", ".join(literal(v) for v in value) + "}"
    if isinstance(value, float):
        return float_literal(value)
    return "INT32_MIN" if value == -(2**31) else str(value)


def float_literal(value: float) -> str:
    """A decimal constant that reads back as the same float32."""
    text = np.format_float_scientific(np.float32(value), unique=True, trim="-")
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def hanging(head: str, items: Sequence[str], tail: str, indent: int = 0) -> list[str]:
    """A parameter or argument list in lines that end before the limit, continued below the opening parenthesis.

    head ends with that parenthesis. ``indent`` blanks stand before the first line; they are not part of the result.
    """
    texts = [f"{item}," for item in items[:-1]] + [f"{item}{tail}" for item in items[-1:]]
    lines = [head]
    for text in texts or [tail]:
        gap = " " if lines[-1].endswith(",") else ""
        if gap and indent + len(lines[-1]) + 1 + len(text) > MAX_COLUMNS:
            lines.append(" " * len(head) + text)
        else:
            lines[-1] += gap + text
    return lines


def comment_lines(paragraphs: Iterable[str], indent: int = 0) -> list[str]:
    """A block comment of paragraphs, each on lines of its own."""
    width = MAX_COLUMNS - indent - len("/* ") - len(" */")
    lines = [line for text in paragraphs for line in textwrap.wrap(text, width) or [""]]
    lines = [f"{' ' if i else '/'}* {line}" for i, line in enumerate(lines)]
    return [*lines[:-1], f"{lines[-1]} */"]


def array_lines(data: Array) -> list[str]:
    """The values of an array as comma-separated lines of C."""
    flat = data.reshape(-1)
    values = (
        (float_literal(float(v)) for v in flat) if flat.dtype.kind == "f" else map(_integer, flat.tolist())
    )
    return list(_wrapped(values))


def _integer(value: int) -> str:
    return literal(value)


def _wrapped(values: Iterable[str]) -> Iterable[str]:
    line = ""
    for value in values:
        if _ARRAY_INDENT + len(line) + len(value) + 2 > MAX_COLUMNS:
            yield line
            line = ""
        line += f" {value}," if line else f"{value},"
    if line:
        yield line
