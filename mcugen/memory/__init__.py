"""Memory planning: gives every buffer an offset so that those live at the same time do not share bytes.

    problem = Problem(buffers=(Buffer("a", 100, 0, 2), Buffer("b", 50, 1, 3)))
    plan(problem).peak

:func:`plan` scans linearly (milliseconds) and, where that leaves a gap to the lower bound and a budget is given,
searches. The budget is counted in search nodes, so that the same problem gives the same plan on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcugen.errors import DoesNotFitError
from mcugen.memory.bounds import lower_bound
from mcugen.memory.budget import Budget
from mcugen.memory.conflicts import Instance, instance_of
from mcugen.memory.linear_scan import Packing, linear_scan
from mcugen.memory.problem import DEFAULT_REGION, Buffer, Overlap, Plan, Problem, Region
from mcugen.memory.search import improve
from mcugen.memory.validate import PlanError, validate

__all__ = [
    "DEFAULT_REGION",
    "Buffer",
    "Overlap",
    "Plan",
    "PlanError",
    "Problem",
    "Region",
    "largest_at_peak",
    "plan",
    "plan_of",
    "validate",
]


def plan(problem: Problem, *, seconds: float = 1.0, capacity: int | None = None) -> Plan:
    """Plan all regions of a problem; the result has passed the validator.

    seconds:  search budget where linear scan leaves a gap; 0 for none. It buys a fixed number of search nodes, a
              fraction of what an ordinary machine does in that time. Should a machine be so slow that the time is
              over before, the clock ends the search, and ``Plan.clocked`` says so.
    capacity: bytes at which a region's peak is good enough and the search ends; None goes for the lower bound.
              Not a limit: a larger plan is returned if none is found. Limits are the sizes of the regions.

    Raises DoesNotFitError when the best plan found needs more than a region has.
    """
    budget = Budget.of_seconds(seconds)
    packings: dict[str, Packing] = {}
    bounds: dict[str, int] = {}
    offsets: dict[str, int] = {}
    proven = True
    for region in problem.all_regions:
        instance = instance_of(problem, region.name)
        bounds[region.name] = lower_bound(instance)
        packing, optimal = _pack(instance, max(bounds[region.name], capacity or 0), budget)
        packings[region.name] = packing
        offsets |= {b.name: offset for b, offset in zip(instance.buffers, packing.offsets, strict=True)}
        proven &= optimal or packing.peak == bounds[region.name]
    result = Plan(
        offsets=offsets,
        peaks={name: packing.peak for name, packing in packings.items()},
        lower_bounds=bounds,
        method=", ".join(dict.fromkeys(packing.method for packing in packings.values())),
        proven=proven,
        nodes=budget.spent,
        clocked=budget.clocked,
    )
    _require_fit(problem, result)
    validate(problem, result)
    return result


def plan_of(problem: Problem, offsets: Mapping[str, int], method: str, *, proven: bool = False) -> Plan:
    """The plan with these offsets, measured and passed by the validator. Raises DoesNotFitError as `plan` does."""
    instances = {region.name: instance_of(problem, region.name) for region in problem.all_regions}
    result = Plan(
        offsets=dict(offsets),
        peaks={
            name: instance.peak([offsets[b.name] for b in instance.buffers])
            for name, instance in instances.items()
        },
        lower_bounds={name: lower_bound(instance) for name, instance in instances.items()},
        method=method,
        proven=proven,
    )
    _require_fit(problem, result)
    validate(problem, result)
    return result


def _pack(instance: Instance, goal: int, budget: Budget) -> tuple[Packing, bool]:
    """The packing of one region, and whether a search has proven that there is no better one."""
    packing = linear_scan(instance)
    if packing.peak <= goal or not budget.left:
        return packing, False
    return improve(instance, packing, goal, budget)


def largest_at_peak(problem: Problem, result: Plan, region: str, count: int = 5) -> list[Buffer]:
    """The largest buffers live at the step where the region's occupied bytes reach highest, largest first."""
    buffers = problem.in_region(region)

    def height(step: int) -> tuple[int, int]:
        live = [b for b in buffers if b.lower <= step < b.upper]
        return max(result.offsets[b.name] + b.size for b in live), sum(b.size for b in live)

    steps = sorted({b.lower for b in buffers})
    if not steps:
        return []
    peak_step = max(steps, key=height)
    live = [b for b in buffers if b.lower <= peak_step < b.upper]
    return sorted(live, key=lambda b: -b.size)[:count]


def _require_fit(problem: Problem, result: Plan) -> None:
    for region in problem.all_regions:
        needed = result.peaks[region.name]
        if region.size is None or needed <= region.size:
            continue
        largest = largest_at_peak(problem, result, region.name)
        table = "".join(f"\n  {b.size:>10,}  {b.name} (steps {b.lower} to {b.upper - 1})" for b in largest)
        raise DoesNotFitError(
            f"needs {needed:,} bytes and has {region.size:,}; the largest buffers at the peak:{table}",
            where=f"memory region '{region.name}'",
            hint=f"no plan of this order of operators can need less than {result.lower_bounds[region.name]:,} bytes",
        )
