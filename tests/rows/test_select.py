"""Divisions of operators into steps."""

from __future__ import annotations

import pytest

from mcugen.ir import Graph
from mcugen.lowering import Program
from mcugen.rows.select import Division, Part

PROGRAM = Program(Graph({}, (), (), ()), (), "scalar", "native")


def division(*bounds: int) -> Division:
    parts = tuple(Part(start, end) for start, end in zip(bounds, bounds[1:], strict=False))
    return Division(parts, PROGRAM, (0,) * len(parts), 0, ())


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (Part(0, 3), (0, 3, 4, 6)),
        (Part(3, 4, 1), (0, 3, 4, 6)),
        (Part(3, 6), (0, 3, 6)),
        (Part(0, 6), (0, 6)),
        (Part(1, 4), None),
        (Part(1, 3), None),
        (Part(4, 5), None),
        (Part(2, 6), None),
        (Part(0, 5), None),
    ],
)
def test_a_part_takes_the_place_of_whole_ones(part: Part, found: tuple[int, ...] | None) -> None:
    """No operator is left out, whichever parts a new one would cut."""
    parts = division(0, 3, 4, 6).with_part(part)
    assert parts is None if found is None else parts is not None and part in parts
    if parts is not None and found is not None:
        assert (0, *(p.end for p in parts)) == found
