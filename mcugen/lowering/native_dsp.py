"""Native kernel variants for cores with the DSP instructions: which calls they take, and their tables.

The layouts are those of ``firmware/kernels/dsp``; the headers there describe them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen import fixedpoint as fx
from mcugen.ir import Array
from mcugen.lowering import overlap
from mcugen.lowering.affine import Affine, Slope, find_affine, quantization_of, real_factors
from mcugen.lowering.call import Constant, KernelCall, ParamValue
from mcugen.lowering.variant import EVERY_LEVEL, NOT_FOR_SPEED, RAM_ONLY, Variant

IntArray: TypeAlias = NDArray[np.int64]
Params: TypeAlias = tuple[tuple[str, ParamValue], ...]

# Values of ``rounding`` in dsp/arith.h.
EXACT, AWAY, UP = 0, 1, 2

_COLUMNS = 3
_BLOCK_BYTES = 24


# ---- requantization --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """The integers of a layer with weights.

    weights: [channels, K]. rows: [channels, 3], the words that ``rounding`` asks for, with the input offset
    folded into the bias.
    """

    rounding: int
    weights: IntArray
    rows: IntArray


@dataclass(frozen=True)
class _Channels:
    """Weights [channels, K]; bias with the input offset folded in, multiplier and shift [channels]."""

    weights: IntArray
    bias: IntArray
    multiplier: IntArray
    shift: IntArray

    def limits(self) -> tuple[IntArray, IntArray]:
        """The least and the largest accumulator for int8 inputs."""
        low = np.minimum(127 * self.weights, -128 * self.weights).sum(axis=1) + self.bias
        high = np.maximum(127 * self.weights, -128 * self.weights).sum(axis=1) + self.bias
        return low, high


def fit(call: KernelCall, weights: IntArray, bias_of_input: int = 0) -> Filters:
    """Chooses the rounding of a call with weights, bias, multiplier and shift, and makes its table.

    weights: [channels, K], all that an output sums over. bias_of_input: what the kernel adds to int8 inputs.
    """
    multiplier, shift = (
        np.broadcast_to(call.constant(role).astype(np.int64), (len(weights),))
        for role in ("multiplier", "shift")
    )
    bias = call.constant("bias").astype(np.int64) + call.param("in_offset") * weights.sum(axis=1)
    c = _settle_constants(call, _Channels(weights, bias, multiplier, shift))
    low, high = c.limits()
    kernel_bias = c.bias - bias_of_input * c.weights.sum(axis=1)
    small = low.min() > -(2**30) and high.max() < 2**30
    if not small or c.shift.max() > -1 or c.shift.min() < -31:
        return Filters(EXACT, c.weights, np.stack([_wrap(kernel_bias), c.multiplier, c.shift], axis=1))
    # With act_min >= zero point every negative value is clamped away, however it was rounded.
    rounding = UP if call.param("act_min") >= call.param("out_offset") else AWAY
    factor = -(np.int64(1) << (32 + c.shift))
    return Filters(rounding, c.weights, np.stack([_wrap(2 * kernel_bias), c.multiplier, factor], axis=1))


def _settle_constants(call: KernelCall, c: _Channels) -> _Channels:
    """Channels with the same output for every input, rewritten without weights and with an ordinary scale.

    Their biases are often huge (quantized with a tiny scale), and would force the slow rounding on all.
    """
    low, high = c.limits()
    offset, bounds = call.param("out_offset"), (call.param("act_min"), call.param("act_max"))
    ends = [
        np.clip(fx.multiply_by_quantized_multiplier(_wrap(x), c.multiplier, c.shift) + offset, *bounds)
        for x in (low, high)
    ]
    # without a left shift and without overflow the scaling is monotonic
    monotonic = (low >= -(2**31)) & (high < 2**31) & (c.shift <= 0)
    constant = (ends[0] == ends[1]) & (monotonic | (low == high))
    return _Channels(
        np.where(constant[:, None], 0, c.weights),
        np.where(constant, 4 * (ends[0] - offset), c.bias),
        np.where(constant, 2**30, c.multiplier),
        np.where(constant, -1, c.shift),
    )


def _wrap(x: IntArray) -> IntArray:
    return ((x + 2**31) & 0xFFFFFFFF) - 2**31


def _table(rows: IntArray) -> Array:
    return np.ascontiguousarray(rows.reshape(-1).astype(np.int32))


# ---- matrix products (matmul.h) --------------------------------------------------------------------------


@dataclass(frozen=True)
class Packed:
    """Filters as matmul.h streams them, and the numbers that describe them."""

    weights: Array
    requant: Array
    blocks: int
    pairs: int
    singles: int
    rounding: int


def _can_share_lanes(weights: IntArray) -> bool:
    """Whether a + 256 b fits an int16 and the sum of b is below 2**23, for any order of the channels."""
    return bool(weights.min(initial=0) >= -127 and 128 * np.abs(weights).sum(axis=1).max() < 2**23)


def _lanes(a: IntArray, b: IntArray) -> IntArray:
    """[pairs, blocks, even/odd, 2] int16 lanes of channels a and b, each [pairs, K]."""
    lanes = (a + 256 * b).reshape(len(a), -1, 4)
    return np.stack([lanes[..., 0::2], lanes[..., 1::2]], axis=2)


def pack(filters: Filters) -> Packed:
    """Packs filters whose weights are in the order of the values in a column."""
    weights, requant = filters.weights, filters.rows
    channels, k = weights.shape
    blocks = -(-k // 4)
    padded = np.pad(weights, ((0, 0), (0, 4 * blocks - k)))
    pairs = channels // 2 if _can_share_lanes(weights) else 0
    singles = channels - 2 * pairs
    zeros = np.zeros((singles, padded.shape[1]), dtype=np.int64)
    a = np.concatenate([padded[0 : 2 * pairs : 2], padded[2 * pairs :]])
    b = np.concatenate([padded[1 : 2 * pairs : 2], zeros])
    rows = np.concatenate([requant[: 2 * pairs], np.repeat(requant[2 * pairs :], 2, axis=0)])
    lanes = _lanes(a, b).astype(np.int16)
    return Packed(lanes.reshape(-1).view(np.int8), _table(rows), blocks, pairs, singles, filters.rounding)


def _packed_call(call: KernelCall, packed: Packed, params: Params, extra_scratch: int) -> KernelCall:
    common: Params = (
        ("blocks", packed.blocks), ("pairs", packed.pairs), ("singles", packed.singles),
        ("rounding", packed.rounding), ("out_offset", call.param("out_offset")),
        ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
    )  # fmt: skip
    return call.replace(
        params=(*params, *common),
        constants=(Constant("weights", packed.weights), Constant("requant", packed.requant)),
        scratch=_BLOCK_BYTES * packed.blocks + extra_scratch,
    )


def _is_pointwise(call: KernelCall) -> bool:
    names = ("k_h", "k_w", "stride_h", "stride_w", "groups")
    no_padding = call.param("pad_top") == call.param("pad_left") == 0
    same_size = all(call.param(f"out_{d}") == call.param(f"in_{d}") for d in "hw")
    return all(call.param(n) == 1 for n in names) and no_padding and same_size


def _rows_call(call: KernelCall, weights: IntArray, pixels: int) -> KernelCall:
    """A product of ``pixels`` rows with [channels, K] weights."""
    channels, k = weights.shape
    params: Params = (("pixels", pixels), ("channels", k), ("out_c", channels))
    return _packed_call(call, pack(fit(call, weights)), params, 0)


def prepare_pointwise(call: KernelCall) -> KernelCall:
    weights = call.constant("weights").astype(np.int64).reshape(call.param("out_c"), -1)
    return _rows_call(call, weights, call.param("out_h") * call.param("out_w"))


def prepare_rows(call: KernelCall) -> KernelCall:
    return _rows_call(call, call.constant("weights").astype(np.int64), call.param("rows"))


def _few_rows_call(call: KernelCall, rows_of_input: int) -> KernelCall:
    """One or two rows: weights packed by quads of channels."""
    out_n = len(call.constant("bias"))
    filters = fit(call, call.constant("weights").astype(np.int64).reshape(out_n, -1))
    weights = filters.weights
    channels, k = weights.shape
    blocks = -(-k // 4)
    alone = not _can_share_lanes(weights)
    per_quad = 2 if alone else 4
    quads = -(-channels // per_quad)
    padding = quads * per_quad - channels
    padded = np.pad(weights, ((0, padding), (0, 4 * blocks - k)))
    rows = np.pad(filters.rows, ((0, padding), (0, 0)))
    if alone:
        padded = np.stack([padded, np.zeros_like(padded)], axis=1).reshape(-1, 4 * blocks)
        rows = np.repeat(rows, 2, axis=0)
    lanes = _lanes(padded[0::2], padded[1::2]).reshape(quads, 2, blocks, 4).transpose(0, 2, 1, 3)
    return call.replace(
        params=(
            ("rows", rows_of_input), ("in_n", k), ("out_n", channels),
            ("blocks", blocks), ("alone", int(alone)),
            ("rounding", filters.rounding), ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=(
            Constant("weights", np.ascontiguousarray(lanes.astype(np.int16)).reshape(-1).view(np.int8)),
            Constant("requant", _table(rows)),
        ),
        scratch=8 * blocks,
    )  # fmt: skip


def prepare_few_rows(call: KernelCall) -> KernelCall:
    return _few_rows_call(call, call.param("rows"))


def _few_pixels(call: KernelCall) -> bool:
    return _is_pointwise(call) and call.param("out_h") * call.param("out_w") < _COLUMNS


def prepare_few_pixels(call: KernelCall) -> KernelCall:
    return _few_rows_call(call, call.param("out_h") * call.param("out_w"))


def _outputs_of_quad(call: KernelCall) -> int:
    return 2 if call.param("alone") else 4


def _whole_blocks(call: KernelCall) -> bool:
    return bool(call.param("in_n") % 4 == 0)


def prepare_direct(call: KernelCall) -> KernelCall:
    return prepare_few_rows(call).replace(scratch=None)


def _window_order(k_h: int, run_bytes: int) -> NDArray[np.intp]:
    """Where a column's values are in a window: whole words of all rows, then what is left of each row."""
    rows = np.arange(k_h * run_bytes).reshape(k_h, run_bytes)
    whole = run_bytes & ~3
    return np.concatenate([rows[:, :whole].reshape(-1), rows[:, whole:].reshape(-1)])


def _copied_windows(call: KernelCall) -> int:
    """How many windows may have to be copied before they are expanded: those that leave the input."""
    reach = {
        d: (call.param(f"out_{d}") - 1) * call.param(f"stride_{d}")
        + (call.param(f"k_{d}") - 1) * call.param(f"dilation_{d}")
        - call.param(pad)
        for d, pad in (("h", "pad_top"), ("w", "pad_left"))
    }
    beyond = reach["h"] >= call.param("in_h") or reach["w"] >= call.param("in_w")
    padded = call.param("pad_top") > 0 or call.param("pad_left") > 0 or beyond
    return _COLUMNS if padded or call.param("dilation_w") > 1 else 0


def _window_call(call: KernelCall, weights: IntArray) -> KernelCall:
    """A convolution with weights [out_c, k_h * k_w * in_c]."""
    geometry = (
        "in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "k_h", "k_w", "stride_h", "stride_w",
        "pad_top", "pad_left", "dilation_h", "dilation_w",
    )  # fmt: skip
    order = _window_order(call.param("k_h"), call.param("k_w") * call.param("in_c"))
    params = (*((n, call.param(n)) for n in geometry), ("zero_point", -call.param("in_offset")))
    return _packed_call(
        call, pack(fit(call, weights[:, order])), params, _copied_windows(call) * weights.shape[1]
    )


def prepare_window(call: KernelCall) -> KernelCall:
    return _window_call(call, call.constant("weights").astype(np.int64).reshape(call.param("out_c"), -1))


def prepare_one_channel(call: KernelCall) -> KernelCall:
    """A depthwise convolution of one input channel is a convolution."""
    weights = call.constant("weights").astype(np.int64).reshape(-1, call.param("out_c"))
    return _window_call(call, weights.T)


# ---- depthwise (depthwise_conv2d_s8.h) -------------------------------------------------------------------

_GROUP = 4
_PLANE_BUDGET = 3072  # bytes of scratch that a band may take if it is more than one line of outputs


@dataclass(frozen=True)
class _Axis:
    """What a depthwise convolution does along one axis."""

    inputs: int
    outputs: int
    kernel: int
    stride: int
    pad: int
    in_step: int
    out_step: int


def _along_rows(call: KernelCall) -> bool:
    """Whether lines are rows of the image, not columns."""
    return bool(call.param("out_w") >= call.param("out_h"))


def _axes(call: KernelCall) -> tuple[_Axis, _Axis]:
    """(across lines, along lines): lines run along the longer side of the output."""
    row = call.param("in_c") * call.param("in_w"), call.param("out_c") * call.param("out_w")
    pixel = call.param("in_c"), call.param("out_c")
    across, along = (
        _Axis(
            inputs=call.param(f"in_{d}"),
            outputs=call.param(f"out_{d}"),
            kernel=call.param(f"k_{d}"),
            stride=call.param(f"stride_{d}"),
            pad=call.param(pad),
            in_step=steps[0],
            out_step=steps[1],
        )
        for d, pad, steps in (("h", "pad_top", row), ("w", "pad_left", pixel))
    )
    return (across, along) if _along_rows(call) else (along, across)


def _taps(call: KernelCall) -> IntArray:
    """Depthwise weights as [channels, across lines, along lines]."""
    k_h, k_w = call.param("k_h"), call.param("k_w")
    weights = call.constant("weights").astype(np.int64).reshape(k_h, k_w, -1)
    taps: IntArray = weights.transpose((2, 0, 1) if _along_rows(call) else (2, 1, 0))
    return taps


def _fit_taps(call: KernelCall) -> Filters:
    taps = _taps(call)
    return fit(call, taps.reshape(len(taps), -1), bias_of_input=128)


def _depthwise_call(call: KernelCall, arrange: Callable[[IntArray], Array], budget: int) -> KernelCall:
    """The call with planes laid out in bands of at most ``budget`` bytes, or one line.

    ``arrange`` makes the weights from [channels, across, along] taps.
    """
    across, along = _axes(call)
    filters = _fit_taps(call)
    weights = arrange(filters.weights.reshape(-1, across.kernel, along.kernel))
    plane_n = (along.stride * (along.outputs - 1) + along.kernel + 1) & ~1
    line_bytes = 2 * _GROUP * plane_n
    lines_that_fit = max(0, budget // line_bytes - across.kernel) // across.stride + 1
    band = min(across.outputs, lines_that_fit)
    zero_point = -call.param("in_offset") & 0xFF
    return call.replace(
        params=(
            ("channels", call.param("in_c")), ("multiplier", call.param("multiplier")),
            ("in_lines", across.inputs), ("in_n", along.inputs),
            ("in_pitch", across.in_step), ("in_step", along.in_step),
            ("out_lines", across.outputs), ("out_n", along.outputs),
            ("out_pitch", across.out_step), ("out_step", along.out_step),
            ("k_lines", across.kernel), ("k_n", along.kernel),
            ("stride_lines", across.stride), ("stride_n", along.stride),
            ("pad_lines", across.pad), ("pad_n", along.pad),
            ("band", band), ("plane_n", plane_n),
            ("zero_point", int(np.uint32(zero_point * 0x01010101).view(np.int32))),
            ("rounding", filters.rounding), ("out_offset", call.param("out_offset")),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        ),
        constants=(
            Constant("weights", np.ascontiguousarray(weights).reshape(-1)),
            Constant("requant", _table(filters.rows)),
        ),
        # taps in pairs read one value more than an odd window has
        scratch=line_bytes * ((band - 1) * across.stride + across.kernel) + 4,
    )  # fmt: skip


def _plain_depthwise(call: KernelCall) -> bool:
    return bool(call.param("dilation_h") == call.param("dilation_w") == 1)


def _depthwise_3x3(call: KernelCall) -> bool:
    if not _plain_depthwise(call) or (call.param("k_h"), call.param("k_w")) != (3, 3):
        return False
    along = _axes(call)[1]
    whole_range = (call.param("act_min"), call.param("act_max")) == (-128, 127)
    fast = _fit_taps(call).rounding != EXACT
    return fast and whole_range and along.stride <= 2 and along.outputs >= 2


def prepare_depthwise_3x3(call: KernelCall, budget: int) -> KernelCall:
    return _depthwise_call(call, lambda taps: taps[:, :, [0, 1, 1, 2]].astype(np.int8), budget)


def prepare_depthwise(call: KernelCall, budget: int) -> KernelCall:
    """Taps as int16 in pairs, a zero after an odd number."""
    return _depthwise_call(
        call, lambda taps: np.pad(taps, ((0, 0), (0, 0), (0, taps.shape[2] % 2))).astype(np.int16), budget
    )


# ---- addition (add_s8.h) ---------------------------------------------------------------------------------


def _slopes(call: KernelCall) -> Iterator[Slope]:
    """Slopes near the contract's real factors, finest first.

    Slightly steeper ones round ties away from zero.
    """
    a, b = real_factors(call)
    for shift in range(30, 15, -1):
        for steeper in (0, 2**-22, 2**-20, 2**-18, 2**-16):
            yield round(a * (1 + steeper) * 2**shift), round(b * (1 + steeper) * 2**shift), shift


def _fits_32_bits(form: Affine) -> bool:
    return form.largest_product + abs(form.rest) < 2**31 and 1 <= form.shift <= 31


@functools.lru_cache(maxsize=4096)
def _affine(kernel: str, quantization: Params) -> Affine | None:
    """An affine form that equals the contract for all pairs of inputs, if one was found."""
    call = KernelCall(kernel, quantization, (), ())
    return find_affine(call, _slopes(call), _fits_32_bits)


def is_flat_affine(call: KernelCall) -> bool:
    """Whether `prepare_add` can turn an addition or subtraction into one loop over all elements."""
    return (
        call.param("a_strides") == call.param("b_strides")
        and 0 not in _varying(call)
        and _affine(call.kernel, quantization_of(call)) is not None
    )


def _varying(call: KernelCall) -> list[int]:
    """Strides of the first input along dimensions with more than one element."""
    return [s for n, s in zip(call.param("dims"), call.param("a_strides"), strict=True) if n > 1]


def prepare_add(call: KernelCall) -> KernelCall:
    """The call with one affine form instead of the contract's three multipliers."""
    form = _affine(call.kernel, quantization_of(call))
    assert form is not None, "applies() has found it"
    return call.replace(
        params=(
            ("n", math.prod(call.param("dims"))),
            ("a_factor", form.a_factor), ("b_factor", form.b_factor),
            ("rest", form.rest), ("shift", form.shift),
            ("act_min", call.param("act_min")), ("act_max", call.param("act_max")),
        )
    )  # fmt: skip


# ---- pooling and mean ------------------------------------------------------------------------------------

_INT16_SUMS = 256  # int8 values whose sum always fits int16


def _small_window(call: KernelCall) -> bool:
    return bool(call.param("k_h") * call.param("k_w") <= _INT16_SUMS)


def _mean_of_pixels(call: KernelCall) -> bool:
    return bool(call.param("kept_strides")[1] == 1 and math.prod(call.param("reduced")) <= _INT16_SUMS)


def _ungrouped(call: KernelCall) -> bool:
    return bool(call.param("groups") == 1)


DSP_VARIANTS: tuple[Variant, ...] = (
    Variant(
        "conv2d_s8", "dsp_few_pixels", "dsp/fully_connected_s8.h", "dsp",
        applies=_few_pixels, prepare=prepare_few_pixels, rank=30, struct="mcugen_dsp_fully_connected_params",
        overlap=overlap.rows_copied,
    ),
    Variant(
        "conv2d_s8", "dsp_1x1", "dsp/conv2d_s8.h", "dsp",
        applies=_is_pointwise, prepare=prepare_pointwise, rank=20, struct="mcugen_dsp_1x1_params",
        overlap=overlap.product_tiles(_COLUMNS),
    ),
    Variant(
        "conv2d_s8", "dsp", "dsp/conv2d_s8.h", "dsp",
        applies=_ungrouped, prepare=prepare_window, rank=10, struct="mcugen_dsp_conv_params",
        overlap=overlap.convolution_tiles(_COLUMNS),
    ),
    Variant(
        "depthwise_conv2d_s8", "dsp_one_channel", "dsp/conv2d_s8.h", "dsp",
        applies=lambda call: bool(call.param("in_c") == 1), prepare=prepare_one_channel,
        rank=20, struct="mcugen_dsp_conv_params", overlap=overlap.convolution_tiles(_COLUMNS),
    ),
    *(
        Variant(
            "depthwise_conv2d_s8", name, "dsp/depthwise_conv2d_s8.h", "dsp",
            applies=applies, prepare=functools.partial(prepare, budget=budget), rank=rank + preferred,
            struct="mcugen_dsp_depthwise_params", overlap=overlap.bands_of_lines(_GROUP), levels=levels,
        )
        for name, applies, prepare, rank in (
            ("dsp_3x3", _depthwise_3x3, prepare_depthwise_3x3, 15),
            ("dsp", _plain_depthwise, prepare_depthwise, 10),
        )
        for budget, preferred, levels in ((_PLANE_BUDGET, 1, EVERY_LEVEL), (0, 0, RAM_ONLY))
    ),
    Variant(
        "fully_connected_s8", "dsp", "dsp/fully_connected_s8.h", "dsp",
        prepare=prepare_few_rows, rank=10, struct="mcugen_dsp_fully_connected_params",
        overlap=overlap.rows_copied,
    ),
    Variant(
        "fully_connected_s8", "dsp_direct", "dsp/fully_connected_s8.h", "dsp",
        applies=_whole_blocks, prepare=prepare_direct, rank=15, levels=NOT_FOR_SPEED,
        struct="mcugen_dsp_fully_connected_params", overlap=overlap.rows_in_groups(_outputs_of_quad),
    ),
    Variant(
        "fully_connected_s8", "dsp_rows", "dsp/conv2d_s8.h", "dsp",
        applies=lambda call: bool(call.param("rows") >= _COLUMNS), prepare=prepare_rows,
        rank=20, struct="mcugen_dsp_1x1_params", overlap=overlap.product_tiles(_COLUMNS),
    ),
    *(
        Variant(
            kernel, "dsp", "dsp/add_s8.h", "dsp",
            applies=is_flat_affine, prepare=prepare_add, rank=10, struct="mcugen_dsp_add_params",
            overlap=overlap.elementwise(1, 1, inputs=2),
        )
        for kernel in ("add_s8", "sub_s8")
    ),
    Variant(
        "average_pool_s8", "dsp", "dsp/pool_s8.h", "dsp",
        applies=_small_window, rank=10, overlap=overlap.pool(4, single_rest=True),
    ),
    Variant(
        "max_pool_s8", "dsp", "dsp/pool_s8.h", "dsp", rank=10, overlap=overlap.pool(4, single_rest=True)
    ),
    Variant(
        "mean_s8", "dsp", "dsp/mean_s8.h", "dsp",
        applies=_mean_of_pixels, rank=10, overlap=overlap.mean(4, single_rest=True),
    ),
)  # fmt: skip
