"""Functions per channel folded into the layers around them: where that is exact, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mcugen import fixedpoint as fx
from mcugen import ops
from mcugen.ir import QuantParams
from mcugen.passes import INTEGER_PIPELINE, apply_passes
from mcugen.passes.fold_channel_constants import fold_channel_constants
from mcugen.passes.requantization import (
    INT8_BOUNDS,
    find_requantization,
    layer_requantize,
    steps_of,
)
from tests.passes.integer_graphs import Net, assert_same_outputs, kinds, noise, rewrite

IMAGE = (1, 5, 4, 4)
COARSE = QuantParams.per_tensor(0.5, 0)
# A constant 1 with this is one step of a tensor with the scale 1/2.
STEP = QuantParams.per_tensor(0.5, 0)
ONE = QuantParams.per_tensor(1.0, 0)


def layer(net: Net, kind: str, x: str, **attributes: Any) -> str:
    """A layer of 4 channels whose output grows by one with 128.5 steps of the accumulator, which is never negative.

    Were it, the rounding of ties away from zero would make one step of the output shorter than the others.
    """
    scale = float(np.float32(COARSE.scale[0] / net.quant(x).scale[0] / 128.5))
    attributes = {"bias": [6000, 7000, 8000, 6100], "quant": COARSE, "scales": (scale,), **attributes}
    if kind == "Conv2D":
        return net.conv(x, noise(4, 1, 1, 4, low=-3, high=4), **attributes)
    if kind == "DepthwiseConv2D":
        return net.depthwise(x, noise(1, 3, 3, 4, low=-3, high=4), **attributes)
    return net.dense(x, noise(4, 4, low=-3, high=4), keep_dims=True, **attributes)


KINDS = ("Conv2D", "DepthwiseConv2D", "FullyConnected")


def per_channel(net: Net, values: list[int], quant: QuantParams) -> str:
    return net.const(np.array(values, dtype=np.int8), quant)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", ["Add", "Sub", "Mul", "Quantize"])
def test_into_the_layer_before(kind: str, after: str) -> None:
    """An even number of steps of 128.5 is whole, and a third of a step rounds as one step three times as long."""
    net = Net(IMAGE)
    c = layer(net, kind, "x")
    if after == "Quantize":
        y = net.add(ops.Quantize, c, quant=QuantParams.per_tensor(0.5, 17))
    elif after == "Mul":
        third = per_channel(net, [1, 3, 3, 1], QuantParams.per_tensor(1 / 3, 0))
        y = net.add(ops.Mul, c, third, quant=COARSE)
    else:
        y = net.add(getattr(ops, after), c, per_channel(net, [2, -4, 0, 10], STEP), quant=COARSE)
    assert kinds(rewrite(net.graph(y), fold_channel_constants)) == [kind]


@pytest.mark.parametrize(("constants", "left"), [([2] * 4, ["Conv2D"]), ([2, 4, 2, 2], ["Conv2D", "Add"])])
def test_bounds_are_those_of_all_channels(constants: list[int], left: list[str]) -> None:
    """A Relu before an addition is a bound after it, if it is the same for all."""
    net = Net(IMAGE)
    c = layer(net, "Conv2D", "x", bias=[10, -20, 0, 50], low=0.0)
    y = net.add(ops.Add, c, per_channel(net, constants, STEP), quant=COARSE)
    assert kinds(rewrite(net.graph(y), fold_channel_constants)) == left


def test_a_jump_stays() -> None:
    """From nothing to the largest value in one step of the accumulator."""
    net = Net(IMAGE)
    c = layer(net, "Conv2D", "x", bias=[10, -20, 0, 50], low=0.0)
    y = net.add(ops.Mul, c, per_channel(net, [127] * 4, ONE), quant=COARSE)
    assert kinds(rewrite(net.graph(y), fold_channel_constants)) == ["Conv2D", "Mul"]


def test_accumulators_of_both_signs_stay() -> None:
    net = Net(IMAGE)
    c = layer(net, "Conv2D", "x", bias=[10, -20, 0, 50])
    y = net.add(ops.Add, c, per_channel(net, [2, -4, 0, 10], STEP), quant=COARSE)
    assert kinds(rewrite(net.graph(y), fold_channel_constants)) == ["Conv2D", "Add"]


def test_a_second_rounding_that_shows_stays() -> None:
    net = Net(IMAGE)
    c = net.conv("x", noise(4, 1, 1, 4), quant=QuantParams.per_tensor(0.02, 3))
    y = net.add(
        ops.Mul,
        c,
        per_channel(net, [90, 100, 110, 127], QuantParams.per_tensor(0.01, 0)),
        quant=QuantParams.per_tensor(0.03, -4),
    )
    assert kinds(rewrite(net.graph(y), fold_channel_constants)) == ["Conv2D", "Mul"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", ["Add", "Sub", "Mul"])
def test_into_the_layer_after(kind: str, before: str) -> None:
    net = Net(IMAGE, quant=COARSE)
    x = net.add(ops.Clip, "x", low=-20.0, high=20.0)
    if before == "Mul":
        factor = per_channel(net, [1, 2, 3, 1], ONE)
        g = net.add(ops.Mul, x, factor, quant=QuantParams.per_tensor(0.5, 7))
    else:
        g = net.add(
            getattr(ops, before),
            x,
            per_channel(net, [3, -4, 0, 20], STEP),
            quant=QuantParams.per_tensor(0.5, 7),
        )
    graph = net.graph(layer(net, kind, g))
    assert kinds(rewrite(graph, fold_channel_constants)) == ["Clip", kind]


@pytest.mark.parametrize(
    ("before", "left"), [("Mul", ["Clip", "DepthwiseConv2D"]), ("Add", ["Clip", "Add", "DepthwiseConv2D"])]
)
def test_only_what_keeps_the_zero_point_goes_through_padding(before: str, left: list[str]) -> None:
    net = Net(IMAGE, quant=COARSE)
    x = net.add(ops.Clip, "x", low=-20.0, high=20.0)
    constant = per_channel(net, [1, 2, 3, 1], ONE)
    g = net.add(getattr(ops, before), x, constant, quant=COARSE)
    graph = net.graph(layer(net, "DepthwiseConv2D", g, padding=(1, 1, 1, 1)))
    assert kinds(rewrite(graph, fold_channel_constants)) == left


def test_saturation_stays() -> None:
    net = Net(IMAGE, quant=COARSE)
    g = net.add(ops.Add, "x", per_channel(net, [3, -4, 0, 20], STEP), quant=COARSE)
    assert kinds(rewrite(net.graph(layer(net, "Conv2D", g)), fold_channel_constants)) == ["Add", "Conv2D"]


def test_what_others_read_stays() -> None:
    net = Net(IMAGE)
    c = layer(net, "Conv2D", "x")
    y = net.add(ops.Add, c, per_channel(net, [3, -4, 0, 20], STEP), quant=COARSE)
    assert kinds(rewrite(net.graph(y, c), fold_channel_constants)) == ["Conv2D", "Add"]


@pytest.mark.parametrize("kind", [ops.Add, ops.Mul])
def test_identities_per_channel_vanish(kind: Any) -> None:
    net = Net(IMAGE)
    constant = per_channel(net, [0] * 4 if kind is ops.Add else [1] * 4, ONE)
    same = net.add(kind, net.conv("x", noise(4, 1, 1, 4)), constant)
    graph = net.graph(net.add(ops.Tanh, same, quant=QuantParams.per_tensor(1 / 128, 0)))
    assert kinds(rewrite(graph, fold_channel_constants)) == ["Conv2D", "Tanh"]


def test_saving_on_and_off() -> None:
    net = Net(IMAGE)
    c = layer(net, "Conv2D", "x")
    graph = net.graph(net.add(ops.Add, c, per_channel(net, [2, -4, 0, 10], STEP), quant=COARSE))
    on = apply_passes(graph, INTEGER_PIPELINE)
    off = apply_passes(graph, INTEGER_PIPELINE, disabled=frozenset({"fold_channel_constants"}))
    assert_same_outputs(graph, on.graph)
    assert_same_outputs(graph, off.graph)
    assert {s.name: s.ops for s in on.savings}["fold_channel_constants"] == 1
    assert (kinds(on.graph), kinds(off.graph)) == (["Conv2D"], ["Conv2D", "Add"])


@pytest.mark.parametrize("shift", [0, -3, -8])
def test_requantizations_are_found_again(shift: int) -> None:
    """A function that is a requantization is found from a factor nearby, and gives the same everywhere."""
    function = layer_requantize(1_800_000_001, shift, -5, INT8_BOUNDS)
    low, high = -40_000, 30_000
    steps = steps_of(function, low, high)
    assert steps is not None
    found = find_requantization(steps, -5, INT8_BOUNDS, 1_800_000_001 * 2.0 ** (shift - 31), float)
    assert found is not None
    every = np.arange(low, high + 1, dtype=np.int64)
    again = layer_requantize(*fx.quantize_multiplier(found.factor), -5, INT8_BOUNDS)
    np.testing.assert_array_equal(again(every + found.bias), function(every))
