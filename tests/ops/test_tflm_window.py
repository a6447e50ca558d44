"""Convolutions and pooling against TFLM, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite
from hypothesis import given
from hypothesis import strategies as st

from mcugen.ir import DType, Shape, Tensor
from tests.support import draws
from tests.support.compare import assert_same_as_tflm
from tests.support.draws import Case
from tests.support.tflite_builder import Operator


@dataclass(frozen=True)
class _Window:
    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    same: bool

    @property
    def output(self) -> tuple[int, int]:
        sizes = []
        for n, k, s, d in zip(self.size, self.kernel, self.stride, self.dilation, strict=True):
            extent = 1 if self.same else (k - 1) * d + 1
            sizes.append((n - extent + s) // s)
        return sizes[0], sizes[1]

    def options(self, activation: int) -> dict[str, Any]:
        return {
            "padding": tflite.Padding.SAME if self.same else tflite.Padding.VALID,
            "stride_h": self.stride[0],
            "stride_w": self.stride[1],
            "fused_activation_function": activation,
        }

    def dilations(self) -> dict[str, int]:
        return {"dilation_h_factor": self.dilation[0], "dilation_w_factor": self.dilation[1]}


@st.composite
def _windows(draw: st.DrawFn, dilated: bool = True) -> _Window:
    pair = st.tuples(st.integers(1, 4), st.integers(1, 4))
    kernel, stride = draw(pair), draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = (
        draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilated and draw(st.booleans()) else (1, 1)
    )
    same = draw(st.booleans())
    least = (1, 1) if same else tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    size = draw(st.tuples(st.integers(least[0], least[0] + 7), st.integers(least[1], least[1] + 7)))
    return _Window(size, kernel, stride, dilation, same)


@st.composite
def _weighted(
    draw: st.DrawFn,
    operator: str,
    in_c: int,
    out_c: int,
    weights: Shape,
    axis: int,
    options: dict[str, Any],
    w: _Window,
) -> Case:
    """A convolution of any kind with random quantization, data and bias."""
    fan_in = int(np.prod(weights)) // out_c
    x_quant, w_quant = draw(draws.quants()), draw(draws.weight_quants(out_c, axis))
    step = x_quant.scale[0] * max(w_quant.scale)
    x = draws.activation("x", (1, *w.size, in_c), x_quant)
    y = draws.activation("y", (1, *w.output, out_c), draw(draws.output_quants(step, fan_in)))
    kernel = draws.constant("weights", draw(draws.arrays(weights)), w_quant)
    bias = draw(draws.biases(x_quant, w_quant, out_c, fan_in))
    inputs = ("x", "weights") if bias is None else ("x", "weights", "bias")
    table = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions"}[operator]
    all_options = {**options, **w.dilations(), **w.options(draw(st.sampled_from(draws.ACTIVATIONS)))}
    tensors = [x, kernel, *([] if bias is None else [bias]), y]
    return draws.case(Operator(operator, inputs, ("y",), table, all_options), tensors, draw(draws.steps([x])))


@st.composite
def _convolutions(draw: st.DrawFn) -> Case:
    window, groups = draw(_windows()), draw(st.sampled_from([1, 1, 1, 2, 3]))
    per_group, out_c = draw(st.integers(1, 9)), groups * draw(st.integers(1, 6))
    weights = (out_c, *window.kernel, per_group)
    return draw(_weighted("CONV_2D", per_group * groups, out_c, weights, 0, {}, window))


@st.composite
def _depthwise(draw: st.DrawFn) -> Case:
    window, in_c, multiplier = (
        draw(_windows()),
        draw(st.integers(1, 9)),
        draw(st.sampled_from([1, 1, 2, 3, 8])),
    )
    weights, options = (1, *window.kernel, in_c * multiplier), {"depth_multiplier": multiplier}
    return draw(_weighted("DEPTHWISE_CONV_2D", in_c, in_c * multiplier, weights, 3, options, window))


@st.composite
def _pools(draw: st.DrawFn, operator: str) -> Case:
    window, channels, quant = draw(_windows(dilated=False)), draw(st.integers(1, 9)), draw(draws.quants())
    x: Tensor = draws.activation("x", (1, *window.size, channels), quant)
    y = draws.activation("y", (1, *window.output, channels), quant)
    options = {"filter_height": window.kernel[0], "filter_width": window.kernel[1]}
    options |= window.options(draw(st.sampled_from(draws.ACTIVATIONS)))
    return draws.case(
        Operator(operator, ("x",), ("y",), "Pool2DOptions", options), [x, y], draw(draws.steps([x]))
    )


@given(_convolutions())
def test_conv2d(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(_depthwise())
def test_depthwise_conv2d(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(_pools("AVERAGE_POOL_2D"))
def test_average_pool(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(_pools("MAX_POOL_2D"))
def test_max_pool(case: Case) -> None:
    assert_same_as_tflm(*case)


def test_average_of_a_whole_large_map() -> None:
    """Sums far beyond 16 bits, all of one sign."""
    quant = draws.QuantParams.per_tensor(0.5, -128)
    x, y = draws.activation("x", (1, 40, 50, 3), quant), draws.activation("y", (1, 1, 1, 3), quant)
    options = {"filter_height": 40, "filter_width": 50, "stride_h": 40, "stride_w": 50, "padding": 1}
    operator = Operator("AVERAGE_POOL_2D", ("x",), ("y",), "Pool2DOptions", options)
    values = np.stack([np.full((1, 40, 50, 3), v, dtype=DType.INT8.numpy) for v in (-128, -127, 127)])
    assert_same_as_tflm(*draws.case(operator, [x, y], [[v] for v in values]))
