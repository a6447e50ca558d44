"""Placements of random items in random regions: they fit, cost no more than greedy, and are the cheapest where all
combinations can be tried."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcugen.errors import DoesNotFitError
from mcugen.memory import Buffer, Overlap, Problem, Region, plan, plan_of
from mcugen.memory.placement import Item, Option, Placement, place, repack

Case = tuple[list[Item], list[Region], list[Overlap]]


@st.composite
def cases(draw: st.DrawFn, most: int = 12, regions: int = 3) -> Case:
    """Items of every kind: in any region, in memory or not at all, and in two pieces with something between."""
    banks = [Region(f"r{k}", draw(st.integers(1, 12)) * 16) for k in range(draw(st.integers(1, regions)))]
    items = [_item(draw, k, banks) for k in range(draw(st.integers(1, most)))]
    names = [f"b{k}" for k in range(len(items))]
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=3))
    return items, banks, [Overlap.ahead(a, b, 16) for a, b in pairs if a != b]


def _item(draw: st.DrawFn, k: int, banks: list[Region]) -> Item:
    lower, size = draw(st.integers(0, 6)), draw(st.integers(1, 60))
    upper = lower + draw(st.integers(1, 4))
    costs = st.integers(0, 50).map(float)
    options = [Option(draw(costs), (Buffer(f"b{k}", size, lower, upper, 16, bank.name),)) for bank in banks]
    if draw(st.booleans()):
        options.append(Option(draw(costs)))
    if upper - lower > 2 and len(banks) > 1:
        parts = (
            Buffer(f"b{k} head", size, lower, lower + 1, 16, banks[0].name),
            Buffer(f"b{k} away", size, lower, upper, 16, banks[1].name),
            Buffer(f"b{k} tail", size, upper - 1, upper, 16, banks[0].name),
        )
        options.append(Option(draw(costs), parts))
    return Item(f"b{k}", tuple(options))


def _require_valid(case: Case, placed: Placement) -> None:
    """Every item has one of its options, and the validator passes the plan."""
    items, regions, overlaps = case
    options = [item.options[placed.chosen[item.name]] for item in items]
    assert sorted(b.name for o in options for b in o.buffers) == sorted(b.name for b in placed.buffers)
    assert placed.cost == pytest.approx(sum(o.cost for o in options))
    names = {b.name for b in placed.buffers}
    known = tuple(o for o in overlaps if {o.a, o.b} <= names)
    result = plan_of(Problem(placed.buffers, known, tuple(regions)), placed.offsets, "test")
    assert all(result.peaks[r.name] <= (r.size or 0) for r in regions)


@given(cases())
def test_placements_fit_and_cost_no_more_than_greedy(case: Case) -> None:
    try:
        placed = place(*case)
    except DoesNotFitError:
        return
    _require_valid(case, placed)
    assert placed.greedy is None or placed.cost <= placed.greedy


@given(cases(most=4))
def test_placements_equal_brute_force(case: Case) -> None:
    cheapest = _cheapest(case)
    if cheapest is None:
        with pytest.raises(DoesNotFitError) as caught:
            place(*case)
        assert "cannot be divided" in caught.value.message
        return
    placed = place(*case)
    assert placed.proven
    assert placed.cost == pytest.approx(cheapest)


def _cheapest(case: Case) -> float | None:
    """The least cost of all combinations that the planner fits into the regions."""
    items, regions, overlaps = case
    costs = []
    for options in product(*(item.options for item in items)):
        buffers = tuple(b for o in options for b in o.buffers)
        names = {b.name for b in buffers}
        known = tuple(o for o in overlaps if {o.a, o.b} <= names)
        try:
            plan(Problem(buffers, known, tuple(regions)), seconds=0.2)
        except DoesNotFitError:
            continue
        costs.append(sum(o.cost for o in options))
    return min(costs, default=None)


@given(cases(most=8))
def test_the_same_items_are_placed_the_same(case: Case) -> None:
    try:
        first = place(*case)
    except DoesNotFitError:
        return
    again = place(*case)
    assert (first.chosen, first.offsets) == (again.chosen, again.offsets)


def _two_ways(name: str, size: int, lower: int, upper: int, fast: float, slow: float) -> Item:
    ways = (("fast", fast), ("slow", slow))
    return Item(name, tuple(Option(cost, (Buffer(name, size, lower, upper, 16, r),)) for r, cost in ways))


def test_what_is_touched_most_per_byte_lies_in_fast_memory() -> None:
    items = [_two_ways("hot", 64, 0, 2, 10, 1000), _two_ways("cold", 64, 0, 2, 10, 100)]
    placed = place(items, [Region("fast", 64), Region("slow", 64)])
    assert [(b.name, b.region) for b in placed.buffers] == [("hot", "fast"), ("cold", "slow")]
    assert (placed.cost, placed.proven) == (110, True)


def test_buffers_that_are_never_live_together_share_fast_memory() -> None:
    items = [_two_ways(f"t{k}", 64, k, k + 1, 1, 100) for k in range(5)]
    placed = place(items, [Region("fast", 64), Region("slow", 1024)])
    assert placed.cost == 5 and set(placed.offsets.values()) == {0}


def test_no_room_is_reported_with_regions_and_largest_buffers() -> None:
    items = [_two_ways("a", 100, 0, 2, 1, 2), _two_ways("b", 60, 1, 3, 1, 2), _two_ways("c", 10, 2, 3, 1, 2)]
    with pytest.raises(DoesNotFitError) as caught:
        place(items, [Region("fast", 96), Region("slow", 96)])
    assert str(caught.value) == (
        "memory regions: the buffers cannot be divided among the regions (fast 96, slow 96 bytes); "
        "at step 1 160 bytes are live, the largest:\n"
        "         100  a (steps 0 to 1)\n"
        "          60  b (steps 1 to 2)"
    )
    assert "--regions" in caught.value.hint and caught.value.exit_code == 4


def test_repacking_says_when_a_region_is_too_small() -> None:
    buffers = tuple(Buffer(f"b{k}", 32, k, k + 2, region="r") for k in range(3))
    for size, fits in ((64, True), (48, False)):
        region = Region("r", size)
        assert (repack(Problem(buffers, (), (region,)), region) is not None) == fits
