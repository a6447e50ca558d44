"""The native provider: mcugen's own kernels. One table per instruction class lists them."""

from __future__ import annotations

from mcugen.lowering import overlap
from mcugen.lowering.call import KernelCall
from mcugen.lowering.native_dsp import DSP_VARIANTS
from mcugen.lowering.native_dsp_winograd import WINOGRAD_VARIANTS
from mcugen.lowering.native_mve import MVE_VARIANTS
from mcugen.lowering.native_v6m import V6M_VARIANTS
from mcugen.lowering.native_v7m import V7M_VARIANTS
from mcugen.lowering.variant import InstructionClass, Variant

# Every kernel contract has a scalar implementation: kernel name -> header.
_SCALAR_HEADERS = {
    "conv2d_s8": "scalar/conv2d_s8.h",
    "depthwise_conv2d_s8": "scalar/depthwise_conv2d_s8.h",
    "fully_connected_s8": "scalar/fully_connected_s8.h",
    "add_s8": "scalar/add_s8.h",
    "sub_s8": "scalar/add_s8.h",
    "mul_s8": "scalar/mul_s8.h",
    "average_pool_s8": "scalar/pool_s8.h",
    "max_pool_s8": "scalar/pool_s8.h",
    "mean_s8": "scalar/mean_s8.h",
    "softmax_s8": "scalar/softmax_s8.h",
    "softmax_s8_s16": "scalar/softmax_s8.h",
    "table_8": "scalar/table_8.h",
    "requantize_s16_s8": "scalar/requantize.h",
    "requantize_s8_s16": "scalar/requantize.h",
    "requantize_s8_s32": "scalar/requantize.h",
    "requantize_s16_s32": "scalar/requantize.h",
    "quantize_f32_s8": "scalar/quantize_f32.h",
    "quantize_f32_u8": "scalar/quantize_f32.h",
    "quantize_f32_s16": "scalar/quantize_f32.h",
    "dequantize_s8_f32": "scalar/dequantize_f32.h",
    "dequantize_u8_f32": "scalar/dequantize_f32.h",
    "dequantize_s16_f32": "scalar/dequantize_f32.h",
    "pad": "scalar/pad.h",
    "copy_rows": "scalar/copy_rows.h",
    "gather": "scalar/gather.h",
    "svdf_s8_state8": "scalar/svdf_s8.h",
    "svdf_s8_state16": "scalar/svdf_s8.h",
}

# Not for kernels between types of different sizes of which none is a byte: C lets compilers assume that these do not
# share memory; and not for those that copy with memcpy.
_SCALAR_OVERLAPS: dict[str, overlap.OverlapRule] = {
    "conv2d_s8": overlap.convolution_channels,
    "depthwise_conv2d_s8": overlap.depthwise_channels,
    "fully_connected_s8": overlap.rows_in_groups(lambda call: 1),
    "add_s8": overlap.broadcast,
    "sub_s8": overlap.broadcast,
    "mul_s8": overlap.broadcast,
    "average_pool_s8": overlap.pool(1),
    "max_pool_s8": overlap.pool(1),
    "mean_s8": overlap.mean(1),
    "softmax_s8": overlap.softmax(1),
    "softmax_s8_s16": overlap.softmax(2),
    "table_8": overlap.elementwise(1, 1),
    "requantize_s16_s8": overlap.elementwise(2, 1),
    "requantize_s8_s16": overlap.elementwise(1, 2),
    "requantize_s8_s32": overlap.elementwise(1, 4),
    "quantize_f32_s8": overlap.elementwise(4, 1),
    "quantize_f32_u8": overlap.elementwise(4, 1),
    "dequantize_s8_f32": overlap.elementwise(1, 4),
    "dequantize_u8_f32": overlap.elementwise(1, 4),
    "pad": overlap.padding,
    "gather": overlap.gather,
    "svdf_s8_state8": overlap.all_read_first,
    "svdf_s8_state16": overlap.all_read_first,
}

SCALAR_VARIANTS: tuple[Variant, ...] = tuple(
    Variant(kernel, "scalar", header, "scalar", overlap=_SCALAR_OVERLAPS.get(kernel, overlap.apart))
    for kernel, header in _SCALAR_HEADERS.items()
)

VARIANTS: tuple[Variant, ...] = (
    *MVE_VARIANTS,
    *WINOGRAD_VARIANTS,
    *DSP_VARIANTS,
    *V7M_VARIANTS,
    *V6M_VARIANTS,
    *SCALAR_VARIANTS,
)


def candidates(call: KernelCall, instruction_class: InstructionClass) -> list[Variant]:
    """The variants that can compute a contract call on a core of the class, best first."""
    fitting = [
        v for v in VARIANTS if v.kernel == call.kernel and v.runs_on(instruction_class) and v.applies(call)
    ]
    return sorted(fitting, key=lambda v: -v.rank)
