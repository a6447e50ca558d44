"""Merges explicit padding into the window operators after it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from mcugen.ir import DType, Graph, Op, Tensor, Tensors
from mcugen.ops import MaxPool2D, Pad
from mcugen.ops.conv2d import WeightedWindowOp, WindowOp
from mcugen.passes.intervals import Range, channel_ranges, may_miss_input


def merge_pad(graph: Graph) -> Graph:
    """``window(Pad(x))`` becomes ``window(x)`` with the padding added to its own.

    window: a convolution when the Pad adds real zeros; a maximum pooling when it adds the smallest value, or one
    that x never falls below and every window has an element of x. The Pad widens height and width only, and is
    merged into all its readers or none.
    """
    pads = [op for op in graph.ops if isinstance(op, Pad) and op.outputs[0] not in graph.outputs]
    if not pads:
        return graph
    readers, ranges = graph.consumers(), channel_ranges(graph)
    merged = {
        pad.outputs[0]: pad
        for pad in pads
        if _mergeable(pad, readers.get(pad.outputs[0], []), graph.tensors, ranges)
    }
    return graph.with_ops(
        _widened(op, merged[op.inputs[0]]) if isinstance(op, WindowOp) and op.inputs[0] in merged else op
        for op in graph.ops
        if op.outputs[0] not in merged
    )


def _widened(window: WindowOp, pad: Pad) -> WindowOp:
    top, bottom, left, right = window.padding
    sides = (top + pad.before[1], bottom + pad.after[1], left + pad.before[2], right + pad.after[2])
    return dataclasses.replace(window, inputs=(pad.inputs[0], *window.inputs[1:]), padding=sides)


def _mergeable(pad: Pad, readers: Sequence[Op], tensors: Tensors, ranges: Mapping[str, Range]) -> bool:
    if len(tensors[pad.inputs[0]].shape) != 4 or any(pad.before[::3]) or any(pad.after[::3]) or not readers:
        return False
    return all(isinstance(op, WindowOp) and _fits(pad, op, tensors, ranges) for op in readers)


def _fits(pad: Pad, window: WindowOp, tensors: Tensors, ranges: Mapping[str, Range]) -> bool:
    x = tensors[pad.inputs[0]]
    if isinstance(window, WeightedWindowOp):
        return _is_real_zero(pad.value, x)
    if not isinstance(window, MaxPool2D):
        return False
    if pad.value == (-math.inf if x.dtype is DType.FLOAT32 else x.dtype.bounds[0]):
        return True
    never_wins = x.name in ranges and bool((ranges[x.name].low >= pad.value).all())
    return never_wins and not may_miss_input(_widened(window, pad))


def _is_real_zero(value: float, x: Tensor) -> bool:
    if x.dtype is DType.FLOAT32:
        return value == 0.0
    return x.quant is not None and x.quant.zero_point == (value,)
