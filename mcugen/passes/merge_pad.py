"""Merges explicit padding into the window operator after it."""

from __future__ import annotations

import dataclasses
import math

from mcugen.ir import DType, Graph, Op, Tensors
from mcugen.ops import MaxPool2D, Pad
from mcugen.ops.conv2d import WeightedWindowOp, WindowOp
from mcugen.passes.common import private_tensors


def merge_pad(graph: Graph) -> Graph:
    """``window(Pad(x))`` becomes ``window(x)`` with the padding added to its own.

    window: a convolution when the Pad adds real zeros, a maximum pooling when it adds the smallest value;
    the Pad widens height and width only, and nobody else reads it.
    """
    private = private_tensors(graph)
    pads = {op.outputs[0]: op for op in graph.ops if isinstance(op, Pad) and op.outputs[0] in private}
    merged: list[Op] = []
    for op in graph.ops:
        pad = pads.get(op.inputs[0]) if isinstance(op, WindowOp) else None
        if pad is not None and isinstance(op, WindowOp) and _mergeable(pad, op, graph.tensors):
            top, bottom, left, right = op.padding
            sides = (top + pad.before[1], bottom + pad.after[1], left + pad.before[2], right + pad.after[2])
            op = dataclasses.replace(op, inputs=(pad.inputs[0], *op.inputs[1:]), padding=sides)
        merged.append(op)
    read = {n for op in merged for n in op.inputs}
    return graph.with_ops(op for op in merged if op.outputs[0] not in pads or op.outputs[0] in read)


def _mergeable(pad: Pad, window: WindowOp, tensors: Tensors) -> bool:
    x = tensors[pad.inputs[0]]
    if len(x.shape) != 4 or any((pad.before[0], pad.after[0], pad.before[3], pad.after[3])):
        return False
    if isinstance(window, WeightedWindowOp):
        return pad.value == (0.0 if x.dtype is DType.FLOAT32 else x.zero_point)
    if isinstance(window, MaxPool2D):
        return pad.value == (-math.inf if x.dtype is DType.FLOAT32 else x.dtype.bounds[0])
    return False
