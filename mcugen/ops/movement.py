"""Operators that move elements without changing them: Reshape, Pad, Concat, Split, StridedSlice, Transpose."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, Constraint, Op, Shape, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops import common

MAX_DIMS = 5


def _to_rank(values: Shape, fill: int) -> Shape:
    return (fill,) * (MAX_DIMS - len(values)) + values


def _strides(shape: Shape) -> Shape:
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


MOVABLE_TYPE = Constraint(
    "elements are int8, uint8, int16, int32 or float32",
    lambda op, t: t[op.outputs[0]].dtype in common.MOVABLE,
)
RANK_5 = Constraint(
    f"tensors have at most {MAX_DIMS} dimensions", lambda op, t: len(t[op.inputs[0]].shape) <= MAX_DIMS
)


@dataclass(frozen=True, kw_only=True)
class MovementOp(Op):
    """Base: outputs have the elements, type and quantization of the inputs."""

    moves_data_only: ClassVar[bool] = True
    constraints: ClassVar[tuple[Constraint, ...]] = (common.SAME_QUANT, MOVABLE_TYPE, RANK_5)


@dataclass(frozen=True, kw_only=True)
class Reshape(MovementOp):
    """The same elements in row-major order under another shape (also Flatten, Squeeze, Unsqueeze, ExpandDims)."""

    kind: ClassVar[str] = "Reshape"
    is_alias: ClassVar[bool] = True
    constraints: ClassVar[tuple[Constraint, ...]] = (common.SAME_QUANT,)

    shape: Shape

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        if math.prod(shapes[0]) != math.prod(self.shape):
            raise ValueError(f"{shapes[0]} cannot be reshaped to {self.shape}")
        return (self.shape,)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        return (arrays[0].reshape(self.shape),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        return ()


@dataclass(frozen=True, kw_only=True)
class Pad(MovementOp):
    """The input with ``value`` (a quantized value in integer graphs) around it: before/after per dimension."""

    kind: ClassVar[str] = "Pad"

    before: Shape
    after: Shape
    value: float = 0.0

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        if not len(shapes[0]) == len(self.before) == len(self.after):
            raise ValueError(f"paddings {self.before}, {self.after} for shape {shapes[0]}")
        return (tuple(b + n + a for b, n, a in zip(self.before, shapes[0], self.after, strict=True)),)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        widths = tuple(zip(self.before, self.after, strict=True))
        value = arrays[0].dtype.type(self.value)
        return (np.pad(arrays[0], widths, constant_values=value),)

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        height = tensors[self.inputs[0]].shape[1]
        first, end = (min(max(row - self.before[1], 0), height) for row in (rows.start, rows.stop))
        return range(first, end)

    def of_rows(self, tensors: Tensors, rows: range) -> Pad:
        height = tensors[self.inputs[0]].shape[1]
        above = min(max(self.before[1] - rows.start, 0), len(rows))
        below = min(max(rows.stop - self.before[1] - height, 0), len(rows))
        return dataclasses.replace(
            self,
            before=(self.before[0], above, *self.before[2:]),
            after=(self.after[0], below, *self.after[2:]),
        )

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        pattern = int.from_bytes(np.array(self.value, dtype=x.dtype.numpy).tobytes(), "little", signed=True)
        return (
            KernelCall(
                kernel="pad",
                params=(
                    ("in_dims", _to_rank(x.shape, 1)), ("before", _to_rank(self.before, 0)),
                    ("out_dims", _to_rank(y.shape, 1)), ("element_size", x.dtype.size), ("value", pattern),
                ),
                inputs=self.inputs,
                outputs=self.outputs,
                label=f"{common.dims_label(x.shape[1:])}_to_{common.dims_label(y.shape[1:])}",
            ),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Concat(MovementOp):
    """The inputs one after the other along ``axis`` (not negative)."""

    kind: ClassVar[str] = "Concat"

    axis: int

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        def rest(shape: Shape) -> Shape:
            return shape[: self.axis] + shape[self.axis + 1 :]

        if not 0 <= self.axis < len(shapes[0]) or any(rest(s) != rest(shapes[0]) for s in shapes):
            raise ValueError(f"shapes {shapes} do not concatenate along axis {self.axis}")
        total = sum(s[self.axis] for s in shapes)
        return ((*shapes[0][: self.axis], total, *shapes[0][self.axis + 1 :]),)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        return (np.concatenate(arrays, axis=self.axis),)

    def rows_read(self, tensors: Tensors, index: int, rows: range) -> range | None:
        if len(tensors[self.outputs[0]].shape) != 4 or self.axis < 2 or tensors[self.inputs[index]].is_const:
            return None  # constants are there as a whole
        return rows

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        y = tensors[self.outputs[0]]
        rows = math.prod(y.shape[: self.axis])
        calls, offset = [], 0
        for name in self.inputs:
            row_bytes = tensors[name].bytes // rows
            calls.append(
                _copy_rows(name, self.outputs[0], rows, row_bytes, (row_bytes, 0), (y.bytes // rows, offset))
            )
            offset += row_bytes
        return tuple(calls)


def _copy_rows(
    source: str, target: str, rows: int, row_bytes: int, read: tuple[int, int], write: tuple[int, int]
) -> KernelCall:
    """Copies ``rows`` runs of ``row_bytes``; read and write are (stride, first offset) in bytes."""
    return KernelCall(
        kernel="copy_rows",
        params=(
            ("rows", rows), ("row_bytes", row_bytes),
            ("in_stride", read[0]), ("in_offset", read[1]),
            ("out_stride", write[0]), ("out_offset", write[1]),
        ),
        inputs=(source,),
        outputs=(target,),
        label=f"{rows}x{row_bytes}",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Split(MovementOp):
    """The input cut along ``axis`` into outputs of the given ``sizes``."""

    kind: ClassVar[str] = "Split"

    axis: int
    sizes: Shape

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        if not 0 <= self.axis < len(shapes[0]) or sum(self.sizes) != shapes[0][self.axis]:
            raise ValueError(f"{shapes[0]} does not split along axis {self.axis} into {self.sizes}")
        return tuple((*shapes[0][: self.axis], n, *shapes[0][self.axis + 1 :]) for n in self.sizes)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        cuts = np.cumsum(self.sizes)[:-1]
        return tuple(np.ascontiguousarray(part) for part in np.split(arrays[0], cuts, axis=self.axis))

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x = tensors[self.inputs[0]]
        rows = math.prod(x.shape[: self.axis])
        calls, offset = [], 0
        for name in self.outputs:
            row_bytes = tensors[name].bytes // rows
            calls.append(
                _copy_rows(self.inputs[0], name, rows, row_bytes, (x.bytes // rows, offset), (row_bytes, 0))
            )
            offset += row_bytes
        return tuple(calls)


@dataclass(frozen=True, kw_only=True)
class StridedSlice(MovementOp):
    """``y[i, j, ...] = x[begin0 + i * step0, begin1 + j * step1, ...]`` of the given ``size``; steps may be negative.

    ``shape`` is the output's shape when dimensions of size 1 are dropped, else None.
    """

    kind: ClassVar[str] = "StridedSlice"

    begin: Shape
    size: Shape
    step: Shape
    shape: Shape | None = None

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        if not len(shapes[0]) == len(self.begin) == len(self.size) == len(self.step):
            raise ValueError(f"begin {self.begin}, size {self.size}, step {self.step} for shape {shapes[0]}")
        for n, b, s, d in zip(shapes[0], self.begin, self.size, self.step, strict=True):
            if s < 1 or d == 0 or not (0 <= b < n and 0 <= b + (s - 1) * d < n):
                raise ValueError(f"{s} elements from {b} by {d} of a dimension of {n}")
        return (self.size if self.shape is None else self.shape,)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        index = (b + d * np.arange(s) for b, s, d in zip(self.begin, self.size, self.step, strict=True))
        part = arrays[0][np.ix_(*index)]
        return (part if self.shape is None else part.reshape(self.shape),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x = tensors[self.inputs[0]]
        strides = _strides(x.shape)
        first = sum(b * s for b, s in zip(self.begin, strides, strict=True))
        steps = tuple(d * s for d, s in zip(self.step, strides, strict=True))
        return (_gather(self, tensors, self.size, steps, first),)


@dataclass(frozen=True, kw_only=True)
class Transpose(MovementOp):
    """``y`` has dimension ``perm[i]`` of x as its dimension i."""

    kind: ClassVar[str] = "Transpose"

    perm: Shape

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        if sorted(self.perm) != list(range(len(shapes[0]))):
            raise ValueError(f"permutation {self.perm} of shape {shapes[0]}")
        return (tuple(shapes[0][p] for p in self.perm),)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        return (np.ascontiguousarray(arrays[0].transpose(self.perm)),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        strides = _strides(x.shape)
        return (_gather(self, tensors, y.shape, tuple(strides[p] for p in self.perm), 0),)


def _gather(op: Op, tensors: Tensors, dims: Shape, strides: Shape, first: int) -> KernelCall:
    """Reads elements at ``first + sum(index * strides)`` in the order of ``dims``; writes them densely."""
    x = tensors[op.inputs[0]]
    return KernelCall(
        kernel="gather",
        params=(
            ("dims", _to_rank(dims, 1)), ("strides", _to_rank(strides, 0)),
            ("first", first), ("element_size", x.dtype.size),
        ),
        inputs=op.inputs,
        outputs=op.outputs,
        label=f"{common.dims_label(x.shape[1:])}_to_{common.dims_label(dims[1:])}",
    )  # fmt: skip
