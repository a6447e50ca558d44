"""Winograd's minimal filtering F(2x2,3x3) on cores with the DSP instructions: fewer products for more flash.

The layout is that of ``firmware/kernels/dsp/winograd_s8.h``. Filters take 32/9 of the bytes of plain ones.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen.ir import Array
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.native_dsp import EXACT, fit, pack
from mcugen.lowering.overlap import NEVER, Sharing, safe_distance
from mcugen.lowering.variant import SPEED_ONLY, Variant

IntArray: TypeAlias = NDArray[np.int64]

# 2 G of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), which has halves.
_FILTER_TRANSFORM = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], dtype=np.int64)
# The rows of a transformed tile in the order of the slots, and the signs of their filters.
_SLOT_ROWS = (1, 2, 0, 3)
_SLOT_SIGNS = np.array([1, 1, 1, -1], dtype=np.int64)
# The order of four channels whose bytes were expanded to int16 pairs.
_LANES = (0, 2, 1, 3)

_TILES = 4
_TILE_SIDE = 4
_SCRATCH_LIMIT = 12 * 1024


def _words(call: KernelCall) -> int:
    """Words of four channels in a pixel."""
    return -(-int(call.param("in_c")) // 4)


def _scratch(call: KernelCall) -> int:
    """Bytes: the values of four tiles, the sums of two outputs, one pixel."""
    values, sums = 16 * _TILES * 8 * _words(call), 8 * 2 * _TILES * 4
    return values + sums + int(call.param("in_c"))


def _weights(call: KernelCall) -> IntArray:
    """[out_c, 9 * in_c]"""
    return call.constant("weights").astype(np.int64).reshape(call.param("out_c"), -1)


def _is_3x3(call: KernelCall) -> bool:
    ones = ("stride_h", "stride_w", "dilation_h", "dilation_w", "groups")
    return call.param("k_h") == call.param("k_w") == 3 and all(call.param(n) == 1 for n in ones)


def _plain_instructions(call: KernelCall) -> float:
    """What the kernel of ``dsp/conv2d_s8.h`` takes, by the counts in the comments of ``dsp/matmul.h``."""
    packed = pack(fit(call, _weights(call)))
    clamped = (call.param("act_min"), call.param("act_max")) != (-128, 127)
    # what is not in assembly was measured
    per_block, per_output = (60, 120) if packed.rounding == EXACT or clamped else (17.5, 48)
    filters = (packed.pairs + packed.singles) * (per_block * packed.blocks + per_output)
    columns = 100 * packed.blocks / 9 + 150
    return float(math.ceil(call.param("out_h") * call.param("out_w") / 3) * (filters + columns))


def _winograd_instructions(call: KernelCall) -> int:
    """What this kernel takes: 11 for each two channels, slot and pair of outputs, and what was measured."""
    in_c, pairs = 4 * _words(call), math.ceil(call.param("out_c") / 2)
    tiles = math.ceil(call.param("out_h") / 2) * math.ceil(call.param("out_w") / 2)
    return int(math.ceil(tiles / _TILES) * pairs * (88 * in_c + 800) + tiles * (50 * in_c + 150))


def _fits_32_bits(call: KernelCall) -> bool:
    """Whether 4 x convolution does, for all int8 inputs."""
    return bool(4 * 128 * np.abs(_weights(call)).sum(axis=1).max(initial=0) < 2**31)


def _applies(call: KernelCall) -> bool:
    suitable = _is_3x3(call) and call.param("in_c") >= 4 and _scratch(call) <= _SCRATCH_LIMIT
    if not suitable or not _fits_32_bits(call):
        return False
    return _winograd_instructions(call) < _plain_instructions(call)


def _in_words(channels: IntArray) -> IntArray:
    """[..., in_c] weights as [..., words, 4]. The words after the first are those that end with the last channel;
    what the second has in common with the first is 0 in it."""
    rest = np.insert(channels, [4] * (-channels.shape[-1] % 4), 0, axis=-1)
    return rest.reshape(*rest.shape[:-1], -1, 4)


def _transform(weights: IntArray) -> Array:
    """[out_c, 9 * in_c] weights as [pair of outputs, slot, pair of channels, 2 outputs] int16 pairs."""
    out_c = len(weights)
    g = np.pad(weights, ((0, out_c % 2), (0, 0))).reshape(out_c + out_c % 2, 3, 3, -1)
    u = np.einsum("iy,oyxc,jx->ojic", _FILTER_TRANSFORM, g, _FILTER_TRANSFORM)
    slots = u[:, :, _SLOT_ROWS] * _SLOT_SIGNS[:, None]
    words = _in_words(slots)[..., _LANES]
    lanes = words.reshape(len(u) // 2, 2, 16, -1, 2)
    ordered = np.ascontiguousarray(lanes.transpose(0, 2, 3, 1, 4).astype(np.int16))
    return ordered.reshape(-1).view(np.int8)


def prepare(call: KernelCall) -> KernelCall:
    filters = fit(call, _weights(call))
    geometry = ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "pad_top", "pad_left")
    return call.replace(
        params=(
            *((n, call.param(n)) for n in geometry),
            ("words", _words(call)), ("zero_point", -call.param("in_offset")),
            ("rounding", filters.rounding), ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=(
            Constant("weights", _transform(filters.weights)),
            Constant("requant", np.ascontiguousarray(filters.rows.reshape(-1).astype(np.int32))),
        ),
        scratch=_scratch(call),
    )  # fmt: skip


def _tile_axis(call: KernelCall, d: str, pad: str) -> tuple[IntArray, IntArray]:
    """Along one axis, per tile: the first input that it sees, NEVER if there is none, and its last output."""
    start = np.arange(0, call.param(f"out_{d}"), 2, dtype=np.int64)
    first = np.maximum(start - call.param(pad), 0)
    inside = (start - call.param(pad) > -_TILE_SIDE) & (first < call.param(f"in_{d}"))
    return np.where(inside, first, NEVER), np.minimum(start + 1, call.param(f"out_{d}") - 1)


def _groups_of_tiles(call: KernelCall) -> tuple[Sharing, ...]:
    """All inputs of four tiles are read before their outputs are written."""
    rows, last_rows = _tile_axis(call, "h", "pad_top")
    columns, last_columns = _tile_axis(call, "w", "pad_left")
    seen = (rows < NEVER)[:, None] & (columns < NEVER)
    pixels = rows[:, None] * call.param("in_w") + columns
    reads = np.where(seen, pixels * call.param("in_c"), NEVER).reshape(-1)
    ends = (last_rows[:, None] * call.param("out_w") + last_columns + 1).reshape(-1) * call.param("out_c")
    starts = np.arange(0, len(reads), _TILES)
    image = call.param("in_h") * call.param("in_w") * call.param("in_c")
    return (
        Sharing(safe_distance(np.minimum.reduceat(reads, starts), np.maximum.reduceat(ends, starts), image)),
    )


WINOGRAD_VARIANTS: tuple[Variant, ...] = (
    Variant(
        "conv2d_s8", "dsp_winograd", "dsp/winograd_s8.h", "dsp",
        applies=_applies, prepare=prepare, rank=40, struct="mcugen_dsp_winograd_params", levels=SPEED_ONLY,
        overlap=_groups_of_tiles,
    ),
)  # fmt: skip
