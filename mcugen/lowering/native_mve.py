"""Native kernel variants for cores with the MVE instructions: which calls they take, and their tables.

The layouts are those of ``firmware/kernels/mve``; the headers there describe them.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen import fixedpoint as fx
from mcugen.ir import Array
from mcugen.lowering import overlap
from mcugen.lowering.affine import Affine, Slope, find_affine, quantization_of, real_factors
from mcugen.lowering.call import Constant, KernelCall, ParamValue
from mcugen.lowering.variant import NOT_FOR_SPEED, RAM_ONLY, SPEED_ONLY, Optimize, Variant

IntArray: TypeAlias = NDArray[np.int64]

_LANES = 16
_BATCH_BYTES = 1024
_COPIED_BYTES = 1024
_LARGEST_BATCH = 16


# ---- requantization --------------------------------------------------------------------------------------


def rescale_is_exact(call: KernelCall) -> bool:
    """Whether requantization needs its exact form (mcugen_mve_rescale).

    The short form may be wrong in negative results only: those that a lower bound at the zero point or above clamps
    away.
    """
    return bool(call.param("act_min") < call.param("out_offset"))


def _no_left_shift(call: KernelCall) -> bool:
    """Whether all multipliers are below 1, as those of trained networks are."""
    return bool(call.constant("shift").max() <= 0)


def channel_rescale(call: KernelCall, channels: int) -> tuple[IntArray, IntArray]:
    """(multiplier, shift), one each per channel; a multiplier of 0 has the shift 0."""
    multiplier, shift = (
        np.broadcast_to(call.constant(role).astype(np.int64), (channels,)) for role in ("multiplier", "shift")
    )
    return multiplier, np.where(multiplier == 0, 0, shift)


def folded_bias(call: KernelCall, weights: IntArray) -> IntArray:
    """The bias with the input offset's share added; weights are [channels, all that an output sums over]."""
    return fx.wrap_int32(
        call.constant("bias").astype(np.int64) + call.param("in_offset") * weights.sum(axis=1)
    )


# ---- matrix products (matmul.h) --------------------------------------------------------------------------


def _group_order(channels: int) -> list[list[int]]:
    """The channels of each group of four filters, -1 where a group has none."""
    groups: list[list[int]] = []
    for first in range(0, channels, 8):
        numbers = [c if c < channels else -1 for c in range(first, first + 8)]
        groups += [numbers[:4]] if channels - first <= 4 else [numbers[0::2], numbers[1::2]]
    return groups


def _rows_in_order(values: IntArray, order: list[list[int]]) -> IntArray:
    """Rows of ``values`` as [group, 4, ...], zeros where a group has no channel."""
    with_zeros = np.concatenate([values, np.zeros((1, *values.shape[1:]), dtype=np.int64)])
    return np.asarray(with_zeros[np.array(order)])


def pack_filters(weights: IntArray, bias: IntArray) -> Array:
    """[channels, K] filters and their biases as matmul.h streams them."""
    channels, k = weights.shape
    blocks = -(-k // _LANES)
    order = _group_order(channels)
    padded = np.pad(weights, ((0, 0), (0, _LANES * blocks - k)))
    streamed = _rows_in_order(padded, order).reshape(len(order), 4, blocks, _LANES).swapaxes(1, 2)
    biases = np.ascontiguousarray(_rows_in_order(bias, order).astype("<i4")).view(np.int8)
    return np.concatenate([biases, streamed.astype(np.int8).reshape(len(order), -1)], axis=1).reshape(-1)


def pack_rescale(multiplier: IntArray, shift: IntArray) -> Array:
    """Multipliers and shifts per group of four channels."""
    order = _group_order(len(multiplier))
    pairs = np.stack([_rows_in_order(multiplier, order), _rows_in_order(shift, order)], axis=1)
    return pairs.reshape(-1).astype(np.int32)


def _matmul_call(call: KernelCall, weights: IntArray, scratch: int, **params: ParamValue) -> KernelCall:
    """The call with filters [channels, K] packed and the parameters ``blocks`` and ``exact`` added."""
    channels, k = weights.shape
    multiplier, shift = channel_rescale(call, channels)
    exact = int(rescale_is_exact(call))
    return call.with_params(blocks=-(-k // _LANES), exact=exact, **params).replace(
        constants=(
            Constant("weights", pack_filters(weights, folded_bias(call, weights))),
            Constant("rescale", pack_rescale(multiplier, shift)),
        ),
        scratch=scratch,
    )


def _weights(call: KernelCall) -> IntArray:
    return call.constant("weights").astype(np.int64)


def _whole_vectors(count: int) -> int:
    """``count`` rounded up to whole vectors of bytes."""
    return _LANES * -(-count // _LANES)


def _tail_scratch(k: int) -> int:
    """Bytes that mcugen_mve_matmul_dense needs for pixels of k values."""
    return _whole_vectors(k) + _LANES if k % _LANES else 0


# ---- convolutions ----------------------------------------------------------------------------------------


def _one_group(call: KernelCall) -> bool:
    return bool(call.param("groups") == 1) and _no_left_shift(call)


def _is_pointwise(call: KernelCall) -> bool:
    names = ("k_h", "k_w", "stride_h", "stride_w")
    no_padding = call.param("pad_top") == call.param("pad_left") == 0
    same_size = all(call.param(f"out_{d}") == call.param(f"in_{d}") for d in "hw")
    return _one_group(call) and all(call.param(n) == 1 for n in names) and no_padding and same_size


def _columns(call: KernelCall) -> int:
    """Columns of the padded input that a row of outputs reads."""
    reach = (call.param("k_w") - 1) * call.param("dilation_w") + 1
    return int((call.param("out_w") - 1) * call.param("stride_w") + reach)


def prepare_pointwise(call: KernelCall) -> KernelCall:
    weights = _weights(call).reshape(call.param("out_c"), -1)
    return _matmul_call(call, weights, _tail_scratch(weights.shape[1]), batch=1, pitch=0)


def prepare_copied_pixels(call: KernelCall) -> KernelCall:
    weights = _weights(call).reshape(call.param("out_c"), -1)
    k = weights.shape[1]
    batch = min(max(2, _COPIED_BYTES // k), _LARGEST_BATCH, call.param("out_h") * call.param("out_w"))
    return _matmul_call(call, weights, _whole_vectors(batch * k) + _LANES, batch=batch, pitch=0)


def _fits_band(call: KernelCall) -> bool:
    no_dilation = call.param("dilation_h") == call.param("dilation_w") == 1
    return _one_group(call) and no_dilation and call.param("in_c") % _LANES == 0


def prepare_band(call: KernelCall) -> KernelCall:
    columns = _columns(call)
    by_column = _weights(call).swapaxes(1, 2).reshape(call.param("out_c"), -1)
    return _matmul_call(call, by_column, columns * call.param("k_h") * call.param("in_c"), batch=1, pitch=0)


def prepare_windows(call: KernelCall) -> KernelCall:
    weights = _weights(call).reshape(call.param("out_c"), -1)
    k = weights.shape[1]
    run = call.param("in_c") * (call.param("k_w") if call.param("dilation_w") == 1 else 1)
    # The last run of a window is written in whole vectors.
    pitch = max(_whole_vectors(k), k - run + _whole_vectors(run))
    batch = min(max(2, _BATCH_BYTES // pitch), _LARGEST_BATCH, call.param("out_h") * call.param("out_w"))
    rows = call.param("k_h") * _columns(call) * call.param("in_c")
    return _matmul_call(call, weights, batch * pitch + rows + _LANES, batch=batch, pitch=pitch)


_CONV_STRUCT = "mcugen_conv2d_s8_mve_params"
_CONV_HEADER = "mve/conv2d_s8.h"

_CONVOLUTIONS = (
    Variant(
        "conv2d_s8",
        "mve_1x1",
        _CONV_HEADER,
        "mve",
        _is_pointwise,
        prepare_pointwise,
        rank=102,
        struct=_CONV_STRUCT,
        overlap=overlap.pointwise_runs,
    ),
    Variant(
        "conv2d_s8",
        "mve_1x1_copied",
        _CONV_HEADER,
        "mve",
        _is_pointwise,
        prepare_copied_pixels,
        rank=103,
        struct=_CONV_STRUCT,
        levels=NOT_FOR_SPEED,
        overlap=overlap.convolution_batches,
    ),
    *(
        Variant(
            "conv2d_s8",
            name,
            _CONV_HEADER,
            "mve",
            applies,
            prepare,
            rank=rank,
            struct=_CONV_STRUCT,
            overlap=overlap.convolution_rows,
        )
        for name, applies, prepare, rank in (
            ("mve_band", _fits_band, prepare_band, 101),
            ("mve", _one_group, prepare_windows, 100),
        )
    ),
)


# ---- fully connected -------------------------------------------------------------------------------------


def prepare_fully_connected(call: KernelCall) -> KernelCall:
    return _matmul_call(call, _weights(call), _tail_scratch(call.param("in_n")))


_FULLY_CONNECTED = (
    Variant(
        "fully_connected_s8",
        "mve",
        "mve/fully_connected_s8.h",
        "mve",
        _no_left_shift,
        prepare_fully_connected,
        rank=100,
        struct="mcugen_fully_connected_s8_mve_params",
        overlap=overlap.row_runs,
    ),
)


# ---- depthwise -------------------------------------------------------------------------------------------

_QUAD = 4
_CUT_COLUMNS = 16  # of a row that is cut


@dataclass(frozen=True)
class Memory:
    """What a depthwise convolution may take.

    band_bytes: for the words of all bands that are in memory together, if they are more than one row.
    uneven_row_bytes: for the words of one row of all channels, if these are no multiple of 16.
    frugal:     outputs take the place of inputs where interleaving ahead makes it possible, and long rows are cut.
    """

    band_bytes: int
    uneven_row_bytes: int
    frugal: bool


_AMPLE = Memory(4096, 65536, frugal=False)
_FRUGAL = Memory(2048, 20480, frugal=True)
_LEAST = Memory(0, 0, frugal=True)


def _word_columns(call: KernelCall, columns: int) -> IntArray:
    """Columns from a window's first word to each of its words: [quad of rows, column]."""
    quads = np.arange(-(-call.param("k_h") // _QUAD))[:, None] * columns
    within = np.arange(call.param("k_w"))[None, :] * call.param("dilation_w")
    return np.asarray(quads + within)


def _taps_by_word(weights: IntArray) -> IntArray:
    """[k_h, k_w, channels] weights as [channels, quads * k_w, 4 rows], zeros below the window."""
    k_h, k_w, channels = weights.shape
    quads = -(-k_h // _QUAD)
    padded = np.pad(weights, ((0, quads * _QUAD - k_h), (0, 0), (0, 0)))
    by_word = padded.reshape(quads, _QUAD, k_w, channels).transpose(3, 0, 2, 1)
    return np.asarray(by_word.reshape(channels, quads * k_w, _QUAD))


def _depthwise_weights(call: KernelCall) -> IntArray:
    return _weights(call).reshape(call.param("k_h"), call.param("k_w"), call.param("out_c"))


def _with_rescale(call: KernelCall, taps: IntArray) -> Constant:
    """[channels, bytes] taps, each channel's followed by its int32 bias, multiplier and shift."""
    channels = call.param("out_c")
    multiplier, shift = channel_rescale(call, channels)
    bias = folded_bias(call, _depthwise_weights(call).reshape(-1, channels).T)
    rows = np.stack([bias, multiplier, np.where(multiplier == 0, -1, shift)], axis=1).astype("<i4")
    filters = np.concatenate([taps.astype(np.int8), rows.view(np.int8)], axis=1)
    return Constant("weights", filters.reshape(-1))


def _exactness(call: KernelCall) -> int:
    """The parameter ``exact``."""
    some_shift_is_0 = bool(call.constant("shift")[call.constant("multiplier") != 0].max(initial=-1) >= 0)
    return (2 if some_shift_is_0 else 1) if rescale_is_exact(call) else 0


@dataclass(frozen=True)
class _Words:
    """The words of a band: ``row`` of them per channel for each of ``rows`` rows, ``columns`` in a quad."""

    row: int
    rows: int
    columns: int


def _depth(call: KernelCall, words: _Words, memory: Memory) -> int:
    """Channels interleaved at a time: as many as fit the memory, in multiples of 16, or all.

    All are interleaved faster than a number that is no multiple of 16, as long as one row of them fits.
    """
    in_c, row_bytes = int(call.param("in_c")), 4 * words.row
    if in_c < _LANES or (in_c % _LANES and in_c * row_bytes <= memory.uneven_row_bytes):
        return in_c
    groups = range(_LANES, in_c + 1, _LANES)
    even = [d for d in groups if in_c % d == 0] if in_c % _LANES == 0 else groups
    return max((d for d in even if d * row_bytes * words.rows <= memory.band_bytes), default=_LANES)


def _depthwise_call(
    call: KernelCall, filters: Constant, words: _Words, memory: Memory, blocks: int, shifted: int
) -> KernelCall:
    depth = _depth(call, words, memory)
    row_bytes = 4 * words.row * depth
    in_pitch, out_pitch = _pitches(call)
    cut = in_pitch < call.param("in_w") * call.param("in_c")
    # Interleaving ahead pays where the output has the input's size.
    same = call.param("stride_h") == call.param("multiplier") == 1 and call.param("pad_top") > 0
    several = row_bytes * words.rows > memory.band_bytes >= 2 * row_bytes
    ahead = int(memory.frugal and same and several)
    fits = 1 if cut else memory.band_bytes // (1 + ahead) // row_bytes
    band = max(1, min(words.rows, fits))
    return call.with_params(
        columns=words.columns, blocks=blocks, exact=_exactness(call), shifted=shifted, depth=depth, band=band,
        ahead=ahead, in_pitch=in_pitch, out_pitch=out_pitch,
    ).replace(
        constants=(filters,),
        scratch=(1 + ahead) * (band * row_bytes + (64 if depth % _LANES else 0)),
    )  # fmt: skip


def _pitches(call: KernelCall) -> tuple[int, int]:
    """Bytes from row to row of the input and of the output: those that are set, or whole rows."""
    whole = tuple(
        (f"{side}_pitch", call.param(f"{side}_w") * call.param(f"{side}_c")) for side in ("in", "out")
    )
    given = call.replace(params=(*whole, *call.params))
    return given.param("in_pitch"), given.param("out_pitch")


def _windows_call(
    call: KernelCall, taps: IntArray, word_columns: IntArray, columns: int, memory: Memory, shifted: int
) -> KernelCall:
    """taps: [channels, words, 4]; word_columns: where the words are."""
    blocks = -(-len(word_columns) // _QUAD)
    missing = _QUAD * blocks - len(word_columns)
    padded = np.pad(taps, ((0, 0), (0, missing), (0, 0)))
    filters = _with_rescale(call, padded.reshape(len(taps), -1))
    needed = _Words(-(-call.param("k_h") // _QUAD) * columns, call.param("out_h"), columns)
    prepared = _depthwise_call(call, filters, needed, memory, blocks, shifted)
    words = 4 * prepared.param("depth") * np.pad(word_columns, (0, missing))
    return prepared.replace(constants=(filters, Constant("words", words.astype(np.int32))))


def prepare_depthwise(call: KernelCall, memory: Memory) -> KernelCall:
    columns = _columns(call)
    taps = _taps_by_word(_depthwise_weights(call))
    return _windows_call(call, taps, _word_columns(call, columns).reshape(-1), columns, memory, shifted=0)


def _along_rows(call: KernelCall) -> KernelCall:
    """A window of one column on an image of one column as a window of one row: the same bytes."""
    if call.param("k_h") == 1:
        return call
    names = ("in", "out", "k", "stride", "dilation")
    turned = {f"{n}_{a}": call.param(f"{n}_{b}") for n in names for a, b in ("hw", "wh")}
    turned |= {"pad_top": call.param("pad_left"), "pad_left": call.param("pad_top")}
    weights = call.constant("weights").reshape(1, 1, -1, call.param("out_c"))
    return call.with_params(**turned).with_constants(weights=weights)


def _fits_row_windows(call: KernelCall) -> bool:
    """Windows of one row, or of one column on an image of one column."""
    column = (
        call.param("k_w") == call.param("in_w") == call.param("out_w") == 1 and call.param("pad_left") == 0
    )
    return _no_left_shift(call) and (call.param("k_h") == 1 or column)


def prepare_row_windows(call: KernelCall, memory: Memory) -> KernelCall:
    row = _along_rows(call)
    taps = _taps_by_word(_depthwise_weights(row).swapaxes(0, 1))
    dilation = row.param("dilation_w")
    reach = (taps.shape[1] - 1) * _QUAD * dilation + 1
    row = _cut_row(row, reach) if memory.frugal else row
    columns = int((row.param("out_w") - 1) * row.param("stride_w") + reach)
    return _windows_call(row, taps, _QUAD * dilation * np.arange(taps.shape[1]), columns, memory, shifted=1)


def _cut_row(call: KernelCall, reach: int) -> KernelCall:
    """An image of one row without padding as one of several shorter rows. reach: columns for one output.

    Neighbouring rows share inputs, and outputs too where these do not come out even: each has the same number.
    """
    out_w, stride = call.param("out_w"), call.param("stride_w")
    window = (call.param("k_w") - 1) * call.param("dilation_w") + 1
    fits = max(_QUAD, (_CUT_COLUMNS - reach) // stride + 1)
    padded = call.param("pad_left") > 0 or (out_w - 1) * stride + window > call.param("in_w")
    if padded or call.param("in_h") > 1 or call.param("pad_top") > 0 or out_w <= fits:
        return call
    cuts = [(width, -(-out_w // width)) for width in range(_QUAD, fits + 1)]
    even = [(width, parts) for width, parts in cuts if (out_w - width) % (parts - 1) == 0]
    if not even:
        return call
    least = min(_effort(*cut) for cut in even)
    width, parts = next(cut for cut in even if _effort(*cut) <= 1.25 * least)
    step = (out_w - width) // (parts - 1)
    return call.with_params(
        in_h=parts, in_w=(width - 1) * stride + window, out_h=parts, out_w=width, stride_h=1,
        in_pitch=step * stride * call.param("in_c"), out_pitch=step * call.param("out_c"),
    )  # fmt: skip


def _effort(width: int, parts: int) -> int:
    """Tiles, and loops over tiles, which take about as many instructions as one, of a row in equal parts."""
    return parts * (-(-width // _QUAD) + (2 if width % _QUAD else 1))


def _fits_tiles(call: KernelCall) -> bool:
    window = all(call.param(n) == 3 for n in ("k_h", "k_w"))
    steps = all(call.param(n) == 1 for n in ("stride_h", "stride_w", "dilation_h", "dilation_w"))
    large = min(call.param("out_h"), call.param("out_w")) >= 2
    return _no_left_shift(call) and _exactness(call) < 2 and window and steps and large


def prepare_tiles(call: KernelCall, memory: Memory) -> KernelCall:
    taps = np.pad(_taps_by_word(_depthwise_weights(call)), ((0, 0), (1, 1), (0, 0)))
    filters = _with_rescale(call, taps.reshape(len(taps), -1))
    columns = _columns(call)
    words = _Words(columns, call.param("out_h") // 2, columns)
    return _depthwise_call(call, filters, words, memory, blocks=1, shifted=0)


def _fits_one_channel(call: KernelCall) -> bool:
    """One input channel, and enough filters for a matrix product."""
    return bool(_no_left_shift(call) and call.param("in_c") == 1 and call.param("out_c") >= 4)


def prepare_one_channel(call: KernelCall) -> KernelCall:
    params = tuple((name, value) for name, value in call.params if name != "multiplier")
    by_channel = np.moveaxis(_depthwise_weights(call), -1, 0)[..., None]
    convolution = call.replace(params=(*params, ("groups", 1))).with_constants(weights=by_channel)
    return prepare_windows(convolution)


_DEPTHWISE_STRUCT = "mcugen_depthwise_conv2d_s8_mve_params"
_DEPTHWISE_HEADER = "mve/depthwise_conv2d_s8.h"


def _fills_tiles(call: KernelCall) -> bool:
    """Rows long enough for tiles of four outputs; of shorter ones most of what is computed is lost."""
    return _no_left_shift(call) and bool(call.param("out_w") >= _QUAD)


def interleaving_variants(
    memory: Memory, levels: frozenset[Optimize], preferred: bool = True
) -> tuple[Variant, ...]:
    """The depthwise convolutions that interleave rows, within the given memory."""
    general = _no_left_shift if preferred else _fills_tiles
    return tuple(
        Variant(
            "depthwise_conv2d_s8",
            name,
            _DEPTHWISE_HEADER,
            "mve",
            applies,
            functools.partial(prepare, memory=memory),
            rank if preferred else rank - 10,
            _DEPTHWISE_STRUCT,
            levels=levels,
            overlap=overlap.bands_of_rows(lines),
        )
        for name, applies, prepare, rank, lines in (
            ("mve", general, prepare_depthwise, 100, 1),
            ("mve_row", _fits_row_windows, prepare_row_windows, 101, 1),
            ("mve_3x3", _fits_tiles, prepare_tiles, 102, 2),
        )
    )


_DEPTHWISE = (
    *interleaving_variants(_FRUGAL, NOT_FOR_SPEED),
    *interleaving_variants(_AMPLE, SPEED_ONLY),
    *interleaving_variants(_LEAST, RAM_ONLY, preferred=False),
    Variant(
        "depthwise_conv2d_s8",
        "mve_one_channel",
        _CONV_HEADER,
        "mve",
        _fits_one_channel,
        prepare_one_channel,
        rank=103,
        struct=_CONV_STRUCT,
        overlap=overlap.convolution_rows,
    ),
)


# ---- element-wise ----------------------------------------------------------------------------------------

_LINEAR_BITS = 22
_HALF = 1 << (_LINEAR_BITS - 1)
_REACH = 4


@dataclass(frozen=True)
class Linear:
    """``y = clamp((a * a_factor + b * b_factor + constant + 2**21) >> 22)`` with sums that fit 32 bits."""

    a_factor: int
    b_factor: int
    constant: int


def _is_flat(call: KernelCall) -> bool:
    """Whether both inputs have the shape of the output."""
    return all(call.param(f"{x}_strides")[3] == 1 and call.param("dims")[:3] == (1, 1, 1) for x in "ab")


def _slopes(call: KernelCall) -> Iterator[Slope]:
    """Slopes near the contract's real factors, nearest first."""
    real = real_factors(call)
    if max(map(abs, real)) >= 4:
        return
    first, second = (fx.round_half_away(factor * 2**_LINEAR_BITS) for factor in real)
    nearby = sorted(
        itertools.product(range(-_REACH, _REACH + 1), repeat=2), key=lambda d: d[0] ** 2 + d[1] ** 2
    )
    for step_a, step_b in nearby:
        yield first + step_a, second + step_b, _LINEAR_BITS


def _fits_lanes(form: Affine) -> bool:
    """Whether sums fit before the shift, which rounds without carrying."""
    return form.largest_product + abs(form.rest - _HALF) <= fx.INT32_MAX


@functools.lru_cache(maxsize=4096)
def _find_linear(kernel: str, quantization: tuple[tuple[str, ParamValue], ...]) -> Linear | None:
    """Factors near the real ones for which the linear form equals the double rounding for every pair of inputs."""
    call = KernelCall(kernel, quantization, (), ())
    form = find_affine(call, _slopes(call), _fits_lanes)
    return None if form is None else Linear(form.a_factor, form.b_factor, form.rest - _HALF)


def _linear(call: KernelCall) -> Linear | None:
    return _find_linear(call.kernel, quantization_of(call))


def _is_linear(call: KernelCall) -> bool:
    return _is_flat(call) and _linear(call) is not None


def prepare_linear(call: KernelCall) -> KernelCall:
    linear = _linear(call)
    assert linear is not None, "applies says so"
    return call.with_params(**dataclasses.asdict(linear))


_ELEMENTWISE_HEADER = "mve/elementwise_s8.h"

_ELEMENTWISE = (
    *(
        Variant(
            kernel, "mve_linear", _ELEMENTWISE_HEADER, "mve", _is_linear, prepare_linear,
            rank=101, struct=f"mcugen_{kernel}_mve_linear_params", overlap=overlap.broadcast,
        )
        for kernel in ("add_s8", "sub_s8")
    ),
    *(
        Variant(kernel, "mve", _ELEMENTWISE_HEADER, "mve", _is_flat, rank=100, overlap=overlap.broadcast)
        for kernel in ("add_s8", "sub_s8", "mul_s8")
    ),
    Variant(
        "table_8", "mve", _ELEMENTWISE_HEADER, "mve", rank=100, overlap=overlap.elementwise(1, 1)
    ),
)  # fmt: skip


# ---- pooling ---------------------------------------------------------------------------------------------

# See mcugen_mve_divide.
_LARGEST_AVERAGE = 4087


def _average_fits(call: KernelCall) -> bool:
    return bool(call.param("k_h") * call.param("k_w") <= _LARGEST_AVERAGE)


def _keeps_channels(call: KernelCall) -> bool:
    return bool(call.param("kept_strides")[1] == 1)


_POOL_HEADER = "mve/pool_s8.h"

_POOLS = (
    Variant("average_pool_s8", "mve", _POOL_HEADER, "mve", _average_fits, rank=100, overlap=overlap.pool(8)),
    Variant("max_pool_s8", "mve", _POOL_HEADER, "mve", rank=100, overlap=overlap.pool(16)),
    Variant("mean_s8", "mve", _POOL_HEADER, "mve", _keeps_channels, rank=100, overlap=overlap.mean(8)),
)


MVE_VARIANTS: tuple[Variant, ...] = (*_CONVOLUTIONS, *_FULLY_CONNECTED, *_DEPTHWISE, *_ELEMENTWISE, *_POOLS)
