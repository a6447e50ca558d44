"""Loops give the calls back that they were made of."""

from __future__ import annotations

from random import Random

import pytest

from mcugen.emit.loops import Call, Loop, roll


def unrolled(loops: list[Loop], calls: list[Call]) -> list[Call]:
    """The calls that the loops make, as the generated C does: keys and first offsets of the first round."""
    found: list[Call] = []
    for loop in loops:
        assert loop.start == len(found)
        body = calls[loop.start : loop.start + loop.length]
        for i in range(loop.count):
            for call, steps in zip(body, loop.steps, strict=True):
                steps = steps or (0,) * len(call.offsets)
                offsets = tuple(o + i * s for o, s in zip(call.offsets, steps, strict=True))
                found.append(Call(call.key, offsets))
    return found


def drawn_calls(r: Random) -> list[Call]:
    """Bodies that repeat with even steps, at times with a flaw, with single calls between them."""
    calls: list[Call] = []
    for _ in range(r.randint(0, 5)):
        body = [
            (r.randrange(3), [r.randrange(50) for _ in range(r.randint(0, 3))])
            for _ in range(r.randint(1, 5))
        ]
        body = [(f"{key} of {len(offsets)}", offsets) for key, offsets in body]
        steps = [[r.choice((0, 0, 16, -8, 3)) for _ in offsets] for _, offsets in body]
        for i in range(r.randint(1, 7)):
            for (key, offsets), grow in zip(body, steps, strict=True):
                flaw = 1 if r.random() < 0.02 else 0
                calls.append(Call(key, tuple(o + i * s + flaw for o, s in zip(offsets, grow, strict=True))))
    return calls


@pytest.mark.parametrize("block", range(4))
def test_unrolling_gives_the_calls_back(block: int) -> None:
    for seed in range(100 * block, 100 * (block + 1)):
        calls = drawn_calls(Random(f"loops {seed}"))
        loops = roll(calls)
        assert unrolled(loops, calls) == calls
        assert all((loop.count == 1 and loop.length == 1) or loop.count >= 3 for loop in loops)


def test_repeated_calls_become_one_loop() -> None:
    calls = [Call(key, (16 * i, 4 * i)) for i in range(50) for key in ("row", "move", "next")]
    assert roll(calls) == [Loop(0, 3, 50, ((16, 4),) * 3)]


def test_what_differs_in_more_than_offsets_is_not_rolled() -> None:
    calls = [Call(i % 7 if i % 2 else i, (i,)) for i in range(6)]
    assert [loop.count for loop in roll(calls)] == [1] * 6


def test_no_calls_are_no_loops() -> None:
    assert roll([]) == []
