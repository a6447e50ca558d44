"""Mean over axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen.ir import Array, Constraint, Op, Shape, Tensors
from mcugen.lowering.call import KernelCall
from mcugen.ops import common


def split_axes(shape: Shape, axes: tuple[int, ...]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(kept, reduced) groups of neighbouring axes as (size, stride in elements), outermost first."""
    groups: list[tuple[bool, int, int]] = []
    stride = 1
    for axis in reversed(range(len(shape))):
        reduced = axis in axes
        if shape[axis] > 1:
            if groups and groups[-1][0] == reduced:
                groups[-1] = (reduced, groups[-1][1] * shape[axis], groups[-1][2])
            else:
                groups.append((reduced, shape[axis], stride))
        stride *= shape[axis]
    groups.reverse()
    return [(n, s) for r, n, s in groups if not r], [(n, s) for r, n, s in groups if r]


def _two_groups(op: Mean, t: Tensors) -> bool:
    return all(len(g) <= 2 for g in split_axes(t[op.inputs[0]].shape, op.axes))


@dataclass(frozen=True, kw_only=True)
class Mean(Op):
    """``y = clamp(requantize(sum over axes of x - n * zx))`` with scale sx / (n * sy).

    The division by n = the number of reduced elements goes into the multiplier: ``(m << k) // n`` with
    k = min(floor(log2 n), 32, 31 + shift). Source: TFLite's reference QuantizedMeanOrSum.
    """

    kind: ClassVar[str] = "Mean"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        Constraint("kept and reduced axes form at most two runs each", _two_groups),
    )

    axes: tuple[int, ...]
    keep_dims: bool = True

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        if any(a < 0 or a >= len(shapes[0]) for a in self.axes):
            raise ValueError(f"axes {self.axes} of a tensor with {len(shapes[0])} dimensions")
        kept = (
            (1 if i in self.axes else n)
            for i, n in enumerate(shapes[0])
            if self.keep_dims or i not in self.axes
        )
        return (tuple(kept),)

    def multiplier(self, t: Tensors) -> tuple[int, int]:
        x, y = t[self.inputs[0]], t[self.outputs[0]]
        multiplier, shift = common.requantize_multiplier(x.scale / y.scale)
        count = x.elements // max(y.elements, 1)
        extra = min(count.bit_length() - 1, 32, 31 + shift)
        return (multiplier << extra) // count, shift - extra

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        if common.is_float(tensors, self):
            return (arrays[0].mean(axis=self.axes).astype(np.float32).reshape(y.shape),)
        total = arrays[0].astype(np.int64).sum(axis=self.axes) - x.zero_point * (x.elements // y.elements)
        out = common.requantize(total, *self.multiplier(tensors), y, y.dtype.bounds)
        return (out.reshape(y.shape),)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, y = tensors[self.inputs[0]], tensors[self.outputs[0]]
        kept, reduced = (([(1, 0), (1, 0)] + g)[-2:] for g in split_axes(x.shape, self.axes))
        multiplier, shift = self.multiplier(tensors)
        return (
            KernelCall(
                kernel="mean_s8",
                params=(
                    ("kept", tuple(n for n, _ in kept)), ("kept_strides", tuple(s for _, s in kept)),
                    ("reduced", tuple(n for n, _ in reduced)), ("reduced_strides", tuple(s for _, s in reduced)),
                    ("sum_offset", -x.zero_point * (x.elements // y.elements)), ("out_offset", y.zero_point),
                    ("out_multiplier", multiplier), ("out_shift", shift),
                ),
                inputs=self.inputs,
                outputs=self.outputs,
                label=f"{common.dims_label(x.shape[1:])}_to_{common.dims_label(y.shape[1:])}",
            ),
        )  # fmt: skip
