"""Lowering: which kernel computes each operator on a given core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mcugen.ir import Graph, Op
from mcugen.lowering import cmsis_nn, native
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.variant import InstructionClass, Variant

Kernels: TypeAlias = Literal["native", "cmsis-nn", "auto"]

__all__ = ["Constant", "KernelCall", "Kernels", "Program", "Step", "lower"]


@dataclass(frozen=True)
class Step:
    """One operator and the kernel calls that compute it, in order; no calls for an alias."""

    op: Op
    calls: tuple[KernelCall, ...]


@dataclass(frozen=True)
class Program:
    """A graph with the kernels chosen for every operator."""

    graph: Graph
    steps: tuple[Step, ...]
    instruction_class: InstructionClass
    kernels: Kernels

    @property
    def calls(self) -> tuple[KernelCall, ...]:
        return tuple(call for step in self.steps for call in step.calls)

    @property
    def uses_cmsis_nn(self) -> bool:
        return any(call.header.startswith("cmsis_nn/") for call in self.calls)


def lower(graph: Graph, instruction_class: InstructionClass, kernels: Kernels = "native") -> Program:
    """The program for a quantized graph whose operators all passed their checks."""
    steps = tuple(
        Step(
            op,
            tuple(
                choose(call, instruction_class, kernels).specialise(call) for call in op.lower(graph.tensors)
            ),
        )
        for op in graph.ops
    )
    return Program(graph, steps, instruction_class, kernels)


def choose(call: KernelCall, instruction_class: InstructionClass, kernels: Kernels) -> Variant:
    """The best variant of the provider asked for; native scalar kernels cover every contract."""
    if kernels == "cmsis-nn":
        from_library = cmsis_nn.candidates(call, instruction_class)
        if from_library:
            return from_library[0]
    return native.candidates(call, instruction_class)[0]
