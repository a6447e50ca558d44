"""Native kernel variants for Armv7-M without the DSP extension: which calls they take, and their tables.

The layouts are those of ``firmware/kernels/v7m``; the headers there describe them.
"""

from __future__ import annotations

import numpy as np

from mcugen.ir import Array
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.native_v6m import (
    EXACT,
    Channels,
    as_convolution,
    as_taps,
    channels_of,
    chunk_taps,
    conv_call,
    conv_weights,
    depthwise_call,
    depthwise_weights,
    has_rows,
    one_channel,
    plain_depthwise,
    rows_as_convolution,
    table,
    ungrouped,
    variable_range,
)
from mcugen.lowering.variant import Variant

_MAX_RIGHT_SHIFT = 22
_LARGEST_SUM = 2**30
_TAP_BYTES = 16
_PIXELS = 6


def requant_table(channels: Channels) -> tuple[Array, int]:
    """Rows of four words per channel, and the value of ``rounding`` that goes with them (requantize.h)."""
    constant, outputs = channels.constant_outputs()
    largest, least, most = variable_range(channels, constant)
    if largest >= _LARGEST_SUM or least < -_MAX_RIGHT_SHIFT or most > -1:
        zeros = np.zeros_like(channels.bias)
        return table([channels.bias, channels.multiplier, channels.shift, zeros]), EXACT
    right = np.where(constant, 0, -channels.shift)
    rounding = ((2 * channels.out_offset + 1) << right) >> 1
    rows = [
        np.where(constant, 0, 2 * channels.bias),
        np.where(constant, 0, channels.multiplier),
        np.where(constant, outputs, rounding),
        right,
    ]
    return table(rows), channels.rounding


def prepare_convolution(call: KernelCall) -> KernelCall:
    weights = conv_weights(call)
    chunk = chunk_taps(weights)
    padded = as_taps(weights, chunk)
    requant, rounding = requant_table(channels_of(call, weights))
    constants = (Constant("weights", padded.astype(np.int8).reshape(-1)), Constant("requant", requant))
    taps = padded.shape[1]
    scratch = _TAP_BYTES * taps + _PIXELS * weights.shape[1]
    return conv_call(call, chunk, taps, 0, rounding, constants, scratch)


def prepare_one_channel(call: KernelCall) -> KernelCall:
    return prepare_convolution(as_convolution(call))


def prepare_rows(call: KernelCall) -> KernelCall:
    return prepare_convolution(rows_as_convolution(call))


def prepare_depthwise(call: KernelCall) -> KernelCall:
    weights = depthwise_weights(call)
    requant, rounding = requant_table(channels_of(call, weights))
    constants = (Constant("weights", weights.astype(np.int8).reshape(-1)), Constant("requant", requant))
    return depthwise_call(call, 0, rounding, constants)


_CONV, _CONV_STRUCT = "v7m/conv2d_s8.h", "mcugen_lanes_conv_params"

V7M_VARIANTS: tuple[Variant, ...] = (
    Variant(
        "conv2d_s8", "v7m", _CONV, "v7m",
        applies=ungrouped, prepare=prepare_convolution, rank=6, struct=_CONV_STRUCT,
    ),
    Variant(
        "depthwise_conv2d_s8", "v7m_one_channel", _CONV, "v7m",
        applies=one_channel, prepare=prepare_one_channel, rank=7, struct=_CONV_STRUCT,
    ),
    Variant(
        "depthwise_conv2d_s8", "v7m", "v7m/depthwise_conv2d_s8.h", "v7m",
        applies=plain_depthwise, prepare=prepare_depthwise, rank=6, struct="mcugen_lanes_depthwise_params",
    ),
    Variant(
        "fully_connected_s8", "v7m_rows", _CONV, "v7m",
        applies=has_rows(4), prepare=prepare_rows, rank=7, struct=_CONV_STRUCT,
    ),
)  # fmt: skip
