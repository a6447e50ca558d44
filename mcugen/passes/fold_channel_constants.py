"""Folds int8 functions per channel into the layer before or after, where that is exact."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.fixedpoint import Int64Array
from mcugen.ir import Array, DType, Graph, Op, QuantParams, Tensor, Tensors
from mcugen.ops import DepthwiseConv2D, FullyConnected, common
from mcugen.ops.binary import BinaryOp
from mcugen.passes.byte_functions import by_value, byte_function
from mcugen.passes.common import private_tensors, unused_name, writer_positions
from mcugen.passes.fuse_clamps import real_bounds
from mcugen.passes.intervals import Layer, Range, accumulators, channel_ranges, multipliers
from mcugen.passes.requantization import (
    INT8_BOUNDS,
    Bounds,
    Function,
    Requantization,
    Steps,
    find_requantization,
    layer_requantize,
    reached_bounds,
    steps_of,
)


@dataclass(frozen=True, eq=False)
class _ChannelMap:
    """A function of one int8 tensor to an int8 tensor; ``values[c, x + 128]``: what it gives for x in channel c."""

    source: str
    values: Int64Array

    def on(self, channel: int, low: int, high: int) -> Int64Array:
        """The values for all x from low to high."""
        row: Int64Array = self.values[channel, low + 128 : high + 129]
        return row


def fold_channel_constants(graph: Graph) -> Graph:
    """With g an element-wise function of one int8 tensor (such as Add, Sub or Mul with a constant per channel, or a
    Quantize), and layer a Conv2D, DepthwiseConv2D or FullyConnected, in int8 graphs:

    * g is removed if it gives back every value that can occur;
    * ``layer(g(x))`` becomes ``layer(x)`` with other weights and biases if g is linear on what can occur, its slopes
      are integers, and (unless it keeps the zero point) there is no padding;
    * ``g(layer(x))`` becomes ``layer(x)`` with other scales and biases if one requantization gives the same as the
      two for every accumulator that can occur.

    Each is proven for every value that the interval analysis lets through; where the proof fails nothing changes.
    Nobody else may read what lies between.
    """
    folding = _Folding(graph)
    for op in graph.ops:
        folding.add(op)
    return graph.with_ops(
        [op for op in folding.kept if op.outputs[0] not in folding.dropped], folding.tensors
    )


class _Folding:
    """A graph under way through the pass."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.private = private_tensors(graph)
        self.tensors = dict(graph.tensors)
        self.kept: list[Op] = []
        self.dropped: set[str] = set()
        self._maps: dict[str, _ChannelMap] = {}
        self._renamed: dict[str, str] = {}
        self._ranges: dict[str, Range] | None = None

    def add(self, op: Op) -> None:
        """Appends the operator, or what it becomes with those before it."""
        op = op.rewired(self._renamed)
        found = _channel_map(op, self.tensors)
        if found is not None:
            self._add_map(op, found)
        elif isinstance(op, Layer) and op.inputs[0] in self._maps and op.inputs[0] in self.private:
            before = self._maps[op.inputs[0]]
            folded = self._into_weights(op, before)
            if folded is not None:
                self.dropped.add(op.inputs[0])
            self.kept.append(folded or op)
        else:
            self.kept.append(op)

    def _add_map(self, op: Op, found: _ChannelMap) -> None:
        output = op.outputs[0]
        position = writer_positions(self.kept).get(found.source)
        layer = None if position is None else self.kept[position]
        if output not in self.graph.outputs and self._is_identity(op, found):
            self._renamed[output] = found.source
            return
        if position is not None and isinstance(layer, Layer) and found.source in self.private:
            folded = self._into_requantization(layer, op, found)
            if folded is not None:
                self.kept[position] = folded
                return
        self._maps[output] = found
        self.kept.append(op)

    def _range(self, name: str, channels: int) -> Range:
        """Of a tensor's values, per channel; renamed and folded tensors keep theirs."""
        if self._ranges is None:
            self._ranges = channel_ranges(self.graph)
        return self._ranges[name].regrouped(channels)

    def _reached(self, found: _ChannelMap) -> list[Bounds]:
        """The least and the greatest input of the map, per channel."""
        ends = self._range(found.source, len(found.values))
        return [(int(low), int(high)) for low, high in zip(ends.low, ends.high, strict=True)]

    def _is_identity(self, op: Op, found: _ChannelMap) -> bool:
        if self.tensors[found.source].quant != self.tensors[op.outputs[0]].quant:
            return False
        return all(
            np.array_equal(found.on(c, low, high), np.arange(low, high + 1))
            for c, (low, high) in enumerate(self._reached(found))
        )

    # ---- into the layer after ----------------------------------------------------------------------------

    def _into_weights(self, layer: Layer, found: _ChannelMap) -> Op | None:
        """The layer that reads the source of its input's map instead, None if it would not be exact."""
        x, w = self.tensors[found.source], self.tensors[layer.inputs[1]]
        if layer.check(self.tensors) or w.data is None:
            return None
        lines = self._lines(layer, found)
        scaled = None if lines is None else _scaled_weights(layer, w.data, *lines)
        if lines is None or scaled is None:
            return None
        if not isinstance(layer, FullyConnected) and any(layer.padding) and lines[1].any():
            return None
        before = accumulators(
            layer, self.tensors, self._range(layer.inputs[0], self._channels(layer.inputs[0]))
        )
        bias = common.integer_bias(common.optional(self.tensors, layer, 2), len(before.low)) + scaled[1]
        if np.abs(bias).max(initial=0) > fx.INT32_MAX:
            return None
        bounds = common.clamp_bounds(self.tensors[layer.outputs[0]], layer.low, layer.high)
        steps = _steps(layer, self.tensors, before, bounds, None)
        return (
            None
            if steps is None
            else self._rebuilt(layer, x, layer.outputs[0], steps, bounds, scaled[0], bias)
        )

    def _channels(self, name: str) -> int:
        return self.tensors[name].shape[-1]

    def _lines(self, layer: Layer, found: _ChannelMap) -> tuple[Int64Array, Int64Array] | None:
        """(slope, offset) per channel of ``g(x) - zero_point = slope * (x - zero_point) + offset``."""
        channels = self._channels(layer.inputs[0])
        if isinstance(layer, FullyConnected) and self.tensors[layer.inputs[1]].shape[1] % channels:
            return None
        zx, zg = (self.tensors[n].zero_point for n in (found.source, layer.inputs[0]))
        slopes, offsets = [], []
        for c, (low, high) in enumerate(self._reached(found)):
            values = found.on(c, low, high)
            slope = int(values[1] - values[0]) if len(values) > 1 else 0
            if not np.array_equal(values, values[0] + slope * np.arange(len(values))):
                return None
            slopes.append(slope)
            offsets.append(int(values[0]) - zg - slope * (low - zx))
        repeats = channels // len(slopes)
        return np.tile(np.array(slopes), repeats), np.tile(np.array(offsets), repeats)

    # ---- into the layer before ---------------------------------------------------------------------------

    def _into_requantization(self, layer: Layer, op: Op, found: _ChannelMap) -> Op | None:
        """The layer that computes ``op(layer)``, None if no requantization is exact."""
        y = self.tensors[op.outputs[0]]
        if layer.check(self.tensors) or layer.inputs[0] not in self.tensors:
            return None
        inner = common.clamp_bounds(self.tensors[found.source], layer.low, layer.high)
        acc = accumulators(layer, self.tensors, self._range(layer.inputs[0], self._channels(layer.inputs[0])))
        steps = _steps(layer, self.tensors, acc, inner, found)
        if steps is None:
            return None
        w = self.tensors[layer.inputs[1]]
        assert w.data is not None
        bias = common.integer_bias(common.optional(self.tensors, layer, 2), len(steps)).astype(np.int64)
        x = self.tensors[layer.inputs[0]]
        for bounds in dict.fromkeys((INT8_BOUNDS, reached_bounds([s.values for s in steps]))):
            folded = self._rebuilt(layer, x, y.name, steps, bounds, w.data, bias)
            if folded is not None:
                return folded
        return None

    # ---- the new layer -----------------------------------------------------------------------------------

    def _rebuilt(
        self,
        layer: Layer,
        x: Tensor,
        output: str,
        steps: Sequence[Steps],
        bounds: Bounds,
        weights: Array,
        bias: Int64Array,
    ) -> Op | None:
        """The layer on x with other weights, whose requantization gives the steps, None if there is no such."""
        y = self.tensors[output]
        low, high = real_bounds(y, bounds)
        if common.clamp_bounds(y, low, high) != bounds:
            return None
        found = self._requantizations(layer, x, y, steps, bounds)
        if found is None:
            return None
        tensors = dict(self.tensors)
        w = tensors[layer.inputs[1]]
        scales = tuple(_weight_scale(r.factor, x, y) for r in found)
        axis = None if len(scales) == 1 else 3 if isinstance(layer, DepthwiseConv2D) else 0
        total = bias + np.array([r.bias for r in found], dtype=np.int64)
        if np.abs(total).max(initial=0) > fx.INT32_MAX:
            return None
        quant = QuantParams(scales, (0,) * len(scales), axis)
        names = [x.name, unused_name(tensors, f"{w.name}/folded")]
        tensors[names[1]] = w.replace(name=names[1], quant=quant, data=weights)
        names.append(unused_name(tensors, f"{output}/bias"))
        data = total.astype(np.int32)
        tensors[names[2]] = Tensor(names[2], DType.INT32, data.shape, data=data)
        folded = dataclasses.replace(layer, inputs=tuple(names), outputs=(output,), low=low, high=high)
        # Layers with one scale may round the factor in another way.
        expected = np.array([fx.quantize_multiplier(r.factor) for r in found]).T
        if folded.check(tensors) or not np.array_equal(multipliers(folded, tensors), expected):
            return None
        self.tensors = tensors
        return folded

    def _requantizations(
        self, layer: Layer, x: Tensor, y: Tensor, steps: Sequence[Steps], bounds: Bounds
    ) -> list[Requantization] | None:
        """One per channel."""
        previous, w = self.tensors[layer.outputs[0]], self.tensors[layer.inputs[1]]
        source = self.tensors[layer.inputs[0]]
        assert w.quant is not None
        found = []
        for channel, wanted in enumerate(steps):
            scale = w.quant.scale[channel if len(w.quant.scale) > 1 else 0]
            # For a layer that comes before, g's slope is in the steps.
            real = source.scale * scale / previous.scale
            if len(wanted.first) > 1 and wanted.first[-1] > wanted.first[0]:
                real = (len(wanted.first) - 1) / int(wanted.first[-1] - wanted.first[0])
            one = find_requantization(
                wanted, y.zero_point, bounds, real, lambda f: _factor(_weight_scale(f, x, y), x, y)
            )
            if one is None:
                return None
            found.append(one)
        return found


def _channel_map(op: Op, tensors: Tensors) -> _ChannelMap | None:
    """The operator as a function per channel of its one variable input, None if it is not such a function."""
    if op.outputs[0] not in tensors or tensors[op.outputs[0]].dtype is not DType.INT8:
        return None
    function = byte_function(op, tensors)
    if function is not None:
        if tensors[function.source].dtype is not DType.INT8:
            return None
        return _ChannelMap(function.source, by_value(function.table, DType.INT8, DType.INT8)[None])
    if not isinstance(op, BinaryOp) or op.check(tensors):
        return None
    constant = [i for i, n in enumerate(op.inputs) if tensors[n].is_const]
    if len(constant) != 1:
        return None
    x, k, y = (tensors[n] for n in (op.inputs[1 - constant[0]], op.inputs[constant[0]], op.outputs[0]))
    if x.shape != y.shape or k.data is None or k.shape[-1:] != y.shape[-1:] or k.elements != y.shape[-1]:
        return None
    arrays = [np.arange(-128, 128, dtype=np.int8)[:, None], k.data.reshape(1, -1)]
    try:
        values = op.evaluate(tensors, *(arrays if constant[0] == 1 else arrays[::-1]))[0]
    except ValueError:
        return None  # the support check names it
    return _ChannelMap(x.name, values.T.astype(np.int64))


def _scaled_weights(
    layer: Layer, weights: Array, slopes: Int64Array, offsets: Int64Array
) -> tuple[Array, Int64Array] | None:
    """(weights, what comes to the biases) for an input that is ``slopes * x + offsets``, None if they do not fit."""
    wide = weights.astype(np.int64)
    channel = 3 if isinstance(layer, DepthwiseConv2D) else 0
    others = tuple(i for i in range(wide.ndim) if i != channel)

    def per_weight(values: Int64Array) -> Int64Array:
        if isinstance(layer, DepthwiseConv2D):
            return np.repeat(values, wide.shape[3] // len(values))
        if isinstance(layer, FullyConnected) or layer.groups == 1:
            return np.tile(values, wide.shape[-1] // len(values))
        by_group = np.repeat(values.reshape(layer.groups, -1), len(wide) // layer.groups, axis=0)
        return by_group.reshape(len(wide), 1, 1, -1)

    scaled = wide * per_weight(slopes)
    if np.abs(scaled).max(initial=0) > 127 and not np.array_equal(scaled, wide):
        return None
    return scaled.astype(np.int8), np.asarray((wide * per_weight(offsets)).sum(axis=others))


def _steps(
    layer: Layer, tensors: Tensors, acc: Range, bounds: Bounds, after: _ChannelMap | None
) -> list[Steps] | None:
    """What the layer, and the map after it, make of the accumulators, per output channel, where that grows."""
    zero_point = tensors[layer.outputs[0]].zero_point
    if acc.low.min() < fx.INT32_MIN or acc.high.max() > fx.INT32_MAX:
        return None
    scaling = np.broadcast_to(np.stack(multipliers(layer, tensors)), (2, len(acc.low)))
    if (scaling[1] > 0).any():
        return None
    found = []
    for c, (low, high) in enumerate(zip(acc.low, acc.high, strict=True)):
        function = layer_requantize(int(scaling[0][c]), int(scaling[1][c]), zero_point, bounds)
        if after is not None:
            row = after.values[c % len(after.values)]
            ends = function(np.array([low, high]))
            if (np.diff(row[ends[0] + 128 : ends[1] + 129]) < 0).any():
                return None
            function = _composed(function, row)
        steps = steps_of(function, int(low), int(high))
        if steps is None:
            return None
        found.append(steps)
    return found


def _composed(inner: Function, row: Int64Array) -> Function:
    return lambda acc: row[inner(acc) + 128]


def _factor(weight_scale: float, x: Tensor, y: Tensor) -> float:
    """What a layer multiplies its accumulators by."""
    return x.scale * weight_scale / y.scale


def _weight_scale(factor: float, x: Tensor, y: Tensor) -> float:
    """The scale of weights that comes nearest to a factor."""
    return float(np.float32(factor * y.scale / x.scale))
