"""Passes on integer graphs: the text after them, the same numbers before and after, and nothing left to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mcugen import passes
from mcugen.ir import Graph, Op, QuantParams, Tensor
from mcugen.ops import (
    Add,
    Clip,
    Conv2D,
    FullyConnected,
    MaxPool2D,
    Pad,
    Quantize,
    Reshape,
    StridedSlice,
    Svdf,
    Transpose,
)
from mcugen.passes import Pass
from mcugen.verify_ir import GraphError, verify
from tests.support import graphs
from tests.support.graphs import activation


def _after(transform: Pass, g: Graph) -> str:
    """The operators after a pass, which must keep every output byte, and must have nothing left to do."""
    result = transform(g)
    verify(result)
    assert (result.inputs, result.outputs) == (g.inputs, g.outputs)
    for seed in range(3):
        inputs = graphs.random_inputs(g, seed)
        assert graphs.outputs(result, inputs) == graphs.outputs(g, inputs)
    assert str(transform(result)) == str(result), "the pass is not idempotent"
    return _text(result)


def _text(g: Graph) -> str:
    return " ".join(
        f"{','.join(op.outputs)}={op.kind}({','.join(n for n in op.inputs if n)})" for op in g.ops
    )


def _graph(tensors: Sequence[Tensor], ops: Sequence[Op], outputs: str = "y") -> Graph:
    g = graphs.graph(tensors, ops, "x", outputs)
    verify(g)
    return g


def _clip(x: str, y: str, **bounds: float) -> Clip:
    return Clip(inputs=(x,), outputs=(y,), **bounds)


def test_dead_operators_go_but_not_those_with_state() -> None:
    state = Tensor("s", graphs.DType.INT8, (1, 8), graphs.QUANT, np.zeros((1, 8), np.int8), True)
    weights = [graphs.int8_constant("f", (4, 4)), graphs.int8_constant("t", (4, 2))]
    tensors = [activation(n, 1, 4) for n in ("x", "y", "unread", "memory")] + [state, *weights]
    ops = [
        _clip("x", "unread"),
        Svdf(inputs=("x", "f", "t", "", "s"), outputs=("memory",), rank=1),
        _clip("x", "y"),
    ]
    assert _after(passes.remove_dead, _graph(tensors, ops)) == "memory=Svdf(x,f,t,s) y=Clip(x)"


def test_constants_are_folded() -> None:
    tensors = [activation("x", 1, 4), graphs.int8_constant("w", (2, 2)), activation("y", 1, 4)]
    tensors += [
        activation("flat", 1, 4, quant=graphs.WEIGHTS),
        activation("same", 1, 4, quant=graphs.WEIGHTS),
    ]
    ops = [
        Reshape(inputs=("w",), outputs=("flat",), shape=(1, 4)),
        Clip(inputs=("flat",), outputs=("same",), low=-0.5),
        Add(inputs=("x", "same"), outputs=("y",)),
    ]
    assert _after(passes.fold_constants, _graph(tensors, ops)) == "y=Add(x,same)"


def test_an_operator_that_is_refused_later_is_not_folded() -> None:
    tensors = [activation("x", 1, 4), activation("y", 1, 4), activation("z", 1, 4)]
    constant = graphs.int8_constant("c", (1, 4)).replace(quant=None)
    ops = [Clip(inputs=("c",), outputs=("z",)), Add(inputs=("x", "z"), outputs=("y",))]
    assert _text(passes.fold_constants(_graph([*tensors, constant], ops))) == "z=Clip(c) y=Add(x,z)"


def test_identities_are_removed() -> None:
    tensors = [activation(n, 2, 3) for n in "xabcdey"]
    ops = [
        Reshape(inputs=("x",), outputs=("a",), shape=(2, 3)),
        Transpose(inputs=("a",), outputs=("b",), perm=(0, 1)),
        Quantize(inputs=("b",), outputs=("c",)),
        StridedSlice(inputs=("c",), outputs=("d",), begin=(0, 0), size=(2, 3), step=(1, 1)),
        _clip("d", "e", low=-100.0, high=100.0),
        Add(inputs=("e", "a"), outputs=("y",)),
    ]
    assert _after(passes.remove_identities, _graph(tensors, ops)) == "y=Add(x,x)"


def test_what_only_looks_like_an_identity_stays() -> None:
    other = QuantParams.per_tensor(0.04, -3)
    tensors = [
        activation("x", 2, 2),
        activation("a", 2, 2),
        activation("b", 2, 2),
        activation("c", 2, 2, quant=other),
    ]
    ops = [
        StridedSlice(inputs=("x",), outputs=("a",), begin=(1, 0), size=(2, 2), step=(-1, 1)),
        Transpose(inputs=("a",), outputs=("b",), perm=(1, 0)),
        Quantize(inputs=("b",), outputs=("c",)),
        Clip(inputs=("c",), outputs=("y",), low=-1.0, high=1.0),
    ]
    text = _after(passes.remove_identities, _graph([*tensors, activation("y", 2, 2, quant=other)], ops))
    assert text == "a=StridedSlice(x) b=Transpose(a) c=Quantize(b) y=Clip(c)"


def test_an_output_keeps_its_name() -> None:
    ops = [Reshape(inputs=("x",), outputs=("y",), shape=(2, 3))]
    g = _graph([activation("x", 2, 3), activation("y", 2, 3)], ops)
    assert _after(passes.remove_identities, g) == "y=Reshape(x)"


def _conv_and_clip(clip_quant: QuantParams) -> Graph:
    tensors = [
        *(activation("x", 1, 4, 4, 2), graphs.int8_constant("w", (3, 1, 1, 2)), activation("a", 1, 4, 4, 3)),
        activation("y", 1, 4, 4, 3, quant=clip_quant),
    ]
    return _graph(
        tensors, [Conv2D(inputs=("x", "w", ""), outputs=("a",), kernel=(1, 1)), _clip("a", "y", high=6.0)]
    )


def test_activations_are_fused() -> None:
    g = _conv_and_clip(graphs.QUANT)
    assert _after(passes.fuse_activation, g) == "y=Conv2D(x,w)"
    fused = passes.fuse_activation(g).ops[0]
    assert isinstance(fused, Conv2D) and (fused.low, fused.high) == (0.0, 6.0)


def test_an_activation_that_requantizes_is_not_fused() -> None:
    assert (
        _after(passes.fuse_activation, _conv_and_clip(QuantParams.per_tensor(0.04, -3)))
        == "a=Conv2D(x,w) y=Clip(a)"
    )


def test_an_activation_of_a_tensor_that_others_read_is_not_fused() -> None:
    g = _conv_and_clip(graphs.QUANT).replace(outputs=("y", "a"))
    assert _after(passes.fuse_activation, g) == "a=Conv2D(x,w) y=Clip(a)"


def test_transposes_cancel() -> None:
    tensors = [
        activation("x", 2, 3, 4),
        activation("a", 4, 2, 3),
        activation("b", 2, 3, 4),
        activation("y", 2, 3, 4),
    ]
    ops = [
        Transpose(inputs=("x",), outputs=("a",), perm=(2, 0, 1)),
        Transpose(inputs=("a",), outputs=("b",), perm=(1, 2, 0)),
        _clip("b", "y"),
    ]
    both = [passes.cancel_transposes, passes.remove_dead]
    g = _graph(tensors, ops)
    assert _after(lambda g: both[1](both[0](g)), g) == "y=Clip(x)"


def test_a_transpose_of_ones_is_a_reshape() -> None:
    ops = [Transpose(inputs=("x",), outputs=("y",), perm=(0, 2, 3, 1))]
    g = _graph([activation("x", 1, 1, 3, 4), activation("y", 1, 3, 4, 1)], ops)
    assert _after(passes.cancel_transposes, g) == "y=Reshape(x)"


def test_a_transpose_moves_into_the_weights() -> None:
    tensors = [
        *(activation("x", 1, 2, 3, 4), activation("t", 1, 4, 2, 3), activation("f", 1, 24)),
        *(graphs.int8_constant("w", (5, 24)), activation("y", 1, 5, quant=QuantParams.per_tensor(0.2, 0))),
    ]
    ops = [
        Transpose(inputs=("x",), outputs=("t",), perm=(0, 3, 1, 2)),
        Reshape(inputs=("t",), outputs=("f",), shape=(1, 24)),
        FullyConnected(inputs=("f", "w", ""), outputs=("y",)),
    ]
    g = passes.remove_dead(passes.fold_transpose_into_fc(_graph(tensors, ops)))
    assert _text(g) == "y=FullyConnected(x,w/permuted)"
    assert _after(
        lambda g: passes.remove_dead(passes.fold_transpose_into_fc(g)), _graph(tensors, ops)
    ) == _text(g)


@pytest.mark.parametrize(("value", "expected"), [(-3.0, "y=Conv2D(x,w)"), (0.0, "p=Pad(x) y=Conv2D(p,w)")])
def test_padding_with_the_zero_point_moves_into_a_convolution(value: float, expected: str) -> None:
    from mcugen.passes.merge_pad import merge_pad

    tensors = [
        *(activation("x", 1, 4, 4, 2), activation("p", 1, 5, 6, 2), graphs.int8_constant("w", (3, 3, 3, 2))),
        activation("y", 1, 3, 4, 3),
    ]
    ops = [
        Pad(inputs=("x",), outputs=("p",), before=(0, 1, 0, 0), after=(0, 0, 2, 0), value=value),
        Conv2D(inputs=("p", "w", ""), outputs=("y",), kernel=(3, 3)),
    ]
    assert _after(merge_pad, _graph(tensors, ops)) == expected


def test_padding_with_the_smallest_value_moves_into_a_maximum_pooling() -> None:
    from mcugen.passes.merge_pad import merge_pad

    tensors = [activation("x", 1, 4, 4, 2), activation("p", 1, 6, 6, 2), activation("y", 1, 3, 3, 2)]
    ops = [
        Pad(inputs=("x",), outputs=("p",), before=(0, 1, 1, 0), after=(0, 1, 1, 0), value=-128.0),
        MaxPool2D(inputs=("p",), outputs=("y",), kernel=(2, 2), stride=(2, 2)),
    ]
    assert _after(merge_pad, _graph(tensors, ops)) == "y=MaxPool2D(x)"


def test_the_pipeline_keeps_the_numbers() -> None:
    g = graphs.classifier()
    result = passes.run_passes(g, passes.INTEGER_PIPELINE)
    for seed in range(5):
        inputs = graphs.random_inputs(g, seed)
        assert graphs.outputs(result, inputs) == graphs.outputs(g, inputs)


def test_the_graph_after_each_pass_can_be_dumped(tmp_path: Path) -> None:
    g = graphs.classifier()
    passes.run_passes(g, passes.INTEGER_PIPELINE, tmp_path / "dump", "int8_")
    names = sorted(p.name for p in (tmp_path / "dump").iterdir())
    assert names == [f"int8_{i:02d}_{p.__name__}.txt" for i, p in enumerate(passes.INTEGER_PIPELINE)]
    assert (tmp_path / "dump" / names[0]).read_text(encoding="utf-8") == str(g)


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    def break_it(g: Graph) -> Graph:
        return g.replace(ops=(dataclasses.replace(g.ops[0], outputs=("elsewhere",)), *g.ops[1:]))

    with pytest.raises(GraphError, match=r"after break_it \(before it: remove_dead\): .*elsewhere"):
        passes.run_passes(graphs.classifier(), [passes.remove_dead, break_it])


def test_a_front_end_that_breaks_the_graph_is_named() -> None:
    g = graphs.classifier()
    with pytest.raises(GraphError, match="after the front-end"):
        passes.run_passes(g.replace(ops=g.ops[1:]), passes.INTEGER_PIPELINE)
