"""Values during import, and the arithmetic of their storage order.

A value's *logical* axes are those of the ONNX file (NCHW for images). Its *stored* axes are those of the
tensor in the graph (NHWC). ``perm[i]`` is the logical axis stored as axis i, or ``INSERTED`` for an axis of
size 1 that the file does not have (a one-dimensional convolution runs as a two-dimensional one of height 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mcugen.ir import Array, QuantParams, Shape

Perm: TypeAlias = tuple[int, ...]

INSERTED = -1


@dataclass(frozen=True, eq=False)
class Const:
    """A float value known at import time, with logical axes.

    ``quant`` is set for constants that the file stores as integers: ``array`` is then a multiple of its
    scales. Zero points are those of int8 even where the file has uint8.
    """

    name: str
    array: Array
    quant: QuantParams | None = None

    @property
    def shape(self) -> Shape:
        return tuple(self.array.shape)


@dataclass(frozen=True)
class Value:
    """A value computed at run time: the tensor ``name`` of the graph."""

    name: str
    shape: Shape
    perm: Perm

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def stored_shape(self) -> Shape:
        return stored_shape(self.shape, self.perm)

    @property
    def order(self) -> tuple[int, ...]:
        """Logical axes longer than 1, in the order in which they are stored."""
        return tuple(p for p in self.perm if p != INSERTED and self.shape[p] > 1)

    def stored_axis(self, axis: int) -> int:
        """Where a logical axis is stored."""
        return self.perm.index(axis)


def identity(rank: int) -> Perm:
    return tuple(range(rank))


def channels_last(rank: int) -> Perm:
    """The order in which convolutions want (N, C, spatial...): always four stored axes for rank 3 and 4."""
    return (0, INSERTED, 2, 1) if rank == 3 else (0, *range(2, rank), 1)


def without_inserted(perm: Perm) -> Perm:
    return tuple(p for p in perm if p != INSERTED)


def stored_shape(shape: Shape, perm: Perm) -> Shape:
    return tuple(1 if p == INSERTED else shape[p] for p in perm)


def logical_shape(stored: Shape, perm: Perm) -> Shape:
    """The inverse of ``stored_shape``."""
    sizes = {p: n for p, n in zip(perm, stored, strict=True) if p != INSERTED}
    return tuple(sizes[axis] for axis in range(len(sizes)))


def store(array: Array, perm: Perm) -> Array:
    """A logical array in stored order. Axes that ``perm`` does not name must have size 1 and are dropped."""
    kept = without_inserted(perm)
    dropped = [a for a in range(array.ndim) if a not in kept]
    rest = array.transpose(*kept, *dropped)
    return np.ascontiguousarray(rest).reshape(stored_shape(array.shape, perm))


def store_quant(quant: QuantParams | None, perm: Perm) -> QuantParams | None:
    """The quantization of a constant after ``store``."""
    if quant is None or quant.axis is None:
        return quant
    return QuantParams(quant.scale, quant.zero_point, perm.index(quant.axis))


def normalized_axis(axis: int, rank: int) -> int:
    """A possibly negative axis as a non-negative one. Raises ValueError outside the rank."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} of a tensor with {rank} dimensions")
    return axis % rank


def _matching_groups(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> list[tuple[Perm, Perm]]:
    """The finest split of two lists of (axis, size > 1) into runs of equal products."""
    groups = []
    i = j = 0
    while i < len(a):
        first_a, first_b = i, j
        product_a, product_b = a[i][1], b[j][1]
        i, j = i + 1, j + 1
        while product_a != product_b:
            if product_a < product_b:
                product_a, i = product_a * a[i][1], i + 1
            else:
                product_b, j = product_b * b[j][1], j + 1
        groups.append((tuple(x for x, _ in a[first_a:i]), tuple(x for x, _ in b[first_b:j])))
    return groups


def reshaped_order(value: Value, shape: Shape) -> tuple[int, ...] | None:
    """The storage order of the logical axes after a logical reshape that leaves memory as it is.

    None when the reshape mixes axes that are not stored side by side, so that the value must be put in
    logical order first. Raises ValueError when the numbers of elements differ.
    """
    if math.prod(value.shape) != math.prod(shape):
        raise ValueError(f"{value.shape} cannot be reshaped to {shape}")
    source = [(axis, n) for axis, n in enumerate(value.shape) if n > 1]
    target = [(axis, n) for axis, n in enumerate(shape) if n > 1]
    order = value.order
    placed = []
    for before, after in _matching_groups(source, target):
        start = order.index(before[0])
        if order[start : start + len(before)] != before:
            return None
        placed.append((start, after))
    return tuple(axis for _, axes in sorted(placed) for axis in axes)


def perm_for_order(shape: Shape, order: tuple[int, ...]) -> Perm:
    """A permutation that stores the long axes in ``order``: the identity or channels-last when they do."""
    rank = len(shape)
    for candidate in (identity(rank), channels_last(rank) if rank in (3, 4) else identity(rank)):
        if Value("", shape, candidate).order == order:
            return candidate
    return tuple(a for a in range(rank) if a not in order) + order
