"""The judge of every plan: O(n^2), straight from the definitions, and sharing no code with the planners."""

from __future__ import annotations

from mcugen.memory.problem import Buffer, Plan, Problem


class PlanError(AssertionError):
    """A plan that breaks its problem's rules: a bug of mcugen's, never the user's fault."""


def validate(problem: Problem, plan: Plan) -> None:
    """Raise PlanError, naming all violations, unless the plan keeps every rule of the problem."""
    names = {b.name for b in problem.buffers}
    if set(plan.offsets) != names:
        raise PlanError(f"the plan misses or invents buffers: {sorted(names ^ set(plan.offsets))}")
    faults = [fault for b in problem.buffers for fault in _buffer_faults(b, plan.offsets[b.name])]
    for k, a in enumerate(problem.buffers):
        for b in problem.buffers[k + 1 :]:
            if problem.region_of(a) == problem.region_of(b) and not _may_coexist(problem, plan, a, b):
                faults.append(f"{_span(a, plan)} and {_span(b, plan)} share bytes while both are live")
    for region in problem.all_regions:
        faults += _region_faults(problem, plan, region.name, region.size)
    if faults:
        raise PlanError("; ".join(faults))


def _buffer_faults(buffer: Buffer, offset: int) -> list[str]:
    faults = []
    if offset < 0 or offset % buffer.alignment != 0:
        faults.append(f"{buffer.name} at {offset} is not aligned to {buffer.alignment}")
    if buffer.fixed_offset is not None and offset != buffer.fixed_offset:
        faults.append(f"{buffer.name} at {offset} must lie at {buffer.fixed_offset}")
    return faults


def _may_coexist(problem: Problem, plan: Plan, a: Buffer, b: Buffer) -> bool:
    if a.upper <= b.lower or b.upper <= a.lower:
        return True
    at_a, at_b = plan.offsets[a.name], plan.offsets[b.name]
    if at_a + a.size <= at_b or at_b + b.size <= at_a:
        return True
    for overlap in problem.overlaps:
        if {overlap.a, overlap.b} == {a.name, b.name}:
            difference = plan.offsets[overlap.b] - plan.offsets[overlap.a]
            above = overlap.low is None or difference >= overlap.low
            below = overlap.high is None or difference <= overlap.high
            if above and below:
                return True
    return False


def _region_faults(problem: Problem, plan: Plan, name: str, size: int | None) -> list[str]:
    buffers = problem.in_region(name)
    end = max((plan.offsets[b.name] + b.size for b in buffers), default=0)
    faults = []
    if end > plan.peaks[name]:
        faults.append(f"region {name} ends at {end}, above the stated peak {plan.peaks[name]}")
    if size is not None and plan.peaks[name] > size:
        faults.append(f"region {name} needs {plan.peaks[name]} bytes and has {size}")
    if plan.lower_bounds[name] > plan.peaks[name]:
        faults.append(
            f"region {name}: peak {plan.peaks[name]} is below its lower bound {plan.lower_bounds[name]}"
        )
    return faults


def _span(buffer: Buffer, plan: Plan) -> str:
    start = plan.offsets[buffer.name]
    return f"{buffer.name} [{start}, {start + buffer.size})"
