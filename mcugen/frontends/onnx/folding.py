"""Nodes whose inputs are all known are computed at import time: shape arithmetic, mostly."""

from __future__ import annotations

import math

import numpy as np
from onnx.reference import ReferenceEvaluator

from mcugen.errors import ModelFormatError
from mcugen.frontends.onnx.builder import Builder, check_size
from mcugen.frontends.onnx.node import Node
from mcugen.frontends.onnx.values import Const
from mcugen.ir import Array, Shape

# Operators whose results are no larger than their inputs broadcast together.
_NO_LARGER = frozenset(
    [
        "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "Constant", "Cos", "Div", "Equal", "Erf",
        "Exp", "Flatten", "Floor", "Gather", "Greater", "GreaterOrEqual", "Identity", "Less",
        "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "QuantizeLinear",
        "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu",
        "Reshape", "Round", "Shape", "Sigmoid", "Sign", "Sin", "Size", "Slice", "Split", "Sqrt",
        "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze", "Where", "Xor",
    ]
)  # fmt: skip
FOLDABLE = _NO_LARGER | {"ConstantOfShape", "Expand", "Range", "Tile"}


def _dims(array: Array) -> Shape:
    return tuple(int(n) for n in array.reshape(-1))


def _largest_result(node: Node, arrays: list[Array]) -> Shape:
    """A shape at least as large as any output, known without computing it."""
    if node.kind == "ConstantOfShape":
        return _dims(arrays[0])
    if node.kind == "Expand":
        return np.broadcast_shapes(arrays[0].shape, _dims(arrays[1]))
    if node.kind == "Tile":
        return (*arrays[0].shape, *_dims(arrays[1]))
    if node.kind == "Range":
        start, limit, step = (float(a.reshape(-1)[0]) for a in arrays[:3])
        return (max(0, math.ceil((limit - start) / step)),)
    if node.kind == "Gather":
        return (arrays[0].size, arrays[1].size)
    if node.kind in ("Concat", "Constant"):
        return (sum(a.size for a in arrays),)
    try:
        return np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        return (max(a.size for a in arrays),)


def fold(b: Builder, node: Node, domain_versions: dict[str, int]) -> None:
    """Computes the node with ONNX's own reference implementation. Raises ModelFormatError when that fails."""
    operands = {n: b.values[n] for n in node.inputs if n}
    arrays = {n: o.array for n, o in operands.items() if isinstance(o, Const)}
    try:
        size = math.prod(max(1, n) for n in _largest_result(node, list(arrays.values())))
        check_size("the result", (max(1, size),))
        results = ReferenceEvaluator(node.proto, opsets=domain_versions).run(None, arrays)
    except ModelFormatError as error:
        raise ModelFormatError(error.message, where=node.origin) from error
    except Exception as error:  # the reference implementation raises anything on bad input
        raise ModelFormatError(f"its value cannot be computed: {error}", where=node.origin) from error
    for name, result in zip(node.outputs, results, strict=False):
        if name:
            b.values[name] = Const(name, np.asarray(result))
