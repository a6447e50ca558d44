"""How far a kernel's output may reach into its input: the declared, tested property ``Variant.overlap``.

A kernel is described as a walk: a sequence of parts, each of which reads all it needs before it writes. Its outputs
may destroy only what no later part reads. With w(p) the end of the outputs written up to part p and r(p) the first
input byte that a later part reads, the output is safe if it starts at least max(w(p) - r(p)) bytes before the input.

Kernels that go through the channels in the outer loop do not fit this: the first channels of the last pixel are
written before the last channels of the first one are read. But if input and output have the same number of channels
and lie a multiple of it apart, each channel only ever destroys itself, so that its own walk is all that counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mcugen.lowering.call import KernelCall

IntArray: TypeAlias = NDArray[np.int64]

NEVER = 1 << 40
"""The first byte that a part reads when it reads none."""


@dataclass(frozen=True)
class Sharing:
    """Where the output may start although it shares bytes with an input that nobody needs afterwards.

    distance: the output starts at least so many bytes before the input (negative: at most that far after it).
    input:    which of the call's inputs.
    step:     the bytes between the two starts must be a multiple of it.
    """

    distance: int
    input: int = 0
    step: int = 1


OverlapRule: TypeAlias = Callable[[KernelCall], tuple[Sharing, ...]]


def apart(call: KernelCall) -> tuple[Sharing, ...]:
    """Input and output must not share bytes."""
    return ()


def safe_distance(first_read: IntArray, written: IntArray, input_bytes: int) -> int:
    """The distance of a walk.

    first_read: per part, the first input byte that it reads, or NEVER; written: the end of the output bytes that it
    writes. Not below ``-input_bytes``: from there on the output lies behind the input.
    """
    needed = np.minimum.accumulate(first_read[::-1])[::-1]
    done = np.maximum.accumulate(written)
    return int(max((done[:-1] - needed[1:]).max(initial=-NEVER), -input_bytes))


# ---- element-wise ----------------------------------------------------------------------------------------


def elementwise(in_bytes: int, out_bytes: int, inputs: int = 1) -> OverlapRule:
    """``n`` elements one after the other, of these sizes; several may be read before they are written."""

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        distance = max(out_bytes - in_bytes, (out_bytes - in_bytes) * (call.param("n") - 1))
        return tuple(Sharing(distance, i) for i in range(inputs))

    return rule


def softmax(out_bytes: int) -> OverlapRule:
    """Rows are read twice before they are replaced element by element."""

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        elements = call.param("rows") * call.param("depth")
        return (Sharing((out_bytes - 1) * (elements - 1)),)

    return rule


def _elements(first: int, dims: Sequence[int], strides: Sequence[int]) -> IntArray:
    """Where the elements of a strided walk are, in its order."""
    at = np.array([first], dtype=np.int64)
    for n, stride in zip(dims, strides, strict=True):
        at = (at[:, None] + stride * np.arange(n, dtype=np.int64)).reshape(-1)
    return at


def _in_order(reads: IntArray, element_bytes: int = 1) -> int:
    """The distance when output i is made of the input element reads[i], or of none if that is NEVER."""
    end = (int(reads[reads < NEVER].max(initial=0)) + 1) * element_bytes
    written = (np.arange(len(reads), dtype=np.int64) + 1) * element_bytes
    return safe_distance(np.where(reads < NEVER, reads * element_bytes, NEVER), written, end)


def broadcast(call: KernelCall) -> tuple[Sharing, ...]:
    """Two inputs with strides, an output in order."""
    return tuple(
        Sharing(_in_order(_elements(0, call.param("dims"), call.param(f"{name}_strides"))), i)
        for i, name in enumerate("ab")
    )


def gather(call: KernelCall) -> tuple[Sharing, ...]:
    """Strided reads, an output in order."""
    reads = _elements(call.param("first"), call.param("dims"), call.param("strides"))
    return (Sharing(_in_order(reads, call.param("element_size"))),)


def padding(call: KernelCall) -> tuple[Sharing, ...]:
    """The input in order, with constants between."""
    reads = np.full(call.param("out_dims"), NEVER, dtype=np.int64)
    inside = tuple(
        slice(before, before + n)
        for before, n in zip(call.param("before"), call.param("in_dims"), strict=True)
    )
    shape = reads[inside].shape
    reads[inside] = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    return (Sharing(_in_order(reads.reshape(-1), call.param("element_size"))),)


def all_read_first(call: KernelCall) -> tuple[Sharing, ...]:
    """``batch`` rows of ``in_n`` are all read before the first output is written."""
    return (Sharing(-call.param("batch") * call.param("in_n")),)


# ---- windows ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    inputs: int
    outputs: int
    kernel: int
    stride: int
    pad: int
    dilation: int

    def first_inside(self) -> IntArray:
        """Per output the first input that its window sees, NEVER if there is none."""
        start = np.arange(self.outputs, dtype=np.int64) * self.stride - self.pad
        tap = np.maximum(0, -(start // self.dilation))
        first = start + tap * self.dilation
        return np.where((tap < self.kernel) & (first < self.inputs), first, NEVER)


def _axis(call: KernelCall, d: str, pad: str) -> _Axis:
    names = dict(call.params)
    return _Axis(
        call.param(f"in_{d}"), call.param(f"out_{d}"), call.param(f"k_{d}"), call.param(f"stride_{d}"),
        call.param(pad), int(names.get(f"dilation_{d}", 1)),  # type: ignore[arg-type]
    )  # fmt: skip


def _rows(call: KernelCall) -> _Axis:
    return _axis(call, "h", "pad_top")


def _columns(call: KernelCall) -> _Axis:
    return _axis(call, "w", "pad_left")


def _windows(call: KernelCall) -> IntArray:
    """Per output pixel the first input pixel that its window sees, NEVER if there is none."""
    rows, columns = _rows(call).first_inside()[:, None], _columns(call).first_inside()[None, :]
    at = np.where((rows < NEVER) & (columns < NEVER), rows * call.param("in_w") + columns, NEVER)
    return at.reshape(-1)


def _image_bytes(call: KernelCall) -> int:
    return int(call.param("in_h") * call.param("in_w") * call.param("in_c"))


def _in_bytes(pixels: IntArray, channels: int, first: int = 0) -> IntArray:
    """Where channel ``first`` of pixels is."""
    return np.where(pixels < NEVER, pixels * channels + first, NEVER)


def _tiles(first_pixels: IntArray, tile: int, again: bool) -> tuple[IntArray, IntArray]:
    """(first input pixel read, end of the output pixels written) of tiles of neighbouring output pixels.

    again: the last tile moves back to be whole, and computes some pixels once more.
    """
    pixels = len(first_pixels)
    starts = np.arange(0, pixels, tile)
    if again and pixels >= tile:
        starts = np.minimum(starts, pixels - tile)
    reads = np.array([first_pixels[s : s + tile].min() for s in starts], dtype=np.int64)
    return reads, np.minimum(starts + tile, pixels)


def convolution_tiles(tile: int, again: bool = False) -> OverlapRule:
    """All inputs of ``tile`` output pixels are read before their outputs are written."""

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        reads, ends = _tiles(_windows(call), tile, again)
        first = _in_bytes(reads, call.param("in_c"))
        return (Sharing(safe_distance(first, ends * call.param("out_c"), _image_bytes(call))),)

    return rule


def convolution_batches(call: KernelCall) -> tuple[Sharing, ...]:
    """``batch`` pixels at a time are copied before their outputs are written."""
    return convolution_tiles(call.param("batch"))(call)


def convolution_rows(call: KernelCall) -> tuple[Sharing, ...]:
    """The input rows of a row of outputs are copied; then its outputs are written, in batches of ``batch`` pixels
    that may wait for the next row."""
    first = _rows(call).first_inside()
    ends = np.arange(1, len(first) + 1, dtype=np.int64) * call.param("out_w")
    ends[:-1] -= ends[:-1] % call.param("batch")
    reads = _in_bytes(first, call.param("in_w") * call.param("in_c"))
    return (Sharing(safe_distance(reads, ends * call.param("out_c"), _image_bytes(call))),)


def convolution_channels(call: KernelCall) -> tuple[Sharing, ...]:
    """Pixel by pixel, channel by channel, and each reads the window of its group."""
    in_c, out_c, groups = call.param("in_c"), call.param("out_c"), call.param("groups")
    channel = np.arange(out_c, dtype=np.int64)
    return (_channel_by_channel(call, channel // (out_c // groups) * (in_c // groups), channel + 1),)


def depthwise_channels(call: KernelCall) -> tuple[Sharing, ...]:
    """Pixel by pixel, channel by channel."""
    channel = np.arange(call.param("out_c"), dtype=np.int64)
    return (_channel_by_channel(call, channel // call.param("multiplier"), channel + 1),)


def pool(at_a_time: int, single_rest: bool = False) -> OverlapRule:
    """Pixel by pixel, so many channels at a time; of fewer that are left, all or one at a time."""

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        return (_channel_by_channel(call, *_channel_parts(call.param("in_c"), at_a_time, single_rest)),)

    return rule


def _channel_parts(channels: int, at_a_time: int, single_rest: bool) -> tuple[IntArray, IntArray]:
    """First and end of the channels of each part."""
    whole = channels // at_a_time * at_a_time
    rest = np.arange(whole, channels, 1 if single_rest else at_a_time, dtype=np.int64)
    first = np.concatenate([np.arange(0, whole, at_a_time, dtype=np.int64), rest])
    return first, np.append(first[1:], channels)


def _channel_by_channel(call: KernelCall, first: IntArray, ends: IntArray) -> Sharing:
    """first, ends: per part of a pixel the first input channel read, and the end of the output channels written."""
    pixels = _windows(call)[:, None]
    reads = np.where(pixels < NEVER, pixels * call.param("in_c") + first[None, :], NEVER)
    written = np.arange(len(pixels), dtype=np.int64)[:, None] * call.param("out_c") + ends[None, :]
    return Sharing(safe_distance(reads.reshape(-1), written.reshape(-1), _image_bytes(call)))


def mean(at_a_time: int, single_rest: bool = False) -> OverlapRule:
    """One after the other, ``at_a_time`` neighbours of the inner run of means together."""

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        outer, inner = call.param("kept")
        means = _elements(0, call.param("kept"), call.param("kept_strides")).reshape(outer, inner)
        first, ends = _channel_parts(inner, at_a_time, single_rest)
        written = np.arange(outer, dtype=np.int64)[:, None] * inner + ends[None, :]
        reach = [
            (n - 1) * s for n, s in zip(call.param("reduced"), call.param("reduced_strides"), strict=True)
        ]
        size = int(means.max()) + sum(reach) + 1
        return (Sharing(safe_distance(means[:, first].reshape(-1), written.reshape(-1), size)),)

    return rule


# ---- matrix products -------------------------------------------------------------------------------------


def product_tiles(tile: int) -> OverlapRule:
    """``pixels`` of ``channels`` values, ``tile`` at a time: all are read before their outputs are written."""

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        pixels, channels = call.param("pixels"), call.param("channels")
        reads, ends = _tiles(np.arange(pixels, dtype=np.int64), tile, again=False)
        return (Sharing(safe_distance(reads * channels, ends * call.param("out_c"), pixels * channels)),)

    return rule


def rows_copied(call: KernelCall) -> tuple[Sharing, ...]:
    """Row by row: each is copied before its outputs are written."""
    rows, in_n = call.param("rows"), call.param("in_n")
    row = np.arange(rows, dtype=np.int64)
    return (Sharing(safe_distance(row * in_n, (row + 1) * call.param("out_n"), rows * in_n)),)


def rows_in_groups(group: Callable[[KernelCall], int]) -> OverlapRule:
    """Row by row: each is read once more for every ``group`` outputs."""

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        rows, in_n, out_n = call.param("rows"), call.param("in_n"), call.param("out_n")
        ends = _repeated_reads(out_n, group(call))
        row = np.arange(rows, dtype=np.int64)[:, None]
        reads = np.broadcast_to(row * in_n, (rows, len(ends)))
        distance = safe_distance(reads.reshape(-1), (row * out_n + ends).reshape(-1), rows * in_n)
        return (Sharing(distance),)

    return rule


def _repeated_reads(outputs: int, group: int) -> IntArray:
    """Ends of the outputs before the last group, and of all: until then the same inputs are read."""
    before = (outputs - 1) // group * group
    return np.array([before, outputs] if before else [outputs], dtype=np.int64)


def runs_of_16(pixels: int, in_c: int, out_c: int) -> tuple[Sharing, ...]:
    """mcugen_mve_matmul_dense: runs of 16 pixels, each read once for every eight channels.

    Of pixels whose size is no multiple of 16, the last ones are copied before their outputs are written.
    """
    excess = -in_c % 16
    last = min(-(-excess // in_c), pixels)
    starts = np.arange(0, pixels - last, 16, dtype=np.int64)
    ends = np.minimum(starts + 16, pixels - last)
    parts = _repeated_reads(out_c, 8)
    unfinished = out_c - parts
    reads = np.broadcast_to((starts * in_c)[:, None], (len(starts), len(parts))).reshape(-1)
    written = (ends[:, None] * out_c - unfinished[None, :]).reshape(-1)
    if last:
        reads = np.append(reads, (pixels - last) * in_c)
        written = np.append(written, pixels * out_c)
    return (Sharing(safe_distance(reads, written, pixels * in_c)),)


def pointwise_runs(call: KernelCall) -> tuple[Sharing, ...]:
    """A pointwise convolution with mcugen_mve_matmul_dense."""
    return runs_of_16(call.param("out_h") * call.param("out_w"), call.param("in_c"), call.param("out_c"))


def row_runs(call: KernelCall) -> tuple[Sharing, ...]:
    """A fully connected layer with mcugen_mve_matmul_dense."""
    return runs_of_16(call.param("rows"), call.param("in_n"), call.param("out_n"))


# ---- depthwise convolutions in bands ---------------------------------------------------------------------


@dataclass(frozen=True)
class Channels:
    """``count`` input channels, each giving ``multiplier`` of the output, ``group`` of them at a time.

    outermost: bands are gone through for one group after the other, not groups for one band after the other.
    """

    count: int
    multiplier: int
    group: int
    outermost: bool = False


def in_bands(reads: IntArray, written: IntArray, input_bytes: int, channels: Channels) -> tuple[Sharing, ...]:
    """What bands of lines allow: any place far enough ahead, and nearer ones that keep channels apart.

    reads: per band the first input byte of channel 0 that it reads, or NEVER; written: the end of its outputs.
    """
    first = np.arange(0, channels.count, channels.group, dtype=np.int64)
    missing = np.maximum(channels.count - first - channels.group, 0) * channels.multiplier
    by_group = np.where(reads[:, None] < NEVER, reads[:, None] + first[None, :], NEVER)
    ends = written[:, None] - missing[None, :]
    if channels.outermost:
        by_group, ends = by_group.T, ends.T
    distance = safe_distance(by_group.reshape(-1), ends.reshape(-1), input_bytes)
    everywhere = (Sharing(distance),) if distance < written.max() else ()
    if len(first) == 1 or channels.multiplier > 1:
        return everywhere
    own = safe_distance(reads, written, input_bytes)
    return (*everywhere, Sharing(own, step=channels.count))


def bands_of_rows(lines: int) -> OverlapRule:
    """Bands of ``band`` times ``lines`` rows, for ``depth`` channels at a time.

    If fewer than ``lines`` rows are left, the last ones are computed once more. With ``ahead``, a band is read before
    the outputs of the one before it are written.
    """

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        first = _rows(call).first_inside()
        starts, ends = _bands_of(call.param("out_h"), call.param("band"), lines)
        reads = np.array([first[s:e].min() for s, e in zip(starts, ends, strict=True)], dtype=np.int64)
        if call.param("ahead"):
            reads = np.append([reads[:2].min()], np.append(reads[2:], NEVER)[: len(reads) - 1])
        row_bytes = call.param("out_w") * call.param("out_c")
        written = (np.array(ends, dtype=np.int64) - 1) * call.param("out_pitch") + row_bytes
        size = (call.param("in_h") - 1) * call.param("in_pitch") + call.param("in_w") * call.param("in_c")
        channels = Channels(call.param("in_c"), call.param("multiplier"), call.param("depth"), outermost=True)
        return in_bands(_in_bytes(reads, call.param("in_pitch")), written, size, channels)

    return rule


def _bands_of(rows: int, band: int, lines: int) -> tuple[list[int], list[int]]:
    """Starts and ends of the bands."""
    starts: list[int] = []
    ends = [0]
    while ends[-1] < rows:
        starts.append(min(ends[-1], rows - lines))
        ends.append(starts[-1] + lines * min(band, (rows - starts[-1]) // lines))
    return starts, ends[1:]


def bands_of_lines(group: int, together: int = 1) -> OverlapRule:
    """Bands of ``band`` lines of outputs, rows or columns of the image; ``group`` channels at a time.

    together: bands that are read at a time. Several are all whole: the last ones move up, and compute some lines
    once more.
    """

    def rule(call: KernelCall) -> tuple[Sharing, ...]:
        lines = _Axis(
            call.param("in_lines"), call.param("out_lines"), call.param("k_lines"),
            call.param("stride_lines"), call.param("pad_lines"), 1,
        )  # fmt: skip
        first = lines.first_inside()
        starts = np.arange(0, lines.outputs, together * call.param("band"), dtype=np.int64)
        ends = np.minimum(starts + together * call.param("band"), lines.outputs)
        if together > 1:
            starts = np.minimum(starts, lines.outputs - call.param("band"))
        reads = np.array([first[s:e].min() for s, e in zip(starts, ends, strict=True)], dtype=np.int64)
        multiplier = _multiplier(call)
        last_pixel = (call.param("out_n") - 1) * call.param("out_step")
        written = (ends - 1) * call.param("out_pitch") + last_pixel + call.param("channels") * multiplier
        channels = Channels(call.param("channels"), multiplier, group)
        size = lines.inputs * call.param("in_n") * call.param("channels")
        return in_bands(_in_bytes(reads, call.param("in_pitch")), written, size, channels)

    return rule


def _multiplier(call: KernelCall) -> int:
    """Output channels of an input channel, 1 for kernels that have no such parameter."""
    return next((int(value) for name, value in call.params if name == "multiplier"), 1)  # type: ignore[arg-type]
