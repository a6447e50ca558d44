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


V6M_VARIANTS: tuple[Variant, ...] = ()
