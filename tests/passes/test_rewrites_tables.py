"""Tables, clamps, pools, padding, duplicates and the dropped softmax, on graphs made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mcugen import ops
from mcugen.interp import Interpreter
from mcugen.ir import DType, Graph, QuantParams
from mcugen.passes import INTEGER_PIPELINE, Saving, apply_passes, rewrite_names
from mcugen.passes.drop_softmax import drop_softmax
from mcugen.passes.fuse_clamps import fuse_clamps
from mcugen.passes.fuse_tables import fuse_tables
from mcugen.passes.merge_duplicates import merge_duplicates
from mcugen.passes.merge_pad import merge_pad
from mcugen.passes.remove_identities import remove_identities
from mcugen.verify_ir import verify
from tests.passes.integer_graphs import (
    PROBABILITY,
    SIGNED_UNIT,
    UNIT,
    Net,
    assert_same_outputs,
    inputs_for,
    kinds,
    noise,
    rewrite,
)  # fmt: skip

IMAGE = (1, 5, 4, 4)
OTHER = QuantParams.per_tensor(0.02, 10)


def scalar(net: Net, value: int, quant: QuantParams = OTHER) -> str:
    return net.const(np.array([value], dtype=np.int8), quant)


# ---- fuse_tables -----------------------------------------------------------------------------------------


def test_a_chain_becomes_one_table() -> None:
    net = Net(IMAGE)
    a = net.add(ops.LeakyRelu, "x", alpha=0.2)
    b = net.add(ops.Quantize, a, quant=OTHER)
    c = net.add(ops.HardSwish, b, quant=OTHER)
    after = rewrite(net.graph(net.add(ops.Logistic, c, quant=PROBABILITY)), fuse_tables)
    assert kinds(after) == ["Table"]
    assert after.ops[0].origin == "Logistic #3"
    assert [t.bytes for t in after.constants()] == [256]


def test_a_single_activation_stays_itself() -> None:
    net = Net(IMAGE)
    assert kinds(rewrite(net.graph(net.add(ops.Tanh, "x", quant=SIGNED_UNIT)), fuse_tables)) == ["Tanh"]


def test_what_others_read_stays() -> None:
    net = Net(IMAGE)
    a = net.add(ops.LeakyRelu, "x", alpha=0.2)
    y = net.add(ops.Tanh, a, quant=SIGNED_UNIT)
    assert kinds(rewrite(net.graph(a, y), fuse_tables)) == ["LeakyRelu", "Tanh"]


@pytest.mark.parametrize("kind", [ops.Add, ops.Sub, ops.Mul])
@pytest.mark.parametrize("first", [True, False])
def test_one_constant_makes_a_table(kind: Any, first: bool) -> None:
    net = Net(IMAGE)
    pair = ("x", scalar(net, 77)) if first else (scalar(net, 77), "x")
    assert kinds(rewrite(net.graph(net.add(kind, *pair, low=-1.0)), fuse_tables)) == ["Table"]


def test_constants_per_channel_and_small_tensors_stay() -> None:
    net = Net(IMAGE)
    constant = net.const(np.arange(4, dtype=np.int8), OTHER)
    assert kinds(rewrite(net.graph(net.add(ops.Mul, "x", constant)), fuse_tables)) == ["Mul"]
    net = Net((1, 7))
    assert kinds(rewrite(net.graph(net.add(ops.Mul, "x", scalar(net, 3))), fuse_tables)) == ["Mul"]


def test_a_tensor_with_itself() -> None:
    net = Net(IMAGE)
    assert kinds(rewrite(net.graph(net.add(ops.Mul, "x", "x")), fuse_tables)) == ["Table"]


def test_two_functions_of_one_tensor() -> None:
    """x * sigmoid(x)."""
    net = Net(IMAGE)
    gate = net.add(ops.Logistic, "x", quant=PROBABILITY)
    assert kinds(rewrite(net.graph(net.add(ops.Mul, "x", gate)), fuse_tables)) == ["Table"]


def test_functions_of_two_tensors_stay() -> None:
    net = Net(IMAGE)
    c = net.conv("x", noise(4, 1, 1, 4))
    gate = net.add(ops.Logistic, c, quant=PROBABILITY)
    after = rewrite(net.graph(net.add(ops.Mul, "x", gate)), fuse_tables)
    assert kinds(after) == ["Conv2D", "Logistic", "Mul"]


def test_tables_between_signed_and_unsigned() -> None:
    net = Net(IMAGE, QuantParams.per_tensor(0.05, 125), DType.UINT8)
    a = net.add(ops.Quantize, "x", quant=UNIT)
    net.tensors[a] = net.tensors[a].replace(dtype=DType.INT8)
    b = net.add(ops.LeakyRelu, a, alpha=0.5)
    c = net.add(ops.Quantize, b, quant=QuantParams.per_tensor(0.01, 200))
    net.tensors[c] = net.tensors[c].replace(dtype=DType.UINT8)
    assert kinds(rewrite(net.graph(c), fuse_tables)) == ["Table"]


def test_table_operator_gives_its_table_to_the_kernel() -> None:
    net = Net(IMAGE)
    table = np.random.default_rng(1).integers(0, 256, 256).astype(np.uint8)
    graph = net.graph(net.add(ops.Table, "x", net.const(table)))
    (call,) = graph.ops[0].lower(graph.tensors)
    assert call.kernel == "table_8" and call.param("n") == 80
    np.testing.assert_array_equal(call.constant("table"), table)
    x = np.arange(-40, 40, dtype=np.int8).reshape(IMAGE)
    result = Interpreter(graph).run({"x": x})[graph.outputs[0]]
    np.testing.assert_array_equal(result.view(np.uint8), table[x.view(np.uint8)])


def test_table_operator_needs_256_bytes() -> None:
    net = Net(IMAGE)
    net.add(ops.Table, "x", net.const(np.zeros(255, dtype=np.uint8)))
    assert net.ops[0].check(net.tensors) == ["the table is constant with 256 entries of uint8"]


def test_identity_tables_vanish() -> None:
    net = Net(IMAGE)
    same = net.add(ops.Add, "x", scalar(net, 10))  # adds a real 0
    other = net.add(ops.Add, same, scalar(net, 10), quant=OTHER)
    after = rewrite(net.graph(net.add(ops.Tanh, other, quant=SIGNED_UNIT)), remove_identities)
    assert kinds(after) == ["Add", "Tanh"] and after.ops[0].inputs[0] == "x"


# ---- fuse_clamps -----------------------------------------------------------------------------------------


def clamp_table(net: Net, x: str, low: int, high: int, quant: QuantParams = UNIT) -> str:
    values = np.clip(np.arange(256, dtype=np.uint8).view(np.int8), low, high)
    return net.add(ops.Table, x, net.const(values.view(np.uint8)), quant=quant)


@pytest.mark.parametrize("kind", [ops.Add, ops.Mul, ops.AveragePool2D, ops.MaxPool2D, ops.Conv2D])
def test_clamps_go_into_the_producer(kind: Any) -> None:
    net = Net(IMAGE)
    if kind is ops.Conv2D:
        before = net.conv("x", noise(4, 1, 1, 4), low=0.0)
    elif kind in (ops.Add, ops.Mul):
        before = net.add(kind, "x", "x", low=0.0)
    else:
        before = net.add(kind, "x", kernel=(2, 2), low=0.0)
    after = rewrite(net.graph(clamp_table(net, before, -60, 93)), fuse_clamps)
    assert kinds(after) == [kind.kind]
    low, high = after.ops[0].attributes()["low"], after.ops[0].attributes()["high"]
    assert low == 0.0 and high == pytest.approx(96 * 0.05)


def test_only_the_values_that_occur_must_be_clamped() -> None:
    """A sigmoid-like end of the table that relu never reaches."""
    net = Net(IMAGE)
    before = net.conv("x", noise(4, 1, 1, 4), low=0.0)
    table = np.arange(256, dtype=np.uint8).view(np.int8).copy()
    table[table < -3] = 99
    y = net.add(ops.Table, before, net.const(table.view(np.uint8)))
    assert kinds(rewrite(net.graph(y), fuse_clamps)) == ["Conv2D"]


def test_no_clamp_when_scales_or_values_differ() -> None:
    net = Net(IMAGE)
    a = net.conv("x", noise(4, 1, 1, 4))
    assert kinds(rewrite(net.graph(clamp_table(net, a, -3, 127, OTHER)), fuse_clamps)) == ["Conv2D", "Table"]
    net = Net(IMAGE)
    leaky = net.add(ops.LeakyRelu, net.conv("x", noise(4, 1, 1, 4)), alpha=0.1)
    assert kinds(rewrite(net.graph(leaky), fuse_clamps)) == ["Conv2D", "LeakyRelu"]


def test_a_constant_table_clamps_to_one_value() -> None:
    net = Net(IMAGE)
    y = clamp_table(net, net.conv("x", noise(4, 1, 1, 4)), 5, 5)
    assert kinds(rewrite(net.graph(y), fuse_clamps)) == ["Conv2D"]


# ---- remove_identities -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        (ops.Pad, {"before": (0, 0, 0, 0), "after": (0, 0, 0, 0), "value": 3.0}),
        (ops.Concat, {"axis": 3}),
        (ops.Split, {"axis": 3, "sizes": (4,)}),
        (ops.AveragePool2D, {"kernel": (1, 1)}),
        (ops.MaxPool2D, {"kernel": (1, 1), "high": 2.0}),
        (ops.MaxPool2D, {"kernel": (1, 1), "stride": (2, 2)}),
        (ops.Mean, {"axes": (0,)}),
        (ops.Mean, {"axes": (0,), "quant": OTHER}),
    ],
)
def test_identities(kind: Any, attributes: Any) -> None:
    net = Net(IMAGE)
    y = net.conv(net.add(kind, "x", **attributes), noise(4, 1, 1, 4))
    stays = {"high", "stride", "quant"} & set(attributes)
    assert (kinds(rewrite(net.graph(y), remove_identities)) == ["Conv2D"]) == (not stays)


def test_a_mean_of_one_element_is_a_reshape() -> None:
    net = Net((1, 1, 1, 4))
    graph = net.graph(net.add(ops.Mean, "x", axes=(1, 2), keep_dims=False))
    assert kinds(rewrite(graph, remove_identities)) == ["Reshape"]


# ---- merge_pad -------------------------------------------------------------------------------------------

AROUND = {"before": (0, 1, 1, 0), "after": (0, 1, 2, 0)}


def test_pad_by_the_zero_point_goes_into_all_layers_that_read_it() -> None:
    net = Net(IMAGE)
    p = net.add(ops.Pad, "x", **AROUND, value=-3.0)
    a = net.conv(p, noise(4, 3, 3, 4))
    b = net.depthwise(p, noise(1, 3, 3, 4))
    after = rewrite(net.graph(net.add(ops.Add, a, b)), merge_pad)
    assert kinds(after) == ["Conv2D", "DepthwiseConv2D", "Add"]
    assert after.ops[0].attributes()["padding"] == (1, 1, 1, 2)


def test_pad_stays_for_all_when_one_reader_needs_it() -> None:
    net = Net(IMAGE)
    p = net.add(ops.Pad, "x", **AROUND, value=-3.0)
    a = net.conv(p, noise(4, 3, 3, 4))
    b = net.add(ops.AveragePool2D, p, kernel=(3, 3))
    assert kinds(rewrite(net.graph(net.add(ops.Add, a, b)), merge_pad))[0] == "Pad"


@pytest.mark.parametrize(("value", "kernel", "merged"), [(-3, 3, True), (-2, 3, False), (-3, 2, False)])
def test_pad_that_never_wins_a_maximum(value: int, kernel: int, merged: bool) -> None:
    """After a relu at zero point -3: the padding must not be larger, nor fill a window (two columns are added)."""
    net = Net(IMAGE)
    relu = net.conv("x", noise(4, 1, 1, 4), low=0.0)
    p = net.add(ops.Pad, relu, **AROUND, value=float(value))
    after = rewrite(net.graph(net.add(ops.MaxPool2D, p, kernel=(kernel, kernel))), merge_pad)
    assert ("Pad" not in kinds(after)) == merged


def test_pad_of_channels_stays() -> None:
    net = Net(IMAGE)
    p = net.add(ops.Pad, "x", before=(0, 1, 1, 1), after=(0, 0, 0, 0), value=-3.0)
    assert kinds(rewrite(net.graph(net.conv(p, noise(4, 3, 3, 5))), merge_pad)) == ["Pad", "Conv2D"]


# ---- merge_duplicates ------------------------------------------------------------------------------------


def test_equal_operators_are_computed_once() -> None:
    net = Net(IMAGE)
    a, b = (net.conv("x", noise(4, 1, 1, 4), [1, 2, 3, 4]) for _ in range(2))  # equal constants, twice
    c, d = net.add(ops.Tanh, a, quant=SIGNED_UNIT), net.add(ops.Tanh, b, quant=SIGNED_UNIT)
    after = rewrite(net.graph(net.add(ops.Add, c, d)), merge_duplicates)
    assert kinds(after) == ["Conv2D", "Tanh", "Add"]
    assert len(after.constants()) == 2


def test_other_attributes_formats_and_outputs_stay() -> None:
    net = Net(IMAGE)
    a = net.add(ops.LeakyRelu, "x", alpha=0.1)
    b = net.add(ops.LeakyRelu, "x", alpha=0.2)
    c = net.add(ops.LeakyRelu, "x", alpha=0.1, quant=OTHER)
    d = net.add(ops.LeakyRelu, "x", alpha=0.1)
    y = net.add(ops.Add, a, c)
    assert len(rewrite(net.graph(b, d, y), merge_duplicates).ops) == 5


def test_splits_are_merged_with_all_outputs() -> None:
    net = Net(IMAGE)
    a, b = net.add_many(ops.Split, 2, "x", axis=3, sizes=(1, 3))
    c, d = net.add_many(ops.Split, 2, "x", axis=3, sizes=(1, 3))
    after = rewrite(net.graph(net.add(ops.Concat, a, b, c, d, axis=3)), merge_duplicates)
    assert kinds(after) == ["Split", "Concat"] and after.ops[1].inputs == (a, b, a, b)


# ---- drop_softmax ----------------------------------------------------------------------------------------


def classifier(*, floating: bool = False, flat: bool = False) -> tuple[Graph, str]:
    """The graph, and the name of its logits."""
    net = Net((1, 9))
    logits = net.dense("x", noise(5, 9), quant=QuantParams.per_tensor(0.5, 4))
    y = net.add(ops.Softmax, logits, quant=PROBABILITY)
    if flat:
        y = net.add(ops.Reshape, y, shape=(5,))
    if floating:
        y = net.add(ops.Dequantize, y)
        net.tensors[y] = net.tensors[y].replace(dtype=DType.FLOAT32, quant=None)
    return net.graph(y), logits


@pytest.mark.parametrize("floating", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_the_largest_logit_is_a_largest_probability(floating: bool, flat: bool) -> None:
    graph, logits = classifier(floating=floating, flat=flat)
    after = drop_softmax(graph)
    verify(after)
    assert str(drop_softmax(after)) == str(after)
    assert "Softmax" not in kinds(after)
    assert (after.outputs == (logits,)) == (not floating and not flat)
    output = after.tensors[after.outputs[0]]
    assert output.quant == (None if floating else graph.tensors[logits].quant)
    for data in inputs_for(graph, 50):
        probabilities = Interpreter(graph).run(data)[graph.outputs[0]].reshape(-1)
        place = Interpreter(after).run(data)[after.outputs[0]].reshape(-1).argmax()
        assert probabilities[place] == probabilities.max()


def test_softmax_stays_inside_a_model() -> None:
    net = Net((1, 9))
    y = net.add(ops.Quantize, net.add(ops.Softmax, "x", quant=PROBABILITY), quant=UNIT)
    assert kinds(drop_softmax(net.graph(y))) == ["Softmax", "Quantize"]
    net = Net((1, 9))
    assert kinds(drop_softmax(net.graph(net.add(ops.Softmax, "x", quant=PROBABILITY)))) == ["Softmax"]


def test_layout_of_the_output_follows_its_name() -> None:
    graph, logits = classifier()
    after = drop_softmax(graph.replace(layouts={"x": (1, 0), graph.outputs[0]: (1, 0)}))
    assert after.layouts == {"x": (1, 0), logits: (1, 0)}


# ---- the runner ------------------------------------------------------------------------------------------


def test_savings_are_counted_per_pass() -> None:
    net = Net(IMAGE)
    weights = noise(6, 1, 1, 4)
    weights[2] = 0
    c = net.conv("x", weights, [0] * 6, low=0.0)
    d = net.add(ops.Tanh, net.add(ops.HardSwish, c), quant=SIGNED_UNIT)
    graph = net.graph(net.conv(d, noise(3, 1, 1, 6)))
    result = apply_passes(graph, INTEGER_PIPELINE)
    assert_same_outputs(graph, result.graph)
    saved = {s.name: s for s in result.savings}
    assert [s.name for s in result.savings] == [p.__name__ for p in INTEGER_PIPELINE]
    assert saved["fuse_tables"] == Saving("fuse_tables", macs=0, constant_bytes=-256, ops=1)
    # a row of 4 weights with its bias, a column of 3
    assert saved["remove_constant_channels"] == Saving(
        "remove_constant_channels", macs=20 * (4 + 3), constant_bytes=4 + 4 + 3, ops=0
    )
    off = apply_passes(graph, INTEGER_PIPELINE, disabled=frozenset({"remove_constant_channels"}))
    assert off.graph.macs() == graph.macs()


def test_names_of_passes() -> None:
    assert "remove_constant_channels" in rewrite_names()
