"""Tensors, graphs and the verifier's invariants."""

from __future__ import annotations

import dataclasses

import pytest

from mcugen.errors import UnsupportedModelError
from mcugen.ir import DType, Graph, QuantParams, Tensor
from mcugen.ops import Conv2D, Reshape, Softmax
from mcugen.verify_ir import GraphError, check_supported, verify
from tests.support import graphs


def test_a_valid_graph_passes() -> None:
    g = graphs.classifier()
    verify(g)
    check_supported(g)
    assert g.macs() == 6 * 6 * 4 * 3 * 3 * 2 + 36 * 3


def test_the_text_of_a_graph_tells_all_of_it() -> None:
    text = str(graphs.classifier())
    for part in ("graph classifier", "input image: int8[1x6x6x2] scale=0.0500000007 zero_point=-3"):
        assert part in text
    for op in (
        "Conv2D(image, conv/weights, conv/bias; kernel=(3, 3)",
        "Reshape(pool; shape=(1, 36))",
        "Softmax(",
    ):
        assert op in text


def _with_op(g: Graph, index: int, **changes: object) -> Graph:
    ops = list(g.ops)
    ops[index] = dataclasses.replace(ops[index], **changes)
    return g.replace(ops=tuple(ops))


def _broken() -> dict[str, tuple[Graph, str]]:
    g = graphs.classifier()
    tensors = dict(g.tensors)
    without = {n: t for n, t in tensors.items() if n != "logits"}
    shapes = {**tensors, "pool": tensors["pool"].replace(shape=(1, 3, 3, 5))}
    return {
        "output without tensor": (g.replace(outputs=("nothing",)), "'nothing' has no tensor"),
        "unknown tensor": (g.replace(tensors=without), "unknown tensors"),
        "order": (g.replace(ops=(g.ops[1], g.ops[0], *g.ops[2:])), "before they are written"),
        "written twice": (_with_op(g, 3, outputs=("conv",)), "a second time"),
        "input written": (_with_op(g, 1, outputs=("image",)), "a second time"),
        "wrong shape": (g.replace(tensors=shapes), "the operator gives"),
        "never written": (g.replace(ops=g.ops[:-1]), r"outputs \['probabilities'\] are never written"),
    }


@pytest.mark.parametrize("case", _broken())
def test_each_invariant_is_checked(case: str) -> None:
    broken, message = _broken()[case]
    with pytest.raises(GraphError, match=message):
        verify(broken)


def test_shapes_that_disagree_are_an_error() -> None:
    g = graphs.classifier()
    weights = {**g.tensors, "conv/weights": graphs.int8_constant("conv/weights", (4, 3, 3, 3))}
    with pytest.raises(ValueError, match="do not match input"):
        verify(g.replace(tensors=weights))
    bias = {**g.tensors, "conv/bias": graphs.int32_constant("conv/bias", [1, 2, 3])}
    with pytest.raises(ValueError, match="bias of shape"):
        verify(g.replace(tensors=bias))


def test_all_violations_are_listed_at_once() -> None:
    g = graphs.classifier()
    tensors = {
        **g.tensors,
        "conv": g.tensors["conv"].replace(dtype=DType.UINT8),
        "probabilities": g.tensors["probabilities"].replace(quant=QuantParams.per_tensor(0.1, 0)),
    }
    with pytest.raises(UnsupportedModelError) as caught:
        check_supported(g.replace(tensors=tensors))
    lines = caught.value.message.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "CONV #0 'conv'",
        "POOL #1 'pool'",
        "SOFTMAX #4 'probabilities'",
    ]
    assert all("needed: " in line and "found: " in line for line in lines)


def test_quantization_is_asked_for_only_where_there_is_one() -> None:
    plain = Tensor("t", DType.INT8, (2,))
    per_axis = plain.replace(quant=QuantParams((0.1, 0.2), (0, 0), 0))
    for tensor in (plain, per_axis):
        with pytest.raises(ValueError, match="tensor 't' has no per-tensor quantization"):
            _ = tensor.scale
    with pytest.raises(ValueError, match="2 scales for 1 zero points"):
        QuantParams((0.1, 0.2), (0,))


def test_rewiring_and_pruning() -> None:
    g = graphs.classifier()
    assert g.ops[0].rewired({"image": "x", "conv": "y"}).inputs[0] == "x"
    kept = g.with_ops(g.ops[:1])
    assert set(kept.tensors) == {"image", "conv/weights", "conv/bias", "conv", "probabilities"}
    assert g.producers()["pool"].kind == "AveragePool2D"
    assert [op.kind for op in g.consumers()["pool"]] == ["Reshape"]


def test_the_origin_does_not_count_in_comparisons() -> None:
    a, b = (Reshape(inputs=("x",), outputs=("y",), shape=(1,), origin=o) for o in ("here", "there"))
    assert a == b and a != Softmax(inputs=("x",), outputs=("y",))
    assert "kernel=(3, 3)" in str(Conv2D(inputs=("x", "w", ""), outputs=("y",), kernel=(3, 3)))
