"""Files that are no models, models with open questions, and what users are told about them."""

from __future__ import annotations

import random

import numpy as np
import onnx
import pytest

from mcugen.errors import InputError, McugenError, ModelFormatError, UnsupportedModelError
from mcugen.frontends.onnx import load_onnx
from tests.frontends.onnx_models import model, node, noise


def small_cnn() -> bytes:
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", ["p"], ["s"]),
        node("Gather", ["s", "zero"], ["b"]),
        node("Unsqueeze", ["b", "zeros"], ["u"]),
        node("Concat", ["u", "rest"], ["t"], axis=0),
        node("Reshape", ["p", "t"], ["f"]),
        node("Gemm", ["f", "k"]),
    ]
    constants = {
        "w": noise((4, 1, 3, 3)), "k": noise((64, 10)), "zero": np.array(0), "zeros": np.array([0]),
        "rest": np.array([-1]),
    }  # fmt: skip
    return model(nodes, {"x": ("batch", 1, 8, 8)}, constants)


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"not a model at all", bytes(range(256))])
def test_garbage(data: bytes) -> None:
    with pytest.raises(ModelFormatError):
        load_onnx(data, "garbage")


def test_truncated_at_every_length() -> None:
    data = small_cnn()
    for length in range(len(data)):
        with pytest.raises(McugenError):
            load_onnx(data[:length], "cut")


def test_mutations_give_clean_errors() -> None:
    rng = random.Random(0)
    original = small_cnn()
    for _ in range(2000):
        data = bytearray(original)
        for _ in range(rng.choice((1, 2, 5))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            load_onnx(bytes(data), "mutated")
        except McugenError as error:
            assert str(error)


def test_dynamic_batch_becomes_one() -> None:
    result = load_onnx(small_cnn(), "m")
    assert result.graph.tensors["x"].shape == (1, 8, 8, 1)
    assert "input 'x': dynamic batch set to 1" in result.notes


def test_batch_given() -> None:
    assert load_onnx(small_cnn(), "m", {"x": (2, 1, 8, 8)}).graph.tensors["y"].shape == (2, 10)


def test_other_dynamic_dimensions_are_asked_for() -> None:
    data = model([node("Relu", ["x"])], {"x": ("n", 3, "h", "w")})
    with pytest.raises(InputError) as caught:
        load_onnx(data, "m")
    assert caught.value.hint == "give all of them: --shape x=1,3,96,96"
    assert load_onnx(data, "m", {"x": (1, 3, 4, 5)}).graph.tensors["y"].shape == (1, 3, 4, 5)


@pytest.mark.parametrize("shape", [(1, 1, 8), (1, 2, 8, 8), (1, 1, 8, 9)])
def test_shapes_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="does not fit"):
        load_onnx(small_cnn(), "m", {"x": shape})


def test_shape_of_unknown_input() -> None:
    with pytest.raises(InputError, match="no input 'z'"):
        load_onnx(small_cnn(), "m", {"z": (1,)})


def test_integer_inputs_are_refused() -> None:
    proto = onnx.load_from_string(model([node("Relu", ["x"])], {"x": (1, 4)}))
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    with pytest.raises(UnsupportedModelError, match="float32, this one is int64"):
        load_onnx(proto.SerializeToString(), "m")


def test_old_opset() -> None:
    with pytest.raises(UnsupportedModelError, match="opset 9"):
        load_onnx(model([node("Relu", ["x"])], {"x": (1, 4)}, opset=9), "m")


def test_external_data() -> None:
    proto = onnx.load_from_string(small_cnn())
    proto.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(ModelFormatError, match="another file"):
        load_onnx(proto.SerializeToString(), "m")


@pytest.mark.parametrize("shape", [(1 << 40,), (1 << 20, 1 << 20)])
def test_hostile_sizes_are_refused_before_they_are_made(shape: tuple[int, ...]) -> None:
    nodes = [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"])]
    with pytest.raises(ModelFormatError, match="elements are possible"):
        load_onnx(model(nodes, {"x": (1, 4)}, {"s": np.array(shape)}), "m")
    nodes = [node("Add", ["a", "b"], ["c"]), node("Add", ["x", "c"])]
    constants = {"a": noise((1 << 14, 1)), "b": noise((1, 1 << 14))}
    with pytest.raises(ModelFormatError, match="elements are possible"):
        load_onnx(model(nodes, {"x": (1, 4)}, constants), "m")


def test_initializer_whose_data_is_missing() -> None:
    proto = onnx.load_from_string(small_cnn())
    proto.graph.initializer[0].ClearField("raw_data")
    with pytest.raises(ModelFormatError, match="does not fit shape"):
        load_onnx(proto.SerializeToString(), "m")


def test_undefined_and_repeated_names() -> None:
    with pytest.raises(ModelFormatError, match="produced by no earlier node"):
        load_onnx(model([node("Relu", ["nothing"])], {"x": (1, 4)}), "m")
    with pytest.raises(ModelFormatError, match="defined twice"):
        load_onnx(model([node("Relu", ["x"]), node("Relu", ["x"])], {"x": (1, 4)}), "m")


def test_contradictory_shapes_name_the_node() -> None:
    nodes = [node("Gemm", ["x", "w"])]
    with pytest.raises(ModelFormatError, match="Gemm #0 'n/y'"):
        load_onnx(model(nodes, {"x": (1, 4)}, {"w": noise((5, 3))}), "m")


def test_constant_output_and_nan() -> None:
    with pytest.raises(ModelFormatError, match="is constant"):
        load_onnx(model([node("Shape", ["x"])], {"x": (1, 4)}), "m")
    with pytest.raises(UnsupportedModelError, match="NaN"):
        load_onnx(model([node("Add", ["x", "k"])], {"x": (1, 4)}, {"k": np.float32([np.nan])}), "m")
