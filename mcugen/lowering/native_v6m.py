"""Native kernel variants for Armv6-M, without long multiplication: which calls they take, and their tables.

The layouts are those of ``firmware/kernels/v6m``; the headers there describe them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen import fixedpoint as fx
from mcugen.ir import Array
from mcugen.lowering import overlap
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.native_dsp import is_flat_affine, prepare_add
from mcugen.lowering.variant import Variant

IntArray: TypeAlias = NDArray[np.int64]


# ---- requantization --------------------------------------------------------------------------------------

# Values of ``rounding`` in requantize.h.
EXACT, AWAY, UP = 0, 1, 2
_MAX_RIGHT_SHIFT = 22


@dataclass(frozen=True)
class Channels:
    """What follows the sums of int8 products in every channel of a call, the input offset folded into the bias.

    low, high: the least and largest accumulator, bias included.
    """

    bias: IntArray
    multiplier: IntArray
    shift: IntArray
    low: IntArray
    high: IntArray
    out_offset: int
    act_min: int
    act_max: int

    def output(self, acc: IntArray) -> IntArray:
        """The outputs of one accumulator per channel."""
        scaled = fx.multiply_by_quantized_multiplier(fx.wrap_int32(acc), self.multiplier, self.shift)
        return np.clip(scaled + self.out_offset, self.act_min, self.act_max)

    @property
    def rounding(self) -> int:
        """AWAY or UP: with act_min >= zero point every negative value is clamped, however it was rounded."""
        return UP if self.act_min >= self.out_offset else AWAY

    def constant_outputs(self) -> tuple[NDArray[np.bool_], IntArray]:
        """Which channels have the same output for all inputs, and that output."""
        largest = np.maximum(np.abs(self.low), np.abs(self.high)) * 2.0 ** np.maximum(self.shift, 0)
        outputs = self.output(self.low)
        return (largest < 2**31) & (outputs == self.output(self.high)), outputs


def channels_of(call: KernelCall, weights: IntArray) -> Channels:
    """Of a call whose output channels have the weights [channels, K] and see the same K values."""
    multiplier, shift = (
        np.broadcast_to(call.constant(role).astype(np.int64), (len(weights),))
        for role in ("multiplier", "shift")
    )
    bias = call.constant("bias").astype(np.int64) + call.param("in_offset") * weights.sum(axis=1)
    low, high = sum_bounds(weights)
    return Channels(
        bias, multiplier, shift, low + bias, high + bias,
        call.param("out_offset"), call.param("act_min"), call.param("act_max"),
    )  # fmt: skip


def sum_bounds(weights: IntArray) -> tuple[IntArray, IntArray]:
    """The least and the largest sum over the last axis of int8 values times the weights."""
    low = np.minimum(127 * weights, -128 * weights).sum(axis=-1)
    return low, np.maximum(127 * weights, -128 * weights).sum(axis=-1)


@dataclass(frozen=True, eq=False)
class Requant:
    """How a class's kernels get outputs from sums: the table, one row per channel, and what goes with it."""

    table: Array
    scaling: int
    rounding: int

    def bias_and_scales(self, channels: int) -> tuple[Array, Array]:
        """Rows of the table apart: the biases, and the scales [channels, words], one only if all are equal."""
        rows = self.table.reshape(channels, -1)
        biases, scales = np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1:])
        return biases, scales[:1] if (scales == scales[0]).all() else scales


def table(rows: list[IntArray]) -> Array:
    """int32 words, one row per channel, from their columns."""
    return np.stack([fx.wrap_int32(column) for column in rows], axis=1).reshape(-1).astype(np.int32)


def variable_range(channels: Channels, constant: NDArray[np.bool_]) -> tuple[int, int, int]:
    """(largest magnitude of an accumulator, least shift, largest shift) of the channels that are not constant."""
    if constant.all():
        return 0, -1, -1
    largest = np.maximum(np.abs(channels.low), np.abs(channels.high))[~constant].max()
    shift = channels.shift[~constant]
    return int(largest), int(shift.min()), int(shift.max())


# ---- convolutions in lanes (lanes.h, window_lanes.h) -----------------------------------------------------

_LANE_LIMIT = 2**20
_GEOMETRY = (
    "in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "k_h", "k_w", "stride_h", "stride_w",
    "pad_top", "pad_left", "dilation_h", "dilation_w",
)  # fmt: skip


def _chunk_fits(weights: IntArray, chunk: int) -> bool:
    padded = np.pad(weights, ((0, 0), (0, -weights.shape[1] % chunk)))
    low, high = sum_bounds(padded.reshape(len(weights), -1, chunk))
    return bool(low.min() >= -_LANE_LIMIT and high.max() < _LANE_LIMIT)


def chunk_taps(weights: IntArray) -> int:
    """Taps that lanes can always sum up, a multiple of 4: the whole column, or a part as large as possible."""
    taps = int(weights.shape[1])
    for parts in range(1, taps):
        chunk = 4 * -(-taps // (4 * parts))
        if _chunk_fits(weights, chunk):
            return chunk
    return 4


def as_taps(weights: IntArray, chunk: int) -> IntArray:
    """Weights [channels, K] with zeros behind them up to whole chunks."""
    return np.pad(weights, ((0, 0), (0, -weights.shape[1] % chunk)))


def conv_weights(call: KernelCall) -> IntArray:
    """[out_c, K] in the order of a window."""
    return call.constant("weights").astype(np.int64).reshape(call.param("out_c"), -1)


def as_convolution(call: KernelCall) -> KernelCall:
    """A depthwise convolution of one input channel as the convolution that it is."""
    weights = call.constant("weights").reshape(-1, call.param("out_c")).T
    return call.with_constants(weights=np.ascontiguousarray(weights))


def rows_as_convolution(call: KernelCall) -> KernelCall:
    """A fully connected layer of several rows as a pointwise convolution of as many pixels."""
    sizes = {"in_h": 1, "in_w": call.param("rows"), "in_c": call.param("in_n")}
    sizes |= {"out_h": 1, "out_w": call.param("rows"), "out_c": call.param("out_n")}
    ones = dict.fromkeys(("k_h", "k_w", "stride_h", "stride_w", "dilation_h", "dilation_w"), 1)
    return call.with_params(**sizes, **ones, pad_top=0, pad_left=0)


def copy_bytes(call: KernelCall) -> int:
    """Scratch for the copies of windows that cannot be read where they are."""
    inside = all(
        call.param(f"pad_{side}") == 0
        and (call.param(f"out_{d}") - 1) * call.param(f"stride_{d}")
        + (call.param(f"k_{d}") - 1) * call.param(f"dilation_{d}")
        < call.param(f"in_{d}")
        for d, side in (("h", "top"), ("w", "left"))
    )
    if inside and call.param("dilation_w") == 1:
        return 0
    return int(3 * call.param("k_h") * call.param("k_w") * call.param("in_c"))


def conv_call(call: KernelCall, chunk: int, weights: Constant, requant: Requant, scratch: int) -> KernelCall:
    """A call with the parameters of ``mcugen_lanes_conv_params``; chunk: see `chunk_taps`."""
    products = call.param("k_h") * call.param("k_w") * call.param("in_c")
    return call.replace(
        params=(
            *((name, call.param(name)) for name in _GEOMETRY),
            ("zero_point", -call.param("in_offset")),
            ("taps", chunk * -(-products // chunk)), ("chunk", chunk),
            ("scaling", requant.scaling), ("rounding", requant.rounding),
            ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=(weights, Constant("requant", requant.table)),
        scratch=scratch,
    )  # fmt: skip


def ungrouped(call: KernelCall) -> bool:
    return bool(call.param("groups") == 1)


def one_channel(call: KernelCall) -> bool:
    return bool(call.param("in_c") == 1)


def has_rows(count: int) -> Callable[[KernelCall], bool]:
    """Whether a fully connected layer has at least so many rows."""
    return lambda call: bool(call.param("rows") >= count)


# ---- depthwise convolutions in lanes (depthwise_lanes.h) -------------------------------------------------

_PLANE_BUDGET = 3072  # bytes of scratch that a plane may take if it has more than one line of outputs


@dataclass(frozen=True)
class _Axis:
    """What a depthwise convolution does along one axis; steps in bytes."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    pad: int
    in_step: int
    out_step: int

    def reach(self, outputs: int) -> int:
        """Inputs, padding among them, that so many outputs see."""
        return (outputs - 1) * self.stride + self.kernel


@dataclass(frozen=True)
class Planes:
    """How a depthwise convolution is cut into lines and bands. along_rows: lines are rows of the image."""

    along_rows: bool
    across: _Axis
    along: _Axis

    @property
    def plane_n(self) -> int:
        return self.along.reach(self.along.outputs)

    @property
    def band(self) -> int:
        """Output lines of a band: as few as give all outputs in as many rounds as the budget asks for."""
        lines_that_fit = max(0, _PLANE_BUDGET // (8 * self.plane_n) - self.across.kernel)
        return -(-self.across.outputs // (3 * self._rounds(lines_that_fit // self.across.stride + 1)))

    def _rounds(self, band: int) -> int:
        """How often three bands of so many lines are computed."""
        return -(-self.across.outputs // (3 * band))

    @property
    def plane_bytes(self) -> int:
        return 8 * self.plane_n * self.across.reach(self.band)

    def effort(self, pairs: bool) -> int:
        """Roughly the instructions per channel. pairs: two outputs of a row of three taps are computed together."""
        together = 2 if pairs and self.along.kernel == 3 and self.along.stride <= 2 else 1
        steps = -(-self.along.outputs // together)
        outputs = self.band * (steps * (60 + 8 * self.across.kernel * self.along.kernel) + 40)
        return self._rounds(self.band) * (outputs + self.across.reach(self.band) * (10 * self.plane_n + 60))


def _axis(call: KernelCall, letter: str, pad: str, in_step: int, out_step: int) -> _Axis:
    inputs, outputs, kernel, stride = (
        call.param(f"{name}_{letter}") for name in ("in", "out", "k", "stride")
    )
    return _Axis(inputs, outputs, kernel, stride, call.param(pad), in_step, out_step)


def planes_of(call: KernelCall, *, pairs: bool) -> Planes:
    """The better of lines along the rows and lines along the columns; pairs: see `Planes.effort`."""
    row = call.param("in_c") * call.param("in_w"), call.param("out_c") * call.param("out_w")
    pixel = call.param("in_c"), call.param("out_c")
    vertical, horizontal = _axis(call, "h", "pad_top", *row), _axis(call, "w", "pad_left", *pixel)
    return min(
        (Planes(True, vertical, horizontal), Planes(False, horizontal, vertical)),
        key=lambda planes: planes.effort(pairs),
    )


def depthwise_weights(call: KernelCall, planes: Planes) -> IntArray:
    """[channels, k_lines * k_n]."""
    k_h, k_w, channels = call.param("k_h"), call.param("k_w"), call.param("out_c")
    weights = call.constant("weights").astype(np.int64).reshape(k_h, k_w, channels)
    order = (2, 0, 1) if planes.along_rows else (2, 1, 0)
    return np.asarray(weights.transpose(order).reshape(channels, -1))


def plain_depthwise(call: KernelCall) -> bool:
    """Multiplier and dilation are 1, and lanes hold the sums."""
    ones = call.param("multiplier") == call.param("dilation_h") == call.param("dilation_w") == 1
    weights = call.constant("weights").astype(np.int64).reshape(-1, call.param("out_c")).T
    return bool(ones and _chunk_fits(weights, weights.shape[1]))


def depthwise_call(
    call: KernelCall, planes: Planes, weights: IntArray, requant: Requant, extra: int
) -> KernelCall:
    """A call with the parameters of ``mcugen_lanes_depthwise_params``; extra: scratch bytes beside the plane."""
    across, along = planes.across, planes.along
    return call.replace(
        params=(
            ("channels", call.param("in_c")),
            ("in_lines", across.inputs), ("in_n", along.inputs),
            ("in_pitch", across.in_step), ("in_step", along.in_step),
            ("out_lines", across.outputs), ("out_n", along.outputs),
            ("out_pitch", across.out_step), ("out_step", along.out_step),
            ("k_lines", across.kernel), ("k_n", along.kernel),
            ("stride_lines", across.stride), ("stride_n", along.stride),
            ("pad_lines", across.pad), ("pad_n", along.pad),
            ("zero_point", -call.param("in_offset")),
            ("band", planes.band), ("plane_n", planes.plane_n),
            ("scaling", requant.scaling), ("rounding", requant.rounding),
            ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=(
            Constant("weights", weights.astype(np.int8).reshape(-1)), Constant("requant", requant.table),
        ),
        scratch=planes.plane_bytes + extra,
    )  # fmt: skip


# ---- the variants ----------------------------------------------------------------------------------------

# Right shifts after the products with a multiplier in 2 or 3 pieces (requantize.h), and the widths of the pieces
# after the first.
_PRODUCT_SHIFTS = {2: 15, 3: 10}
_LARGEST_CONSTANT = 4 * 255  # accumulators of constant channels
_PIECE_BITS = {2: (16,), 3: (11, 10)}


def _signed_low(x: IntArray, bits: int) -> IntArray:
    """The low bits, as a number around zero."""
    return ((x + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))


def _pieces(multiplier: IntArray, count: int) -> list[IntArray]:
    """The multiplier cut into 2 or 3, highest first."""
    pieces: list[IntArray] = []
    rest = multiplier
    for bits in reversed(_PIECE_BITS[count]):
        pieces.insert(0, _signed_low(rest, bits))
        rest = (rest - pieces[0]) >> bits
    return [rest, *pieces]


def _products_fit(largest: int, pieces: list[IntArray], added: IntArray) -> bool:
    """Whether no product of an accumulator with the pieces leaves 32 bits, nor the sum with ``added``."""
    rest = 0
    for piece, bits in zip(reversed(pieces[1:]), reversed(_PIECE_BITS[len(pieces)]), strict=True):
        product = largest * int(np.abs(piece).max()) + rest
        if product >= 2**31:
            return False
        rest = (product >> bits) + 1
    return bool(np.max(largest * np.abs(pieces[0]) + rest + np.abs(added)) < 2**31)


def requant_table(channels: Channels) -> Requant:
    """Rows (bias, right shift, what is added before it, pieces of the multiplier) per channel."""
    constant, outputs = channels.constant_outputs()
    largest, least, most = variable_range(channels, constant)
    if least < -_MAX_RIGHT_SHIFT or most > -1:
        return _exact_table(channels)
    # Of a constant channel the weights are taken as zeros: four times the output scaled by 1/2, then shifted by 1.
    right = np.where(constant, 1, -channels.shift)
    bias = np.where(constant, 4 * (outputs - channels.out_offset), channels.bias)
    multiplier = np.where(constant, 2**30, channels.multiplier)
    added = ((2 * channels.out_offset + 1) << right) >> 1
    for rounding in (UP, AWAY) if channels.rounding == UP else (AWAY,):
        for count, shift in _PRODUCT_SHIFTS.items():
            pieces = _pieces(multiplier, count)
            half = np.int64(1 << (shift - 1))
            whole = (added << shift) + half
            if _products_fit(max(largest, _LARGEST_CONSTANT), pieces, whole if rounding == UP else half):
                rest = [right + shift, whole] if rounding == UP else [right, added]
                return Requant(table([bias, *rest, *pieces]), count, rounding)
    return _exact_table(channels)


def _exact_table(channels: Channels) -> Requant:
    return Requant(table([channels.bias, channels.shift, channels.multiplier]), 0, EXACT)


def without_constant_channels(weights: IntArray, channels: Channels) -> IntArray:
    """The weights with zeros for channels whose output is constant."""
    return np.asarray(np.where(channels.constant_outputs()[0][:, None], 0, weights))


def by_groups(weights: IntArray, size: int) -> IntArray:
    """[channels, K] as [groups, K, size], zeros for the channels that are missing."""
    channels, k = weights.shape
    whole = np.pad(weights, ((0, -channels % size), (0, 0)))
    return np.asarray(whole.reshape(-1, size, k).transpose(0, 2, 1))


def offset_bytes(weights: IntArray) -> Array:
    """Weights plus 128, as bytes."""
    return np.ascontiguousarray((weights + 128).astype(np.uint8)).reshape(-1).view(np.int8)


def prepare_convolution(call: KernelCall) -> KernelCall:
    described = channels_of(call, conv_weights(call))
    weights = without_constant_channels(conv_weights(call), described)
    chunk = chunk_taps(weights)
    padded = as_taps(weights, chunk)
    taps = padded.shape[1]
    streamed = Constant("weights", offset_bytes(by_groups(padded, 2)))
    scratch = 8 * (taps // chunk + taps) + copy_bytes(call)
    return conv_call(call, chunk, streamed, requant_table(described), scratch)


def prepare_one_channel(call: KernelCall) -> KernelCall:
    return prepare_convolution(as_convolution(call))


def prepare_rows(call: KernelCall) -> KernelCall:
    return prepare_convolution(rows_as_convolution(call))


def prepare_depthwise(call: KernelCall) -> KernelCall:
    planes = planes_of(call, pairs=False)
    original = depthwise_weights(call, planes)
    described = channels_of(call, original)
    weights = without_constant_channels(original, described)
    return depthwise_call(call, planes, weights, requant_table(described), 4 * weights.shape[1])


_LARGEST_PART = 256  # inputs of a fully connected layer that are widened at a time


def prepare_fully_connected(call: KernelCall) -> KernelCall:
    original = call.constant("weights").astype(np.int64)
    described = channels_of(call, original)
    channels, in_n = original.shape
    part = 4 * -(-in_n // (4 * -(-in_n // _LARGEST_PART)))
    weights = as_taps(without_constant_channels(original, described), part)
    quads = by_groups(weights, 4)
    in_parts = quads.reshape(len(quads), -1, part, 4).swapaxes(0, 1)
    requant = requant_table(described)
    biases, scales = requant.bias_and_scales(channels)
    return call.replace(
        params=(
            ("rows", call.param("rows")), ("in_n", in_n), ("out_n", channels),
            ("part", part), ("per_channel", int(len(scales) > 1)),
            ("scaling", requant.scaling), ("rounding", requant.rounding),
            ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=(
            Constant("weights", offset_bytes(in_parts)),
            Constant("bias", biases), Constant("scale", scales.reshape(-1)),
        ),
        scratch=4 * part + (16 * len(quads) if part < in_n else 0),
    )  # fmt: skip


def is_one_pixel(call: KernelCall) -> bool:
    """Whether a convolution is a fully connected layer of one row."""
    sizes = ("in_h", "in_w", "out_h", "out_w", "k_h", "k_w", "groups")
    return (
        all(call.param(name) == 1 for name in sizes) and call.param("pad_top") == call.param("pad_left") == 0
    )


def as_fully_connected(call: KernelCall) -> KernelCall:
    """A convolution of one pixel as the layer that it is."""
    weights = call.constant("weights").reshape(call.param("out_c"), -1)
    dense = call.with_params(rows=1, in_n=call.param("in_c"), out_n=call.param("out_c"))
    return dense.with_constants(weights=weights)


def prepare_one_pixel(call: KernelCall) -> KernelCall:
    return prepare_fully_connected(as_fully_connected(call))


_CONV, _CONV_STRUCT = "v6m/conv2d_s8.h", "mcugen_lanes_conv_params"
_DENSE, _DENSE_STRUCT = "v6m/fully_connected_s8.h", "mcugen_v6m_fully_connected_params"
_LANES = 3
_TILES = overlap.convolution_tiles(_LANES, again=True)
LANES_DEPTHWISE_OVERLAP = overlap.bands_of_lines(group=1, together=_LANES)

V6M_VARIANTS: tuple[Variant, ...] = (
    Variant(
        "conv2d_s8", "v6m", _CONV, "v6m",
        applies=ungrouped, prepare=prepare_convolution, rank=3, struct=_CONV_STRUCT, overlap=_TILES,
    ),
    Variant(
        "conv2d_s8", "v6m_one_pixel", _DENSE, "v6m",
        applies=is_one_pixel, prepare=prepare_one_pixel, rank=4, struct=_DENSE_STRUCT, overlap=overlap.rows_copied,
    ),
    Variant(
        "depthwise_conv2d_s8", "v6m_one_channel", _CONV, "v6m",
        applies=one_channel, prepare=prepare_one_channel, rank=4, struct=_CONV_STRUCT, overlap=_TILES,
    ),
    Variant(
        "depthwise_conv2d_s8", "v6m", "v6m/depthwise_conv2d_s8.h", "v6m",
        applies=plain_depthwise, prepare=prepare_depthwise, rank=3, struct="mcugen_lanes_depthwise_params",
        overlap=LANES_DEPTHWISE_OVERLAP,
    ),
    Variant(
        "fully_connected_s8", "v6m", _DENSE, "v6m",
        prepare=prepare_fully_connected, rank=3, struct=_DENSE_STRUCT,
        overlap=overlap.rows_copied,
    ),
    Variant(
        "fully_connected_s8", "v6m_rows", _CONV, "v6m",
        applies=has_rows(3), prepare=prepare_rows, rank=4, struct=_CONV_STRUCT, overlap=_TILES,
    ),
    *(
        Variant(
            kernel, "v6m", "v6m/add_s8.h", "v6m",
            applies=is_flat_affine, prepare=prepare_add, rank=3, struct="mcugen_v6m_add_params",
            overlap=overlap.elementwise(1, 1, inputs=2),
        )
        for kernel in ("add_s8", "sub_s8")
    ),
)  # fmt: skip
