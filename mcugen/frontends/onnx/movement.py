"""Importers of operators that move elements: most only change how a value is looked at."""

from __future__ import annotations

import math

import numpy as np

from mcugen import ops
from mcugen.errors import ModelFormatError
from mcugen.frontends.onnx.builder import Builder
from mcugen.frontends.onnx.elementwise import common_perm
from mcugen.frontends.onnx.node import Node, require
from mcugen.frontends.onnx.values import (
    INSERTED,
    Const,
    Value,
    identity,
    normalized_axis,
    perm_for_order,
    reshaped_order,
    stored_shape,
)
from mcugen.ir import Shape


def _integers(const: Const) -> Shape:
    return tuple(int(v) for v in const.array.reshape(-1))


def _reshape_to(b: Builder, node: Node, x: Value, shape: Shape) -> None:
    order = reshaped_order(x, shape)
    if order is None:
        x = b.restored(x, identity(x.rank), node.origin)
        order = tuple(axis for axis, n in enumerate(shape) if n > 1)
    perm = perm_for_order(shape, order)
    b.emit_to(node, ops.Reshape, (x.name,), perm, shape=stored_shape(shape, perm))


def reshape(b: Builder, node: Node) -> None:
    """0 copies a dimension of the input (unless allowzero), -1 takes what is left."""
    x = b.value(node, 0)
    wanted = list(_integers(b.const(node, 1, "the shape")))
    if not node.int("allowzero", 0):
        wanted = [x.shape[i] if n == 0 and i < x.rank else n for i, n in enumerate(wanted)]
    if wanted.count(-1) == 1:
        known = -math.prod(wanted)
        wanted[wanted.index(-1)] = math.prod(x.shape) // known if known > 0 else 0
    if min(wanted, default=1) < 1:
        raise ModelFormatError(f"{x.shape} cannot be reshaped to {wanted}", where=node.origin)
    _reshape_to(b, node, x, tuple(wanted))


def flatten(b: Builder, node: Node) -> None:
    x = b.value(node, 0)
    axis = node.int("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    _reshape_to(b, node, x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _axes(b: Builder, node: Node) -> Shape | None:
    """Axes from the attribute (up to opset 12) or the second input."""
    given = b.optional_const(node, 1, "the axes")
    return node.ints("axes") if given is None else _integers(given)


def squeeze(b: Builder, node: Node) -> None:
    x = b.value(node, 0)
    axes = _axes(b, node)
    drop = (
        {a for a, n in enumerate(x.shape) if n == 1}
        if axes is None
        else {normalized_axis(a, x.rank) for a in axes}
    )
    if any(x.shape[a] != 1 for a in drop):
        raise ModelFormatError(f"axes {sorted(drop)} of {x.shape} are not all 1", where=node.origin)
    _reshape_to(b, node, x, tuple(n for a, n in enumerate(x.shape) if a not in drop))


def unsqueeze(b: Builder, node: Node) -> None:
    x = b.value(node, 0)
    given = _axes(b, node) or ()
    rank = x.rank + len(given)
    axes = {normalized_axis(a, rank) for a in given}
    sizes = iter(x.shape)
    _reshape_to(b, node, x, tuple(1 if a in axes else next(sizes) for a in range(rank)))


def transpose(b: Builder, node: Node) -> None:
    """Nothing moves: the value's axes get other numbers."""
    x = b.value(node, 0)
    perm = node.ints("perm") or tuple(reversed(range(x.rank)))
    if sorted(perm) != list(range(x.rank)):
        raise ModelFormatError(f"permutation {perm} of {x.shape}", where=node.origin)
    renumbered = tuple(p if p == INSERTED else perm.index(p) for p in x.perm)
    b.values[node.output] = Value(x.name, tuple(x.shape[p] for p in perm), renumbered)


def _inserted_free(b: Builder, x: Value, values: tuple[int, ...], fill: int) -> Shape:
    """Per-axis numbers in stored order, ``fill`` for inserted axes."""
    return tuple(fill if p == INSERTED else values[p] for p in x.perm)


def pad(b: Builder, node: Node) -> None:
    """Pads are an attribute up to opset 10, inputs since; axes may be given since opset 18."""
    require(node.string("mode", "constant") == "constant", "only constant padding is supported")
    x = b.value(node, 0)
    given = b.optional_const(node, 1, "the padding")
    pads = node.ints("pads") if given is None else _integers(given)
    fill = b.optional_const(node, 2, "the padding value")
    value = node.float("value", 0.0) if fill is None else float(fill.array.reshape(-1)[0])
    chosen = b.optional_const(node, 3, "the axes")
    axes = (
        identity(x.rank) if chosen is None else tuple(normalized_axis(a, x.rank) for a in _integers(chosen))
    )
    if pads is None or len(pads) != 2 * len(axes):
        raise ModelFormatError(f"padding {pads} for {x.shape}", where=node.origin)
    require(min(pads, default=0) >= 0, "padding must not be negative")
    before, after = [0] * x.rank, [0] * x.rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[len(axes) + i]
    b.emit_to(
        node, ops.Pad, (x.name,), x.perm, value=value,
        before=_inserted_free(b, x, tuple(before), 0), after=_inserted_free(b, x, tuple(after), 0),
    )  # fmt: skip


def concat(b: Builder, node: Node) -> None:
    operands = [b.required(node, i) for i in range(len(node.inputs))]
    rank = len(operands[0].shape)
    require(all(len(o.shape) == rank for o in operands), "inputs have the same number of dimensions")
    axis = normalized_axis(node.int("axis", 0), rank)
    perm = common_perm([o for o in operands if isinstance(o, Value)], rank)
    names = tuple(
        b.constant(o, perm) if isinstance(o, Const) else b.restored(o, perm, node.origin).name
        for o in operands
    )
    b.emit_to(node, ops.Concat, names, perm, axis=perm.index(axis))


def split(b: Builder, node: Node) -> None:
    """Sizes are an attribute up to opset 12, an input since, or equal parts."""
    x = b.value(node, 0)
    axis = normalized_axis(node.int("axis", 0), x.rank)
    given = b.optional_const(node, 1, "the sizes")
    sizes = node.ints("split") if given is None else _integers(given)
    names = tuple(name or b.fresh(f"{node.output}/unused") for name in node.outputs)
    if sizes is None:
        part = math.ceil(x.shape[axis] / len(names))
        sizes = (*(part,) * (len(names) - 1), x.shape[axis] - part * (len(names) - 1))
    if len(sizes) != len(names) or min(sizes) < 1:
        raise ModelFormatError(f"{len(names)} outputs of sizes {list(sizes)}", where=node.origin)
    op = ops.Split(inputs=(x.name,), outputs=names, axis=x.stored_axis(axis), sizes=sizes, origin=node.origin)
    values = b.emit(op, *(x.perm,) * len(names))
    b.values.update({name: value for name, value in zip(node.outputs, values, strict=True) if name})


def _slice_axis(start: int, end: int, step: int, size: int) -> tuple[int, int]:
    """(first index, number of elements) of a Python-like slice. Raises ValueError when nothing is left."""
    indices = range(size)[slice(start, end if end >= -size or step > 0 else None, step)]
    if len(indices) == 0:
        raise ValueError(f"nothing left of {size} elements from {start} to {end} by {step}")
    return indices[0], len(indices)


def _strided_slice(
    b: Builder, node: Node, x: Value, begin: list[int], size: list[int], step: list[int]
) -> Value:
    fields = {
        "begin": _inserted_free(b, x, tuple(begin), 0),
        "size": _inserted_free(b, x, tuple(size), 1),
        "step": _inserted_free(b, x, tuple(step), 1),
    }
    return b.emit_to(node, ops.StridedSlice, (x.name,), x.perm, **fields)


def slice_(b: Builder, node: Node) -> None:
    """Inputs are (data, starts, ends, axes, steps), since opset 10."""
    x = b.value(node, 0)
    starts, ends = (_integers(b.const(node, i, "the bounds")) for i in (1, 2))
    given, steps_given = b.optional_const(node, 3, "the axes"), b.optional_const(node, 4, "the steps")
    axes = identity(len(starts)) if given is None else _integers(given)
    steps = (1,) * len(starts) if steps_given is None else _integers(steps_given)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise ModelFormatError("starts, ends, axes and steps do not match", where=node.origin)
    begin, size, step = [0] * x.rank, list(x.shape), [1] * x.rank
    for start, end, axis, by in zip(starts, ends, axes, steps, strict=True):
        a = normalized_axis(axis, x.rank)
        begin[a], size[a] = _slice_axis(start, end, by, x.shape[a])
        step[a] = by
    _strided_slice(b, node, x, begin, size, step)


def gather(b: Builder, node: Node) -> None:
    """One constant index, or indices in equal steps: a slice."""
    x = b.value(node, 0)
    indices = b.const(node, 1, "the indices")
    axis = normalized_axis(node.int("axis", 0), x.rank)
    require(indices.array.ndim <= 1 and indices.array.size > 0, "the indices have at most one dimension")
    wanted = [normalized_axis(int(i), x.shape[axis]) for i in indices.array.reshape(-1)]
    steps = set(np.diff(wanted).tolist()) or {1}
    require(len(steps) == 1 and 0 not in steps, "the indices are in equal steps")
    begin, size, step = [0] * x.rank, list(x.shape), [1] * x.rank
    begin[axis], size[axis], step[axis] = wanted[0], len(wanted), int(steps.pop())
    if indices.array.ndim:
        _strided_slice(b, node, x, begin, size, step)
        return
    rest = [a for a in range(x.rank) if a != axis]
    fields = {
        "begin": _inserted_free(b, x, tuple(begin), 0),
        "size": _inserted_free(b, x, tuple(size), 1),
        "step": _inserted_free(b, x, tuple(step), 1),
    }
    perm = tuple(p if p == INSERTED else rest.index(p) for p in x.perm if p != axis)
    shape = tuple(n for p, n in zip(x.perm, fields["size"], strict=True) if p != axis)
    b.emit_to(node, ops.StridedSlice, (x.name,), perm, shape=shape, **fields)


def shape_of(b: Builder, node: Node) -> None:
    """All shapes are known: a constant."""
    shape = b.value(node, 0).shape
    start, end = node.int("start", 0), node.int("end", len(shape))
    b.values[node.output] = Const(node.output, np.array(shape[start:end], dtype=np.int64))


def size_of(b: Builder, node: Node) -> None:
    b.values[node.output] = Const(node.output, np.array(math.prod(b.value(node, 0).shape), dtype=np.int64))
