"""Small integer graphs, built by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mcugen.interp import evaluate
from mcugen.ir import Array, DType, Graph, Op, QuantParams, Shape, Tensor
from mcugen.ops import AveragePool2D, Conv2D, FullyConnected, Reshape, Softmax

QUANT = QuantParams.per_tensor(0.05, -3)
WEIGHTS = QuantParams.per_tensor(0.01, 0)


def activation(
    name: str, *shape: int, quant: QuantParams | None = QUANT, dtype: DType = DType.INT8
) -> Tensor:
    return Tensor(name, dtype, shape, quant)


def int8_constant(name: str, shape: Shape, quant: QuantParams = WEIGHTS, seed: int = 1) -> Tensor:
    data = np.random.default_rng(seed).integers(-127, 128, shape).astype(np.int8)
    return Tensor(name, DType.INT8, shape, quant, data)


def int32_constant(name: str, values: Sequence[int]) -> Tensor:
    data = np.array(values, dtype=np.int32)
    return Tensor(name, DType.INT32, data.shape, None, data)


def graph(
    tensors: Sequence[Tensor], ops: Sequence[Op], inputs: str, outputs: str, name: str = "test"
) -> Graph:
    """``inputs`` and ``outputs`` are names separated by spaces."""
    return Graph(
        {t.name: t for t in tensors}, tuple(ops), tuple(inputs.split()), tuple(outputs.split()), name
    )


def random_inputs(g: Graph, seed: int = 0) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    return {n: _random(g.tensors[n], generator) for n in g.inputs}


def _random(tensor: Tensor, generator: np.random.Generator) -> Array:
    if tensor.dtype is DType.FLOAT32:
        return generator.standard_normal(tensor.shape).astype(np.float32)
    return generator.integers(*tensor.dtype.bounds, tensor.shape, endpoint=True).astype(tensor.dtype.numpy)


def outputs(g: Graph, inputs: dict[str, Array]) -> list[bytes]:
    """The outputs' types, shapes and bytes."""
    values = evaluate(g, inputs)
    return [str((values[n].dtype, values[n].shape)).encode() + values[n].tobytes() for n in g.outputs]


def classifier() -> Graph:
    """Convolution, pooling, a dense layer, softmax: the smallest of its kind."""
    tensors = [
        activation("image", 1, 6, 6, 2),
        int8_constant("conv/weights", (4, 3, 3, 2)),
        int32_constant("conv/bias", [10, -20, 300, 4]),
        activation("conv", 1, 6, 6, 4, quant=QuantParams.per_tensor(0.04, -128)),
        activation("pool", 1, 3, 3, 4, quant=QuantParams.per_tensor(0.04, -128)),
        activation("flat", 1, 36, quant=QuantParams.per_tensor(0.04, -128)),
        int8_constant("dense/weights", (3, 36), seed=2),
        int32_constant("dense/bias", [0, 100, -100]),
        activation("logits", 1, 3, quant=QuantParams.per_tensor(0.1, 5)),
        activation("probabilities", 1, 3, quant=QuantParams.per_tensor(1 / 256, -128)),
    ]
    ops = [
        Conv2D(
            inputs=("image", "conv/weights", "conv/bias"),
            outputs=("conv",),
            origin="CONV #0 'conv'",
            kernel=(3, 3),
            padding=(1, 1, 1, 1),
            low=0.0,
        ),
        AveragePool2D(
            inputs=("conv",), outputs=("pool",), origin="POOL #1 'pool'", kernel=(2, 2), stride=(2, 2)
        ),
        Reshape(inputs=("pool",), outputs=("flat",), origin="RESHAPE #2 'flat'", shape=(1, 36)),
        FullyConnected(
            inputs=("flat", "dense/weights", "dense/bias"), outputs=("logits",), origin="DENSE #3 'logits'"
        ),
        Softmax(inputs=("logits",), outputs=("probabilities",), origin="SOFTMAX #4 'probabilities'"),
    ]
    return graph(tensors, ops, "image", "probabilities", "classifier")
