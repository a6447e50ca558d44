"""Plans of random programs, with random overlap distances, and of random regions: valid, small, and as declared."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcugen.errors import DoesNotFitError
from mcugen.lowering import KernelCall, Program, Sharing, Step
from mcugen.memory import Buffer, Overlap, Plan, Problem, Region, plan, validate
from mcugen.memory.conflicts import instance_of
from mcugen.memory.linear_scan import greedy_by_size
from mcugen.memory.liveness import memory_problem, plan_memory
from tests.memory.problems import is_smallest, problems
from tests.memory.test_schedule import View, network, node


@st.composite
def programs(draw: st.DrawFn, most: int = 10, largest: int = 20) -> Program:
    """Operators that read one or two tensors made before, some of them views; random distances to their inputs.

    Sizes are multiples of 16 bytes.
    """
    sizes = {"x": 16 * draw(st.integers(1, largest))}
    ops, sharings = [], []
    for k in range(draw(st.integers(1, most))):
        inputs = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=2, unique=True))
        if draw(st.integers(0, 5)) == 0:
            name = f"view{k}"
            sizes[name] = sizes[inputs[0]]
            ops.append(View(inputs=(inputs[0],), outputs=(name,)))
            sharings.append(())
            continue
        name = f"t{k}"
        sizes[name] = 16 * draw(st.integers(1, largest))
        ops.append(node(name, " ".join(inputs)))
        sharings.append(
            tuple(
                Sharing(draw(st.integers(-sizes[n], sizes[name])), i, draw(st.sampled_from((1, 1, 1, 4, 24))))
                for i, n in enumerate(inputs)
                if draw(st.integers(0, 3))
            )
        )
    outputs = draw(
        st.lists(st.sampled_from(sorted(sizes.keys() - {"x"})), min_size=1, max_size=2, unique=True)
    )
    graph = network(sizes, ops, "x", " ".join(dict.fromkeys((*outputs, ops[-1].outputs[0]))))
    steps = tuple(
        Step((op,), ())
        if op.is_alias
        else Step((op,), (KernelCall("k", (), op.inputs, op.outputs),), ("",), (own,))
        for op, own in zip(ops, sharings, strict=True)
    )
    return Program(graph, steps, "scalar", "native")


@given(programs())
def test_programs_are_planned_within_greedy_and_below_no_overlap(program: Program) -> None:
    problem = memory_problem(program)
    result = plan(problem)
    validate(problem, result)
    assert result.lower_bound <= result.peak <= greedy_by_size(instance_of(problem, "arena")).peak
    assert result.peak <= plan(memory_problem(program, overlap=False)).peak


@given(programs(most=5, largest=4))
@settings(max_examples=80)
def test_small_programs_equal_brute_force(program: Program) -> None:
    problem = memory_problem(program)
    result = plan(problem, seconds=2)
    assert result.proven
    assert is_smallest(problem, result.peak)


@given(programs())
def test_only_what_dies_is_overlapped_and_as_far_as_declared(program: Program) -> None:
    """Straight from the steps: two tensors whose bytes overlap never hold anything at the same time, but for a kernel's
    output on inputs that it may overwrite."""
    memory = plan_memory(program)
    lives = _lives(program)
    for a, b in combinations(sorted(lives), 2):
        distance = memory.offsets[b] - memory.offsets[a]
        sizes = [program.graph.tensors[n].bytes for n in (a, b)]
        together = sorted(lives[a] & lives[b])
        if together and -sizes[1] < distance < sizes[0]:
            assert len(together) == 1, "only at the step that makes the one of the other"
            assert _allowed(program.steps[together[0]], program, a, b, distance)


def _root(program: Program, name: str) -> str:
    made = {op.outputs[0]: op for op in program.graph.ops}
    while name in made and made[name].is_alias:
        name = made[name].inputs[0]
    return name


def _lives(program: Program) -> dict[str, set[int]]:
    """The steps at which each tensor that is not a view holds something."""
    used: dict[str, set[int]] = {"x": {0}}
    for t, step in enumerate(program.steps):
        for name in (*step.ops[0].inputs, *step.ops[0].outputs):
            used.setdefault(_root(program, name), set()).add(t)
    for name in program.graph.outputs:
        used[_root(program, name)].add(len(program.steps) - 1)
    return {name: set(range(min(steps), max(steps) + 1)) for name, steps in used.items()}


def _allowed(step: Step, program: Program, a: str, b: str, distance: int) -> bool:
    """Whether the step's kernel lets its output lie there. distance: from a to b."""
    if not step.calls:
        return False
    (call,), (sharings,) = step.calls, step.sharings
    if a == call.outputs[0]:
        a, b, distance = b, a, -distance
    return b == call.outputs[0] and any(
        _root(program, call.inputs[s.input]) == a and -distance >= s.distance and distance % s.step == 0
        for s in sharings
    )


@given(problems(most=6, largest=5, alignments=(1, 2), overlapping=True, regions=2))
def test_every_region_equals_brute_force(problem: Problem) -> None:
    result = plan(problem, seconds=2)
    for region in problem.all_regions:
        inside = problem.in_region(region.name)
        names = {b.name for b in inside}
        if inside:
            pairs = tuple(o for o in problem.overlaps if {o.a, o.b} <= names)
            assert is_smallest(Problem(inside, pairs, (region,)), result.peaks[region.name])


@given(problems(most=10, largest=60, overlapping=True, regions=3), st.data())
def test_regions_with_capacities_fit_or_say_so(problem: Problem, data: st.DataObject) -> None:
    """At the peaks everything fits; a byte less in one region does not, if the plan is proven."""
    result = plan(problem, seconds=1)
    exact = replace(problem, regions=tuple(Region(r.name, result.peaks[r.name]) for r in problem.regions))
    validate(exact, plan(exact, seconds=1))
    used = [r.name for r in problem.regions if result.peaks[r.name] and result.proven]
    if used:
        short = data.draw(st.sampled_from(used))
        tight = tuple(Region(r.name, result.peaks[r.name] - (r.name == short)) for r in problem.regions)
        with pytest.raises(DoesNotFitError, match=short):
            plan(replace(problem, regions=tight), seconds=1)


@st.composite
def many_ranges(draw: st.DrawFn) -> Problem:
    """Pairs that may overlap at several ranges of distances, as operators computed by rows allow."""
    buffers = tuple(
        Buffer(f"b{k}", draw(st.integers(2, 7)), 0, draw(st.integers(1, 2)), draw(st.sampled_from((1, 2))))
        for k in range(draw(st.integers(2, 4)))
    )
    overlaps = []
    for a, b in combinations([b.name for b in buffers], 2):
        low = -8
        for _ in range(draw(st.integers(0, 3))):
            low += draw(st.integers(1, 5))
            high = low + draw(st.integers(0, 2))
            overlaps.append(Overlap(a, b, low, high))
            low = high
    return Problem(buffers, tuple(overlaps))


@given(many_ranges())
def test_pairs_with_several_ranges_equal_brute_force(problem: Problem) -> None:
    result = plan(problem, seconds=2)
    assert result.proven and is_smallest(problem, result.peak)


@given(many_ranges(), st.data())
def test_the_validator_accepts_exactly_what_the_ranges_allow(problem: Problem, data: st.DataObject) -> None:
    """Random offsets, judged byte by byte and pair by pair."""
    offsets = {b.name: b.alignment * data.draw(st.integers(0, 6)) for b in problem.buffers}
    good = True
    for a, b in combinations(problem.buffers, 2):
        bytes_a, bytes_b = ({*range(offsets[x.name], offsets[x.name] + x.size)} for x in (a, b))
        steps = {*range(a.lower, a.upper)} & {*range(b.lower, b.upper)}
        ranges = [o for o in problem.overlaps if (o.a, o.b) == (a.name, b.name)]
        distance = offsets[b.name] - offsets[a.name]
        declared = any(
            o.low <= distance <= o.high for o in ranges if o.low is not None and o.high is not None
        )
        good &= not (steps and bytes_a & bytes_b) or declared
    result = Plan(offsets=offsets, peaks={"arena": 1000}, lower_bounds={"arena": 0}, method="drawn")
    if good:
        validate(problem, result)
    else:
        with pytest.raises(AssertionError, match="share bytes"):
            validate(problem, result)
