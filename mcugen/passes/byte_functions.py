"""Element-wise operators as functions of one 8-bit value: what the passes on tables share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen.ir import Array, DType, Op, Tensors
from mcugen.ops import Quantize, Table
from mcugen.ops.binary import BinaryOp
from mcugen.ops.table import BITS_8
from mcugen.ops.unary import UnaryOp

ByteTable: TypeAlias = NDArray[np.uint8]
"""uint8[256]: for the bit pattern of every input that of the output."""

IDENTITY: ByteTable = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class ByteFunction:
    """What an operator computes, as a function of the tensor ``source`` of the output's shape."""

    source: str
    table: ByteTable


def byte_function(op: Op, tensors: Tensors) -> ByteFunction | None:
    """The operator as a function of its one variable input, None if it is not such a function.

    These are Clip, LeakyRelu, Logistic, Tanh, HardSwish, Quantize between 8-bit types, Table, and Add, Sub and Mul
    with a constant of one element or of a tensor with itself.
    """
    variable = {n for n in op.inputs if not tensors[n].is_const} if is_elementwise(op, tensors) else set()
    if len(variable) != 1:
        return None
    source = variable.pop()
    table = composed(op, tensors, {source: IDENTITY})
    return None if table is None else ByteFunction(source, table)


def is_elementwise(op: Op, tensors: Tensors) -> bool:
    """Whether an output byte depends on one byte of each variable input only, those of the same place."""
    if not isinstance(op, UnaryOp | Quantize | Table | BinaryOp) or op.check(tensors):
        return False
    y = tensors[op.outputs[0]]
    binary = isinstance(op, BinaryOp)
    return y.dtype in BITS_8 and all(
        (x.elements == 1 or not binary) if x.is_const else (x.dtype in BITS_8 and x.shape == y.shape)
        for x in (tensors[n] for n in op.inputs)
    )


def composed(op: Op, tensors: Tensors, inputs: Mapping[str, ByteTable]) -> ByteTable | None:
    """The table of an element-wise operator whose variable inputs are ``inputs`` of one common byte.

    None when the operator cannot be computed; the support check will say why.
    """
    arrays = [
        inputs[n].view(tensors[n].dtype.numpy) if n in inputs else _constant(op, tensors, n)
        for n in op.inputs
    ]
    try:
        return np.ascontiguousarray(op.evaluate(tensors, *arrays)[0]).view(np.uint8)
    except ValueError:
        return None


def _constant(op: Op, tensors: Tensors, name: str) -> Array:
    data = tensors[name].data
    assert data is not None, f"{op.kind}: '{name}' is neither constant nor given"
    return data.reshape(-1)


def by_value(table: ByteTable, source: DType, target: DType) -> Array:
    """The outputs for all values of the source's type in ascending order, as numbers."""
    order = np.argsort(IDENTITY.view(source.numpy), kind="stable")
    return table[order].view(target.numpy).astype(np.int64)
