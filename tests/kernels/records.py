"""Cases as bytes for the driver (the format is in driver/driver.h)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from mcugen.ir import Array
from mcugen.lowering.call import KernelCall, ParamValue
from mcugen.lowering.overlap import Sharing
from mcugen.lowering.variant import Variant
from tests.kernels.cases import Case

_INPUT, _STATE, _OUTPUT, _SCRATCH = range(4)


@dataclass(frozen=True)
class Buffer:
    """Memory of one case; ``label`` names it in reports, ``before`` and ``after`` are contents or nothing.

    Its address is ``misalignment`` bytes above a multiple of 16, or where it is put at an edge of memory a multiple
    of ``alignment``; 0: it is never put there.
    """

    label: str
    kind: int
    size: int
    misalignment: int
    alignment: int
    before: bytes = b""
    after: bytes = b""


@dataclass(frozen=True)
class Record:
    """One case made ready for one variant; ``arguments``: per call, indices of ``buffers`` and places in them."""

    case: Case
    calls: tuple[KernelCall, ...]
    buffers: tuple[Buffer, ...]
    arguments: tuple[tuple[tuple[int, int], ...], ...]

    def pack(self) -> bytes:
        """The record in the driver's format, its size in words first."""
        parts = [_words(len(self.buffers), len(self.calls))]
        for b in self.buffers:
            parts += [
                _words(b.kind, b.size, b.misalignment, b.alignment),
                _padded(b.before),
                _padded(b.after),
            ]
        for call, places in zip(self.calls, self.arguments, strict=True):
            params = pack_params(call)
            parts += [_words(len(params), len(places)), _padded(params)]
            parts += [_words(index, start) for index, start in places]
        body = b"".join(parts)
        return _words(len(body) // 4) + body


def make_record(case: Case, variant: Variant) -> Record:
    """The case with the variant's constants, parameters and scratch.

    Activations are at any address their element type allows, constants and states at multiples of 4,
    scratch at multiples of 16 as in an arena.
    """
    r = Random(case.seed)
    calls = tuple(variant.specialise(call) for call in case.calls)
    buffers: list[Buffer] = []
    index: dict[str, int] = {}
    arguments = []
    for call in calls:
        for name in (*call.inputs, *call.states, *call.outputs):
            if name not in index:
                index[name] = len(buffers)
                buffers.append(_activation(case, name, r))
        constants = [
            Buffer(c.role, _INPUT, c.data.nbytes, 4 * r.randint(0, 3), 4, _bytes(c.data))
            for c in call.constants
        ]
        scratch = [] if call.scratch is None else [Buffer("scratch", _SCRATCH, call.scratch, 0, 16)]
        first = len(buffers)
        buffers += constants + scratch
        order = [index[n] for n in call.inputs]
        order += range(first, first + len(constants))
        order += [index[n] for n in (*call.states, *call.outputs)]
        order += range(first + len(constants), len(buffers))
        arguments.append(tuple((i, 0) for i in order))
    return Record(case, calls, tuple(buffers), tuple(arguments))


def overlapped(record: Record, sharing: Sharing, distance: int) -> Record:
    """The record with the output of its only call ``distance`` bytes before the input that ``sharing`` names.

    Whatever of the input the output does not cover must stay as it is.
    """
    (call,) = record.calls
    ((*places,),) = record.arguments
    at_input = sharing.input
    at_output = len(call.inputs) + len(call.constants) + len(call.states)
    source, target = (record.buffers[places[i][0]] for i in (at_input, at_output))
    in_start, out_start = max(distance, 0), max(-distance, 0)
    size = max(in_start + source.size, out_start + target.size)
    before = bytearray((37 * i + record.case.seed) % 251 for i in range(size))
    before[in_start : in_start + source.size] = source.before
    after = before.copy()
    after[out_start : out_start + target.size] = target.after
    element = max(record.case.tensors[name].dtype.size for name in (call.inputs[at_input], call.outputs[0]))
    shared = Buffer(
        f"{source.label} and {target.label}", _STATE, size, source.misalignment * element % 16, 0,
        bytes(before), bytes(after),
    )  # fmt: skip
    shared_index, dropped = places[at_input][0], places[at_output][0]
    buffers = [shared if i == shared_index else b for i, b in enumerate(record.buffers)]
    buffers[dropped] = Buffer("nothing", _SCRATCH, 0, 0, 0)
    places[at_input], places[at_output] = (shared_index, in_start), (shared_index, out_start)
    return replace(record, buffers=tuple(buffers), arguments=(tuple(places),))


def _activation(case: Case, name: str, r: Random) -> Buffer:
    tensor, element = case.tensors[name], case.tensors[name].dtype.size
    if name in case.op.states:
        before, after = _bytes(case.arrays[name]), _bytes(case.expected[name])
        return Buffer(name, _STATE, tensor.bytes, 4 * r.randint(0, 3), 4, before, after)
    misalignment = element * r.randint(0, 3)
    if name in case.op.outputs:
        return Buffer(name, _OUTPUT, tensor.bytes, misalignment, element, after=_bytes(case.expected[name]))
    return Buffer(name, _INPUT, tensor.bytes, misalignment, element, before=_bytes(case.arrays[name]))


def pack_params(call: KernelCall) -> bytes:
    """The parameter structure's bytes: every field is 32 bits wide."""
    return b"".join(_pack_value(value) for _, value in call.params)


def _pack_value(value: ParamValue) -> bytes:
    if isinstance(value, float):
        return struct.pack("<f", value)
    values = value if isinstance(value, tuple) else (value,)
    return struct.pack(f"<{len(values)}i", *values)


def _words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _bytes(array: Array) -> bytes:
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()


def pack_file(records: list[Record], *, announce: bool) -> bytes:
    """The whole file; announce: the driver says each case's number before it runs."""
    return _words(int(announce), len(records)) + b"".join(record.pack() for record in records)
