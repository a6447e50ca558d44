"""Of the model's order and the one with the lowest peak, that with the smaller arena is taken."""

from __future__ import annotations

import numpy as np
import pytest

from mcugen import compile as compiling
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for, known_costs
from mcugen.ir import DType, Graph, Op, QuantParams, Tensor
from mcugen.memory.schedule import schedule
from mcugen.ops.activations import Clip
from mcugen.ops.conv2d import Conv2D
from mcugen.ops.pool2d import MaxPool2D

BOARD = load_board("nrf52")
SHAPES = {
    "large": (1, 16, 16, 16),
    "large_out": (1, 16, 16, 16),
    "little": (1, 1, 1, 16),
    "small": (1, 8, 8, 8),
    "wide": (1, 8, 8, 32),
    "little_too": (1, 1, 1, 32),
}
IN_PLACE: tuple[Op, ...] = (
    Clip(inputs=("large",), outputs=("large_out",), origin="in place"),
    MaxPool2D(inputs=("large_out",), outputs=("little",), origin="shrinks", kernel=(16, 16)),
)
GROWING: tuple[Op, ...] = (
    Conv2D(inputs=("small", "weights", "bias"), outputs=("wide",), origin="grows", kernel=(1, 1)),
    MaxPool2D(inputs=("wide",), outputs=("little_too",), origin="shrinks too", kernel=(8, 8)),
)


def two_branches(ops: tuple[Op, ...]) -> Quantized:
    """A large input that is worked on in place, and a small one that grows, both to something little."""
    quant = QuantParams.per_tensor(0.1, 0)
    tensors = {name: Tensor(name, DType.INT8, shape, quant) for name, shape in SHAPES.items()}
    weights = np.arange(32 * 8, dtype=np.int32).astype(np.int8).reshape(32, 1, 1, 8)
    tensors["weights"] = Tensor(
        "weights", DType.INT8, weights.shape, QuantParams.per_tensor(0.01, 0), weights
    )
    tensors["bias"] = Tensor("bias", DType.INT32, (32,), None, np.zeros(32, np.int32))
    graph = Graph({}, (), ("large", "small"), ("little", "little_too")).with_ops(ops, tensors)
    return Quantized(graph, b"branches", "tflite", ())


def arena(quantized: Quantized, options: CompileOptions) -> tuple[int, tuple[Op, ...]]:
    compiled = compile_for(quantized, "branches.tflite", BOARD, options)
    return compiled.memory.arena_bytes, compiled.graph.ops


def test_overlaps_make_the_models_order_the_better_one() -> None:
    """Without overlaps the growing branch goes first; with them the other one, which makes room in place."""
    own, other = two_branches(IN_PLACE + GROWING), two_branches(GROWING + IN_PLACE)
    assert schedule(own.graph).ops == other.graph.ops
    with_overlaps, without = CompileOptions(), CompileOptions(overlap=False)
    assert arena(own, with_overlaps)[1] == own.graph.ops
    assert arena(own, without)[1] == other.graph.ops
    assert arena(own, with_overlaps)[0] < arena(other, with_overlaps)[0]
    assert arena(own, without)[0] == arena(other, without)[0]


def test_models_order_on_a_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    own = two_branches(IN_PLACE + GROWING)
    monkeypatch.setattr(compiling, "schedule", lambda graph, outside: graph.replace(ops=IN_PLACE + GROWING))
    assert arena(own, CompileOptions())[1] is own.graph.ops


def test_costs_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --tune they are measured."""
    calls = []

    def counted(graph: Graph, *arguments: object) -> object:
        calls.append(graph)
        return known_costs(graph, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(compiling, "known_costs", counted)
    arena(two_branches(IN_PLACE + GROWING), CompileOptions(kernels="auto"))
    assert len(calls) == 1
