"""Inputs that come by rows: every row is asked for once and in order, and has a place until it was read last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for
from mcugen.compiled import Compiled
from mcugen.errors import InputError
from mcugen.ir import Graph, Op
from mcugen.lowering import Optimize
from mcugen.ops import Add, Conv2D, FullyConnected
from mcugen.report.plan import plan_view
from mcugen.rows.windows import row_bytes
from tests.support import graphs


def conv(source: str, output: str, kernel: int, stride: int = 1, padding: int = 0) -> Conv2D:
    return Conv2D(
        inputs=(source, f"{output}/weights", "bias"), outputs=(output,), origin=f"CONV '{output}'",
        kernel=(kernel, kernel), stride=(stride, stride), padding=(padding,) * 4,
    )  # fmt: skip


def branches(height: int = 24, stride: int = 1) -> Graph:
    """Two convolutions of different reach read the image; their sum goes through a third."""
    out = -(-height // stride)
    tensors = [
        graphs.activation("image", 1, height, 16, 3),
        graphs.int8_constant("wide/weights", (4, 5, 5, 3)),
        graphs.int8_constant("narrow/weights", (4, 1, 1, 3)),
        graphs.int8_constant("last/weights", (4, 3, 3, 4)),
        graphs.int32_constant("bias", [1, -2, 3, 4]),
        *(graphs.activation(n, 1, out, -(-16 // stride), 4) for n in ("wide", "narrow", "sum", "last")),
        graphs.int8_constant("dense/weights", (2, out * -(-16 // stride) * 4)),
        graphs.int32_constant("dense/bias", [5, 6]),
        graphs.activation("scores", 1, 2),
    ]
    ops: Sequence[Op] = [
        conv("image", "wide", 5, stride, 2),
        replace(conv("image", "narrow", 1, stride)),
        Add(inputs=("wide", "narrow"), outputs=("sum",), origin="ADD 'sum'"),
        conv("sum", "last", 3, 1, 1),
        FullyConnected(inputs=("last", "dense/weights", "dense/bias"), outputs=("scores",), origin="DENSE"),
    ]
    return graphs.graph(tensors, ops, "image", "scores", "branches")


def compiled(graph: Graph, optimize: Optimize = "balanced", asked: str | None = "") -> Compiled:
    options = CompileOptions(optimize=optimize, input_rows=asked)
    return compile_for(Quantized(graph, b"", "tflite", ()), "test.tflite", load_board("mps2-an386"), options)


@pytest.mark.parametrize("optimize", ["ram", "size", "balanced", "speed"])
@pytest.mark.parametrize(("height", "stride"), [(24, 1), (17, 2)])
def test_every_row_once_and_in_order(height: int, stride: int, optimize: Optimize) -> None:
    model = compiled(branches(height, stride), optimize)
    tensor = model.graph.tensors["image"]
    (step,) = (s for s in model.program.steps if "image" in s.windows)
    rows: list[int] = []
    for call in (c for c in step.calls if c.asks_caller):
        first, count = call.param("first"), call.param("count")
        assert count > 0 and call.output_offsets[0] + count * row_bytes(tensor) <= step.windows["image"]
        rows += range(first, first + count)
    assert rows == list(range(height))


def test_arena_is_smaller_than_the_input() -> None:
    whole, streamed = (compiled(branches(), asked=asked) for asked in (None, ""))
    assert streamed.memory.arena_bytes < whole.memory.arena_bytes
    windows = [row for row in plan_view(streamed).rows if row.kind == "input window"]
    assert [row.name for row in windows] == ["image"]
    assert windows[0].size < streamed.graph.tensors["image"].bytes
    assert not [row for row in plan_view(whole).rows if row.kind == "input window"]


def test_whole_inputs_beside_it() -> None:
    """Of two images one comes by rows."""
    tensors = [graphs.activation(n, 1, 8, 4, 2) for n in ("a", "b", "sum")]
    graph = graphs.graph(tensors, [Add(inputs=("a", "b"), outputs=("sum",), origin="ADD")], "a b", "sum")
    model = compiled(graph, asked="b")
    assert model.program.streamed == "b"
    assert {row.name: row.kind for row in plan_view(model).rows}["a"] == "input"
    with pytest.raises(InputError, match="the model has 2 inputs; there are: a, b") as caught:
        compiled(graph)
    assert "--input a=stream:rows" in caught.value.hint
    with pytest.raises(InputError, match="no input is called 'c'"):
        compiled(graph, asked="c")


def test_not_an_image() -> None:
    tensors = [graphs.activation(n, 1, 8) for n in ("a", "sum")]
    tensors.append(graphs.int8_constant("c", (1, 8), graphs.QUANT))
    graph = graphs.graph(tensors, [Add(inputs=("a", "c"), outputs=("sum",), origin="ADD")], "a", "sum")
    with pytest.raises(InputError, match="input 'a' has the shape 1x8"):
        compiled(graph)


def test_operator_that_needs_the_whole_input() -> None:
    tensors = [
        graphs.activation("image", 1, 4, 4, 2),
        graphs.int8_constant("weights", (3, 32)),
        graphs.int32_constant("bias", [1, 2, 3]),
        graphs.activation("scores", 1, 3),
    ]
    dense = FullyConnected(inputs=("image", "weights", "bias"), outputs=("scores",), origin="DENSE #0 'x'")
    graph = graphs.graph(tensors, [dense], "image", "scores")
    with pytest.raises(InputError, match="DENSE #0 'x' does not work row by row"):
        compiled(graph)


def test_input_that_nobody_reads() -> None:
    tensors = [graphs.activation(n, 1, 8, 4, 2) for n in ("a", "b", "sum")]
    graph = graphs.graph(tensors, [Add(inputs=("b", "b"), outputs=("sum",), origin="ADD")], "a b", "sum")
    with pytest.raises(InputError, match="is read by no operator"):
        compiled(graph, asked="a")


def test_input_that_is_an_output() -> None:
    graph = branches()
    with pytest.raises(InputError, match="is an output as well"):
        compiled(graph.replace(outputs=(*graph.outputs, "image")))


def test_not_in_the_callers_memory() -> None:
    options = CompileOptions(input_rows="", io_in_arena=False)
    quantized = Quantized(branches(), b"", "tflite", ())
    with pytest.raises(InputError, match="lies in the arena") as caught:
        compile_for(quantized, "test.tflite", load_board("mps2-an386"), options)
    assert "--io-memory" in caught.value.hint
