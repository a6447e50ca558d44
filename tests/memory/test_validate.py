"""The validator finds every kind of corruption of a good plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcugen.memory import Buffer, Overlap, Plan, PlanError, Problem, Region, plan, validate
from tests.memory.problems import problems

PROBLEM = Problem(
    (
        Buffer("in", 64, 0, 2, fixed_offset=32),
        Buffer("out", 64, 1, 3),
        Buffer("other", 16, 1, 3),
        Buffer("far", 16, 0, 3, region="slow"),
    ),
    (Overlap.ahead("out", "in", 32),),
    (Region("fast", 256), Region("slow", 64)),
)
GOOD = Plan(
    offsets={"in": 32, "out": 0, "other": 96, "far": 0},
    peaks={"fast": 112, "slow": 16},
    lower_bounds={"fast": 80, "slow": 16},
    method="by hand",
)


def moved(**offsets: int) -> Plan:
    return replace(GOOD, offsets={**GOOD.offsets, **offsets}, peaks={"fast": 256, "slow": 64})


def test_the_good_plan_passes() -> None:
    validate(PROBLEM, GOOD)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (moved(other=64), "share bytes"),
        (moved(out=16), "share bytes"),
        (moved(out=4), "not aligned"),
        (moved(out=-16), "not aligned"),
        (moved(**{"in": 48}), "must lie at"),
        (moved(other=256), "above the stated peak"),
        (replace(GOOD, peaks={"fast": 96, "slow": 16}), "above the stated peak"),
        (replace(GOOD, peaks={"fast": 272, "slow": 16}), "needs 272 bytes and has 256"),
        (replace(GOOD, lower_bounds={"fast": 128, "slow": 16}), "below its lower bound"),
        (replace(GOOD, offsets={"in": 32}), "misses or invents"),
        (moved(ghost=0), "misses or invents"),
    ],
)
def test_corrupted_plans_are_caught(bad: Plan, says: str) -> None:
    with pytest.raises(PlanError, match=says):
        validate(PROBLEM, bad)


@given(problems(most=10, largest=60, alignments=(1,)), st.data())
def test_a_buffer_moved_onto_another_is_caught(problem: Problem, data: st.DataObject) -> None:
    result = plan(problem, seconds=0)
    pairs = [(a, b) for a in problem.buffers for b in problem.buffers if a is not b and a.meets(b)]
    assume(pairs)
    a, b = data.draw(st.sampled_from(pairs))
    target = result.offsets[b.name] + data.draw(st.integers(0, b.size - 1))
    bad = replace(result, offsets={**result.offsets, a.name: target}, peaks={"arena": 10**6})
    with pytest.raises(PlanError, match="share bytes"):
        validate(problem, bad)
