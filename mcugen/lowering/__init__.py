"""Lowering: which kernel computes each operator on a given core."""

from __future__ import annotations

from collections.abc import Sequence

from mcugen.ir import Graph, Op, Tensors
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.choice import Choice, Costs, Kernels, Rules, choose
from mcugen.lowering.overlap import Sharing
from mcugen.lowering.program import Program, Step
from mcugen.lowering.variant import Optimize

__all__ = [
    "Constant",
    "Costs",
    "KernelCall",
    "Kernels",
    "Optimize",
    "Program",
    "Rules",
    "Sharing",
    "Step",
    "lower",
    "step_of",
]


def lower(graph: Graph, rules: Rules, costs: Costs | None = None) -> Program:
    """The program for a quantized graph whose operators all passed their checks.

    costs: what tells candidates apart; without it the preferred candidate is taken.
    """
    steps = tuple(lower_op(op, graph.tensors, rules, costs) for op in graph.ops)
    return Program(graph, steps, rules.instruction_class, rules.kernels, rules.optimize)


def lower_op(op: Op, tensors: Tensors, rules: Rules, costs: Costs | None = None) -> Step:
    """The step of one operator."""
    contracts = op.lower(tensors)
    return step_of(op, contracts, choose(contracts, rules, costs))


def step_of(op: Op, contracts: Sequence[KernelCall], choices: Sequence[Choice]) -> Step:
    """The step of an operator whose contract calls are computed by the variants chosen."""
    own = tuple(choice.variant.specialise(call) for choice, call in zip(choices, contracts, strict=True))
    sharings = tuple(choice.variant.overlap(call) for choice, call in zip(choices, own, strict=True))
    return Step((op,), own, tuple(choice.reason for choice in choices), sharings)
