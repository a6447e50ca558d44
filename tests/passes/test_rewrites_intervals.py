"""Interval analysis on graphs made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mcugen import ops
from mcugen.ir import Array, QuantParams, Shape
from mcugen.passes.intervals import Range, channel_ranges, outside_taps
from tests.passes.integer_graphs import UNIT, Net

FINE = QuantParams.per_tensor(0.05, -128)


def ranges_of(net: Net, name: str) -> list[tuple[int, int]]:
    found = channel_ranges(net.graph(name))[name]
    return list(zip(found.low.tolist(), found.high.tolist(), strict=True))


def relu(net: Net, high: float = 1.0) -> str:
    """Two channels from 0 to ``high``, in steps of 0.05."""
    return net.conv("x", np.array([[[[64]]], [[[-64]]]]), low=0.0, high=high, quant=FINE)


def test_inputs_have_the_range_of_their_type() -> None:
    net = Net((1, 2, 2, 1))
    net.add(ops.Tanh, "x", quant=QuantParams.per_tensor(1 / 128, 0))
    assert ranges_of(net, "t0") == [(-128, 127)]


def test_layers_add_the_ends_by_the_sign_of_the_weight() -> None:
    net = Net((1, 2, 2, 1))
    y = net.conv(relu(net), np.array([[[[64, 64]]], [[[64, -64]]], [[[0, 0]]]]), [0, 64, -128])
    assert ranges_of(net, y) == [(-3, 37), (-22, 18), (-5, -5)]


def test_padding_adds_nothing() -> None:
    net = Net((1, 4, 4, 1))
    a = net.conv("x", np.full((1, 1, 1, 1), 0), [640])  # 10 above the zero point
    inside = net.conv(a, np.full((1, 3, 3, 1), 64))
    at_border = net.conv(a, np.full((1, 3, 3, 1), 64), padding=(1, 1, 1, 1))
    assert ranges_of(net, inside) == [(87, 87)]
    assert ranges_of(net, at_border) == [(7, 87)]


@pytest.mark.parametrize(
    ("padding", "stride", "rows"),
    [
        ((1, 1, 0, 0), 1, [True, False, True]),
        ((0, 1, 0, 0), 2, [False, False, True]),
        ((1, 1, 0, 0), 4, [True, False, False]),
        ((1, 1, 0, 0), 2, [True, False, False]),
    ],
)
def test_taps_in_the_padding(padding: tuple[int, int, int, int], stride: int, rows: list[bool]) -> None:
    """For an image of 6 rows; with stride 2 and padding on both sides the last row is never reached."""
    op = ops.MaxPool2D(inputs=("x",), outputs=("y",), kernel=(3, 1), stride=(stride, 1), padding=padding)
    (y,) = op.infer((1, 6, 5, 1))
    found: Array = outside_taps(op, (1, 6, 5, 1), y)
    assert found[:, 0].tolist() == rows


def test_accumulators_that_may_wrap_are_unknown() -> None:
    """0 to 20 shifted left by 28 bits: the ends give 0 and 127, but 8 becomes negative."""
    net = Net((1, 2, 2, 1))
    tiny = QuantParams.per_tensor(2.0**-32, 0)
    y = net.conv(relu(net), np.array([[[[1, 0]]]]), quant=tiny, scales=(1.0,))
    assert ranges_of(net, y) == [(-128, 127)]


def test_sums_and_products_from_the_corners() -> None:
    net = Net((1, 2, 2, 1))
    a = relu(net)  # 0 to 20 steps
    b = net.conv("x", np.array([[[[64]]], [[[-64]]]]), low=-0.5, high=0.0)  # -10 to 0 steps
    assert ranges_of(net, net.add(ops.Add, a, b, quant=UNIT)) == [(-13, 17)] * 2
    assert ranges_of(net, net.add(ops.Sub, a, b, quant=UNIT)) == [(-3, 27)] * 2
    assert ranges_of(net, net.add(ops.Mul, a, b, quant=QuantParams.per_tensor(0.05, 0))) == [(-10, 0)] * 2


def test_element_wise_operators_by_their_values() -> None:
    net = Net((1, 2, 2, 1))
    a = relu(net)
    assert ranges_of(net, net.add(ops.LeakyRelu, a, alpha=0.5, quant=UNIT)) == [(-3, 17)] * 2
    assert ranges_of(net, net.add(ops.Mul, a, a, quant=UNIT)) == [(-3, 17)] * 2


def test_pools_clamp_and_windows_may_be_empty() -> None:
    net = Net((1, 2, 2, 1))
    a = relu(net)
    assert ranges_of(net, net.add(ops.AveragePool2D, a, kernel=(2, 2), high=0.5)) == [(-128, -118)] * 2
    wide = net.add(
        ops.MaxPool2D, net.conv("x", np.zeros((1, 1, 1, 1)), [320]), kernel=(1, 1), padding=(1, 0, 0, 0)
    )
    assert ranges_of(net, wide) == [(-128, 2)]


@pytest.mark.parametrize(
    ("channels", "low", "high"),
    [
        (3, [0, 1, 2], [0, 1, 2]),
        (6, [0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 1, 2]),
        (1, [0], [2]),
        (2, [0, 0], [2, 2]),
    ],
)
def test_other_rows_of_the_same_elements(channels: int, low: list[int], high: list[int]) -> None:
    values = np.arange(3, dtype=np.int64)
    found = Range(values, values).regrouped(channels)
    assert found.low.tolist() == low and found.high.tolist() == high


def test_movement() -> None:
    shape: Shape = (1, 2, 2, 1)
    net = Net(shape, FINE)
    a = relu(net)
    both = net.add(ops.Concat, a, "x", axis=3)
    assert ranges_of(net, both) == [(-128, -108), (-128, -128), (-128, 127)]
    first, second = net.add_many(ops.Split, 2, both, axis=3, sizes=(1, 2))
    assert ranges_of(net, first) == [(-128, -108)]
    assert ranges_of(net, second) == [(-128, -128), (-128, 127)]
    padded = net.add(ops.Pad, a, before=(0, 1, 0, 1), after=(0, 0, 0, 0), value=9.0)
    assert ranges_of(net, padded) == [(9, 9), (-128, 9), (-128, 9)]
    flat = net.add(ops.Reshape, a, shape=(1, 8))
    assert ranges_of(net, flat) == [(-128, -108), (-128, -128)] * 4
    assert ranges_of(net, net.add(ops.Transpose, both, perm=(0, 3, 1, 2))) == [(-128, 127)] * 2


def test_means() -> None:
    net = Net((1, 3, 5, 1))
    a = relu(net)
    assert ranges_of(net, net.add(ops.Mean, a, axes=(1, 2), quant=UNIT)) == [(-3, 17)] * 2
    assert ranges_of(net, net.add(ops.Mean, a, axes=(3,), quant=UNIT)) == [(-128, 127)]
