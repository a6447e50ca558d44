"""The int8 scheme: a float graph and the ranges of its tensors become an integer graph."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from mcugen.ir import Array, DType, Graph, Op, QuantParams, Tensor
from mcugen.ops import Conv2D, DepthwiseConv2D, FullyConnected, Pad, Quantize
from mcugen.passes.common import unused_name
from mcugen.quantize.groups import Groups, fixed_output, keeps_quantization
from mcugen.quantize.parameters import (
    INT8_MAX,
    INT8_MIN,
    Range,
    activation_params,
    int32_bias,
    symmetric_weights,
    to_int8,
)

# The dimension of the weights that counts output channels.
CHANNEL_AXIS: dict[type[Op], int] = {Conv2D: 0, DepthwiseConv2D: 3, FullyConnected: 0}


def tensors_to_observe(graph: Graph) -> list[str]:
    """The tensors whose ranges the scheme needs: inputs, and outputs that get parameters of their own."""
    names = list(graph.inputs)
    for op in graph.ops:
        derived = keeps_quantization(op) and len(op.inputs) == 1
        if not derived and fixed_output(op) is None:
            names += op.outputs
    return names


def quantized(graph: Graph, ranges: Mapping[str, Range]) -> tuple[Graph, list[str]]:
    """(the graph in int8 with int8 inputs and outputs, notes).

    Activations are asymmetric, weights symmetric per output channel, biases int32. ``ranges`` has an entry
    for every tensor of ``tensors_to_observe``. Operators that have no integer form keep their float
    constants: the support check names them later.
    """
    writer = Writer(graph, _activation_quants(graph, ranges))
    for op in graph.ops:
        writer.add(op)
    return graph.with_ops(writer.ops, writer.tensors), writer.notes


def _activation_quants(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, QuantParams]:
    """The parameters of every tensor that the groups tie together or that has a range."""
    groups = Groups(graph)
    merged: dict[str, Range] = {}
    for name, range_ in {**ranges, **_extra_ranges(graph)}.items():
        root = groups.find(name)
        merged[root] = merged[root].union(range_) if root in merged else range_
    quants = {}
    for name in graph.tensors:
        fixed, root = groups.fixed(name), groups.find(name)
        if fixed is not None:
            quants[name] = fixed
        elif root in merged:
            quants[name] = activation_params(merged[root])
    return quants


def _extra_ranges(graph: Graph) -> dict[str, Range]:
    """Ranges of what is known without running the model: padding values and constants that are moved."""
    found = {}
    for op in graph.ops:
        if isinstance(op, Pad) and math.isfinite(op.value):
            found[op.outputs[0]] = Range(op.value, op.value)
        if keeps_quantization(op):
            for tensor in (graph.tensors[n] for n in op.inputs):
                if tensor.data is not None:
                    found[tensor.name] = Range.of(tensor.data)
    return found


class Writer:
    """Collects the operators and tensors of the integer graph.

    quants: parameters of the activations by name. file_constants: constants that carry the parameters of the
    model file keep them.
    """

    def __init__(self, graph: Graph, quants: Mapping[str, QuantParams], file_constants: bool = False) -> None:
        self.ops: list[Op] = []
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self._file_constants = file_constants
        self._raised: list[int] = []  # weight scales raised, per operator
        for name in (*graph.inputs, *(n for op in graph.ops for n in op.outputs)):
            if name in quants:
                self.tensors[name] = graph.tensors[name].replace(dtype=DType.INT8, quant=quants[name])

    @property
    def notes(self) -> list[str]:
        """What the user should know about the constants."""
        if not self._raised:
            return []
        count = f"{sum(self._raised)} weight scales in {len(self._raised)} layers"
        return [f"{count} were raised, so that biases fit 32 bits: next to them these weights hardly count"]

    def add(self, op: Op) -> None:
        """Appends the integer form of an operator."""
        if type(op) in CHANNEL_AXIS:
            self.ops.append(self._weighted(op))
        elif keeps_quantization(op):
            self.ops.append(self._moving(op))
        else:
            names = tuple(self._operand(n) for n in op.inputs)
            self.ops.append(dataclasses.replace(op, inputs=names))

    def _operand(self, name: str) -> str:
        """An input; constants are quantized over their own range."""
        tensor = self.tensors[name] if name else None
        if tensor is None or tensor.data is None or tensor.dtype is not DType.FLOAT32:
            return name
        own = tensor.quant if self._file_constants else None
        return self._constant(tensor, own or activation_params(Range.of(tensor.data)))

    def _constant(self, tensor: Tensor, quant: QuantParams) -> str:
        """The name of a float constant as int8 with given parameters."""
        assert tensor.data is not None
        name = unused_name(self.tensors, f"{tensor.name}/int8")
        self.tensors[name] = Tensor(name, DType.INT8, tensor.shape, quant, to_int8(tensor.data, quant))
        return name

    def _moving(self, op: Op) -> Op:
        """An operator whose inputs must have the parameters of its output."""
        quant = self.tensors[op.outputs[0]].quant
        assert quant is not None
        names = tuple(self._with_quant(n, quant, op.origin) for n in op.inputs)
        op = dataclasses.replace(op, inputs=names)
        if isinstance(op, Pad):
            op = dataclasses.replace(op, value=padding_value(op.value, quant))
        return op

    def _with_quant(self, name: str, quant: QuantParams, origin: str) -> str:
        """The tensor requantized, if its parameters are others."""
        tensor = self.tensors[name]
        if tensor.data is not None and tensor.dtype is DType.FLOAT32:
            return self._constant(tensor, quant)
        if tensor.quant == quant:
            return name
        target = unused_name(self.tensors, f"{name}/requantized")
        self.tensors[target] = tensor.replace(name=target, quant=quant)
        self.ops.append(Quantize(inputs=(name,), outputs=(target,), origin=origin))
        return target

    def _weighted(self, op: Op) -> Op:
        """Convolutions and fully connected layers."""
        x, weights = self.tensors[op.inputs[0]], self.tensors[op.inputs[1]]
        bias = self.tensors[op.inputs[2]] if len(op.inputs) > 2 and op.inputs[2] else None
        if weights.data is None or x.quant is None or (bias is not None and bias.data is None):
            return op
        if self._file_constants and weights.quant is not None:
            data, quant = to_int8(weights.data, weights.quant), weights.quant
        else:
            data, quant = self._new_weights(op, x.scale, weights.data, None if bias is None else bias.data)
        names = [op.inputs[0], unused_name(self.tensors, f"{weights.name}/int8")]
        self.tensors[names[1]] = Tensor(names[1], DType.INT8, tuple(data.shape), quant, data)
        if bias is not None:
            names.append(self._bias(bias, x.scale, quant))
        return dataclasses.replace(op, inputs=(*names, *op.inputs[3:]))

    def _new_weights(
        self, op: Op, input_scale: float, weights: Array, bias: Array | None
    ) -> tuple[Array, QuantParams]:
        data, quant, raised = symmetric_weights(weights, CHANNEL_AXIS[type(op)], bias, input_scale)
        if raised:
            self._raised.append(raised)
        return data, quant

    def _bias(self, bias: Tensor, input_scale: float, weights: QuantParams) -> str:
        assert bias.data is not None
        data, quant = int32_bias(bias.data, input_scale, weights)
        name = unused_name(self.tensors, f"{bias.name}/int32")
        self.tensors[name] = Tensor(name, DType.INT32, tuple(data.shape), quant, data)
        return name


def padding_value(value: float, quant: QuantParams) -> int:
    """A real padding value in int8, infinities saturated."""
    limited = min(max(value / quant.scale[0], -1e6), 1e6)
    return min(max(round(limited) + quant.zero_point[0], INT8_MIN), INT8_MAX)
