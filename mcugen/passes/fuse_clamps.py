"""Fuses tables that only clamp into the operator before."""

from __future__ import annotations

import dataclasses

import numpy as np

from mcugen.ir import DType, Graph, Op, Tensor, Tensors
from mcugen.ops import FullyConnected, common
from mcugen.ops.binary import BinaryOp
from mcugen.ops.conv2d import WindowOp
from mcugen.passes.byte_functions import by_value, byte_function
from mcugen.passes.common import private_tensors, writer_positions

Clamping = WindowOp | FullyConnected | BinaryOp


def fuse_clamps(graph: Graph) -> Graph:
    """``f(op(...))`` becomes ``op(...)`` with narrower bounds, under f's output name, in int8 graphs.

    f: an element-wise operator that clamps (or leaves alone) every value that op can give; op: a convolution,
    pooling, fully connected or element-wise operator of two inputs whose result nobody else reads. Input and
    output of f have the same quantization, and there are real bounds that give exactly the clamp.
    """
    private = private_tensors(graph)
    kept: list[Op] = []
    for op in graph.ops:
        function = byte_function(op, graph.tensors)
        position = None if function is None else writer_positions(kept).get(function.source)
        fused = None
        if function is not None and position is not None and function.source in private:
            values = by_value(function.table, DType.INT8, DType.INT8)
            fused = _fused(kept[position], values, op.outputs[0], graph.tensors)
        if fused is None or position is None:
            kept.append(op)
        else:
            kept[position] = fused
    return graph.with_ops(kept)


def _fused(op: Op, values: np.ndarray, output: str, tensors: Tensors) -> Op | None:
    x, y = tensors[op.outputs[0]], tensors[output]
    if not isinstance(op, Clamping) or op.check(tensors) or x.quant != y.quant or y.dtype is not DType.INT8:
        return None
    reached = np.arange(*common.clamp_bounds(x, op.low, op.high))
    reached = np.append(reached, common.clamp_bounds(x, op.low, op.high)[1])
    results = values[reached + 128]
    bounds = (int(results[0]), int(results[-1]))
    if bounds[0] > bounds[1] or (results != np.clip(reached, *bounds)).any():
        return None
    low, high = real_bounds(y, bounds)
    if common.clamp_bounds(y, low, high) != bounds:
        return None
    return dataclasses.replace(op, outputs=(output,), low=low, high=high)


def real_bounds(tensor: Tensor, bounds: tuple[int, int]) -> tuple[float, float]:
    """Real numbers for quantized bounds, infinite at the ends of the type; rounding may spoil them."""
    low, high = ((q - tensor.zero_point) * tensor.scale for q in bounds)
    smallest, largest = tensor.dtype.bounds
    return -common.INF if bounds[0] == smallest else low, common.INF if bounds[1] == largest else high
