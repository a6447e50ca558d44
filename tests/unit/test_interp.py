"""The interpreter: inputs, state, and what it returns."""

from __future__ import annotations

import numpy as np
import pytest

from mcugen.errors import InputError
from mcugen.interp import Interpreter, evaluate
from mcugen.ir import DType, Graph, QuantParams, Tensor
from mcugen.ops import Svdf
from tests.support import graphs


def test_all_activations_are_returned() -> None:
    g = graphs.classifier()
    values = evaluate(g, graphs.random_inputs(g))
    assert list(values) == ["image", "conv", "pool", "flat", "logits", "probabilities"]
    for name, array in values.items():
        assert array.shape == g.tensors[name].shape and array.dtype == g.tensors[name].dtype.numpy


def test_a_missing_input_is_named() -> None:
    with pytest.raises(InputError, match=r"no data for input 'image' of shape \(1, 6, 6, 2\)"):
        evaluate(graphs.classifier(), {})


@pytest.mark.parametrize(
    "array", [np.zeros((1, 6, 6, 3), np.int8), np.zeros((6, 6, 2), np.int8), np.zeros((1, 6, 6, 2), np.uint8)]
)
def test_wrong_shapes_and_types_are_named(array: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"input 'image' has shape .* needed"):
        evaluate(graphs.classifier(), {"image": array})


def _svdf(bias: bool) -> Graph:
    tensors = [
        graphs.activation("x", 1, 4),
        graphs.int8_constant("feature", (4, 4)),
        graphs.int8_constant("time", (4, 3), seed=2),
        Tensor(
            "state", DType.INT8, (1, 12), QuantParams.per_tensor(0.2, 0), np.zeros((1, 12), np.int8), True
        ),
        graphs.activation("y", 1, 2, quant=QuantParams.per_tensor(0.03, 7)),
        *([graphs.int32_constant("bias", [0, 0])] if bias else []),
    ]
    inputs = ("x", "feature", "time", "bias" if bias else "", "state")
    return graphs.graph(tensors, [Svdf(inputs=inputs, outputs=("y",), rank=2)], "x", "y")


def test_state_is_kept_until_reset() -> None:
    g = _svdf(bias=False)
    inputs = graphs.random_inputs(g)
    interpreter = Interpreter(g)
    first, second = (interpreter.run(inputs)["y"].tolist() for _ in range(2))
    assert first != second
    interpreter.reset()
    assert interpreter.run(inputs)["y"].tolist() == first
    assert evaluate(g, inputs)["y"].tolist() == first
    assert not g.tensors["state"].data.any(), "the graph itself must not change"


def test_no_bias_is_a_bias_of_zeros() -> None:
    """TFLM cannot be asked: it dies on SVDF without bias."""
    with_bias, without = _svdf(bias=True), _svdf(bias=False)
    inputs = graphs.random_inputs(without)
    assert graphs.outputs(with_bias, inputs) == graphs.outputs(without, inputs)
