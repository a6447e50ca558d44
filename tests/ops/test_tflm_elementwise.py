"""Element-wise operators against TFLM, byte for byte."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mcugen.frontends.tflite import load_tflite
from mcugen.interp import evaluate
from mcugen.ir import Array, QuantParams, Shape
from tests.support import draws
from tests.support.compare import assert_same_as_tflm
from tests.support.draws import Case
from tests.support.tflite_builder import Operator

EVERY_INT8 = np.arange(-128, 128, dtype=np.int8).reshape(1, 16, 16)


@st.composite
def _broadcasting(draw: st.DrawFn) -> tuple[Shape, Shape, Shape]:
    """Two shapes of up to four dimensions that broadcast, and the result."""
    out = draw(draws.shapes())
    pair = []
    for _ in range(2):
        shape = tuple(draw(st.sampled_from([n, n, n, 1])) for n in out)
        pair.append(shape[draw(st.sampled_from([0, 0, len(out) - 1])) :])
    return pair[0], pair[1], tuple(np.broadcast_shapes(*pair))


@st.composite
def _binary(draw: st.DrawFn, name: str, table: str) -> Case:
    a_shape, b_shape, y_shape = draw(_broadcasting())
    a_quant, b_quant = draw(draws.quants()), draw(draws.quants())
    if name == "MUL":
        step = a_quant.scale[0] * b_quant.scale[0]
    else:
        step = max(a_quant.scale[0], b_quant.scale[0]) / 64
    a, b = draws.activation("a", a_shape, a_quant), draws.activation("b", b_shape, b_quant)
    y = draws.activation("y", y_shape, draw(draws.output_quants(step, 1)))
    if draw(st.integers(0, 3)) == 0:
        b = draws.constant("b", draw(draws.arrays(b_shape)), b_quant)
    options = {"fused_activation_function": draw(st.sampled_from(draws.ACTIVATIONS))}
    inputs = draw(draws.steps([t for t in (a, b) if t.data is None]))
    return draws.case(Operator(name, ("a", "b"), ("y",), table, options), [a, b, y], inputs)


@given(_binary("ADD", "AddOptions"))
def test_add(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(_binary("SUB", "SubOptions"))
def test_sub(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(_binary("MUL", "MulOptions"))
def test_mul(case: Case) -> None:
    assert_same_as_tflm(*case)


def test_every_pair_of_values() -> None:
    """All 65536 sums, with scales far apart."""
    quant = [QuantParams.per_tensor(s, z) for s, z in ((0.02, 3), (0.75, -128), (0.4, 17))]
    a, b = draws.activation("a", (256, 1), quant[0]), draws.activation("b", (1, 256), quant[1])
    y = draws.activation("y", (256, 256), quant[2])
    values: list[Array] = [EVERY_INT8.reshape(256, 1), EVERY_INT8.reshape(1, 256)]
    for name, table in (("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions")):
        assert_same_as_tflm(*draws.case(Operator(name, ("a", "b"), ("y",), table), [a, b, y], [values]))


def _unary(name: str, x: QuantParams, y: QuantParams, table: str = "", **options: float) -> Case:
    """An operator applied to every int8 value."""
    tensors = [draws.activation("x", EVERY_INT8.shape, x), draws.activation("y", EVERY_INT8.shape, y)]
    return draws.case(Operator(name, ("x",), ("y",), table, options), tensors, [[EVERY_INT8]])


@given(draws.quants(), st.one_of(st.none(), draws.quants()))
def test_relu(x: QuantParams, y: QuantParams | None) -> None:
    assert_same_as_tflm(*_unary("RELU", x, y or x))


@given(draws.quants())
def test_relu6(x: QuantParams) -> None:
    """TFLM ignores the quantization of the output, so it must be that of the input."""
    assert_same_as_tflm(*_unary("RELU6", x, x))


@given(draws.quants(), draws.quants())
def test_clips_are_relus_with_other_bounds(x: QuantParams, y: QuantParams) -> None:
    """RELU_N1_TO_1, which TFLM does not have, and RELU6 that requantizes: RELU cut off at the quantized bound."""
    graphs = {n: load_tflite(_unary(n, x, y)[0], n).graph for n in ("RELU", "RELU6", "RELU_N1_TO_1")}
    relu, relu6, unit = (evaluate(g, {"x": EVERY_INT8})["y"].astype(int) for g in graphs.values())
    assert (relu6 == np.minimum(relu, _quantized(6.0, y))).all()
    positive = x.zero_point[0] <= EVERY_INT8
    assert (unit[positive] == np.minimum(relu, _quantized(1.0, y))[positive]).all()
    assert unit.min() >= _quantized(-1.0, y)


def _quantized(real: float, quant: QuantParams) -> int:
    scaled = float(np.float32(real) / np.float32(quant.scale[0]))
    away = int(abs(scaled) + 0.5) * (1 if scaled > 0 else -1)
    return max(-128, min(127, away + quant.zero_point[0]))


@given(draws.quants(), st.one_of(st.none(), draws.quants()), st.floats(-2, 2, width=32))
def test_leaky_relu(x: QuantParams, y: QuantParams | None, alpha: float) -> None:
    assert_same_as_tflm(*_unary("LEAKY_RELU", x, y or x, "LeakyReluOptions", alpha=alpha))


@given(draws.scales(-14, 3), draws.zero_points())
def test_logistic(scale: float, zero_point: int) -> None:
    y = QuantParams.per_tensor(1 / 256, -128)
    assert_same_as_tflm(*_unary("LOGISTIC", QuantParams.per_tensor(scale, zero_point), y))


@given(draws.scales(-14, 3), draws.zero_points())
def test_tanh(scale: float, zero_point: int) -> None:
    y = QuantParams.per_tensor(1 / 128, 0)
    assert_same_as_tflm(*_unary("TANH", QuantParams.per_tensor(scale, zero_point), y))


@given(draws.quants(), st.floats(-6.9, 6), draws.zero_points())
def test_hard_swish(x: QuantParams, ratio: float, zero_point: int) -> None:
    """The output scale is at least 1/128 of the input scale: the constraint of the operator, and TFLM's."""
    y = QuantParams.per_tensor(x.scale[0] * 2.0**ratio, zero_point)
    assert_same_as_tflm(*_unary("HARD_SWISH", x, y))
