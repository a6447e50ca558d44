"""Accuracy of the int8 graphs on the labelled samples of the zoo, by the reference interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from mcugen.frontends.onnx import load_onnx
from mcugen.interp import evaluate
from mcugen.ir import Array, Graph
from mcugen.ops.quantize import affine_quantize
from mcugen.passes import INTEGER_PIPELINE, run_passes
from mcugen.quantize import quantize_float
from mcugen.quantize.calibration import Calibration, to_stored, user_shapes
from mcugen.verify_ir import check_supported
from tests.frontends.onnx_models import runtime_outputs, simplified
from tests.support.zoo import Zoo

# Share of the test samples by which int8 may classify worse than float.
ALLOWED_LOSS = 0.005


def int8_outputs(graph: Graph, samples: Array) -> Array:
    """Real outputs of a graph with int8 inputs and outputs, one row per sample."""
    (name,), (output,) = graph.inputs, graph.outputs
    x, y = graph.tensors[name], graph.tensors[output]
    rows = []
    for sample in samples:
        data = affine_quantize(to_stored(graph, name, sample), x.scale, x.zero_point, x.dtype)
        result = evaluate(graph, {name: data})[output].astype(np.float32)
        rows.append(((result - y.zero_point) * y.scale).reshape(-1))
    return np.stack(rows)


def outputs(
    model: bytes, calibration: Array, samples: Array, observer: str = "minmax"
) -> tuple[Array, Array]:
    """(float outputs by ONNX Runtime, int8 outputs), one row per sample."""
    graph = simplified(load_onnx(model, "m").graph)
    ((name, shape),) = user_shapes(graph).items()
    shaped = Calibration({name: calibration.reshape(-1, *shape).astype(np.float32)})
    final = run_passes(
        quantize_float(graph, shaped, observer=observer, model_bytes=model).graph, INTEGER_PIPELINE
    )
    check_supported(final)
    inputs = samples.reshape(-1, *shape).astype(np.float32)
    real = np.stack([runtime_outputs(model, {name: sample})[0].reshape(-1) for sample in inputs])
    return real, int8_outputs(final, inputs)


def accuracy(rows: Array, labels: Array) -> float:
    return float((rows.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("observer", ["minmax", "percentile"])
@pytest.mark.parametrize("name", ["digits_cnn", "digits_cnn_bn", "digits_mlp", "digits_mbv3se"])
def test_digits(zoo: Zoo, name: str, observer: str) -> None:
    folder = zoo.root / "models/onnx/digits"
    with np.load(folder / "digits_data.npz") as data:
        real, got = outputs((folder / f"{name}.onnx").read_bytes(), data["x_calib"], data["x_test"], observer)
        labels = data["y_test"]
    assert accuracy(got, labels) >= accuracy(real, labels) - ALLOWED_LOSS


def test_keyword_spotting(zoo: Zoo) -> None:
    model = (zoo.root / "models/onnx/mlperf_tiny/kws_ref_float.onnx").read_bytes()
    with np.load(zoo.root / "models/mlperf_tiny/samples/kws01_samples.npz") as data:
        samples, labels = (data["x"].astype(np.float32) - 83) * np.float32(0.5847029), data["y"]
    real, got = outputs(model, samples[:200], samples[200:])
    assert accuracy(got, labels[200:]) >= accuracy(real, labels[200:]) - ALLOWED_LOSS


@pytest.mark.parametrize("suffix", ["", "_nchw"])
def test_image_classification(zoo: Zoo, suffix: str) -> None:
    model = (zoo.root / f"models/onnx/mlperf_tiny/ic_resnet8_float{suffix}.onnx").read_bytes()
    with np.load(zoo.root / "models/mlperf_tiny/samples/ic01_samples.npz") as data:
        images, labels = data["x"].astype(np.float32), data["y"]
    images = images.transpose(0, 3, 1, 2) if suffix else images
    real, got = outputs(model, images, images)
    assert accuracy(got, labels) == accuracy(real, labels) == 1.0


def test_anomaly_detection(zoo: Zoo) -> None:
    model = (zoo.root / "models/onnx/mlperf_tiny/ad01_float.onnx").read_bytes()
    with np.load(zoo.root / "models/mlperf_tiny/samples/ad01_samples.npz") as data:
        rows = data["spectrogram"]
    windows = np.stack([rows[i : i + 5].reshape(-1) for i in range(len(rows) - 4)])
    real, got = outputs(model, windows[::2], windows)
    float_error, int8_error = (float(np.mean((y - windows) ** 2)) for y in (real, got))
    assert int8_error <= 1.01 * float_error  # 9.71; the int8 file of MLPerf Tiny has 10.26
