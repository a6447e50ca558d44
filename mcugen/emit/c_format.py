"""C identifiers, literals and arrays: the one place that formats them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from mcugen.ir import Array

_KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
    "main".split()
)
_LINE_WIDTH = 108

C_TYPES = {
    "int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t",
    "uint32": "uint32_t", "float32": "float",
}  # fmt: skip


def identifier(text: str) -> str:
    """A C identifier made from any text: lower case, runs of other characters become one underscore."""
    name = re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_") or "model"
    return f"m_{name}" if name[0].isdigit() or name in _KEYWORDS else name


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


def array_lines(data: Array) -> list[str]:
    """The values of an array as comma-separated lines of C."""
    flat = data.reshape(-1)
    values = (float_literal(float(v)) for v in flat) if flat.dtype.kind == "f" else map(_integer, flat.tolist())
    return list(_wrapped(values))


def _integer(value: int) -> str:
    return literal(value)


def _wrapped(values: Iterable[str]) -> Iterable[str]:
    line = ""
    for value in values:
        if len(line) + len(value) + 2 > _LINE_WIDTH:
            yield line
            line = ""
        line += f" {value}," if line else f"{value},"
    if line:
        yield line
