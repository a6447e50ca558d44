"""How long kernels take, as far as the cost tables know it: for weighing memory against time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from mcugen.lowering import KernelCall, Program
from mcugen.lowering.costs import load_table

Effort: TypeAlias = Callable[[KernelCall, str], float]
"""Instructions of a contract call computed by a C function, 0 where nothing is known."""

_KNOWS_DSP = "cortex-m4"


def effort_on(core: str) -> Effort:
    """The instructions on a core. What its table lacks because better kernels exist is taken from a Cortex-M4's."""
    own, other = load_table(core), load_table(_KNOWS_DSP)

    def effort(call: KernelCall, function: str) -> float:
        model = own.get(function) or other.get(function)
        return model.instructions(call) if model else 0.0

    return effort


def effort_of(program: Program, effort: Effort) -> float:
    """The instructions of a program of which every step is one operator, of what is known."""
    return sum(effort(call, function) for call, function in _contracts(program))


def _contracts(program: Program) -> Iterator[tuple[KernelCall, str]]:
    for step in program.steps:
        contracts = step.ops[0].lower(program.graph.tensors)
        yield from zip(contracts, (call.function for call in step.calls), strict=True)
