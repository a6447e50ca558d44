"""How many bytes of tensors, constants and working memory an inference touches: a model, for weighing memories.

A byte counts each time that a kernel reads or writes it. Kernels compute blocks of two outputs by two positions, so
that of each multiply-accumulate's two operands half a byte is read. In detail, for a call with M multiply-accumulates,
whose operator writes P positions (or rows) of C channels:

- weights: M / 2 elements, whatever their number;
- other constants (bias, multipliers): all of them for each position, two positions at a time;
- the first input: M / 2 bytes; with working memory, into which kernels copy what they read several times, M / C
  (depthwise: once);
- working memory: written as often as the input is read, and M / 2 bytes read; at least once each;
- states: moved on by one place and read, that is three times.

Everything else is read or written once, tables of element-wise functions once per output element. The model is
coarse: it does not know caches, nor what a particular kernel keeps in registers. What matters is which bytes are
touched a thousand times and which once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mcugen.ir import Graph
from mcugen.lowering import KernelCall, Program, Step

ConstantKey: TypeAlias = "tuple[int, int, str]"
"""A constant of a program: step, number of the call in it, role."""

_BLOCK = 2
_STATE = 3


@dataclass(frozen=True)
class Traffic:
    """Bytes touched by one inference.

    tensors: by step and name, as the kernel calls name them (views apart). constants: by key. scratch: by step.
    """

    tensors: Mapping[tuple[int, str], int]
    constants: Mapping[ConstantKey, int]
    scratch: Mapping[int, int]


def traffic_of(program: Program) -> Traffic:
    """The bytes that a program's kernels touch."""
    tensors: Counter[tuple[int, str]] = Counter()
    constants: Counter[ConstantKey] = Counter()
    scratch: Counter[int] = Counter()
    for t, step in enumerate(program.steps):
        for k, call in enumerate(step.calls):
            work = _Work.of(step, call, program.graph)
            for i, name in enumerate(call.inputs):
                tensors[t, name] += work.input_bytes(i, program.graph.tensors[name].bytes)
            for name in call.outputs:
                tensors[t, name] += program.graph.tensors[name].bytes
            for name in call.states:
                tensors[t, name] += _STATE * program.graph.tensors[name].bytes
            for constant in call.constants:
                constants[t, k, constant.role] += work.constant_bytes(
                    constant.role, constant.data.nbytes, constant.data.itemsize
                )
            if call.scratch:
                scratch[t] += work.scratch_bytes(call.scratch)
    return Traffic(tensors, constants, scratch)


@dataclass(frozen=True)
class _Work:
    """What a call does. macs: its multiply-accumulates; positions: of the output, each with all channels.

    copied: bytes of the input that go to working memory; outputs: elements written.
    """

    macs: int
    positions: int
    outputs: int
    copied: int

    @staticmethod
    def of(step: Step, call: KernelCall, graph: Graph) -> _Work:
        tensors = [graph.tensors[name] for name in call.outputs]
        outputs = sum(tensor.elements for tensor in tensors)
        channels = max((tensor.shape[-1] for tensor in tensors if tensor.shape), default=1)
        weighted = any(constant.role == "weights" for constant in call.constants)
        macs = step.op.macs(graph.tensors) // len(step.calls) if weighted else 0
        copied = macs // max(channels, 1)
        if call.kernel.startswith("depthwise"):
            copied = graph.tensors[call.inputs[0]].bytes
        return _Work(macs, max(outputs // max(channels, 1), 1), outputs, copied if call.scratch else 0)

    def input_bytes(self, index: int, size: int) -> int:
        if not self.macs or index:
            return size
        return max(self.copied or self.macs // _BLOCK, size)

    def constant_bytes(self, role: str, size: int, element: int) -> int:
        if not self.macs:
            return self.outputs * element
        if role == "weights":
            return max(self.macs // _BLOCK * element, size)
        return max(size * self.positions // _BLOCK, size)

    def scratch_bytes(self, size: int) -> int:
        return max(self.copied + self.macs // _BLOCK, 2 * size)
