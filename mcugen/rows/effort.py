"""How long kernels take, as far as the cost tables know it: for weighing memory against time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mcugen.lowering import KernelCall
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
