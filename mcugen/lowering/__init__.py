"""Lowering: which kernel computes each operator on a given core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcugen.ir import Graph, Op
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.choice import Choice, Costs, Kernels, Rules, choose
from mcugen.lowering.overlap import Sharing
from mcugen.lowering.variant import InstructionClass, Optimize

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
]


@dataclass(frozen=True)
class Step:
    """One operator and the kernel calls that compute it, in order; no calls for an alias.

    reasons: why each call's kernel was chosen.
    sharings: how each call's output may share bytes with its inputs.
    """

    op: Op
    calls: tuple[KernelCall, ...]
    reasons: tuple[str, ...] = ()
    sharings: tuple[tuple[Sharing, ...], ...] = ()


@dataclass(frozen=True)
class Program:
    """A graph with the kernels chosen for every operator."""

    graph: Graph
    steps: tuple[Step, ...]
    instruction_class: InstructionClass
    kernels: Kernels
    optimize: Optimize = "balanced"

    @property
    def calls(self) -> tuple[KernelCall, ...]:
        return tuple(call for step in self.steps for call in step.calls)

    @property
    def uses_cmsis_nn(self) -> bool:
        return any(call.header.startswith("cmsis_nn/") for call in self.calls)


def lower(graph: Graph, rules: Rules, costs: Costs | None = None) -> Program:
    """The program for a quantized graph whose operators all passed their checks.

    costs: what tells candidates apart; without it the preferred candidate is taken.
    """
    contracts = [op.lower(graph.tensors) for op in graph.ops]
    choices = iter(choose([call for calls in contracts for call in calls], rules, costs))
    steps = tuple(_step(op, calls, choices) for op, calls in zip(graph.ops, contracts, strict=True))
    return Program(graph, steps, rules.instruction_class, rules.kernels, rules.optimize)


def _step(op: Op, calls: tuple[KernelCall, ...], choices: Iterator[Choice]) -> Step:
    """The step of an operator, whose calls take the next choices."""
    taken = [next(choices) for _ in calls]
    own = tuple(choice.variant.specialise(call) for choice, call in zip(taken, calls, strict=True))
    sharings = tuple(choice.variant.overlap(call) for choice, call in zip(taken, own, strict=True))
    return Step(op, own, tuple(choice.reason for choice in taken), sharings)
