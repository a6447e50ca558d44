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
from mcugen.memory.blocks import scratch_of

ConstantKey: TypeAlias = "tuple[int, int, str]"
"""A constant of a program: step, number of the call in it, role."""

_BLOCK = 2
_STATE = 3


@dataclass(frozen=True)
class Traffic:
    """Bytes touched by one inference.

    buffers: by step and tensor, as the kernel calls name them (views apart), or `scratch_of` one for working memory.
    constants: by key.
    """

    buffers: Mapping[tuple[int, str], int]
    constants: Mapping[ConstantKey, int]


def traffic_of(program: Program) -> Traffic:
    """The bytes that a program's kernels touch."""
    buffers: Counter[tuple[int, str]] = Counter()
    constants: Counter[ConstantKey] = Counter()
    for t, step in enumerate(program.steps):
        keys = constant_keys(t, step)
        for k, call in enumerate(step.calls):
            work = _Work.of(step, call, program.graph)
            for i, name in enumerate(call.inputs):
                buffers[t, name] += work.input_bytes(i, program.graph.tensors[name].bytes)
            for name in call.outputs:
                buffers[t, name] += program.graph.tensors[name].bytes // work.calls
            for name in call.states:
                buffers[t, name] += _STATE * program.graph.tensors[name].bytes
            for c in call.constants:
                constants[keys[k, c.role]] += work.constant_bytes(c.role, c.data.nbytes, c.data.itemsize)
            if call.scratch:
                buffers[t, scratch_of(call.outputs[0])] += work.scratch_bytes(call.scratch)
    return Traffic(buffers, constants)


def constant_keys(t: int, step: Step) -> dict[tuple[int, str], ConstantKey]:
    """The keys of a step's constants, by call and role; calls with equal constants, as of rows, share them."""
    first: dict[tuple[str, str, bytes], ConstantKey] = {}
    keys = {}
    for k, call in enumerate(step.calls):
        for constant in call.constants:
            content = (constant.role, constant.data.dtype.name, constant.data.tobytes())
            keys[k, constant.role] = first.setdefault(content, (t, k, constant.role))
    return keys


@dataclass(frozen=True)
class _Work:
    """What a call does. macs: its multiply-accumulates; positions: of the output, each with all channels.

    copied: bytes of the input that go to working memory; outputs: elements written. calls: those that make the
    output together; parts: those that share the input, too, of an operator which is computed row by row.
    """

    macs: int
    positions: int
    outputs: int
    copied: int
    calls: int
    parts: int

    @staticmethod
    def of(step: Step, call: KernelCall, graph: Graph) -> _Work:
        op = next(op for op in step.ops if call.outputs[0] in op.outputs)
        calls = sum(other.outputs == call.outputs for other in step.calls)
        parts = calls if len(step.ops) > 1 else 1
        tensors = [graph.tensors[name] for name in call.outputs]
        outputs = sum(tensor.elements for tensor in tensors) // parts
        channels = max((tensor.shape[-1] for tensor in tensors if tensor.shape), default=1)
        weighted = any(constant.role == "weights" for constant in call.constants)
        macs = op.macs(graph.tensors) // calls if weighted else 0
        copied = macs // max(channels, 1)
        if call.kernel.startswith("depthwise"):
            copied = graph.tensors[call.inputs[0]].bytes // parts
        positions = max(outputs // max(channels, 1), 1)
        return _Work(macs, positions, outputs, copied if call.scratch else 0, calls, parts)

    def input_bytes(self, index: int, size: int) -> int:
        if not self.macs or index:
            return size // self.parts
        return max(self.copied or self.macs // _BLOCK, size // self.parts)

    def constant_bytes(self, role: str, size: int, element: int) -> int:
        if not self.macs:
            return self.outputs * element
        if role == "weights":
            return max(self.macs // _BLOCK * element, size)
        return max(size * self.positions // _BLOCK, size)

    def scratch_bytes(self, size: int) -> int:
        return max(self.copied + self.macs // _BLOCK, 2 * size)
