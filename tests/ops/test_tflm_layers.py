"""Fully connected layers, SVDF, softmax and mean against TFLM, byte for byte."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcugen.ir import DType, QuantParams
from mcugen.ops.mean import split_axes
from tests.support import draws
from tests.support.compare import assert_same_as_tflm
from tests.support.draws import Case
from tests.support.tflite_builder import Operator


@st.composite
def _fully_connected(draw: st.DrawFn) -> Case:
    out_n, keep, in_n = draw(st.integers(1, 9)), draw(st.booleans()), draw(st.integers(1, 40))
    leading = draw(draws.shapes(1, 3 if keep else 1, 3))
    x_quant, w_quant = draw(draws.quants()), draw(draws.weight_quants(out_n, 0))
    step = x_quant.scale[0] * max(w_quant.scale)
    x = draws.activation("x", (*leading, in_n), x_quant)
    y = draws.activation("y", (*leading, out_n), draw(draws.output_quants(step, in_n)))
    weights = draws.constant("weights", draw(draws.arrays((out_n, in_n))), w_quant)
    bias = draw(draws.biases(x_quant, w_quant, out_n, in_n))
    options = {"keep_num_dims": keep, "fused_activation_function": draw(st.sampled_from(draws.ACTIVATIONS))}
    inputs = ("x", "weights", "" if bias is None else "bias")
    operator = Operator("FULLY_CONNECTED", inputs, ("y",), "FullyConnectedOptions", options)
    return draws.case(operator, [x, weights, *([] if bias is None else [bias]), y], draw(draws.steps([x])))


@given(_fully_connected())
def test_fully_connected(case: Case) -> None:
    assert_same_as_tflm(*case)


@st.composite
def _svdf(draw: st.DrawFn) -> Case:
    """Six inferences in a row: the state lives on."""
    batch, in_n, units = draw(st.integers(1, 2)), draw(st.integers(1, 9)), draw(st.integers(1, 5))
    rank, memory, state_type = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 8)),
        draw(st.sampled_from([DType.INT8, DType.INT16])),
    )
    filters = units * rank
    x_quant, feature, time = (
        draw(draws.quants()),
        *(QuantParams.per_tensor(draw(draws.scales(-8, -3)), 0) for _ in "ab"),
    )
    largest = state_type.bounds[1]
    state_step = x_quant.scale[0] * feature.scale[0] * 74 * 74 * math.sqrt(in_n) * 2 / largest
    state_quant = QuantParams.per_tensor(state_step * draw(draws.scales(-2, 1)), 0)
    step = state_quant.scale[0] * time.scale[0] * (largest / 127) ** 2
    x = draws.activation("x", (batch, in_n), x_quant)
    y = draws.activation("y", (batch, units), draw(draws.output_quants(step, memory * rank)))
    tensors = [
        x,
        draws.constant("feature", draw(draws.arrays((filters, in_n))), feature),
        draws.constant("time", draw(draws.arrays((filters, memory), state_type)), time),
        draws.Tensor("state", state_type, (batch, filters * memory), state_quant, variable=True),
        y,
    ]
    # Never without a bias: TFLM reads it always, and dies.
    tensors.append(draw(draws.present_biases(state_quant, time, units, memory)))
    operator = Operator(
        "SVDF",
        ("x", "feature", "time", "bias", "state"),
        ("y",),
        "SVDFOptions",
        {"rank": rank, "fused_activation_function": 1},
    )
    return draws.case(operator, tensors, draw(draws.steps([x], 6)))


@given(_svdf())
def test_svdf(case: Case) -> None:
    assert_same_as_tflm(*case)


@pytest.mark.parametrize("output", [DType.INT8, DType.INT16])
@given(st.data())
def test_softmax(output: DType, data: st.DataObject) -> None:
    quant = QuantParams.per_tensor(data.draw(draws.scales(-12, 4)), data.draw(draws.zero_points()))
    shape = (*data.draw(draws.shapes(1, 3, 4)), data.draw(st.sampled_from([1, 2, 3, 10, 100])))
    beta = data.draw(st.sampled_from([1.0, 1.0, 0.5, 2.0, 0.1, 10.0]))
    x = draws.activation("x", shape, quant)
    y_quant = QuantParams.per_tensor(1 / 256 if output is DType.INT8 else 1 / 65536, output.bounds[0])
    y = draws.activation("y", shape, y_quant, output)
    operator = Operator("SOFTMAX", ("x",), ("y",), "SoftmaxOptions", {"beta": beta})
    assert_same_as_tflm(*draws.case(operator, [x, y], data.draw(draws.steps([x]))))


def test_softmax_of_every_difference() -> None:
    """Rows of two values d apart, for all d."""
    rows = np.stack([np.full(256, 127), np.arange(127, -129, -1)], axis=-1).astype(np.int8)
    y = draws.activation("y", rows.shape, QuantParams.per_tensor(1 / 256, -128))
    for scale in (2.0**-14, 0.001, 0.01, 0.0999, 0.25, 1.0, 30.0):
        x = draws.activation("x", rows.shape, QuantParams.per_tensor(scale, 5))
        operator = Operator("SOFTMAX", ("x",), ("y",), "SoftmaxOptions", {"beta": 1.0})
        assert_same_as_tflm(*draws.case(operator, [x, y], [[rows]]))


@st.composite
def _means(draw: st.DrawFn) -> Case:
    shape, keep = draw(draws.shapes(1, 4, 6)), draw(st.booleans())
    axes = draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    assume(all(len(g) <= 2 for g in split_axes(shape, tuple(axes))))
    out = tuple(1 if i in axes else n for i, n in enumerate(shape) if keep or i not in axes)
    x_quant = draw(draws.quants())
    scale = x_quant.scale[0] * draw(st.one_of(st.just(1.0), draws.scales(-3, 2)))
    x = draws.activation("x", shape, x_quant)
    y = draws.activation("y", out, QuantParams.per_tensor(scale, draw(draws.zero_points())))
    signed = [a - len(shape) if draw(st.booleans()) else a for a in sorted(axes)]
    operator = Operator("MEAN", ("x", "axes"), ("y",), "ReducerOptions", {"keep_dims": keep})
    return draws.case(operator, [x, draws.int32s("axes", signed), y], draw(draws.steps([x])))


@given(_means())
def test_mean(case: Case) -> None:
    assert_same_as_tflm(*case)


@pytest.mark.parametrize("shape", [(1, 49, 10, 3), (1, 64, 64, 2), (1, 7, 7, 5)])
def test_mean_of_a_map(shape: tuple[int, ...]) -> None:
    x = draws.activation("x", shape, QuantParams.per_tensor(0.0237, -11))
    y = draws.activation("y", (1, shape[3]), QuantParams.per_tensor(0.0151, 4))
    operator = Operator("MEAN", ("x", "axes"), ("y",), "ReducerOptions", {"keep_dims": False})
    generator = np.random.default_rng(1)
    inputs = [[generator.integers(-128, 128, shape).astype(np.int8)], [np.full(shape, -128, np.int8)]]
    assert_same_as_tflm(*draws.case(operator, [x, draws.int32s("axes", [1, 2]), y], inputs))
