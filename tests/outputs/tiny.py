"""A small quantized network, built here so that the tests of project outputs need no model file."""

from __future__ import annotations

import numpy as np

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for
from mcugen.compiled import Compiled
from mcugen.interp import evaluate
from mcugen.ir import Array, DType, Graph, Op, QuantParams, Tensor
from mcugen.lowering import Kernels
from mcugen.ops.conv2d import Conv2D
from mcugen.ops.fully_connected import FullyConnected
from mcugen.ops.movement import Pad

NAME = "tiny_net"
EXAMPLE_VALUE = np.float32(0.5)


def _activation(name: str, shape: tuple[int, ...], scale: float, zero_point: int) -> Tensor:
    return Tensor(name, DType.INT8, shape, QuantParams.per_tensor(scale, zero_point))


def _weights(name: str, shape: tuple[int, ...], scales: tuple[float, ...], seed: int) -> Tensor:
    data = np.random.default_rng(seed).integers(-127, 128, shape).astype(np.int8)
    axis = 0 if len(scales) > 1 else None
    return Tensor(name, DType.INT8, shape, QuantParams(scales, (0,) * len(scales), axis), data)


def _bias(name: str, size: int, seed: int) -> Tensor:
    data = np.random.default_rng(seed).integers(-500, 500, size).astype(np.int32)
    return Tensor(name, DType.INT32, (size,), None, data)


def tiny_graph(*, padded: bool = False) -> Graph:
    """Convolution and fully connected layer on 6x6x3; with ``padded`` a padding of its own before them."""
    size = 8 if padded else 6
    tensors = [
        _activation("image", (1, 6, 6, 3), 1 / 255, -128),
        _activation("wide", (1, 8, 8, 3), 1 / 255, -128),
        _weights("conv_w", (4, 3, 3, 3), (0.01, 0.02, 0.005, 0.01), 1),
        _bias("conv_b", 4, 2),
        _activation("features", (1, size - 2, size - 2, 4), 0.05, -20),
        _weights("fc_w", (3, (size - 2) ** 2 * 4), (0.01,), 3),
        _bias("fc_b", 3, 4),
        _activation("scores", (1, 3), 0.1, 5),
    ]
    image = "wide" if padded else "image"
    ops: tuple[Op, ...] = (
        Conv2D(inputs=(image, "conv_w", "conv_b"), outputs=("features",), origin="conv", kernel=(3, 3)),
        FullyConnected(inputs=("features", "fc_w", "fc_b"), outputs=("scores",), origin="dense"),
    )
    if padded:
        around = (0, 1, 1, 0)
        pad = Pad(inputs=("image",), outputs=("wide",), origin="pad", before=around, after=around, value=-128)
        ops = (pad, *ops)
    return Graph({}, (), ("image",), ("scores",)).with_ops(ops, {t.name: t for t in tensors})


def tiny(
    board: str,
    kernels: Kernels = "native",
    *,
    padded: bool = False,
    regions: str = "single",
    input_rows: str | None = None,
) -> Compiled:
    """The network compiled for a board."""
    quantized = Quantized(tiny_graph(padded=padded), b"tiny", "tflite", ())
    options = CompileOptions(kernels=kernels, name=NAME, regions=regions, input_rows=input_rows)
    return compile_for(quantized, "tiny.tflite", load_board(board), options)


def expected_lines(compiled: Compiled) -> list[str]:
    """What the generated example prints: the outputs for an input that is EXAMPLE_VALUE everywhere."""
    (name,), (output,) = compiled.graph.inputs, compiled.graph.outputs
    x, y = compiled.graph.tensors[name], compiled.graph.tensors[output]
    q = np.float32(EXAMPLE_VALUE / np.float32(x.scale)) + np.float32(x.zero_point)
    rounded = np.trunc(np.clip(q + np.copysign(np.float32(0.5), q), -128, 127))
    values = evaluate(compiled.graph, {name: np.full(x.shape, rounded, dtype=np.int8)})[output]
    reals = np.float32(y.scale) * (values.reshape(-1).astype(np.int32) - y.zero_point).astype(np.float32)
    return [f"output[{i}] = {_thousandths(real)}" for i, real in enumerate(reals)]


def _thousandths(real: np.float32) -> str:
    scaled = np.float32(real * np.float32(1000))
    value = int(np.trunc(scaled + np.copysign(np.float32(0.5), scaled)))
    return f"{'-' if value < 0 else ''}{abs(value) // 1000}.{abs(value) % 1000:03d}"


def random_input(compiled: Compiled, seed: int = 0) -> dict[str, Array]:
    """An array for every input, over the whole range of its type."""
    generator = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for name in compiled.graph.inputs:
        tensor = compiled.graph.tensors[name]
        if tensor.dtype is DType.FLOAT32:
            arrays[name] = generator.normal(size=tensor.shape).astype(np.float32)
        else:
            low, high = tensor.dtype.bounds
            arrays[name] = generator.integers(low, high, tensor.shape, endpoint=True).astype(
                tensor.dtype.numpy
            )
    return arrays
