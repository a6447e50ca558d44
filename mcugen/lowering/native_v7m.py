"""Native kernel variants for Armv7-M without the DSP extension: which calls they take, and their tables.

The layouts are those of ``firmware/kernels/v7m``; the headers there describe them.
"""

from __future__ import annotations

import numpy as np

from mcugen.lowering import overlap
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.native_dsp import is_flat_affine, prepare_add
from mcugen.lowering.native_v6m import (
    EXACT,
    LANES_DEPTHWISE_OVERLAP,
    Channels,
    Requant,
    as_convolution,
    as_fully_connected,
    as_taps,
    by_groups,
    channels_of,
    chunk_taps,
    conv_call,
    conv_weights,
    copy_bytes,
    depthwise_call,
    depthwise_weights,
    has_rows,
    is_one_pixel,
    one_channel,
    plain_depthwise,
    planes_of,
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
_INT16_SUMS = 257  # bytes whose sum always fits 16 bits
_FEW_CHANNELS = 20  # of a fully connected layer, where groups of four save filling up to eight


def requant_table(channels: Channels) -> Requant:
    """Rows of four words per channel (requantize.h)."""
    constant, outputs = channels.constant_outputs()
    largest, least, most = variable_range(channels, constant)
    if largest >= _LARGEST_SUM or least < -_MAX_RIGHT_SHIFT or most > -1:
        zeros = np.zeros_like(channels.bias)
        return Requant(table([channels.bias, channels.multiplier, channels.shift, zeros]), 0, EXACT)
    right = np.where(constant, 0, -channels.shift)
    rounding = ((2 * channels.out_offset + 1) << right) >> 1
    rows = [
        np.where(constant, 0, 2 * channels.bias),
        np.where(constant, 0, channels.multiplier),
        np.where(constant, outputs, rounding),
        right,
    ]
    return Requant(table(rows), 0, channels.rounding)


def prepare_convolution(call: KernelCall) -> KernelCall:
    weights = conv_weights(call)
    chunk = chunk_taps(weights)
    padded = as_taps(weights, chunk)
    streamed = Constant("weights", padded.astype(np.int8).reshape(-1))
    scratch = _TAP_BYTES * padded.shape[1] + copy_bytes(call)
    return conv_call(call, chunk, streamed, requant_table(channels_of(call, weights)), scratch)


def prepare_one_channel(call: KernelCall) -> KernelCall:
    return prepare_convolution(as_convolution(call))


def prepare_rows(call: KernelCall) -> KernelCall:
    return prepare_convolution(rows_as_convolution(call))


def prepare_depthwise(call: KernelCall) -> KernelCall:
    planes = planes_of(call, pairs=True)
    weights = depthwise_weights(call, planes)
    return depthwise_call(call, planes, weights, requant_table(channels_of(call, weights)), 0)


def prepare_fully_connected(call: KernelCall) -> KernelCall:
    weights = call.constant("weights").astype(np.int64)
    requant = requant_table(channels_of(call, weights))
    biases, scales = requant.bias_and_scales(len(weights))
    group = 4 if len(weights) <= _FEW_CHANNELS and (len(weights) - 1) % 8 < 4 else 8
    streamed = np.ascontiguousarray(by_groups(weights, group).astype(np.int8)).reshape(-1)
    return call.replace(
        params=(
            ("rows", call.param("rows")), ("in_n", call.param("in_n")), ("out_n", call.param("out_n")),
            ("group", group), ("per_channel", int(len(scales) > 1)),
            ("rounding", requant.rounding), ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=(Constant("weights", streamed), Constant("bias", biases), Constant("scale", scales.reshape(-1))),
    )  # fmt: skip


def prepare_one_pixel(call: KernelCall) -> KernelCall:
    return prepare_fully_connected(as_fully_connected(call))


def _small_window_of_quads(call: KernelCall) -> bool:
    """Whether unsigned sums of a window fit 16 bits, and channels come in fours."""
    return bool(call.param("k_h") * call.param("k_w") <= _INT16_SUMS and call.param("in_c") % 4 == 0)


_CONV, _CONV_STRUCT = "v7m/conv2d_s8.h", "mcugen_lanes_conv_params"
_DENSE, _DENSE_STRUCT = "v7m/fully_connected_s8.h", "mcugen_v7m_fully_connected_params"
_TILES = overlap.convolution_tiles(_PIXELS, again=True)
_GROUPS = overlap.rows_in_groups(lambda call: int(call.param("group")))

V7M_VARIANTS: tuple[Variant, ...] = (
    Variant(
        "conv2d_s8", "v7m", _CONV, "v7m",
        applies=ungrouped, prepare=prepare_convolution, rank=6, struct=_CONV_STRUCT, overlap=_TILES,
    ),
    Variant(
        "conv2d_s8", "v7m_one_pixel", _DENSE, "v7m",
        applies=is_one_pixel, prepare=prepare_one_pixel, rank=7, struct=_DENSE_STRUCT, overlap=_GROUPS,
    ),
    Variant(
        "depthwise_conv2d_s8", "v7m_one_channel", _CONV, "v7m",
        applies=one_channel, prepare=prepare_one_channel, rank=7, struct=_CONV_STRUCT, overlap=_TILES,
    ),
    Variant(
        "depthwise_conv2d_s8", "v7m", "v7m/depthwise_conv2d_s8.h", "v7m",
        applies=plain_depthwise, prepare=prepare_depthwise, rank=6, struct="mcugen_lanes_depthwise_params",
        overlap=LANES_DEPTHWISE_OVERLAP,
    ),
    Variant(
        "fully_connected_s8", "v7m", _DENSE, "v7m",
        prepare=prepare_fully_connected, rank=6, struct=_DENSE_STRUCT, overlap=_GROUPS,
    ),
    Variant(
        "fully_connected_s8", "v7m_rows", _CONV, "v7m",
        applies=has_rows(4), prepare=prepare_rows, rank=7, struct=_CONV_STRUCT, overlap=_TILES,
    ),
    *(
        Variant(
            kernel, "v7m", "v7m/add_s8.h", "v7m",
            applies=is_flat_affine, prepare=prepare_add, rank=6, struct="mcugen_v6m_add_params",
            overlap=overlap.elementwise(1, 1, inputs=2),
        )
        for kernel in ("add_s8", "sub_s8")
    ),
    Variant(
        "average_pool_s8", "v7m", "v7m/pool_s8.h", "v7m",
        applies=_small_window_of_quads, rank=6, overlap=overlap.pool(4),
    ),
)  # fmt: skip
