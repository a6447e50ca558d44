"""Importers of convolutions, pooling and fully connected layers: these want channels last."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mcugen import ops
from mcugen.errors import ModelFormatError
from mcugen.frontends.onnx.builder import Builder
from mcugen.frontends.onnx.node import Node, require
from mcugen.frontends.onnx.values import INSERTED, Const, Perm, Value, channels_last, identity
from mcugen.ir import Op, Shape

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """The geometry of a sliding window; ``extra`` is what ceil_mode adds below and on the right."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    padding: tuple[int, int, int, int]  # top, bottom, left, right
    extra: Pair = (0, 0)


def _pair(node: Node, name: str, values: Shape | None, rank: int, default: int | None) -> Pair:
    """A per-dimension attribute as (height, width); one-dimensional windows have height 1."""
    if values is None:
        if default is None:
            raise ModelFormatError(f"attribute '{name}' is missing", where=node.origin)
        values = (default,) * rank
    if len(values) != rank or min(values) < 1:
        raise ModelFormatError(f"attribute '{name}' is {list(values)}", where=node.origin)
    return (1, values[0]) if rank == 1 else (values[0], values[1])


def _same_padding(size: int, kernel: int, stride: int, dilation: int, upper: bool) -> Pair:
    """(before, after) so that the output has ceil(size / stride) elements."""
    total = max(0, (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)


def _padding(
    node: Node, hw: Pair, kernel: Pair, stride: Pair, dilation: Pair, rank: int
) -> tuple[Pair, Pair]:
    """((top, bottom), (left, right)) from pads or auto_pad."""
    auto = node.string("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        sides = [
            _same_padding(*args, auto == "SAME_UPPER")
            for args in zip(hw, kernel, stride, dilation, strict=True)
        ]
        return sides[0], sides[1]
    require(auto in ("NOTSET", "VALID"), f"auto_pad {auto} is not supported")
    pads = (node.ints("pads") or (0,) * 2 * rank) if auto == "NOTSET" else (0,) * 2 * rank
    if len(pads) != 2 * rank:
        raise ModelFormatError(f"attribute 'pads' is {list(pads)}", where=node.origin)
    require(min(pads) >= 0, "padding must not be negative")
    sides = [(pads[i], pads[rank + i]) for i in range(rank)]
    return (sides[0], sides[1]) if rank == 2 else ((0, 0), sides[0])


def _ceil_extra(size: int, kernel: int, stride: int, dilation: int, pads: Pair) -> int:
    """Elements to add at the end so that the last, partial window counts, if it starts inside the input."""
    span = size + sum(pads) - (kernel - 1) * dilation - 1
    windows = math.ceil(span / stride) + 1
    if (windows - 1) * stride >= size + pads[0]:
        windows -= 1
    return max(0, (windows - 1) * stride - span)


def _window(node: Node, x: Value, kernel: Shape | None) -> Window:
    rank = x.rank - 2
    hw = (1, x.shape[2]) if rank == 1 else (x.shape[2], x.shape[3])
    size = _pair(node, "kernel_shape", kernel, rank, None)
    stride = _pair(node, "strides", node.ints("strides"), rank, 1)
    dilation = _pair(node, "dilations", node.ints("dilations"), rank, 1)
    vertical, horizontal = _padding(node, hw, size, stride, dilation, rank)
    extra = (0, 0)
    if node.int("ceil_mode", 0):
        extra = (
            _ceil_extra(hw[0], size[0], stride[0], dilation[0], vertical),
            _ceil_extra(hw[1], size[1], stride[1], dilation[1], horizontal),
        )
    return Window(size, stride, dilation, (*vertical, *horizontal), extra)


def _image(b: Builder, node: Node) -> Value:
    """The first input, stored channels last. Raises UnsupportedNodeError for other than 1D and 2D images."""
    x = b.value(node, 0)
    require(x.rank in (3, 4), "inputs have shape (N, C, L) or (N, C, H, W)")
    return b.restored(x, channels_last(x.rank), node.origin)


def _bias(b: Builder, node: Node, index: int) -> str:
    bias = b.optional_const(node, index, "the bias")
    if bias is None:
        return ""
    require(bias.array.ndim == 1, "the bias has one dimension")
    return b.constant(bias, (0,))


def conv(b: Builder, node: Node) -> None:
    """Weights (O, I/groups, spatial...) become OHWI, or 1HWO for a depthwise convolution."""
    x = _image(b, node)
    weights = b.const(node, 1, "the weights")
    require(weights.array.ndim == x.rank, "weights and input have the same number of dimensions")
    spatial = weights.shape[2:]
    declared = node.ints("kernel_shape")
    if declared is not None and declared != spatial:
        raise ModelFormatError(f"kernel_shape {declared} but weights {weights.shape}", where=node.origin)
    window = _window(node, x, spatial)
    groups = node.int("group", 1)
    if groups < 1 or weights.shape[1] * groups != x.shape[1] or weights.shape[0] % groups:
        text = f"weights {weights.shape} with {groups} groups do not match input {x.shape}"
        raise ModelFormatError(text, where=node.origin)
    hw: Perm = (INSERTED, 2) if x.rank == 3 else (2, 3)
    depthwise = groups > 1 and groups == x.shape[1]
    stored = b.constant(weights, (INSERTED, *hw, 0) if depthwise else (0, *hw, 1))
    kind: type[Op] = ops.DepthwiseConv2D if depthwise else ops.Conv2D
    fields = {} if depthwise else {"groups": groups}
    b.emit_to(
        node, kind, (x.name, stored, _bias(b, node, 2)), x.perm,
        kernel=window.kernel, stride=window.stride, dilation=window.dilation, padding=window.padding,
        **fields,
    )  # fmt: skip


def _with_extra(window: Window) -> tuple[int, int, int, int]:
    top, bottom, left, right = window.padding
    return top, bottom + window.extra[0], left, right + window.extra[1]


def max_pool(b: Builder, node: Node) -> None:
    node.require_no_more_outputs()
    x = _image(b, node)
    window = _window(node, x, node.ints("kernel_shape"))
    require(window.dilation == (1, 1), "dilated pooling is not supported")
    b.emit_to(
        node, ops.MaxPool2D, (x.name,), x.perm,
        kernel=window.kernel, stride=window.stride, padding=_with_extra(window),
    )  # fmt: skip


def average_pool(b: Builder, node: Node) -> None:
    """Padding that counts in the average becomes a Pad of its own."""
    x = _image(b, node)
    window = _window(node, x, node.ints("kernel_shape"))
    require(window.dilation == (1, 1), "dilated pooling is not supported")
    padding = _with_extra(window)
    if node.int("count_include_pad", 0) and any(window.padding):
        top, bottom, left, right = window.padding
        x = b.emit_step(
            node, ops.Pad, (x.name,), x.perm, before=(0, top, left, 0), after=(0, bottom, right, 0), value=0.0
        )
        padding = (0, window.extra[0], 0, window.extra[1])
    fields = {"kernel": window.kernel, "stride": window.stride, "padding": padding}
    b.emit_to(node, ops.AveragePool2D, (x.name,), x.perm, **fields)


def global_average_pool(b: Builder, node: Node) -> None:
    x = _image(b, node)
    b.emit_to(node, ops.Mean, (x.name,), x.perm, axes=(1, 2), keep_dims=True)


def global_max_pool(b: Builder, node: Node) -> None:
    x = _image(b, node)
    kernel = (x.stored_shape[1], x.stored_shape[2])
    b.emit_to(node, ops.MaxPool2D, (x.name,), x.perm, kernel=kernel, stride=(1, 1))


def _scaled(const: Const, factor: float) -> Const:
    if factor == 1.0:
        return const
    return Const(f"{const.name}/scaled", const.array.astype(np.float32) * np.float32(factor))


def gemm(b: Builder, node: Node) -> None:
    """``alpha * A * B + beta * C`` with constant B and C."""
    require(node.int("transA", 0) == 0, "transA is not supported")
    x = b.value(node, 0)
    weights = b.const(node, 1, "the weights")
    require(x.rank == 2 and weights.array.ndim == 2, "inputs have two dimensions")
    x = b.restored(x, identity(2), node.origin)
    perm = (0, 1) if node.int("transB", 0) else (1, 0)
    outputs = weights.shape[perm[0]]
    stored = b.constant(_scaled(weights, node.float("alpha", 1.0)), perm)
    bias = b.optional_const(node, 2, "the bias")
    name = "" if bias is None else _vector(b, _scaled(bias, node.float("beta", 1.0)), outputs)
    b.emit_to(node, ops.FullyConnected, (x.name, stored, name), identity(2))


def _vector(b: Builder, bias: Const, outputs: int) -> str:
    """The bias as one value per output."""
    if bias.shape == (outputs,):
        return b.constant(bias, (0,))
    require(
        bias.array.size in (1, outputs) and max(bias.shape, default=1) == bias.array.size,
        "one bias per output",
    )
    spread = np.broadcast_to(bias.array.reshape(-1), (outputs,))
    return b.constant(Const(f"{bias.name}/vector", spread), (0,))


def matmul(b: Builder, node: Node) -> None:
    """``A * B`` with a constant matrix B: a fully connected layer over the last axis."""
    x = b.value(node, 0)
    weights = b.const(node, 1, "the second operand")
    require(weights.array.ndim == 2, "the second operand has two dimensions")
    require(x.rank >= 2, "the first operand has at least two dimensions")
    x = b.restored(x, identity(x.rank), node.origin)
    stored = b.constant(weights, (1, 0))
    b.emit_to(node, ops.FullyConnected, (x.name, stored, ""), identity(x.rank), keep_dims=x.rank > 2)


def reduce_mean(b: Builder, node: Node) -> None:
    """Axes are an attribute up to opset 17, an input since; none means all, or nothing at all on request."""
    x = b.value(node, 0)
    given = b.optional_const(node, 1, "the axes")
    axes = node.ints("axes") if given is None else tuple(int(a) for a in given.array.reshape(-1))
    if not axes:
        if node.int("noop_with_empty_axes", 0):
            b.values[node.output] = x
            return
        axes = identity(x.rank)
    if any(not -x.rank <= a < x.rank for a in axes):
        raise ModelFormatError(f"axes {list(axes)} of a tensor with {x.rank} dimensions", where=node.origin)
    logical = {a % x.rank for a in axes}
    stored = tuple(sorted(x.stored_axis(a) for a in logical))
    if node.int("keepdims", 1):
        b.emit_to(node, ops.Mean, (x.name,), x.perm, axes=stored, keep_dims=True)
        return
    stored = tuple(sorted(set(stored) | {i for i, p in enumerate(x.perm) if p == INSERTED}))
    rest = sorted(set(range(x.rank)) - logical)
    perm = tuple(rest.index(p) for p in x.perm if p in rest)
    b.emit_to(node, ops.Mean, (x.name,), perm, axes=stored, keep_dims=False)


def softmax(b: Builder, node: Node) -> None:
    """Over one axis since opset 13; before, over all axes from ``axis`` on."""
    x = b.value(node, 0)
    axis = node.int("axis", -1 if node.opset >= 13 else 1)
    if not -x.rank <= axis < x.rank:
        raise ModelFormatError(f"axis {axis} of a tensor with {x.rank} dimensions", where=node.origin)
    axis %= x.rank
    covers_all = math.prod(x.shape[axis:]) == x.shape[axis]
    if node.opset < 13 and not covers_all:
        _softmax_from(b, node, x, axis)
        return
    perm = x.perm
    if perm[-1] != axis:
        perm = (*(a for a in range(x.rank) if a != axis), axis)
    x = b.restored(x, perm, node.origin)
    b.emit_to(node, ops.Softmax, (x.name,), perm)


def _softmax_from(b: Builder, node: Node, x: Value, axis: int) -> None:
    x = b.restored(x, identity(x.rank), node.origin)
    rows = (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
    flat = b.emit_step(node, ops.Reshape, (x.name,), identity(2), shape=rows)
    soft = b.emit_step(node, ops.Softmax, (flat.name,), identity(2))
    b.emit_to(node, ops.Reshape, (soft.name,), x.perm, shape=x.shape)
