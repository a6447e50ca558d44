"""A graph with the kernels that compute it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mcugen.ir import Graph, Op, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.lowering.choice import Kernels
from mcugen.lowering.overlap import Sharing
from mcugen.lowering.variant import InstructionClass, Optimize
from mcugen.memory.blocks import Accesses


@dataclass(frozen=True)
class Step:
    """One operator, or several computed together row by row, and the kernel calls in order; none for an alias.

    reasons: why the kernels were chosen, one per call of an operator.
    sharings: how each call's output may share bytes with its inputs.
    windows: of several operators, the bytes of each tensor between them, which never exists as a whole; so too of an
    input that the caller gives by rows.
    accesses: of several operators, what they read and write when; None for one operator.
    """

    ops: tuple[Op, ...]
    calls: tuple[KernelCall, ...]
    reasons: tuple[str, ...] = ()
    sharings: tuple[tuple[Sharing, ...], ...] = ()
    windows: Mapping[str, int] = field(default_factory=dict)
    accesses: Accesses | None = None

    @property
    def title(self) -> str:
        """The nodes of the user's file that it computes."""
        first, last = self.ops[0], self.ops[-1]
        if len(self.ops) == 1:
            return first.origin or first.outputs[0]
        return f"{first.origin or first.outputs[0]} to {last.origin or last.outputs[0]}, row by row"

    @property
    def kind(self) -> str:
        """What it does, in a word or two."""
        return self.ops[0].kind if len(self.ops) == 1 else f"{len(self.ops)} by rows"

    @property
    def kernels(self) -> tuple[str, ...]:
        """The C functions that it calls."""
        return tuple(dict.fromkeys(call.function for call in self.calls if not call.asks_caller))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tensors that its operators read and do not make."""
        made = {name for op in self.ops for name in op.outputs}
        read = dict.fromkeys(name for op in self.ops for name in op.inputs)
        return tuple(name for name in read if name not in made)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tensors that exist as a whole afterwards."""
        return tuple(name for op in self.ops for name in op.outputs if name not in self.windows)

    def macs(self, tensors: Tensors) -> int:
        """Multiply-accumulates per inference."""
        return sum(op.macs(tensors) for op in self.ops)


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
        """All kernel calls; those that ask the caller for rows are none."""
        return tuple(call for step in self.steps for call in step.calls if not call.asks_caller)

    @property
    def streamed(self) -> str | None:
        """The input that is never there as a whole, because the caller gives it by rows."""
        windows = (name for step in self.steps for name in step.windows)
        return next((name for name in windows if name in self.graph.inputs), None)

    @property
    def uses_cmsis_nn(self) -> bool:
        return any(call.header.startswith("cmsis_nn/") for call in self.calls)
