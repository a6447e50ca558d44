"""Plans of random problems: valid, never worse than greedy-by-size, as small as brute force where that is feasible."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen.errors import DoesNotFitError
from mcugen.memory import Buffer, Overlap, Problem, Region, largest_at_peak, plan, validate
from mcugen.memory.bounds import lower_bound
from mcugen.memory.conflicts import instance_of
from mcugen.memory.linear_scan import greedy_by_size, linear_scan
from tests.memory.problems import chains, is_smallest, problems

SEARCHES = pytest.mark.parametrize("seconds", [0.0, 0.2], ids=["scan", "search"])


def greedy_peak(problem: Problem) -> int:
    return sum(greedy_by_size(instance_of(problem, r.name)).peak for r in problem.all_regions)


@SEARCHES
@given(problem=problems(most=30, largest=500))
def test_plain_problems_are_planned_within_greedy(problem: Problem, seconds: float) -> None:
    result = plan(problem, seconds=seconds)
    assert result.lower_bound <= result.peak <= greedy_peak(problem)


@SEARCHES
@given(problem=problems(most=20, largest=200, overlapping=True, pinned=True, regions=2))
def test_problems_with_everything_are_planned_within_greedy(problem: Problem, seconds: float) -> None:
    result = plan(problem, seconds=seconds)
    assert result.lower_bound <= result.peak <= greedy_peak(problem)


@given(chains())
def test_linear_scan_is_exact_on_chains(problem: Problem) -> None:
    instance = instance_of(problem, "arena")
    assert linear_scan(instance).peak == lower_bound(instance)


@given(problems(most=7, largest=4, alignments=(1,)))
def test_search_equals_brute_force(problem: Problem) -> None:
    result = plan(problem, seconds=1)
    assert result.proven
    assert is_smallest(problem, result.peak)


@given(problems(most=6, largest=6, alignments=(1, 2, 4)))
def test_search_with_mixed_alignments_equals_brute_force(problem: Problem) -> None:
    result = plan(problem, seconds=1)
    assert result.proven
    assert is_smallest(problem, result.peak)


@given(problems(most=5, largest=5, alignments=(1, 2), overlapping=True))
def test_search_with_overlaps_equals_brute_force(problem: Problem) -> None:
    result = plan(problem, seconds=2)
    assert result.proven
    assert is_smallest(problem, result.peak)


@given(problems(most=5, largest=5, alignments=(1, 2), overlapping=True, pinned=True))
def test_search_with_fixed_offsets_equals_brute_force(problem: Problem) -> None:
    result = plan(problem, seconds=2)
    assert result.proven
    assert is_smallest(problem, result.peak)


@given(problems(most=12, largest=60), st.floats(0, 0.5))
def test_the_same_problem_gives_the_same_plan(problem: Problem, seconds: float) -> None:
    assert plan(problem, seconds=seconds).offsets == plan(problem, seconds=seconds).offsets


def test_plans_do_not_depend_on_the_hash_seed() -> None:
    script = (
        "from mcugen.memory import *\n"
        "b = [Buffer(f'b{k}', 16 * (k * 7 % 13 + 1), k % 11, k % 11 + 1 + k % 5) for k in range(60)]\n"
        "o = [Overlap.ahead(f'b{k}', f'b{k + 11}', 16) for k in range(20)]\n"
        "print(sorted(plan(Problem(tuple(b), tuple(o))).offsets.items()))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_deep_plans_do_not_hit_the_recursion_limit() -> None:
    buffers = tuple(Buffer(f"b{k}", 16 + k % 3, k, k + 5) for k in range(1100))
    result = plan(Problem(buffers), seconds=5)
    assert result.gap <= 32


def test_output_ahead_of_input_shares_all_but_the_distance() -> None:
    problem = Problem(
        (Buffer("in", 1024, 0, 2), Buffer("out", 1024, 1, 3)), (Overlap.ahead("out", "in", 64),)
    )
    result = plan(problem)
    assert result.peak == 1024 + 64
    assert result.offsets["in"] - result.offsets["out"] == 64


def test_output_behind_input_shares_all_but_the_distance() -> None:
    problem = Problem((Buffer("in", 512, 0, 2), Buffer("out", 512, 1, 3)), (Overlap.behind("out", "in", 32),))
    result = plan(problem)
    assert (result.peak, result.lower_bound, result.proven) == (544, 544, True)


def test_in_place_buffers_share_everything() -> None:
    chain = tuple(Buffer(f"t{k}", 4096, k, k + 2) for k in range(6))
    overlaps = tuple(Overlap.in_place(f"t{k + 1}", f"t{k}") for k in range(5))
    result = plan(Problem(chain, overlaps))
    assert (result.peak, result.gap) == (4096, 0)


@given(problems(most=14, largest=100, overlapping=True))
def test_allowing_overlaps_never_costs(problem: Problem) -> None:
    assert plan(problem, seconds=2).peak <= plan(Problem(problem.buffers), seconds=1).peak


def test_regions_are_planned_apart() -> None:
    buffers = (
        Buffer("a", 64, 0, 2, region="fast"),
        Buffer("b", 32, 0, 2, region="slow"),
        Buffer("c", 16, 1, 2),
    )
    result = plan(Problem(buffers, regions=(Region("slow", 64), Region("fast", 64))))
    assert result.peaks == {"slow": 48, "fast": 64}
    assert result.peak == 112


def test_a_region_too_small_is_reported_with_the_largest_buffers() -> None:
    buffers = tuple(Buffer(f"t{k}", 100 * (k + 1), k // 7, k // 7 + 1) for k in range(8))
    with pytest.raises(DoesNotFitError) as caught:
        plan(Problem(buffers, regions=(Region("sram", 1024),)))
    assert "sram" in str(caught.value)
    assert "1,024" in caught.value.message
    assert [line.split()[1] for line in caught.value.message.splitlines()[1:]] == [
        "t6",
        "t5",
        "t4",
        "t3",
        "t2",
    ]
    assert caught.value.exit_code == 4


def test_largest_at_peak_lists_the_buffers_of_the_highest_step() -> None:
    problem = Problem(
        (Buffer("a", 100, 0, 1), Buffer("b", 30, 1, 2), Buffer("c", 90, 1, 2), Buffer("d", 8, 0, 2))
    )
    names = [b.name for b in largest_at_peak(problem, plan(problem), "arena", 2)]
    assert names == ["c", "b"]


def test_an_empty_problem_needs_nothing() -> None:
    result = plan(Problem(()))
    assert (result.peak, result.lower_bound, dict(result.offsets)) == (0, 0, {})


def test_capacity_ends_the_search_early() -> None:
    buffers = tuple(Buffer(f"b{k}", 16 * (k * 7 % 13 + 1), k % 11, k % 11 + 1 + k % 5) for k in range(60))
    loose = plan(Problem(buffers), capacity=10**6)
    assert loose.nodes == 0
    validate(Problem(buffers), loose)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Buffer("x", 0, 0, 1),
        lambda: Buffer("x", 1, 1, 1),
        lambda: Buffer("x", 1, 0, 1, alignment=3),
        lambda: Buffer("x", 1, 0, 1, fixed_offset=8),
        lambda: Overlap("x", "x"),
        lambda: Overlap("x", "y", 2, 1),
        lambda: Problem((Buffer("x", 1, 0, 1), Buffer("x", 1, 0, 1))),
        lambda: Problem((Buffer("x", 1, 0, 1, region="nowhere"),)),
        lambda: Problem((Buffer("x", 1, 0, 1),), (Overlap("x", "y"),)),
    ],
)
def test_nonsense_is_refused(build: object) -> None:
    with pytest.raises(ValueError):
        build()  # type: ignore[operator]
