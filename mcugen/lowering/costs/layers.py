"""The layers that cost tables are fitted to: typical ones of small networks, and odd ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mcugen.ir import DType, Op, QuantParams, Shape, Tensor
from mcugen.ops import (
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    FullyConnected,
    Logistic,
    MaxPool2D,
    Mean,
    Mul,
    Pad,
    Quantize,
    Softmax,
    Svdf,
    Transpose,
)

_SCALE = 0.05
_WEIGHT_SCALE = 0.01


@dataclass(frozen=True)
class Layer:
    """An operator and its tensors."""

    op: Op
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Window:
    """A convolution: input (height, width, channels), kernel, output channels or channel multiplier."""

    size: tuple[int, int, int]
    kernel: tuple[int, int]
    out: int
    stride: int = 1
    same: bool = True
    dilation: int = 1
    groups: int = 1


_CONVOLUTIONS = (
    _Window((48, 48, 8), (1, 1), 16),
    _Window((24, 24, 16), (1, 1), 32),
    _Window((12, 12, 32), (1, 1), 64),
    _Window((25, 5, 64), (1, 1), 64),
    _Window((6, 6, 64), (1, 1), 128),
    _Window((6, 6, 57), (1, 1), 30),
    _Window((3, 3, 128), (1, 1), 128),
    _Window((16, 16, 3), (1, 1), 8),
    _Window((7, 7, 5), (1, 1), 7),
    _Window((1, 1, 256), (1, 1), 20),
    _Window((1, 1, 64), (1, 1), 12),
    _Window((1, 1, 33), (1, 1), 128),
    _Window((1, 2, 128), (1, 1), 64),
    _Window((2, 1, 96), (1, 1), 40),
    _Window((16, 16, 16), (1, 1), 32, stride=2),
    _Window((48, 48, 3), (3, 3), 8, stride=2),
    _Window((32, 32, 3), (3, 3), 16),
    _Window((28, 28, 1), (3, 3), 8),
    _Window((49, 10, 1), (10, 4), 64, stride=2),
    _Window((28, 28, 1), (5, 5), 6, same=False),
    _Window((16, 16, 16), (3, 3), 16),
    _Window((8, 8, 32), (3, 3), 64),
    _Window((16, 16, 16), (3, 3), 32, stride=2),
    _Window((8, 8, 64), (3, 3), 64),
    _Window((4, 4, 64), (3, 3), 32),
    _Window((24, 24, 8), (3, 3), 8),
    _Window((7, 9, 24), (3, 3), 18),
    _Window((12, 6, 40), (3, 3), 12),
    _Window((10, 10, 13), (3, 3), 9, same=False),
    _Window((9, 9, 6), (5, 5), 16, same=False),
    _Window((1, 64, 16), (1, 5), 24),
    _Window((1, 128, 8), (1, 3), 16),
    _Window((64, 1, 12), (5, 1), 20),
    _Window((12, 12, 10), (2, 2), 14, stride=2),
    _Window((12, 12, 8), (3, 3), 8, dilation=2),
    _Window((12, 12, 16), (3, 3), 16, groups=4),
)

_DEPTHWISE = (
    _Window((48, 48, 8), (3, 3), 1),
    _Window((24, 24, 16), (3, 3), 1, stride=2),
    _Window((24, 24, 32), (3, 3), 1),
    _Window((25, 5, 64), (3, 3), 1),
    _Window((12, 12, 64), (3, 3), 1),
    _Window((12, 12, 60), (3, 3), 1, stride=2),
    _Window((6, 6, 57), (3, 3), 1),
    _Window((3, 3, 128), (3, 3), 1),
    _Window((9, 9, 7), (3, 3), 1, same=False),
    _Window((20, 20, 3), (3, 3), 1),
    _Window((16, 16, 16), (5, 5), 1),
    _Window((14, 14, 24), (5, 5), 1, stride=2),
    _Window((32, 1, 40), (5, 1), 1, same=False),
    _Window((20, 1, 32), (9, 1), 1, same=False),
    _Window((1, 40, 32), (1, 7), 1),
    # A few rows at a time, see `mcugen.rows`.
    _Window((28, 1, 128), (5, 1), 1, same=False),
    _Window((10, 1, 128), (10, 1), 1, same=False),
    _Window((13, 1, 64), (10, 1), 1, same=False),
    _Window((6, 1, 96), (5, 1), 1, same=False),
    _Window((3, 24, 16), (3, 3), 1, same=False),
    _Window((4, 12, 64), (3, 3), 1, same=False),
    _Window((49, 40, 1), (10, 8), 8, stride=2),
    _Window((24, 24, 1), (3, 3), 8, stride=2),
    _Window((32, 20, 1), (4, 4), 16, stride=2),
    _Window((20, 20, 1), (5, 5), 12, same=False),
    _Window((16, 16, 4), (3, 3), 2),
    _Window((10, 10, 8), (3, 3), 3, stride=2),
    _Window((12, 12, 12), (3, 3), 1, dilation=2),
    _Window((8, 8, 20), (4, 4), 1, stride=2),
)

# rows, inputs, outputs
_FULLY_CONNECTED = (
    (1, 256, 10), (1, 640, 128), (1, 128, 128), (1, 128, 8), (1, 8, 128), (1, 128, 640), (1, 64, 12), (1, 22, 2),
    (1, 33, 5), (1, 1024, 30), (1, 4000, 4), (4, 64, 64), (2, 100, 50), (16, 31, 20), (10, 48, 96), (3, 16, 16),
)  # fmt: skip

_SHAPES: tuple[Shape, ...] = (
    (1, 8, 8, 16), (1, 16, 16, 16), (1, 32, 32, 8), (1, 7, 5, 3), (1, 4, 4, 100), (1, 640), (1, 20, 33),
)  # fmt: skip

_POOLS = (
    _Window((16, 16, 16), (2, 2), 1, stride=2),
    _Window((24, 24, 8), (2, 2), 1, stride=2),
    _Window((9, 9, 7), (3, 3), 1, stride=2),
    _Window((12, 12, 32), (3, 3), 1),
    _Window((25, 5, 64), (25, 5), 1, same=False),
    _Window((8, 8, 64), (8, 8), 1, same=False),
    _Window((3, 3, 22), (3, 3), 1, same=False),
    _Window((7, 7, 10), (7, 7), 1, same=False),
)


def layers() -> Iterator[Layer]:
    """All of them, the same on every call."""
    rng = np.random.default_rng(3)
    yield from (_convolution(w, rng) for w in _CONVOLUTIONS)
    yield from (_depthwise(w, rng) for w in _DEPTHWISE)
    yield from (_fully_connected(*sizes, rng) for sizes in _FULLY_CONNECTED)
    for op in (AveragePool2D, MaxPool2D):
        yield from (_pool(op, w) for w in _POOLS)
    for shape in _SHAPES:
        yield from _elementwise(shape)
    yield from (_mean(size) for size in ((8, 8, 64), (25, 5, 64), (3, 3, 22), (7, 7, 10)))
    yield from (_svdf(*sizes, rng) for sizes in ((40, 32, 8), (96, 64, 10), (20, 16, 5)))


def _activation(
    name: str, shape: Shape, scale: float = _SCALE, zero_point: int = -3, dtype: DType = DType.INT8
) -> Tensor:
    return Tensor(name, dtype, shape, QuantParams.per_tensor(scale, zero_point))


def _weights(shape: Shape, axis: int | None, rng: np.random.Generator, name: str = "weights") -> Tensor:
    count = 1 if axis is None else shape[axis]
    scales = tuple(float(np.float32(s)) for s in _WEIGHT_SCALE * rng.uniform(0.5, 1.5, count))
    data = rng.integers(-127, 128, shape).astype(np.int8)
    return Tensor(
        name, DType.INT8, shape, QuantParams(scales, (0,) * count, axis if count > 1 else None), data
    )


def _bias(size: int, rng: np.random.Generator) -> Tensor:
    return Tensor("bias", DType.INT32, (size,), None, rng.integers(-2000, 2000, size).astype(np.int32))


def _layer(op: Op, *tensors: Tensor) -> Layer:
    return Layer(op, {t.name: t for t in tensors})


def _padding(window: _Window) -> tuple[int, int, int, int]:
    """That of SAME, for the output to have as many pixels as strides fit."""
    if not window.same:
        return 0, 0, 0, 0
    totals = [
        max((-(-n // window.stride) - 1) * window.stride + (k - 1) * window.dilation + 1 - n, 0)
        for n, k in zip(window.size[:2], window.kernel, strict=True)
    ]
    (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in totals)
    return top, bottom, left, right


def _weighted(
    op: Conv2D | DepthwiseConv2D, window: _Window, weights: Tensor, sums: int, bias: Tensor
) -> Layer:
    """A ReLU follows, as in most networks."""
    shape = (1, *window.size)
    scale = _SCALE * _WEIGHT_SCALE * 80 * math.sqrt(sums)
    y = _activation("y", op.infer(shape, weights.shape, bias.shape)[0], scale, -128)
    return _layer(op, _activation("x", shape), weights, bias, y)


def _convolution(window: _Window, rng: np.random.Generator) -> Layer:
    sums = math.prod(window.kernel) * window.size[2] // window.groups
    weights = _weights((window.out, *window.kernel, window.size[2] // window.groups), 0, rng)
    op = Conv2D(
        inputs=("x", "weights", "bias"), outputs=("y",), kernel=window.kernel, low=0.0,
        stride=(window.stride, window.stride), dilation=(window.dilation, window.dilation),
        padding=_padding(window), groups=window.groups,
    )  # fmt: skip
    return _weighted(op, window, weights, sums, _bias(window.out, rng))


def _depthwise(window: _Window, rng: np.random.Generator) -> Layer:
    channels = window.size[2] * window.out
    weights = _weights((1, *window.kernel, channels), 3, rng)
    op = DepthwiseConv2D(
        inputs=("x", "weights", "bias"), outputs=("y",), kernel=window.kernel, low=0.0,
        stride=(window.stride, window.stride), dilation=(window.dilation, window.dilation),
        padding=_padding(window),
    )  # fmt: skip
    return _weighted(op, window, weights, math.prod(window.kernel), _bias(channels, rng))


def _fully_connected(rows: int, inputs: int, outputs: int, rng: np.random.Generator) -> Layer:
    op = FullyConnected(inputs=("x", "weights", "bias"), outputs=("y",))
    scale = _SCALE * _WEIGHT_SCALE * 80 * math.sqrt(inputs)
    weights, bias = _weights((outputs, inputs), None, rng), _bias(outputs, rng)
    return _layer(
        op, _activation("x", (rows, inputs)), weights, bias, _activation("y", (rows, outputs), scale)
    )


def _pool(kind: type[AveragePool2D] | type[MaxPool2D], window: _Window) -> Layer:
    op = kind(
        inputs=("x",), outputs=("y",), kernel=window.kernel, stride=(window.stride, window.stride),
        padding=_padding(window),
    )  # fmt: skip
    shape = (1, *window.size)
    return _layer(op, _activation("x", shape), _activation("y", op.infer(shape)[0]))


def _elementwise(shape: Shape) -> Iterator[Layer]:
    """Operators whose output has the input's shape, or nearly so."""
    x, x2, y = _activation("x", shape), _activation("x2", shape, 0.03, 5), _activation("y", shape, 0.08, 1)
    pair, one, out = ("x", "x2"), ("x",), ("y",)
    yield _layer(Add(inputs=pair, outputs=out), x, x2, y)
    yield _affine_sum(shape)
    yield _layer(Mul(inputs=pair, outputs=out), x, x2, y)
    yield _layer(Logistic(inputs=one, outputs=out), x, _activation("y", shape, 1 / 256, -128))
    yield _layer(Softmax(inputs=one, outputs=out), x, _activation("y", shape, 1 / 256, -128))
    floats = Tensor("x", DType.FLOAT32, shape)
    yield _layer(Quantize(inputs=one, outputs=out), floats, y)
    yield _layer(Dequantize(inputs=one, outputs=out), x, Tensor("y", DType.FLOAT32, shape))
    yield _layer(
        Concat(inputs=pair, outputs=out, axis=len(shape) - 1),
        x,
        x.replace(name="x2"),
        _moved(_doubled(shape)),
    )
    around = (0, *(1 for _ in shape[1:-1]), 0) if len(shape) > 2 else (0, 3)
    pad = Pad(inputs=one, outputs=out, before=around, after=around, value=-3)
    yield _layer(pad, x, _moved(pad.infer(shape)[0]))
    turn = Transpose(inputs=one, outputs=out, perm=(0, *reversed(range(1, len(shape)))))
    yield _layer(turn, x, _moved(turn.infer(shape)[0]))


def _affine_sum(shape: Shape) -> Layer:
    """A sum whose rounding an affine form can reproduce, for the kernels that need one."""
    x, x2 = _activation("x", shape, 0.0611, -4), _activation("x2", shape, 0.0453, 12)
    return _layer(Add(inputs=("x", "x2"), outputs=("y",)), x, x2, _activation("y", shape, 0.0755, -128))


def _moved(shape: Sequence[int]) -> Tensor:
    return _activation("y", tuple(shape))


def _doubled(shape: Shape) -> Shape:
    return (*shape[:-1], 2 * shape[-1])


def _mean(size: tuple[int, int, int]) -> Layer:
    op = Mean(inputs=("x",), outputs=("y",), axes=(1, 2))
    shape = (1, *size)
    return _layer(op, _activation("x", shape), _activation("y", op.infer(shape)[0], 0.03))


def _svdf(inputs: int, filters: int, memory: int, rng: np.random.Generator) -> Layer:
    op = Svdf(inputs=("x", "feature", "time", "bias", "state"), outputs=("y",), rank=1)
    state = Tensor(
        "state", DType.INT8, (1, filters * memory), QuantParams.per_tensor(0.1, 0),
        np.zeros((1, filters * memory), dtype=np.int8), variable=True,
    )  # fmt: skip
    return _layer(
        op, _activation("x", (1, inputs)), _weights((filters, inputs), None, rng, "feature"),
        _weights((filters, memory), None, rng, "time"), _bias(filters, rng), state, _activation("y", (1, filters), 0.5),
    )  # fmt: skip
