"""Importers of element-wise operators: they work in whatever order their inputs are stored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import TensorProto

from mcugen import ops
from mcugen.frontends.onnx.builder import Builder
from mcugen.frontends.onnx.node import Node, require
from mcugen.frontends.onnx.values import INSERTED, Const, Perm, Value, channels_last, identity, store
from mcugen.ir import Op, Shape
from mcugen.ops.common import INF


def _unary(b: Builder, node: Node, kind: type[Op], **fields: Any) -> None:
    x = b.value(node, 0)
    b.emit_to(node, kind, (x.name,), x.perm, **fields)


def relu(b: Builder, node: Node) -> None:
    _unary(b, node, ops.Clip, low=0.0, high=INF)


def clip(b: Builder, node: Node) -> None:
    """Bounds are attributes up to opset 10, inputs since."""
    low, high = node.float("min", -INF), node.float("max", INF)
    for index, what in ((1, "the lower bound"), (2, "the upper bound")):
        bound = b.optional_const(node, index, what)
        if bound is not None:
            require(bound.array.size == 1, f"{what} must be one number")
            number = float(bound.array.reshape(-1)[0])
            low, high = (number, high) if index == 1 else (low, number)
    require(not (math.isnan(low) or math.isnan(high)) and low <= high, "the bounds must be ordered numbers")
    _unary(b, node, ops.Clip, low=low, high=high)


def leaky_relu(b: Builder, node: Node) -> None:
    _unary(b, node, ops.LeakyRelu, alpha=node.float("alpha", 0.01))


def prelu(b: Builder, node: Node) -> None:
    slope = b.const(node, 1, "the slope")
    require(bool(np.all(slope.array == slope.array.flat[0])), "all slopes must be equal")
    _unary(b, node, ops.LeakyRelu, alpha=float(slope.array.flat[0]))


def hard_swish(b: Builder, node: Node) -> None:
    _unary(b, node, ops.HardSwish)


def sigmoid(b: Builder, node: Node) -> None:
    _unary(b, node, ops.Logistic)


def tanh(b: Builder, node: Node) -> None:
    _unary(b, node, ops.Tanh)


def hard_sigmoid(b: Builder, node: Node) -> None:
    """``clip(alpha * x + beta, 0, 1)``: a scaling that passes fold into the layer before, and a Clip."""
    x = b.value(node, 0)
    channels = (x.stored_shape or (1,))[-1]
    names = []
    for what, number in (("alpha", node.float("alpha", 0.2)), ("beta", node.float("beta", 0.5))):
        names.append(b.fresh(f"{node.output}/{what}"))
        b.add_array(names[-1], np.full(channels, number))
    scaled = b.emit_step(node, ops.BatchNorm, (x.name, *names), x.perm)
    b.emit_to(node, ops.Clip, (scaled.name,), x.perm, low=0.0, high=1.0)


def alias(b: Builder, node: Node) -> None:
    """Identity, and Dropout, which does nothing at inference."""
    require(not (node.kind == "Dropout" and any(node.outputs[1:])), "the mask output is not supported")
    b.values[node.output] = b.required(node, 0)


def cast(b: Builder, node: Node) -> None:
    require(node.int("to", 0) == TensorProto.FLOAT, "run-time values can only be cast to float32")
    b.values[node.output] = b.value(node, 0)


def _expanded(b: Builder, value: Value, rank: int, origin: str) -> Value:
    """The value with logical axes of size 1 in front, as broadcasting adds them."""
    extra = rank - value.rank
    if extra == 0:
        return value
    perm = tuple(range(extra)) + tuple(p if p == INSERTED else p + extra for p in value.perm)
    shape = (1,) * extra + value.stored_shape
    name = b.fresh(f"{value.name}/reshaped")
    (expanded,) = b.emit(ops.Reshape(inputs=(value.name,), outputs=(name,), shape=shape, origin=origin), perm)
    return expanded


def common_perm(values: list[Value], rank: int) -> Perm:
    """The storage order in which values of one rank meet: that of the largest, transposed ones first."""

    def weight(value: Value) -> tuple[int, bool]:
        return math.prod(value.shape), value.perm != identity(value.rank)

    best = max((v for v in values if v.rank == rank), key=weight, default=None)
    return identity(rank) if best is None else best.perm


def _const_operand(b: Builder, const: Const, rank: int, perm: Perm) -> str:
    """The constant in stored order; leading axes of size 1 are left to broadcasting."""
    shape: Shape = (1,) * (rank - const.array.ndim) + const.shape
    array = store(const.array.reshape(shape), perm)
    leading = next((i for i, n in enumerate(array.shape) if n > 1), max(array.ndim - 1, 0))
    name = b.fresh(f"{const.name}/operand")
    quant = const.quant if const.quant is not None and const.quant.axis is None else None
    b.add_array(name, array.reshape(array.shape[leading:]), quant)
    return name


def _binary(b: Builder, node: Node, kind: type[Op], reciprocal: bool = False) -> None:
    operands = [b.required(node, 0), b.required(node, 1)]
    if reciprocal:
        operands[1] = _reciprocal(b, node, operands[1])
    rank = max(len(o.shape) for o in operands)
    np.broadcast_shapes(*(o.shape for o in operands))
    values = [_expanded(b, o, rank, node.origin) for o in operands if isinstance(o, Value)]
    perm = common_perm(values, rank)
    names = []
    for operand in operands:
        if isinstance(operand, Const):
            names.append(_const_operand(b, operand, rank, perm))
        else:
            names.append(b.restored(_expanded(b, operand, rank, node.origin), perm, node.origin).name)
    b.emit_to(node, kind, tuple(names), perm)


def _reciprocal(b: Builder, node: Node, divisor: Value | Const) -> Const:
    require(isinstance(divisor, Const), "the divisor must be constant")
    assert isinstance(divisor, Const)
    require(bool(np.all(divisor.array != 0)), "the divisor must not be zero")
    return Const(f"{divisor.name}/reciprocal", (1.0 / divisor.array).astype(np.float32))


def add(b: Builder, node: Node) -> None:
    _binary(b, node, ops.Add)


def sub(b: Builder, node: Node) -> None:
    _binary(b, node, ops.Sub)


def mul(b: Builder, node: Node) -> None:
    _binary(b, node, ops.Mul)


def div(b: Builder, node: Node) -> None:
    _binary(b, node, ops.Mul, reciprocal=True)


def batch_normalization(b: Builder, node: Node) -> None:
    """``scale * (x - mean) / sqrt(variance + epsilon) + bias`` per channel (logical axis 1)."""
    node.require_no_more_outputs()
    require(node.int("training_mode", 0) == 0, "training mode is not supported")
    x = b.value(node, 0)
    require(x.rank in (2, 3, 4), "inputs have 2, 3 or 4 dimensions")
    perm = channels_last(x.rank) if x.rank > 2 else identity(2)
    x = b.restored(x, perm, node.origin)
    names = ("the scale", "the bias", "the mean", "the variance")
    gamma, beta, mean, variance = (
        b.const(node, i + 1, name).array.astype(np.float64) for i, name in enumerate(names)
    )
    factor = gamma / np.sqrt(variance + node.float("epsilon", 1e-5))
    require(factor.shape == (x.shape[1],), "there is one scale per channel")
    params = []
    for what, array in (("factor", factor), ("offset", beta - mean * factor)):
        params.append(b.fresh(f"{node.output}/{what}"))
        b.add_array(params[-1], array)
    b.emit_to(node, ops.BatchNorm, (x.name, *params), perm)
