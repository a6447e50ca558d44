"""The native provider: mcugen's own kernels. One table per instruction class lists them."""

from __future__ import annotations

from mcugen.lowering.call import KernelCall
from mcugen.lowering.native_dsp import DSP_VARIANTS
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

SCALAR_VARIANTS: tuple[Variant, ...] = tuple(
    Variant(kernel, "scalar", header, "scalar") for kernel, header in _SCALAR_HEADERS.items()
)

VARIANTS: tuple[Variant, ...] = (*MVE_VARIANTS, *DSP_VARIANTS, *V7M_VARIANTS, *V6M_VARIANTS, *SCALAR_VARIANTS)


def candidates(call: KernelCall, instruction_class: InstructionClass) -> list[Variant]:
    """The variants that can compute a contract call on a core of the class, best first."""
    fitting = [
        v for v in VARIANTS if v.kernel == call.kernel and v.runs_on(instruction_class) and v.applies(call)
    ]
    return sorted(fitting, key=lambda v: -v.rank)
