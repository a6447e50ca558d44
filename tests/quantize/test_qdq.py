"""QDQ models: layer by layer within one step of ONNX Runtime, and their predictions kept."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from mcugen.errors import UnsupportedModelError
from mcugen.frontends.onnx import load_onnx
from mcugen.interp import evaluate
from mcugen.ir import Array, DType, Graph
from mcugen.ops.quantize import affine_quantize
from mcugen.passes import INTEGER_PIPELINE, run_passes
from mcugen.quantize import quantize_qdq
from mcugen.quantize.calibration import to_stored, user_shapes
from mcugen.quantize.qdq import from_qdq
from mcugen.verify_ir import check_supported
from tests.frontends.onnx_models import Nodes, graph_outputs, model, node, noise, runtime_outputs, simplified
from tests.support.zoo import Zoo

MODELS = (
    "public/micro_kws_m_qdq",
    "quantized/digits_cnn_qdq_s8s8_pc",
    "quantized/digits_cnn_qdq_s8sym_pc",
    "quantized/digits_cnn_qdq_u8s8_pt",
    "quantized/digits_mbv3se_qdq_s8s8_pc",
    "quantized/digits_mlp_qdq_s8s8_pc",
    "quantized/digits_mlp_qdq_u8s8_pt",
    "quantized/mlperf_ad01_qdq_s8s8_pt",
    "quantized/mlperf_kws_qdq_s8s8_pc",
    "quantized/mobilenetv2_tiny_random_qdq_s8s8_pc",
    "quantized/resnet8_random_qdq_s8s8_pc",
)


def load(zoo: Zoo, name: str) -> tuple[bytes, Graph]:
    data = (zoo.root / f"models/onnx/{name}.onnx").read_bytes()
    return data, simplified(load_onnx(data, "m").graph)


def final(graph: Graph, io: str = "float32") -> Graph:
    result = run_passes(quantize_qdq(graph, "int8" if io == "int8" else "float32").graph, INTEGER_PIPELINE)
    check_supported(result)
    return result


def golden_inputs(zoo: Zoo, name: str, graph: Graph) -> list[Array]:
    ((_, shape),) = user_shapes(graph).items()
    with np.load(zoo.root / f"vectors/golden/onnx/{name}.npz") as vectors:
        return [case.reshape(shape) for case in vectors["in0"]]


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_is_within_one_step(zoo: Zoo, name: str) -> None:
    """Each integer operator on the values of the float simulation, which equals ONNX Runtime exactly."""
    _, simulation = load(zoo, name)
    integers, _ = from_qdq(simulation)
    for case in golden_inputs(zoo, name, simulation):
        real = evaluate(simulation, {n: to_stored(simulation, n, case) for n in simulation.inputs})
        _compare_layers(integers, real)


def _compare_layers(integers: Graph, real: dict[str, Array]) -> None:
    """Tensors between operators that the file does not have are passed on."""
    inner: dict[str, Array] = {}

    def simulated(name: str) -> Array:
        tensor = integers.tensors[name]
        assert tensor.quant is not None
        return affine_quantize(real[name], tensor.scale, tensor.zero_point, DType.INT8)

    def read(name: str) -> Array:
        data = integers.tensors[name].data if name else np.zeros(0, np.float32)
        return data if data is not None else inner[name] if name in inner else simulated(name)

    for op in integers.ops:
        results = op.evaluate(integers.tensors, *(read(n) for n in op.inputs))
        for name, got in zip(op.outputs, results, strict=True):
            if name in real and real[name].dtype == np.float32:
                assert np.abs(got.astype(int) - simulated(name)).max() <= 1, op.origin
            else:
                inner[name] = got


@pytest.mark.parametrize("name", MODELS)
def test_golden_outputs(zoo: Zoo, name: str) -> None:
    _, simulation = load(zoo, name)
    graph, integer_io = final(simulation), final(simulation, "int8")
    y = integer_io.tensors[integer_io.outputs[0]]
    assert integer_io.tensors[integer_io.inputs[0]].dtype is DType.INT8
    with np.load(zoo.root / f"vectors/golden/onnx/{name}.npz") as vectors:
        wanted = vectors["out0"]
    for case, want in zip(golden_inputs(zoo, name, simulation), wanted, strict=True):
        (got,) = graph_outputs(graph, {graph.inputs[0]: case})
        # Steps of 1 per layer add up, most in the models of random weights; the softmax of mlperf_kws turns 1 of
        # its input into up to 10.
        assert np.abs(got.reshape(-1) - want.reshape(-1)).max() <= 10.5 * y.scale
        assert np.abs(got.reshape(-1) - want.reshape(-1)).mean() <= 3 * y.scale


@pytest.mark.parametrize("name", [m for m in MODELS if "digits" in m])
def test_digits_accuracy(zoo: Zoo, name: str) -> None:
    data, simulation = load(zoo, name)
    graph = final(simulation)
    ((input_, shape),) = user_shapes(graph).items()
    with np.load(zoo.root / "models/onnx/digits/digits_data.npz") as digits:
        images, labels = digits["x_test"][:200].reshape(-1, *shape), digits["y_test"][:200]
    got = np.stack([graph_outputs(graph, {input_: image})[0].reshape(-1) for image in images])
    want = np.stack([runtime_outputs(data, {input_: image})[0].reshape(-1) for image in images])
    assert (got.argmax(1) == labels).mean() == (want.argmax(1) == labels).mean()


def test_keyword_spotting_accuracy(zoo: Zoo) -> None:
    data, simulation = load(zoo, "quantized/mlperf_kws_qdq_s8s8_pc")
    graph = final(simulation)
    ((input_, shape),) = user_shapes(graph).items()
    with np.load(zoo.root / "models/mlperf_tiny/samples/kws01_samples.npz") as samples:
        inputs = ((samples["x"][:300].astype(np.float32) - 83) * np.float32(0.5847029)).reshape(-1, *shape)
        labels = samples["y"][:300]
    got = np.stack([graph_outputs(graph, {input_: x})[0].reshape(-1) for x in inputs])
    want = np.stack([runtime_outputs(data, {input_: x})[0].reshape(-1) for x in inputs])
    assert (got.argmax(1) == labels).mean() >= (want.argmax(1) == labels).mean() - 0.005


def pair(source: str, name: str, kind: str = "x") -> Nodes:
    """QuantizeLinear and DequantizeLinear with the parameters ``kind``."""
    parameters = [f"{kind}_scale", f"{kind}_zero"]
    return [
        node("QuantizeLinear", [source, *parameters], [f"{name}_q"]),
        node("DequantizeLinear", [f"{name}_q", *parameters], [name]),
    ]


PARAMETERS: dict[str, Array] = {
    "x_scale": np.float32(0.02), "x_zero": np.int8(3), "u_scale": np.float32(0.05), "u_zero": np.uint8(117),
}  # fmt: skip


def qdq(
    nodes: Nodes, constants: dict[str, Array] | None = None, shape: tuple[int, ...] = (1, 4, 6, 6)
) -> Graph:
    data = model(nodes, {"x": shape}, {**PARAMETERS, **(constants or {})})
    return simplified(load_onnx(data, "m").graph)


def check(graph: Graph, steps: float) -> Graph:
    """Compares the integer graph with the simulation."""
    result = final(graph)
    shape = user_shapes(graph)["x"]
    scale = final(graph, "int8").tensors["y"].scale
    for seed in range(4):
        (want,) = graph_outputs(graph, {"x": noise(shape, seed)})
        (got,) = graph_outputs(result, {"x": noise(shape, seed)})
        assert np.abs(got - want).max() <= (steps + 0.01) * scale
    return result


def test_unsigned_activations_become_signed() -> None:
    graph = final(qdq([*pair("x", "a", "u"), node("Relu", ["a"], ["r"]), *pair("r", "y", "u")]), "int8")
    assert graph.tensors["x"].dtype is DType.INT8
    assert graph.tensors["x"].zero_point == 117 - 128
    check(qdq([*pair("x", "a", "u"), node("Relu", ["a"], ["r"]), *pair("r", "y", "u")]), 0)


def test_average_pool_with_another_output_scale() -> None:
    whole = [*pair("x", "a"), node("AveragePool", ["a"], ["p"], kernel_shape=[6, 6]), *pair("p", "y", "u")]
    assert [op.kind for op in check(qdq(whole), 1).ops] == ["Quantize", "Mean", "Dequantize"]
    part = [*pair("x", "a"), node("AveragePool", ["a"], ["p"], kernel_shape=[3, 3]), *pair("p", "y", "u")]
    kinds = [op.kind for op in check(qdq(part), 1).ops]
    assert kinds == ["Quantize", "AveragePool2D", "Quantize", "Dequantize"]


def test_quantize_behind_moved_elements() -> None:
    shape = {"s": np.array([1, 144])}
    nodes = [node("Reshape", ["x", "s"], ["r"]), *pair("r", "a"), node("Relu", ["a"], ["b"]), *pair("b", "y")]
    assert [op.kind for op in check(qdq(nodes, shape), 0).ops] == [
        "Quantize",
        "Clip",
        "Reshape",
        "Dequantize",
    ]


def test_softmax_without_quantized_output() -> None:
    graph = check(qdq([*pair("x", "a"), node("Softmax", ["a"])], shape=(1, 10)), 1.5)
    assert [op.kind for op in graph.ops] == ["Quantize", "Softmax", "Dequantize"]


def test_concat_of_different_scales() -> None:
    nodes = [
        *pair("x", "a"), *pair("x", "b", "u"),
        node("Concat", ["a", "b"], ["c"], axis=1), *pair("c", "y", "u"),
    ]  # fmt: skip
    check(qdq(nodes), 1)


def test_float_weights_and_bias_are_quantized() -> None:
    nodes = [*pair("x", "a"), node("Conv", ["a", "w", "b"], ["c"]), *pair("c", "y", "u")]
    check(qdq(nodes, {"w": noise((5, 4, 3, 3)) / 10, "b": noise((5,), 1)}), 1.5)


def test_shared_output_and_two_outputs() -> None:
    nodes = [*pair("x", "a"), node("Relu", ["a"], ["r"]), *pair("r", "y"), node("Identity", ["y"], ["z"])]
    data = model(nodes, {"x": (1, 4)}, PARAMETERS, outputs=["y", "z"])
    graph = simplified(load_onnx(data, "m").graph)
    result = final(graph)
    assert result.outputs == ("y", "z")
    first, second = graph_outputs(result, {"x": noise((1, 4))})
    np.testing.assert_array_equal(first, second)
    assert final(graph, "int8").outputs == ("y", "z")


def test_float_islands_are_named_once() -> None:
    nodes = [
        *pair("x", "a"),
        node("Add", ["a", "x"], ["s"]),
        node("Relu", ["s"], ["t"]),
        *pair("t", "y"),
    ]
    with pytest.raises(UnsupportedModelError) as caught:
        quantize_qdq(load_onnx(model(nodes, {"x": (1, 4)}, PARAMETERS), "m").graph)
    assert caught.value.message == "Add #2 'n/s': the file leaves its result in float32"


def test_per_channel_activations_and_other_types_are_refused() -> None:
    scales = {"x_scale": np.float32([0.1, 0.2]), "x_zero": np.int8([0, 0])}
    with pytest.raises(UnsupportedModelError, match="one scale per tensor"):
        load_onnx(model(pair("x", "y"), {"x": (1, 2)}, scales), "m")
    nodes = [helper.make_node("QuantizeLinear", ["x", "s"], ["q"], output_dtype=TensorProto.INT16)]
    nodes += [helper.make_node("DequantizeLinear", ["q", "s"], ["y"])]
    with pytest.raises(UnsupportedModelError, match="int8 or uint8"):
        load_onnx(model(nodes, {"x": (1, 2)}, {"s": np.float32(0.1)}, opset=21), "m")
