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
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.native_dsp import _flat_affine, prepare_add
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
        np.broadcast_to(call.constant(role).astype(np.int64), (len(weights),)) for role in ("multiplier", "shift")
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
    taps = weights.shape[1]
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


def conv_call(
    call: KernelCall, chunk: int, taps: int, scaling: int, rounding: int, constants: tuple[Constant, ...], scratch: int
) -> KernelCall:
    """A call with the parameters of ``mcugen_lanes_conv_params``."""
    return call.replace(
        params=(
            *((name, call.param(name)) for name in _GEOMETRY),
            ("zero_point", -call.param("in_offset")),
            ("taps", taps), ("chunk", chunk), ("scaling", scaling), ("rounding", rounding),
            ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=constants,
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

_PLANE_BUDGET = 4096  # bytes of scratch that a plane may take if it has more than one row of outputs


def depthwise_weights(call: KernelCall) -> IntArray:
    """[channels, k_h * k_w]."""
    return call.constant("weights").astype(np.int64).reshape(-1, call.param("out_c")).T


def plain_depthwise(call: KernelCall) -> bool:
    """Multiplier and dilation are 1, and lanes hold the sums."""
    ones = call.param("multiplier") == call.param("dilation_h") == call.param("dilation_w") == 1
    weights = depthwise_weights(call)
    return bool(ones and _chunk_fits(weights, weights.shape[1]))


def depthwise_call(call: KernelCall, scaling: int, rounding: int, constants: tuple[Constant, ...]) -> KernelCall:
    """A call with the parameters of ``mcugen_lanes_depthwise_params``."""
    names = ("in_h", "in_w", "out_h", "out_w", "k_h", "k_w", "stride_h", "stride_w", "pad_top", "pad_left")
    plane_w = (call.param("out_w") - 1) * call.param("stride_w") + call.param("k_w")
    lines_that_fit = max(0, _PLANE_BUDGET // (8 * plane_w) - call.param("k_h"))
    rows = min(-(-call.param("out_h") // 3), lines_that_fit // call.param("stride_h") + 1)
    lines = (rows - 1) * call.param("stride_h") + call.param("k_h")
    return call.replace(
        params=(
            ("channels", call.param("in_c")),
            *((name, call.param(name)) for name in names),
            ("zero_point", -call.param("in_offset")),
            ("rows", rows), ("plane_w", plane_w), ("scaling", scaling), ("rounding", rounding),
            ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=constants,
        scratch=8 * plane_w * lines + call.param("in_w") * call.param("in_c"),
    )  # fmt: skip


# ---- the variants ----------------------------------------------------------------------------------------

# Right shifts after the products with a multiplier in 2 or 3 pieces (requantize.h), and the widths of the pieces
# after the first.
_PRODUCT_SHIFTS = {2: 15, 3: 10}
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


def requant_table(channels: Channels) -> tuple[Array, int, int]:
    """Rows per channel, and the values of ``scaling`` and ``rounding`` that go with them."""
    constant, outputs = channels.constant_outputs()
    largest, least, most = variable_range(channels, constant)
    # Of a constant channel the weights are taken as zeros: four times the output scaled by 1/2, then shifted by 1.
    right = np.where(constant, 1, -channels.shift)
    bias = np.where(constant, 4 * (outputs - channels.out_offset), channels.bias)
    multiplier = np.where(constant, 2**30, channels.multiplier)
    if least >= -_MAX_RIGHT_SHIFT and most <= -1:
        for count, rounding in ((2, UP), (3, UP), (2, AWAY), (3, AWAY)):
            pieces, shift = _pieces(multiplier, count), _PRODUCT_SHIFTS[count]
            added = ((2 * channels.out_offset + 1) << right) >> 1
            whole = (added << shift) + (1 << (shift - 1))
            fits = _products_fit(max(largest, 1024), pieces, whole if rounding == UP else np.int64(1 << shift))
            if fits and rounding == UP == channels.rounding:
                return table([bias, right + shift, whole, *pieces]), count, UP
            if fits and rounding == AWAY:
                return table([bias, right, added, *pieces]), count, AWAY
    return table([channels.bias, channels.shift, channels.multiplier]), 0, EXACT


def without_constant_channels(weights: IntArray, channels: Channels) -> IntArray:
    """The weights with zeros for channels whose output is constant."""
    return np.where(channels.constant_outputs()[0][:, None], 0, weights)


def by_groups(weights: IntArray, size: int) -> IntArray:
    """[channels, K] as [groups, K, size], zeros for the channels that are missing."""
    channels, k = weights.shape
    whole = np.pad(weights, ((0, -channels % size), (0, 0)))
    return whole.reshape(-1, size, k).transpose(0, 2, 1)


def offset_bytes(weights: IntArray) -> Array:
    """Weights plus 128, as bytes."""
    return np.ascontiguousarray((weights + 128).astype(np.uint8)).reshape(-1).view(np.int8)


def prepare_convolution(call: KernelCall) -> KernelCall:
    described = channels_of(call, conv_weights(call))
    weights = without_constant_channels(conv_weights(call), described)
    chunk = chunk_taps(weights)
    padded = as_taps(weights, chunk)
    taps = padded.shape[1]
    requant, scaling, rounding = requant_table(described)
    constants = (Constant("weights", offset_bytes(by_groups(padded, 2))), Constant("requant", requant))
    scratch = 8 * (taps // chunk + taps) + 3 * weights.shape[1]
    return conv_call(call, chunk, taps, scaling, rounding, constants, scratch)


def prepare_one_channel(call: KernelCall) -> KernelCall:
    return prepare_convolution(as_convolution(call))


def prepare_rows(call: KernelCall) -> KernelCall:
    return prepare_convolution(rows_as_convolution(call))


def prepare_depthwise(call: KernelCall) -> KernelCall:
    described = channels_of(call, depthwise_weights(call))
    weights = without_constant_channels(depthwise_weights(call), described)
    requant, scaling, rounding = requant_table(described)
    constants = (Constant("weights", weights.astype(np.int8).reshape(-1)), Constant("requant", requant))
    return depthwise_call(call, scaling, rounding, constants)


def bias_and_scales(requant: Array, channels: int) -> tuple[Array, Array]:
    """Rows of a table apart: the biases, and the scales [channels, words], one only if all are equal."""
    rows = requant.reshape(channels, -1)
    biases, scales = np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1:])
    return biases, scales[:1] if (scales == scales[0]).all() else scales


def prepare_fully_connected(call: KernelCall) -> KernelCall:
    original = call.constant("weights").astype(np.int64)
    described = channels_of(call, original)
    weights = as_taps(without_constant_channels(original, described), 4)
    requant, scaling, rounding = requant_table(described)
    biases, scales = bias_and_scales(requant, len(weights))
    return call.replace(
        params=(
            ("rows", call.param("rows")), ("in_n", call.param("in_n")), ("out_n", call.param("out_n")),
            ("taps", weights.shape[1]), ("per_channel", int(len(scales) > 1)),
            ("scaling", scaling), ("rounding", rounding),
            ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=(
            Constant("weights", offset_bytes(by_groups(weights, 4))),
            Constant("bias", biases), Constant("scale", scales.reshape(-1)),
        ),
        scratch=4 * weights.shape[1],
    )  # fmt: skip


is_affine_add = _flat_affine

_CONV, _CONV_STRUCT = "v6m/conv2d_s8.h", "mcugen_lanes_conv_params"

V6M_VARIANTS: tuple[Variant, ...] = (
    Variant(
        "conv2d_s8", "v6m", _CONV, "v6m",
        applies=ungrouped, prepare=prepare_convolution, rank=3, struct=_CONV_STRUCT,
    ),
    Variant(
        "depthwise_conv2d_s8", "v6m_one_channel", _CONV, "v6m",
        applies=one_channel, prepare=prepare_one_channel, rank=4, struct=_CONV_STRUCT,
    ),
    Variant(
        "depthwise_conv2d_s8", "v6m", "v6m/depthwise_conv2d_s8.h", "v6m",
        applies=plain_depthwise, prepare=prepare_depthwise, rank=3, struct="mcugen_lanes_depthwise_params",
    ),
    Variant(
        "fully_connected_s8", "v6m", "v6m/fully_connected_s8.h", "v6m",
        prepare=prepare_fully_connected, rank=3, struct="mcugen_v6m_fully_connected_params",
    ),
    Variant(
        "fully_connected_s8", "v6m_rows", _CONV, "v6m",
        applies=has_rows(3), prepare=prepare_rows, rank=4, struct=_CONV_STRUCT,
    ),
    *(
        Variant(
            kernel, "v6m", "v6m/add_s8.h", "v6m",
            applies=is_affine_add, prepare=prepare_add, rank=3, struct="mcugen_v6m_add_params",
        )
        for kernel in ("add_s8", "sub_s8")
    ),
)  # fmt: skip
