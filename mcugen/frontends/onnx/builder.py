"""Collects the tensors and operators of the graph under construction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mcugen import ops
from mcugen.errors import ModelFormatError
from mcugen.frontends.onnx.node import Node, UnsupportedNodeError
from mcugen.frontends.onnx.values import (
    Const,
    Perm,
    Value,
    identity,
    logical_shape,
    store,
    store_quant,
    stored_shape,
    without_inserted,
)
from mcugen.ir import Array, DType, Op, QuantParams, Shape, Tensor

# More elements than any microcontroller can hold, few enough for this computer.
MAX_ELEMENTS = 1 << 26


def check_size(what: str, shape: Shape) -> None:
    """Raises ModelFormatError when a shape has no elements or more than MAX_ELEMENTS."""
    count = math.prod(shape)
    if not 0 < count <= MAX_ELEMENTS or any(n < 1 for n in shape):
        dims = "x".join(map(str, shape))
        raise ModelFormatError(f"{what} has shape {dims}: between 1 and {MAX_ELEMENTS} elements are possible")


class Builder:
    """The state of an import: values by ONNX name, and the tensors and operators made so far."""

    def __init__(self, names: set[str]) -> None:
        self.values: dict[str, Value | Const] = {}
        self.tensors: dict[str, Tensor] = {}
        self.ops: list[Op] = []
        self._reserved = names
        self._restored: dict[tuple[str, Perm], Value] = {}
        self._constants: dict[tuple[str, Perm], str] = {}

    def fresh(self, base: str) -> str:
        """A tensor name that neither the file nor the graph has."""
        name, number = base, 1
        while name in self.tensors or name in self._reserved:
            number += 1
            name = f"{base}{number}"
        return name

    # Inputs of nodes

    def operand(self, node: Node, index: int) -> Value | Const | None:
        """An input, None if absent. Raises ModelFormatError for a name that nothing produces."""
        name = node.inputs[index] if index < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.values:
            raise ModelFormatError(f"input '{name}' is produced by no earlier node", where=node.origin)
        return self.values[name]

    def required(self, node: Node, index: int) -> Value | Const:
        """An input that must be there. Raises ModelFormatError."""
        operand = self.operand(node, index)
        if operand is None:
            raise ModelFormatError(f"input {index} is missing", where=node.origin)
        return operand

    def value(self, node: Node, index: int) -> Value:
        """An input that is computed at run time; a constant is put into a tensor. Raises ModelFormatError."""
        operand = self.required(node, index)
        if isinstance(operand, Const):
            perm = identity(operand.array.ndim)
            return Value(self.constant(operand, perm), operand.shape, perm)
        return operand

    def const(self, node: Node, index: int, what: str) -> Const:
        """An input that must be known at import time. Raises UnsupportedNodeError, ModelFormatError."""
        operand = self.required(node, index)
        if not isinstance(operand, Const):
            raise UnsupportedNodeError(f"{what} must be constant")
        return operand

    def optional_const(self, node: Node, index: int, what: str) -> Const | None:
        """As ``const``, None if absent."""
        return self.const(node, index, what) if self.operand(node, index) is not None else None

    # Tensors

    def add_tensor(self, tensor: Tensor, origin: str = "") -> None:
        """Adds a tensor. Raises ModelFormatError for a second one of the same name or a hopeless size."""
        if tensor.name in self.tensors:
            raise ModelFormatError(f"'{tensor.name}' is defined twice", where=origin)
        check_size(f"tensor '{tensor.name}'", tensor.shape)
        self.tensors[tensor.name] = tensor

    def constant(self, const: Const, perm: Perm) -> str:
        """The name of a float tensor with the constant in stored order."""
        key = (const.name, perm)
        if key not in self._constants:
            plain = perm == identity(const.array.ndim) and const.name not in self.tensors
            name = const.name if plain else self.fresh(f"{const.name}/stored")
            self.add_array(name, store(const.array, perm), store_quant(const.quant, perm))
            self._constants[key] = name
        return self._constants[key]

    def add_array(self, name: str, array: Array, quant: QuantParams | None = None) -> None:
        """Adds a float32 constant in stored order. Raises UnsupportedNodeError for other than finite numbers."""
        if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
            raise UnsupportedNodeError(f"constant '{name}' of type {array.dtype} is not supported")
        data = np.ascontiguousarray(array, dtype=np.float32)
        if not np.isfinite(data).all():
            raise UnsupportedNodeError(f"constant '{name}' holds NaN or infinity")
        self.add_tensor(Tensor(name, DType.FLOAT32, tuple(data.shape), quant, data))

    # Operators

    def emit(
        self, op: Op, *perms: Perm, dtype: DType = DType.FLOAT32, quant: QuantParams | None = None
    ) -> tuple[Value, ...]:
        """Appends an operator; its outputs are stored in the order of ``perms``. Raises ModelFormatError."""
        shapes = [self.tensors[n].shape if n else () for n in op.inputs]
        try:
            inferred = op.infer(*shapes)
        except (ValueError, IndexError, ZeroDivisionError) as error:
            raise ModelFormatError(str(error), where=op.origin) from error
        values = []
        for name, shape, perm in zip(op.outputs, inferred, perms, strict=True):
            self.add_tensor(Tensor(name, dtype, shape, quant), op.origin)
            values.append(Value(name, logical_shape(shape, perm), perm))
        self.ops.append(op)
        return tuple(values)

    def emit_to(
        self, node: Node, kind: type[Op], inputs: tuple[str, ...], perm: Perm, **fields: Any
    ) -> Value:
        """Appends the operator that computes the node's first output, and binds that output to it."""
        op = kind(inputs=inputs, outputs=(node.output,), origin=node.origin, **fields)
        (value,) = self.emit(op, perm)
        self.values[node.output] = value
        return value

    def emit_step(
        self, node: Node, kind: type[Op], inputs: tuple[str, ...], perm: Perm, **fields: Any
    ) -> Value:
        """Appends an operator on the way to the node's output, under a name of its own."""
        name = self.fresh(f"{node.output}/{kind.kind.lower()}")
        (value,) = self.emit(kind(inputs=inputs, outputs=(name,), origin=node.origin, **fields), perm)
        return value

    def restored(self, value: Value, perm: Perm, origin: str = "") -> Value:
        """The value in another storage order: itself, a reshape, or (at worst) a transposed copy."""
        if value.perm == perm:
            return value
        key = (value.name, perm)
        if key not in self._restored:
            self._restored[key] = self._restore(value, perm, origin)
        return self._restored[key]

    def _restore(self, value: Value, perm: Perm, origin: str) -> Value:
        target = Value("", value.shape, perm)
        if value.order != target.order:
            plain, wanted = without_inserted(value.perm), without_inserted(perm)
            value = self.restored(value, plain, origin)
            order = tuple(plain.index(axis) for axis in wanted)
            name = self.fresh(f"{value.name}/transposed")
            op: Op = ops.Transpose(inputs=(value.name,), outputs=(name,), perm=order, origin=origin)
            (value,) = self.emit(op, wanted)
            if value.perm == perm:
                return value
        name = self.fresh(f"{value.name}/reshaped")
        shape = stored_shape(value.shape, perm)
        (value,) = self.emit(
            ops.Reshape(inputs=(value.name,), outputs=(name,), shape=shape, origin=origin), perm
        )
        return value
