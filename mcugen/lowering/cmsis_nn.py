"""The CMSIS-NN provider: adapters that call the ``arm_*`` functions of the user's own CMSIS-NN.

A variant here applies only where the library gives the reference's result bit for bit (in its default build,
with double rounding); the rest is left to the native kernels. Working memory and constants differ between the
library's code for plain cores, DSP and MVE, hence one table of variants per instruction class. The sizes of
scratch are those of the library's ``*_get_buffer_size`` functions, against which the tests hold them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.lowering import overlap
from mcugen.lowering.call import Constant, KernelCall
from mcugen.lowering.variant import InstructionClass, Variant

# The library holds dimensions in uint16_t and positions in int16_t here and there, and counts the products of
# a convolution in uint16_t.
_MAX_DIM = 2**15 - 1
_MAX_PRODUCTS = 2**16 - 1
# From a sum of 512 ones on, the last division is by more than 2**31, which the library cannot do.
_MAX_SOFTMAX_DEPTH = 511
# Channels that the MVE depthwise function takes at a time, and int8 elements in a vector.
_MVE_CHANNEL_BLOCK = 124
_MVE_LANES = 16
# The MVE transposition gathers with offsets of 16 bits, up to 7 rows away.
_MAX_TRANSPOSED_DIM = 2**16 // 8 - 1
_MAX_LIBRARY_DIMS = 4


# ---- window geometry -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
    """One spatial dimension of a window operator, in elements."""

    size: int
    out: int
    kernel: int
    stride: int
    dilation: int
    pad: int

    @property
    def overhang(self) -> int:
        """How far the last window reaches over the end of the input; negative if it stops before."""
        return (self.out - 1) * self.stride + (self.kernel - 1) * self.dilation + 1 - self.pad - self.size

    @property
    def windows_touch_input(self) -> bool:
        """Every window has at least one element of the input (for dilation 1)."""
        return self.pad < self.kernel and self.overhang < self.kernel

    @property
    def windows_padded_left(self) -> int:
        """Windows that start in the padding."""
        return -(-self.pad // self.stride)

    @property
    def windows_padded_right(self) -> int:
        """Windows that end in the padding, as the MVE 1xN function counts them."""
        return max(1, -(-self.overhang // self.stride)) if self.overhang else 0


def _axes(call: KernelCall) -> tuple[_Axis, _Axis]:
    """(vertical, horizontal)."""
    p: dict[str, Any] = {"dilation_h": 1, "dilation_w": 1, **dict(call.params)}
    vertical, horizontal = (
        _Axis(
            p[f"in_{a}"], p[f"out_{a}"], p[f"k_{a}"], p[f"stride_{a}"], p[f"dilation_{a}"], p[f"pad_{side}"]
        )
        for a, side in (("h", "top"), ("w", "left"))
    )
    return vertical, horizontal


def _dims_fit(call: KernelCall) -> bool:
    names = (
        "in_h",
        "in_w",
        "in_c",
        "out_h",
        "out_w",
        "out_c",
        "stride_h",
        "stride_w",
        "dilation_h",
        "dilation_w",
    )
    return all(call.param(name) <= _MAX_DIM for name in names) and all(
        axis.pad + axis.size + axis.kernel * axis.dilation <= _MAX_DIM for axis in _axes(call)
    )


# ---- convolution ---------------------------------------------------------------------------------------


def _products(call: KernelCall) -> int:
    """Input elements under the whole window, of all groups."""
    return int(call.param("k_h") * call.param("k_w") * call.param("in_c"))


def _is_1x1(call: KernelCall) -> bool:
    """The library's condition for its 1x1 functions."""
    plain = all(a.kernel == a.dilation == 1 and a.pad == 0 for a in _axes(call))
    return plain and call.param("groups") == 1


def _is_1xn(call: KernelCall) -> bool:
    """The library's condition for its 1xN function."""
    vertical, horizontal = _axes(call)
    rows = vertical.size == vertical.kernel == horizontal.dilation == 1
    return rows and horizontal.stride * call.param("in_c") % 4 == 0 and call.param("groups") == 1


def _mve_1xn_falls_back(row: _Axis) -> bool:
    """Whether the MVE 1xN function hands over to the general one."""
    left, right = row.windows_padded_left, row.windows_padded_right
    return left + right > row.out


def _mve_1xn_is_exact(call: KernelCall) -> bool:
    """Whether the MVE 1xN function computes the row right.

    It refuses a right padding other than the left one or one more. For the windows that end in the padding it
    copies one element less than a window, which holds if the first of them is padded by one element, and
    fills in one element for each of them if the padding is asymmetric.
    """
    vertical, row = _axes(call)
    if vertical.out != 1 or vertical.pad or row.overhang < 0 or row.overhang - row.pad not in (0, 1):
        return False
    if _mve_1xn_falls_back(row) or row.overhang == 0:
        return True
    right = row.windows_padded_right
    filled = row.pad if row.overhang == row.pad else right
    return (right - 1) * row.stride + 1 == row.overhang <= filled


def _convolution_applies(call: KernelCall) -> bool:
    return _dims_fit(call) and _products(call) // call.param("groups") <= _MAX_PRODUCTS


def _wrapped_convolution_applies(call: KernelCall, instruction_class: InstructionClass) -> bool:
    if not _convolution_applies(call):
        return False
    if _is_1x1(call):  # these functions know no padding after the input
        return all(axis.overhang <= 0 for axis in _axes(call))
    return instruction_class != "mve" or not _is_1xn(call) or _mve_1xn_is_exact(call)


def _convolution_scratch(call: KernelCall, instruction_class: InstructionClass) -> int:
    """arm_convolve_s8_get_buffer_size: four int8 columns for MVE, two int16 columns elsewhere."""
    products = _products(call)
    if instruction_class == "mve":
        return 4 * _MVE_LANES * -(-products // _MVE_LANES)
    return 2 * 2 * 4 * -(-products // 4)


def _mve_1xn_scratch(call: KernelCall) -> int:
    """arm_convolve_1_x_n_s8_get_buffer_size: the padded ends of the row."""
    _, row = _axes(call)
    if _mve_1xn_falls_back(row):
        return _convolution_scratch(call, "mve")
    filled = row.pad if row.overhang == row.pad else row.windows_padded_right
    return int(call.param("in_c")) * max(row.kernel + row.pad, row.kernel - 1 + filled)


def _wrapped_convolution_scratch(call: KernelCall, instruction_class: InstructionClass) -> int:
    """arm_convolve_wrapper_s8_get_buffer_size, as GCC compiles it."""
    if _is_1x1(call):
        return 0
    if instruction_class == "mve" and _is_1xn(call):
        return _mve_1xn_scratch(call)
    return _convolution_scratch(call, instruction_class)


# ---- depthwise convolution -----------------------------------------------------------------------------


def _as_convolution(call: KernelCall) -> KernelCall:
    """A depthwise convolution of one input channel as the convolution that it is."""
    weights = np.ascontiguousarray(call.constant("weights").transpose(3, 1, 2, 0))
    return call.with_params(groups=1).with_constants(weights=weights)


def _single_channel_applies(call: KernelCall) -> bool:
    """On MVE the library computes these as convolutions, but transposes the weights in every inference."""
    several = call.param("in_c") == 1 and call.param("out_c") > 1
    return several and _wrapped_convolution_applies(call.with_params(groups=1), "mve")


def _prepare_single_channel(call: KernelCall) -> KernelCall:
    conv = _as_convolution(call)
    return call.replace(constants=conv.constants, scratch=_wrapped_convolution_scratch(conv, "mve"))


def _is_plain_depthwise(call: KernelCall) -> bool:
    """The library's condition for its faster functions."""
    return call.param("multiplier") == 1 and all(a.dilation == 1 for a in _axes(call))


def _is_3x3(call: KernelCall) -> bool:
    """The library's condition for its 3x3 function, which has no MVE form."""
    return _is_plain_depthwise(call) and all(a.kernel == 3 and a.pad <= 1 for a in _axes(call))


def _wrapped_depthwise_applies(call: KernelCall, instruction_class: InstructionClass) -> bool:
    if not _dims_fit(call):
        return False
    if instruction_class == "mve":
        return not (call.param("in_c") == 1 and call.param("out_c") > 1)
    # The 3x3 function always reads the middle column of a window.
    return not _is_3x3(call) or _axes(call)[1].overhang <= 1


def _depthwise_scratch(call: KernelCall, instruction_class: InstructionClass) -> int:
    """arm_depthwise_conv_wrapper_s8_get_buffer_size."""
    window = int(call.param("k_h") * call.param("k_w"))
    if instruction_class not in ("dsp", "mve") or not _is_plain_depthwise(call):
        return 0
    if instruction_class == "mve":
        return 4 * _MVE_CHANNEL_BLOCK * window
    return 0 if _is_3x3(call) else 2 * window * int(call.param("in_c"))


# ---- the other operators -------------------------------------------------------------------------------


def _with_kernel_sums(call: KernelCall, weights: str, replace_bias: bool) -> KernelCall:
    """The constants with what the MVE code wants to know of each row of weights: in_offset * its sum.

    replace_bias: the bias is added, and the sums stand in its place, else after it.
    """
    sums = call.constant(weights).astype(np.int64).sum(axis=1) * call.param("in_offset")
    if replace_bias:
        sums = sums + call.constant("bias")
    table = Constant("kernel_sums", fx.wrap_int32(sums).astype(np.int32))
    constants: list[Constant] = []
    for constant in call.constants:
        if constant.role != "bias":
            constants.append(constant)
        else:
            constants += [table] if replace_bias else [constant, table]
    return call.replace(constants=tuple(constants))


def _prepare_dense_with_sums(call: KernelCall) -> KernelCall:
    return _with_kernel_sums(call, "weights", replace_bias=True)


def _pool_applies(call: KernelCall) -> bool:
    return all(axis.windows_touch_input for axis in _axes(call))


def _average_pool_scratch(call: KernelCall, instruction_class: InstructionClass) -> int:
    """arm_avgpool_s8_get_buffer_size."""
    return 4 * int(call.param("in_c")) if instruction_class == "dsp" else 0


def _runs_are_dense(call: KernelCall) -> bool:
    return bool(call.param("a_strides")[-1] == call.param("b_strides")[-1] == 1)


def _softmax_applies(call: KernelCall) -> bool:
    shift, depth = int(call.param("in_shift")), int(call.param("depth"))
    return 0 <= shift <= 30 and depth <= _MAX_SOFTMAX_DEPTH


def _without_table(call: KernelCall) -> KernelCall:
    return call.replace(constants=())


def _svdf_applies(call: KernelCall) -> bool:
    return bool(call.param("state_offset") == 0)


def _prepare_svdf(call: KernelCall) -> KernelCall:
    filters = call.param("filters")
    return call.replace(scratch=4 * call.param("batch") * (filters + filters // call.param("rank")))


def _prepare_svdf_with_sums(call: KernelCall) -> KernelCall:
    return _with_kernel_sums(_prepare_svdf(call), "weights_feature", replace_bias=False)


def _copy_rows_applies(call: KernelCall) -> bool:
    dense = call.param("in_stride") == call.param("row_bytes") and call.param("in_offset") == 0
    return dense and all(call.param(name) < 2**16 for name in ("rows", "row_bytes", "out_stride"))


# ---- padding and transposition of bytes ----------------------------------------------------------------


def _padding(call: KernelCall) -> tuple[list[tuple[int, int, int]], int] | None:
    """((size, before, after) per dimension in bytes, value); unpadded dimensions join those before.

    None if the library cannot do it: more than four dimensions remain, or the bytes of the value differ.
    """
    element_size = call.param("element_size")
    value = (call.param("value") % 2 ** (8 * element_size)).to_bytes(element_size, "little")
    dims = [
        (size, before, out - before - size)
        for size, before, out in zip(
            call.param("in_dims"), call.param("before"), call.param("out_dims"), strict=True
        )
    ]
    merged: list[tuple[int, int, int]] = []
    scale = 1
    for size, before, after in reversed([*dims, (element_size, 0, 0)]):
        if before == after == 0:
            scale *= size
        else:
            merged.append((size * scale, before * scale, after * scale))
            scale = 1
    if scale > 1 or not merged:
        merged.append((scale, 0, 0))
    if len(merged) > _MAX_LIBRARY_DIMS or len(set(value)) > 1:
        return None
    merged += [(1, 0, 0)] * (_MAX_LIBRARY_DIMS - len(merged))
    return merged[::-1], int.from_bytes(value[:1], "little", signed=True)


def _prepare_padding(call: KernelCall) -> KernelCall:
    padding = _padding(call)
    assert padding is not None, "the variant does not apply"
    dims, value = padding
    in_dims, before, after = zip(*dims, strict=True)
    params = (("in_dims", in_dims), ("before", before), ("after", after), ("value", value))
    return call.replace(params=params)


def _merged_dims(call: KernelCall) -> list[tuple[int, int]]:
    """(size, stride) of a gather's dimensions in bytes, outermost first, with neighbours merged."""
    element_size = call.param("element_size")
    dims = [
        (size, stride * element_size)
        for size, stride in zip(call.param("dims"), call.param("strides"), strict=True)
        if size > 1
    ]
    merged: list[tuple[int, int]] = []
    for size, stride in [*dims, (element_size, 1)] if element_size > 1 else dims:
        if merged and merged[-1][1] == stride * size:
            merged[-1] = (merged[-1][0] * size, stride)
        else:
            merged.append((size, stride))
    return merged


def _transposition(call: KernelCall) -> tuple[list[int], list[int]] | None:
    """(input dimensions, permutation) if a gather is a transposition of bytes that the library can do."""
    dims = _merged_dims(call)
    order = sorted(range(len(dims)), key=lambda i: -dims[i][1])
    in_dims = [dims[i][0] for i in order]
    dense = all(dims[i][1] == math.prod(in_dims[k + 1 :]) for k, i in enumerate(order))
    fits = 2 <= len(dims) <= _MAX_LIBRARY_DIMS and max(in_dims) <= _MAX_TRANSPOSED_DIM
    if call.param("first") != 0 or not dense or not fits:
        return None
    return in_dims, [order.index(i) for i in range(len(dims))]


def _prepare_transposition(call: KernelCall) -> KernelCall:
    transposition = _transposition(call)
    assert transposition is not None, "the variant does not apply"
    in_dims, permutation = transposition
    out_dims = [in_dims[i] for i in permutation]
    params = (
        ("rank", len(in_dims)), ("in_dims", _to_rank_4(in_dims, 1)), ("out_dims", _to_rank_4(out_dims, 1)),
        ("permutation", _to_rank_4(permutation, 0)),
    )  # fmt: skip
    return call.replace(params=params)


def _to_rank_4(values: Sequence[int], fill: int) -> tuple[int, ...]:
    return (*values, *(fill,) * (_MAX_LIBRARY_DIMS - len(values)))


# ---- the tables ----------------------------------------------------------------------------------------

_CONV = "cmsis_nn/conv2d_s8.h"
_DEPTHWISE = "cmsis_nn/depthwise_conv2d_s8.h"
_DENSE = "cmsis_nn/fully_connected_s8.h"
_ELEMENTWISE = "cmsis_nn/elementwise_s8.h"
_POOL = "cmsis_nn/pool_s8.h"
_SOFTMAX = "cmsis_nn/softmax_s8.h"
_SVDF = "cmsis_nn/svdf_s8.h"
_MOVEMENT = "cmsis_nn/movement.h"


def _with_scratch(call: KernelCall, size: Callable[[KernelCall], int]) -> KernelCall:
    return call.replace(scratch=size(call))


def _of_class(instruction_class: InstructionClass) -> tuple[Variant, ...]:
    """Variants that all cores have, but with other limits or scratch per class."""

    def bound(function: Callable[..., Any]) -> Callable[[KernelCall], Any]:
        return functools.partial(function, instruction_class=instruction_class)

    def scratch(size: Callable[..., int]) -> Callable[[KernelCall], KernelCall]:
        return functools.partial(_with_scratch, size=bound(size))

    return (
        Variant(
            "conv2d_s8", "cmsis_nn", _CONV, "scalar",
            bound(_wrapped_convolution_applies), scratch(_wrapped_convolution_scratch), rank=1,
        ),
        Variant(
            "conv2d_s8", "cmsis_nn_basic", _CONV, "scalar",
            _convolution_applies, scratch(_convolution_scratch),
        ),
        Variant(
            "depthwise_conv2d_s8", "cmsis_nn", _DEPTHWISE, "scalar",
            bound(_wrapped_depthwise_applies), scratch(_depthwise_scratch), rank=1,
        ),
        Variant(
            "average_pool_s8", "cmsis_nn", _POOL, "scalar", _pool_applies, scratch(_average_pool_scratch)
        ),
    )  # fmt: skip


_ALL_CORES = (
    Variant("depthwise_conv2d_s8", "cmsis_nn_basic", _DEPTHWISE, "scalar", _dims_fit),
    Variant("add_s8", "cmsis_nn", _ELEMENTWISE, "scalar", _runs_are_dense, overlap=overlap.broadcast),
    Variant("mul_s8", "cmsis_nn", _ELEMENTWISE, "scalar", _runs_are_dense, overlap=overlap.broadcast),
    Variant("max_pool_s8", "cmsis_nn", _POOL, "scalar", _pool_applies),
    Variant("softmax_s8", "cmsis_nn", _SOFTMAX, "scalar", _softmax_applies, _without_table),
    Variant("softmax_s8_s16", "cmsis_nn", _SOFTMAX, "scalar", _softmax_applies, _without_table),
    Variant("svdf_s8_state16", "cmsis_nn", _SVDF, "scalar", _svdf_applies, _prepare_svdf),
    Variant(
        "pad", "cmsis_nn", _MOVEMENT, "scalar", lambda call: _padding(call) is not None,
        _prepare_padding, struct="mcugen_pad_cmsis_nn_params",
    ),
    Variant(
        "gather", "cmsis_nn", _MOVEMENT, "scalar", lambda call: _transposition(call) is not None,
        _prepare_transposition, struct="mcugen_gather_cmsis_nn_params",
    ),
    Variant("copy_rows", "cmsis_nn", _MOVEMENT, "scalar", _copy_rows_applies),
)  # fmt: skip

_WITHOUT_MVE = (
    Variant("fully_connected_s8", "cmsis_nn", _DENSE, "scalar"),
    Variant("svdf_s8_state8", "cmsis_nn", _SVDF, "scalar", _svdf_applies, _prepare_svdf),
)

_WITH_MVE = (
    Variant("fully_connected_s8", "cmsis_nn_sums", _DENSE, "mve", prepare=_prepare_dense_with_sums),
    Variant("svdf_s8_state8", "cmsis_nn_sums", _SVDF, "mve", _svdf_applies, _prepare_svdf_with_sums),
    Variant(
        "depthwise_conv2d_s8", "cmsis_nn_conv", _DEPTHWISE, "mve",
        _single_channel_applies, _prepare_single_channel, rank=2,
    ),
)  # fmt: skip

_PLAIN = (*_of_class("scalar"), *_WITHOUT_MVE, *_ALL_CORES)

# For a core of each class, everything that the library offers it. It has plain C for those without DSP.
VARIANTS: Mapping[InstructionClass, tuple[Variant, ...]] = {
    "scalar": _PLAIN,
    "v6m": _PLAIN,
    "v7m": _PLAIN,
    "dsp": (*_of_class("dsp"), *_WITHOUT_MVE, *_ALL_CORES),
    "mve": (*_of_class("mve"), *_WITH_MVE, *_ALL_CORES),
}


def candidates(call: KernelCall, instruction_class: InstructionClass) -> list[Variant]:
    """The CMSIS-NN variants that can compute a contract call on a core of the class, best first."""
    fitting = [v for v in VARIANTS[instruction_class] if v.kernel == call.kernel and v.applies(call)]
    return sorted(fitting, key=lambda v: -v.rank)
