"""Random graphs of one operator for every kernel contract, from a seed.

``generate("conv2d_s8", Random(seed))`` draws an operator that lowers to that kernel, with tensors and data;
the same state of the generator gives the same case. Sizes are small (at most about 60,000
multiply-accumulates); shapes and quantizations include the extremes: one pixel, odd sizes, windows larger
than the input, any shift, biases at the limits of int32, inputs all -128.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from mcugen.ir import Array, DType, Op, QuantParams, Shape, Tensor
from mcugen.lowering.call import KernelCall
from mcugen.lowering.variant import Variant
from mcugen.ops.activations import Clip, HardSwish, LeakyRelu, Logistic, Tanh
from mcugen.ops.add import Add, Sub
from mcugen.ops.conv2d import Conv2D
from mcugen.ops.depthwise_conv2d import DepthwiseConv2D
from mcugen.ops.fully_connected import FullyConnected
from mcugen.ops.mean import Mean
from mcugen.ops.movement import Concat, Pad, Split, StridedSlice, Transpose
from mcugen.ops.mul import Mul
from mcugen.ops.pool2d import AveragePool2D, MaxPool2D
from mcugen.ops.quantize import Dequantize, Quantize
from mcugen.ops.softmax import Softmax
from mcugen.ops.svdf import Svdf
from tests.kernels import draws
from tests.kernels.draws import chance

MAC_BUDGET = 60_000
ABSENT = np.zeros(0, dtype=np.float32)
MOVABLE = (DType.INT8, DType.INT8, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.FLOAT32)


@dataclass(frozen=True, eq=False)
class Case:
    """One operator with data. ``arrays``: all its inputs, and states before it runs, by tensor name."""

    op: Op
    tensors: dict[str, Tensor]
    arrays: dict[str, Array]
    seed: int = 0

    @functools.cached_property
    def calls(self) -> tuple[KernelCall, ...]:
        return self.op.lower(self.tensors)

    @functools.cached_property
    def expected(self) -> dict[str, Array]:
        """The outputs and the new states, by tensor name, as the operator defines them."""
        with np.errstate(all="ignore"):
            results = self.op.evaluate(self.tensors, *(self.arrays.get(n, ABSENT) for n in self.op.inputs))
        return dict(zip((*self.op.outputs, *self.op.states), results, strict=True))

    def suits(self, variant: Variant) -> bool:
        return all(call.kernel == variant.kernel and variant.applies(call) for call in self.calls)

    def __str__(self) -> str:
        tensors = (str(self.tensors[n]) for n in (*self.op.inputs, *self.op.outputs) if n)
        return "\n".join([str(self.op), *(f"  {t}" for t in tensors)])


Generator = Callable[[Random], Case]


def generate(kernel: str, r: Random, seed: int = 0) -> Case:
    """A case of a kernel; draws again while the operator's own constraints refuse it."""
    while True:
        case = GENERATORS[kernel](r)
        if not case.op.check(case.tensors):
            break
    return dataclasses.replace(case, seed=seed)


def cases(variant: Variant, count: int, seed: int) -> list[Case]:
    """``count`` cases that suit a variant; case i of a seed has a seed of its own, see `case_of_seed`.

    Gives up, with fewer cases, after 200 draws per case: the variant applies to nearly nothing then.
    """
    found: list[Case] = []
    for case in _stream(variant.kernel, seed, 200 * count):
        if case.suits(variant):
            found.append(case)
        if len(found) == count:
            break
    return found


def _stream(kernel: str, seed: int, limit: int) -> Iterator[Case]:
    return (case_of_seed(kernel, seed * 1_000_000 + i) for i in range(limit))


@functools.lru_cache(maxsize=3000)
def case_of_seed(kernel: str, case_seed: int) -> Case:
    return generate(kernel, Random(f"{kernel} {case_seed}"), case_seed)


def _case(op: Op, tensors: list[Tensor], arrays: dict[str, Array], outputs: list[Tensor]) -> Case:
    constants = {t.name: t.data for t in tensors if t.data is not None}
    by_name = {t.name: t for t in (*tensors, *outputs)}
    shapes = op.infer(*(by_name[n].shape if n else () for n in op.inputs))
    resized = {t.name: t.replace(shape=s) for t, s in zip(outputs, shapes, strict=True)}
    return Case(op, by_name | resized, {**constants, **arrays})


# ---- windows -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """Sizes of a window operator; ``out_c`` output channels, ``groups`` of a convolution."""

    in_h: int
    in_w: int
    in_c: int
    out_c: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1

    @property
    def reach(self) -> tuple[int, int]:
        """Height and width that the window covers."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return (kh - 1) * dh + 1, (kw - 1) * dw + 1

    @property
    def out_hw(self) -> tuple[int, int]:
        top, bottom, left, right = self.padding
        return (
            (self.in_h + top + bottom - self.reach[0]) // self.stride[0] + 1,
            (self.in_w + left + right - self.reach[1]) // self.stride[1] + 1,
        )

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a convolution."""
        return math.prod(self.out_hw) * math.prod(self.kernel) * self.in_c // self.groups * self.out_c

    def fields(self) -> dict[str, tuple[int, ...]]:
        return {"kernel": self.kernel, "stride": self.stride, "padding": self.padding}


def _kernel_size(r: Random) -> tuple[int, int]:
    choice = r.choice(("3x3", "3x3", "5x5", "1xk", "kx1", "any"))
    k = r.randint(2, 7)
    fixed = {"3x3": (3, 3), "5x5": (5, 5), "1xk": (1, k), "kx1": (k, 1)}
    return fixed.get(choice) or (r.randint(1, 6), r.randint(1, 10))


def _padding(r: Random, size: int, reach: int, stride: int) -> tuple[int, int]:
    """Padding before and after: none, as TFLite's SAME, or anything below the window's reach."""
    kind = r.choice(("none", "same", "same", "any"))
    if kind == "same":
        total = max(0, (math.ceil(size / stride) - 1) * stride + reach - size)
        before, after = total // 2, total - total // 2
    else:
        limit = reach - 1 if kind == "any" else 0
        before, after = r.randint(0, limit), r.randint(0, limit)
    missing = max(0, reach - size - before - after)  # the window has to fit at least once
    return before + missing // 2, after + missing - missing // 2


def draw_window(
    r: Random, *, pointwise: float = 0.0, dilated: float = 0.0, cost: Callable[[Window], int]
) -> Window:
    """Sizes whose ``cost`` stays within the budget; pointwise, dilated: how often the window is that."""
    is_pointwise = chance(r, pointwise)
    kernel = (1, 1) if is_pointwise else _kernel_size(r)
    stride = (1, 1) if chance(r, 0.6) else r.choice(((2, 2), (2, 2), (1, 2), (2, 1), (3, 3)))
    dilation = (1, 1) if not chance(r, dilated) else (r.randint(1, 3), r.randint(1, 3))
    in_h, in_w = (r.randint(1, 12 if chance(r, 0.7) else 3) for _ in range(2))
    w = Window(in_h, in_w, draws.channels(r), draws.channels(r), kernel, stride, dilation)
    rows = (0, 0) if is_pointwise else _padding(r, in_h, w.reach[0], stride[0])
    columns = (0, 0) if is_pointwise else _padding(r, in_w, w.reach[1], stride[1])
    return _shrunk(dataclasses.replace(w, padding=(*rows, *columns)), cost)


def _shrunk(w: Window, cost: Callable[[Window], int]) -> Window:
    while cost(w) > MAC_BUDGET:
        if w.out_c >= w.in_c and w.out_c > 1:
            w = dataclasses.replace(w, out_c=(w.out_c + 1) // 2)
        else:
            w = dataclasses.replace(w, in_c=(w.in_c + 1) // 2)
    return w


def _weighted(
    r: Random,
    op: Callable[..., Op],
    w: Window,
    weights_shape: Shape,
    axis: int,
    fan_in: int,
    **fields: object,
) -> Case:
    """A convolution of any kind; ``axis``: dimension of the weights that is the output channel."""
    x_quant, y_quant = draws.quant(r), draws.quant(r)
    count = w.out_c if chance(r, 0.8) else 1
    real = [draws.real_multiplier(r, fan_in) for _ in range(count)]
    if chance(r, 0.5):  # all channels of one regime
        real = [real[0] * 2 ** r.uniform(-1, 0) for _ in real]
    tensors = [draws.quantized("x", (1, w.in_h, w.in_w, w.in_c), x_quant)]
    tensors += weights_and_bias(r, weights_shape, axis, real, x_quant, y_quant, fan_in)
    low, high = draws.activation(r, y_quant)
    node = op(
        inputs=("x", "w", "b" if len(tensors) > 2 else ""), outputs=("y",), **w.fields(),
        dilation=w.dilation, low=low, high=high, **fields,
    )  # fmt: skip
    arrays = {"x": draws.integers(r, tensors[0].shape, DType.INT8, x_quant.zero_point[0])}
    return _case(node, tensors, arrays, [draws.quantized("y", (), y_quant)])


def weights_and_bias(
    r: Random, shape: Shape, axis: int, real: list[float], x: QuantParams, y: QuantParams, fan_in: int
) -> list[Tensor]:
    """Tensors "w" and perhaps "b" whose scales make the given real multipliers."""
    scales = tuple(float(np.float32(m * y.scale[0] / x.scale[0])) for m in real)
    w_quant = QuantParams(scales, (0,) * len(scales), axis if len(scales) > 1 else None)
    tensors = [Tensor("w", DType.INT8, shape, w_quant, draws.weight_array(r, shape))]
    per_channel = real if len(real) > 1 else real * shape[axis]
    bias = draws.biases(r, per_channel, fan_in)
    if bias is not None:
        tensors.append(Tensor("b", DType.INT32, bias.shape, None, bias))
    return tensors


def conv2d_of(r: Random, w: Window) -> Case:
    """A convolution of given sizes with random quantization and data."""
    per_in = w.in_c // w.groups
    shape = (w.out_c, *w.kernel, per_in)
    return _weighted(r, Conv2D, w, shape, 0, per_in * math.prod(w.kernel), groups=w.groups)


def _few_pixels(r: Random) -> Window:
    """A pointwise convolution that is a fully connected layer, or nearly."""
    in_h, in_w = r.choice(((1, 1), (1, 1), (1, 1), (1, 2), (2, 1)))
    return Window(in_h, in_w, draws.channels(r), draws.channels(r))


def _conv2d(r: Random) -> Case:
    if chance(r, 0.1):
        return conv2d_of(r, _few_pixels(r))
    w = draw_window(r, pointwise=0.3, dilated=0.15, cost=lambda w: w.macs)
    if chance(r, 0.15):
        groups = r.randint(2, 4)
        per_in, per_out = max(1, w.in_c // groups), max(1, w.out_c // groups)
        w = dataclasses.replace(w, in_c=per_in * groups, out_c=per_out * groups, groups=groups)
    return conv2d_of(r, w)


def depthwise_of(r: Random, w: Window) -> Case:
    """A depthwise convolution of given sizes (out_c a multiple of in_c) with random quantization and data."""
    return _weighted(r, DepthwiseConv2D, w, (1, *w.kernel, w.out_c), 3, math.prod(w.kernel))


def _long_window(r: Random) -> Window:
    """An image so long or high that kernels cut it into bands, with enough channels for several groups of them."""
    long, short = r.randint(20, 70), r.randint(2, 10) if chance(r, 0.8) else r.randint(16, 24)
    in_h, in_w = (short, long) if chance(r, 0.6) else (long, short)
    choices = (5, 6, 8, 12, 20, 32, 32, 48) if short < 6 else (5, 8, 12) if short < 16 else (2, 3, 5)
    in_c = r.choice(choices)
    kernel = (3, 3) if chance(r, 0.7) else (r.randint(1, 3), r.randint(1, 6))
    stride = r.choice(((1, 1), (1, 1), (2, 2), (1, 2)))
    w = Window(in_h, in_w, in_c, in_c, kernel, stride)
    rows, columns = (_padding(r, n, k, s) for n, k, s in zip((in_h, in_w), w.reach, stride, strict=True))
    return dataclasses.replace(w, padding=(*rows, *columns))


def _depthwise(r: Random) -> Case:
    if chance(r, 0.12):
        return depthwise_of(r, _long_window(r))
    w = draw_window(r, pointwise=0.03, dilated=0.15, cost=lambda w: 3 * w.macs // w.out_c)
    if chance(r, 0.1):
        w = dataclasses.replace(w, in_c=1)
    multiplier = 1 if chance(r, 0.75) and w.in_c > 1 else r.randint(2, 8)
    return depthwise_of(r, dataclasses.replace(w, out_c=w.in_c * multiplier))


def pool_of(r: Random, w: Window, op: Callable[..., Op]) -> Case:
    """A pooling of given sizes with random quantization and data."""
    q = draws.quant(r)
    low, high = draws.activation(r, q)
    node = op(inputs=("x",), outputs=("y",), low=low, high=high, **w.fields())
    x = draws.quantized("x", (1, w.in_h, w.in_w, w.in_c), q)
    data = draws.integers(r, x.shape, DType.INT8, q.zero_point[0])
    return _case(node, [x], {"x": data}, [draws.quantized("y", (), q)])


def _pool(op: Callable[..., Op]) -> Generator:
    def generator(r: Random) -> Case:
        w = draw_window(r, cost=lambda w: w.macs // w.out_c)
        if chance(r, 0.2):  # global
            w = dataclasses.replace(w, kernel=(w.in_h, w.in_w), padding=(0, 0, 0, 0))
        top, bottom, left, right = w.padding
        kh, kw = w.kernel
        # every window needs an element of the input
        inside = (min(top, kh - 1), min(bottom, kh - 1), min(left, kw - 1), min(right, kw - 1))
        w = dataclasses.replace(w, padding=inside)
        return pool_of(r, w, op) if min(w.out_hw) > 0 else generator(r)

    return generator


# ---- matrices and rows ---------------------------------------------------------------------------------


def fully_connected_of(r: Random, rows: int, in_n: int, out_n: int) -> Case:
    """A fully connected layer of given sizes with random quantization and data."""
    x_quant, y_quant = draws.quant(r), draws.quant(r)
    real = [draws.real_multiplier(r, in_n) for _ in range(out_n if chance(r, 0.4) else 1)]
    x = draws.quantized("x", (rows, in_n), x_quant)
    tensors = [x, *weights_and_bias(r, (out_n, in_n), 0, real, x_quant, y_quant, in_n)]
    low, high = draws.activation(r, y_quant)
    node = FullyConnected(
        inputs=("x", "w", "b" if len(tensors) > 2 else ""), outputs=("y",), low=low, high=high
    )
    arrays = {"x": draws.integers(r, x.shape, DType.INT8, x_quant.zero_point[0])}
    return _case(node, tensors, arrays, [draws.quantized("y", (), y_quant)])


def _fully_connected(r: Random) -> Case:
    in_n = r.choice((draws.channels(r), r.randint(1, 300), 16 * r.randint(1, 20)))
    out_n = min(draws.channels(r), MAC_BUDGET // in_n)
    rows = 1 if chance(r, 0.7) else r.randint(1, 5)
    return fully_connected_of(r, rows, in_n, out_n)


def _softmax(dtype: DType) -> Generator:
    def generator(r: Random) -> Case:
        depth = r.randint(1, 40) if chance(r, 0.9) else r.choice((200, 300, 520, 600, 1100))
        rows = r.randint(1, 4)
        x_quant = draws.quant(r)
        low = dtype.bounds[0]
        y_quant = QuantParams.per_tensor(1 / 256 if dtype is DType.INT8 else 1 / 65536, low)
        node = Softmax(inputs=("x",), outputs=("y",), beta=1.0 if chance(r, 0.8) else r.uniform(0.1, 4))
        x = draws.quantized("x", (rows, depth), x_quant)
        return _case(
            node,
            [x],
            {"x": draws.integers(r, x.shape, DType.INT8)},
            [draws.quantized("y", (), y_quant, dtype)],
        )

    return generator


def _mean(r: Random) -> Case:
    shape = draws.rank_n_shape(r, low=2, high=4, size=12)
    axes = tuple(a for a in range(len(shape)) if chance(r, 0.5)) or (len(shape) - 1,)
    x_quant = draws.quant(r)
    ratio = 2 ** r.uniform(-10, 4)
    y_quant = (
        QuantParams.per_tensor(x_quant.scale[0] / ratio, draws.zero_point(r)) if chance(r, 0.8) else x_quant
    )
    node = Mean(inputs=("x",), outputs=("y",), axes=axes, keep_dims=chance(r, 0.5))
    x = draws.quantized("x", shape, x_quant)
    data = draws.integers(r, shape, DType.INT8, x_quant.zero_point[0])
    return _case(node, [x], {"x": data}, [draws.quantized("y", (), y_quant)])


def _svdf(state_dtype: DType) -> Generator:
    def generator(r: Random) -> Case:
        rank, batch = r.randint(1, 3), 1 if chance(r, 0.8) else 2
        units, memory, in_n = r.randint(1, 20), r.randint(1, 20), r.choice(draws.CHANNELS)
        filters = units * rank
        x_quant, y_quant = draws.quant(r), draws.quant(r)
        into_state, into_output = draws.real_multiplier(r, in_n), draws.real_multiplier(r, rank * memory)
        if state_dtype is DType.INT16:
            into_state, into_output = min(256 * into_state, 2.0), into_output / 256
        into_output = min(into_output, 1.0)
        state_scale, time_scale = draws.scale(r), draws.scale(r)
        feature_scale = into_state * state_scale / x_quant.scale[0]
        y_quant = QuantParams.per_tensor(state_scale * time_scale / into_output, y_quant.zero_point[0])
        time = draws.integers(r, (filters, memory), state_dtype)
        if state_dtype is DType.INT16:  # keep the sums within 32 bits
            time = (time // (rank * memory)).astype(np.int16)
        feature = draws.weight_array(r, (filters, in_n))
        tensors = [
            draws.quantized("x", (batch, in_n), x_quant),
            Tensor("feature", DType.INT8, feature.shape, QuantParams.per_tensor(feature_scale, 0), feature),
            Tensor("time", state_dtype, time.shape, QuantParams.per_tensor(time_scale, 0), time),
        ]
        if chance(r, 0.7):
            bias = draws.numpy_generator(r).integers(-(2**20), 2**20, units).astype(np.int32)
            tensors.append(Tensor("b", DType.INT32, (units,), None, bias))
        state_zero = draws.zero_point(r) if state_dtype is DType.INT8 and chance(r, 0.3) else 0
        state_quant = QuantParams.per_tensor(state_scale, state_zero)
        state = draws.integers(r, (batch, filters * memory), state_dtype)
        tensors.append(Tensor("state", state_dtype, state.shape, state_quant, state, variable=True))
        inputs = ("x", "feature", "time", "b" if len(tensors) > 4 else "", "state")
        arrays = {"x": draws.integers(r, (batch, in_n), DType.INT8, x_quant.zero_point[0])}
        node = Svdf(inputs=inputs, outputs=("y",), rank=rank)
        return _case(node, tensors, arrays, [draws.quantized("y", (), y_quant)])

    return generator


# ---- element-wise --------------------------------------------------------------------------------------


def _broadcast_pair(r: Random) -> tuple[Shape, Shape]:
    shape = (*draws.rank_n_shape(r, low=0, high=3, size=6), draws.channels(r))
    kind = r.choice(("same", "same", "same", "scalar", "channels", "mixed"))
    other = {"scalar": (1,), "channels": shape[-1:], "same": shape}.get(kind)
    if other is None:
        other = tuple(n if chance(r, 0.6) else 1 for n in shape)
        shape = tuple(n if chance(r, 0.8) else 1 for n in shape)
    return (shape, other) if chance(r, 0.5) else (other, shape)


def _binary(op: Callable[..., Op]) -> Generator:
    def generator(r: Random) -> Case:
        quants = [draws.quant(r), draws.quant(r)]
        if chance(r, 0.1):  # one input is far coarser than the other
            quants[0] = QuantParams.per_tensor(quants[0].scale[0] * 1e-6, quants[0].zero_point[0])
        if chance(r, 0.15):  # powers of two, so that sums and products lie half way between two outputs
            quants = [QuantParams.per_tensor(2.0 ** r.randint(-6, 0), q.zero_point[0]) for q in quants]
        y_quant = QuantParams.per_tensor(_binary_scale(r, op, quants), draws.zero_point(r))
        tensors = [
            draws.quantized(name, shape, q)
            for name, shape, q in zip("ab", _broadcast_pair(r), quants, strict=True)
        ]
        low, high = draws.activation(r, y_quant)
        arrays = {t.name: draws.integers(r, t.shape, DType.INT8, t.zero_point) for t in tensors}
        node = op(inputs=("a", "b"), outputs=("y",), low=low, high=high)
        return _case(node, tensors, arrays, [draws.quantized("y", (), y_quant)])

    return generator


def _binary_scale(r: Random, op: Callable[..., Op], quants: list[QuantParams]) -> float:
    """An output scale from far too fine to far too coarse."""
    a, b = (q.scale[0] for q in quants)
    if math.frexp(a)[0] == math.frexp(b)[0] == 0.5:
        return float((a * b if op is Mul else max(a, b)) * 2 ** r.randint(0, 4))
    if op is Mul:
        return float(a * b / min(draws.real_multiplier(r, 1), 4.0))
    return float(max(a, b) * 2 ** (r.uniform(-1, 3) if chance(r, 0.8) else r.uniform(-12, 14)))


_UNARY: dict[str, Callable[[Random], Op]] = {
    "clip": lambda r: Clip(
        inputs=("x",), outputs=("y",), low=0.0, high=6.0 if chance(r, 0.5) else float("inf")
    ),
    "leaky": lambda r: LeakyRelu(inputs=("x",), outputs=("y",), alpha=r.uniform(-0.3, 0.9)),
    "logistic": lambda r: Logistic(inputs=("x",), outputs=("y",)),
    "tanh": lambda r: Tanh(inputs=("x",), outputs=("y",)),
    "hard_swish": lambda r: HardSwish(inputs=("x",), outputs=("y",)),
    "requantize": lambda r: Quantize(inputs=("x",), outputs=("y",)),
}
_FIXED_OUTPUT = {
    "logistic": QuantParams.per_tensor(1 / 256, -128),
    "tanh": QuantParams.per_tensor(1 / 128, 0),
}


def _table(r: Random) -> Case:
    kind = r.choice(tuple(_UNARY))
    formats = (DType.INT8, DType.UINT8) if kind == "requantize" else (DType.INT8,)
    x_type, y_type = r.choice(formats), r.choice(formats)
    x = draws.quantized("x", draws.rank_n_shape(r, size=6), draws.quant(r, x_type), x_type)
    y_quant = _FIXED_OUTPUT.get(kind) or draws.quant(r, y_type)
    arrays = {"x": draws.integers(r, x.shape, x_type)}
    return _case(_UNARY[kind](r), [x], arrays, [draws.quantized("y", (), y_quant, y_type)])


def _requantize(x_type: DType, y_type: DType) -> Generator:
    def generator(r: Random) -> Case:
        x_quant = QuantParams.per_tensor(draws.scale(r), draws.zero_point(r, x_type) if chance(r, 0.5) else 0)
        widening = {DType.INT8: 0, DType.INT16: 8, DType.INT32: 12}[y_type] - 8 * (x_type is DType.INT16)
        y_scale = x_quant.scale[0] / 2 ** (r.uniform(-3, 3) + widening)
        zero = draws.zero_point(r, y_type) if chance(r, 0.5) else 0
        x = draws.quantized("x", draws.rank_n_shape(r, size=6), x_quant, x_type)
        y = draws.quantized("y", (), QuantParams.per_tensor(y_scale, zero), y_type)
        node = Quantize(inputs=("x",), outputs=("y",))
        return _case(node, [x], {"x": draws.integers(r, x.shape, x_type)}, [y])

    return generator


def _quantize(y_type: DType) -> Generator:
    def generator(r: Random) -> Case:
        x = Tensor("x", DType.FLOAT32, draws.rank_n_shape(r, size=6))
        y_quant = draws.quant(r, y_type)
        node = Quantize(inputs=("x",), outputs=("y",))
        arrays = {"x": draws.floats(r, x.shape, y_quant, y_type)}
        return _case(node, [x], arrays, [draws.quantized("y", (), y_quant, y_type)])

    return generator


def _dequantize(x_type: DType) -> Generator:
    def generator(r: Random) -> Case:
        x = draws.quantized("x", draws.rank_n_shape(r, size=6), draws.quant(r, x_type), x_type)
        node = Dequantize(inputs=("x",), outputs=("y",))
        return _case(node, [x], {"x": draws.integers(r, x.shape, x_type)}, [Tensor("y", DType.FLOAT32, ())])

    return generator


# ---- movement ------------------------------------------------------------------------------------------


def _movable(r: Random, dtype: DType, name: str, shape: Shape, q: QuantParams | None) -> tuple[Tensor, Array]:
    tensor = Tensor(name, dtype, shape, q)
    if dtype is DType.FLOAT32:
        return tensor, draws.numpy_generator(r).normal(size=shape).astype(np.float32)
    return tensor, draws.integers(r, shape, dtype)


def _one_to_one(r: Random, op: Op, dtype: DType, shape: Shape) -> Case:
    q = None if dtype in (DType.FLOAT32, DType.INT32) else draws.quant(r, dtype)
    x, data = _movable(r, dtype, "x", shape, q)
    return _case(op, [x], {"x": data}, [Tensor("y", dtype, (), q)])


def _pad(r: Random) -> Case:
    shape = draws.rank_n_shape(r, size=5)
    before, after = (tuple(r.choice((0, 0, 1, 2)) for _ in shape) for _ in range(2))
    dtype = r.choice(MOVABLE)
    value = r.uniform(-9, 9) if dtype is DType.FLOAT32 else float(draws.zero_point(r, dtype))
    node = Pad(inputs=("x",), outputs=("y",), before=before, after=after, value=value)
    return _one_to_one(r, node, dtype, shape)


def _copy_rows(r: Random) -> Case:
    shape = draws.rank_n_shape(r, size=6)
    axis = r.randrange(len(shape))
    sizes = tuple(r.randint(1, 6) for _ in range(r.randint(1, 4)))
    dtype = r.choice(MOVABLE)
    q = None if dtype in (DType.FLOAT32, DType.INT32) else draws.quant(r, dtype)
    names = tuple(f"part{i}" for i in range(len(sizes)))
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]
    if chance(r, 0.5):
        node: Op = Concat(inputs=names, outputs=("y",), axis=axis)
        parts = [_movable(r, dtype, name, s, q) for name, s in zip(names, shapes, strict=True)]
        arrays = {t.name: data for t, data in parts}
        return _case(node, [t for t, _ in parts], arrays, [Tensor("y", dtype, (), q)])
    node = Split(inputs=("x",), outputs=names, axis=axis, sizes=sizes)
    x, data = _movable(r, dtype, "x", (*shape[:axis], sum(sizes), *shape[axis + 1 :]), q)
    return _case(node, [x], {"x": data}, [Tensor(name, dtype, (), q) for name in names])


def _gather(r: Random) -> Case:
    shape = draws.rank_n_shape(r, size=6)
    if chance(r, 0.5):
        perm = tuple(r.sample(range(len(shape)), len(shape)))
        node: Op = Transpose(inputs=("x",), outputs=("y",), perm=perm)
    else:
        begin = tuple(r.randrange(n) for n in shape)
        step = tuple(r.choice((1, 1, 2, 3, -1, -2)) for _ in shape)
        most = (
            (n - 1 - b) // d + 1 if d > 0 else b // -d + 1 for n, b, d in zip(shape, begin, step, strict=True)
        )
        size = tuple(r.randint(1, m) for m in most)
        node = StridedSlice(inputs=("x",), outputs=("y",), begin=begin, size=size, step=step)
    return _one_to_one(r, node, r.choice(MOVABLE), shape)


GENERATORS: dict[str, Generator] = {
    "conv2d_s8": _conv2d,
    "depthwise_conv2d_s8": _depthwise,
    "fully_connected_s8": _fully_connected,
    "add_s8": _binary(Add),
    "sub_s8": _binary(Sub),
    "mul_s8": _binary(Mul),
    "average_pool_s8": _pool(AveragePool2D),
    "max_pool_s8": _pool(MaxPool2D),
    "mean_s8": _mean,
    "softmax_s8": _softmax(DType.INT8),
    "softmax_s8_s16": _softmax(DType.INT16),
    "table_8": _table,
    "requantize_s16_s8": _requantize(DType.INT16, DType.INT8),
    "requantize_s8_s16": _requantize(DType.INT8, DType.INT16),
    "requantize_s8_s32": _requantize(DType.INT8, DType.INT32),
    "requantize_s16_s32": _requantize(DType.INT16, DType.INT32),
    "quantize_f32_s8": _quantize(DType.INT8),
    "quantize_f32_u8": _quantize(DType.UINT8),
    "quantize_f32_s16": _quantize(DType.INT16),
    "dequantize_s8_f32": _dequantize(DType.INT8),
    "dequantize_u8_f32": _dequantize(DType.UINT8),
    "dequantize_s16_f32": _dequantize(DType.INT16),
    "pad": _pad,
    "copy_rows": _copy_rows,
    "gather": _gather,
    "svdf_s8_state8": _svdf(DType.INT8),
    "svdf_s8_state16": _svdf(DType.INT16),
}
