"""C literals, names and comments; the constants of a model."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen.emit import c_format as c
from mcugen.emit.model import _Constants


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vww_96_int8", "vww_96_int8"),
        ("My Model-v2.1", "my_model_v2_1"),
        ("3x3", "m_3x3"),
        ("while", "m_while"),
        ("main", "m_main"),
        ("___", "model"),
        ("", "model"),
        ("größe", "gr_e"),
    ],
)
def test_identifiers(text: str, expected: str) -> None:
    assert c.identifier(text) == expected


@given(st.text())
def test_every_text_gives_an_identifier(text: str) -> None:
    name = c.identifier(text)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert c.identifier(name) == name


@given(st.text())
def test_comments_cannot_be_left(text: str) -> None:
    safe = c.comment(f"*/{text}")
    assert "*/" not in safe and "/*" not in safe and "\n" not in safe


@given(st.integers(-(2**31), 2**31 - 1))
def test_integer_literals(value: int) -> None:
    """-2147483648 would be the negation of a constant that does not fit."""
    assert c.literal(value) == ("INT32_MIN" if value == -(2**31) else str(value))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_literals_read_back_exactly(value: float) -> None:
    text = c.literal(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f", text) and ("." in text or "e" in text)
    assert np.float32(text[:-1]).tobytes() == np.float32(value).tobytes()


def test_initialisers() -> None:
    assert c.literal((1, -2, -(2**31))) == "{1, -2, INT32_MIN}"


@given(st.lists(st.integers(-128, 127), max_size=300))
def test_array_lines(values: list[int]) -> None:
    lines = c.array_lines(np.array(values, dtype=np.int8).reshape(-1, 1))
    assert all(len(line) <= 110 for line in lines)
    assert [int(v) for line in lines for v in line.rstrip(",").split(",")] == values


def test_constants_of_equal_names_are_kept_apart() -> None:
    """Bands of an operator may need differently arranged weights; both are kept, and equal ones are stored once."""
    constants = _Constants("m")
    first, second = np.arange(4, dtype=np.int8), np.arange(4, dtype=np.int8)[::-1].copy()
    names = [constants.add("00_1_weights", data, "title") for data in (first, second, first)]
    assert names == ["m_00_1_weights", "m_00_1_weights_v2", "m_00_1_weights"]
    np.testing.assert_array_equal(constants.arrays[names[1]][0], second)
