"""remove_constant_channels on graphs made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mcugen import ops
from mcugen.ir import Array, QuantParams
from mcugen.passes.remove_constant_channels import remove_constant_channels
from tests.passes.integer_graphs import UNIT, Net, kinds, noise, rewrite, shapes

IMAGE = (1, 5, 4, 3)
WIDE = QuantParams.per_tensor(1.0, -3)
DEAD = [1, 4]  # of six channels; the biases make their constants differ from the zero point
LIVE = [0, 2, 3, 5]
BIAS = [10, 1000, -20, 0, -900, 5]


def first_weights(outputs: int = 6, kernel: int = 1, channels: int = 3) -> Array:
    weights = noise(outputs, kernel, kernel, channels)
    weights[DEAD] = 0
    return weights


def first_layer(net: Net, bias: list[int] | None = BIAS, **attributes: Any) -> str:
    """Six channels, of which those in DEAD are constant."""
    return net.conv("x", first_weights(), bias, **attributes)


def weights_of(graph: Any, layer: int) -> Array:
    data = graph.tensors[graph.ops[layer].inputs[1]].data
    assert data is not None
    return np.asarray(data)


def bias_of(graph: Any, layer: int) -> list[int]:
    data = graph.tensors[graph.ops[layer].inputs[2]].data
    assert data is not None
    return [int(v) for v in data]


def test_constants_go_into_the_bias_of_a_pointwise_layer() -> None:
    net = Net(IMAGE)
    c = first_layer(net)
    second = noise(4, 1, 1, 6)
    y = net.conv(c, second, [1, 2, 3, 4], quant=WIDE)
    after = rewrite(net.graph(y), remove_constant_channels)
    assert shapes(after) == [(1, 5, 4, 4), (1, 5, 4, 4)]
    np.testing.assert_array_equal(weights_of(after, 0), first_weights()[LIVE])
    np.testing.assert_array_equal(weights_of(after, 1), second[..., LIVE])
    # requantized by the scale of the weights, 1/64: the outputs are 16 and -14 above the zero point
    folded = 16 * second[:, 0, 0, 1] - 14 * second[:, 0, 0, 4] + [1, 2, 3, 4]
    assert bias_of(after, 1) == folded.tolist()


def test_a_layer_without_bias_gets_one_only_for_constants() -> None:
    for bias, count in ((BIAS, 3), (None, 2)):
        net = Net(IMAGE)
        y = net.conv(first_layer(net, bias), noise(4, 1, 1, 6), quant=WIDE)
        after = rewrite(net.graph(y), remove_constant_channels)
        assert shapes(after)[0] == (1, 5, 4, 4)
        assert len(after.ops[1].inputs) == count


def test_scales_per_channel_are_cut() -> None:
    net = Net(IMAGE)
    scales = tuple(2.0**-i for i in range(4, 10))
    c = first_layer(net, scales=scales)
    y = net.conv(c, noise(2, 1, 1, 6), scales=(0.25, 0.125))
    after = rewrite(net.graph(y), remove_constant_channels)
    quant = after.tensors[after.ops[0].inputs[1]].quant
    assert quant is not None and quant.scale == tuple(scales[i] for i in LIVE) and quant.axis == 0


@pytest.mark.parametrize("kind", ["conv", "depthwise"])
def test_padding_needs_the_zero_point(kind: str) -> None:
    """Channel 1 is constant at the zero point, channel 4 elsewhere: only the first can go past padding."""
    net = Net(IMAGE)
    c = net.conv("x", first_weights(), [10, 0, -20, 0, -900, 5])
    if kind == "conv":
        y = net.conv(c, noise(4, 3, 3, 6), padding=(1, 1, 1, 1), quant=WIDE)
    else:
        d = net.depthwise(c, noise(1, 3, 3, 6), padding=(1, 1, 1, 1), quant=WIDE)
        y = net.conv(d, noise(4, 1, 1, 6), quant=WIDE)
    assert shapes(rewrite(net.graph(y), remove_constant_channels))[0] == (1, 5, 4, 5)


def test_padding_that_no_weight_sees_does_not_matter() -> None:
    net = Net(IMAGE)
    weights = np.zeros((2, 3, 3, 6), dtype=int)
    weights[:, 1, 1, :] = noise(2, 6)
    y = net.conv(first_layer(net), weights, padding=(1, 1, 1, 1), quant=WIDE)
    assert shapes(rewrite(net.graph(y), remove_constant_channels))[0] == (1, 5, 4, 4)


def test_constant_depthwise_outputs_take_their_inputs_along() -> None:
    """Zero filters make depthwise outputs constant: the channels before them are read by nobody then."""
    net = Net(IMAGE)
    filters = noise(1, 3, 3, 6)
    filters[..., DEAD] = 0
    c = net.conv("x", noise(6, 1, 1, 3), [0] * 6)
    d = net.depthwise(c, filters, BIAS, padding=(1, 1, 1, 1), quant=WIDE)
    y = net.conv(d, noise(4, 1, 1, 6), quant=WIDE)
    after = rewrite(net.graph(y), remove_constant_channels)
    assert shapes(after)[:2] == [(1, 5, 4, 4), (1, 5, 4, 4)]


def test_multiplier_keeps_or_loses_all_outputs_of_a_channel() -> None:
    for dead, left in (([2, 3], 4), ([3, 4], 6)):
        net = Net(IMAGE)
        filters = noise(1, 3, 3, 6)
        filters[..., dead] = 0
        c = net.conv("x", noise(3, 1, 1, 3))
        d = net.depthwise(c, filters, BIAS)
        y = net.conv(d, noise(4, 1, 1, 6), quant=WIDE)
        assert shapes(rewrite(net.graph(y), remove_constant_channels))[1][3] == left


def test_inputs_that_no_weight_reads() -> None:
    net = Net(IMAGE)
    weights = noise(4, 1, 1, 6)
    weights[..., DEAD] = 0
    y = net.conv(net.conv("x", noise(6, 1, 1, 3)), weights)
    assert shapes(rewrite(net.graph(y), remove_constant_channels))[0] == (1, 5, 4, 4)


def test_saturated_channels_are_constant() -> None:
    """Interval analysis: a bias beyond anything that the weights can undo."""
    net = Net(IMAGE)
    bias = [0, 200_000, 0, 0, -200_000, 0]
    y = net.conv(net.conv("x", noise(6, 1, 1, 3), bias, low=0.0), noise(4, 1, 1, 6), quant=WIDE)
    assert shapes(rewrite(net.graph(y), remove_constant_channels))[0] == (1, 5, 4, 4)


def test_bias_out_of_32_bits_is_not_made() -> None:
    net = Net(IMAGE)
    y = net.conv(first_layer(net), noise(4, 1, 1, 6), [2**31 - 1] * 4, quant=WIDE)
    assert shapes(rewrite(net.graph(y), remove_constant_channels))[0] == (1, 5, 4, 6)


def test_model_outputs_and_inputs_stay() -> None:
    net = Net(IMAGE)
    c = first_layer(net)
    y = net.conv(c, noise(4, 1, 1, 6), quant=WIDE)
    assert shapes(rewrite(net.graph(c, y), remove_constant_channels)) == [(1, 5, 4, 6), (1, 5, 4, 4)]


def test_one_channel_is_kept() -> None:
    net = Net(IMAGE)
    y = net.conv(net.conv("x", np.zeros((6, 1, 1, 3)), BIAS), noise(4, 1, 1, 6), quant=WIDE)
    assert shapes(rewrite(net.graph(y), remove_constant_channels)) == [(1, 5, 4, 1), (1, 5, 4, 4)]


def test_dense_layers_with_scales_per_output_keep_two() -> None:
    net = Net((1, 7))
    weights = noise(4, 7)
    weights[1:] = 0
    hidden = net.dense("x", weights, [1, 2, 3, 4], scales=(0.1, 0.2, 0.3, 0.4))
    y = net.dense(hidden, noise(3, 4), quant=WIDE)
    assert shapes(rewrite(net.graph(y), remove_constant_channels)) == [(1, 2), (1, 3)]


def test_residual_connections_lose_channels_together() -> None:
    def residual(dead_in_both: bool) -> list[tuple[int, ...]]:
        net = Net(IMAGE)
        a = first_layer(net)
        b = first_layer(net) if dead_in_both else net.conv("x", noise(6, 1, 1, 3), BIAS)
        total = net.add(ops.Add, a, b, quant=WIDE)
        return shapes(rewrite(net.graph(net.conv(total, noise(4, 1, 1, 6))), remove_constant_channels))[:3]

    assert residual(dead_in_both=True) == [(1, 5, 4, 4)] * 3
    assert residual(dead_in_both=False) == [(1, 5, 4, 6)] * 3


def test_every_reader_must_agree() -> None:
    net = Net(IMAGE)
    c = first_layer(net)
    padded = net.conv(c, noise(4, 3, 3, 6), padding=(1, 1, 1, 1), quant=WIDE)
    pointwise = net.conv(c, noise(4, 1, 1, 6), quant=WIDE)
    y = net.add(ops.Add, padded, pointwise, quant=WIDE)
    assert shapes(rewrite(net.graph(y), remove_constant_channels))[0] == (1, 5, 4, 6)


@pytest.mark.parametrize(
    "between",
    [
        lambda n, c: n.add(ops.AveragePool2D, c, kernel=(2, 2)),
        lambda n, c: n.add(ops.MaxPool2D, c, kernel=(2, 2), padding=(1, 0, 1, 0)),
        lambda n, c: n.add(ops.LeakyRelu, c, alpha=0.1),
        lambda n, c: n.add(ops.Quantize, c, quant=WIDE),
        lambda n, c: n.add(ops.Mul, c, n.const(np.arange(6, dtype=np.int8), UNIT), quant=WIDE),
        lambda n, c: n.add(ops.Transpose, c, perm=(0, 2, 1, 3)),
        lambda n, c: n.add(ops.StridedSlice, c, begin=(0, 0, 1, 0), size=(1, 3, 1, 6), step=(1, 2, 1, 1)),
        lambda n, c: n.add(ops.Concat, c, c, axis=2),
        lambda n, c: n.add(ops.Mean, c, axes=(1, 2)),
    ],
    ids=["average", "max", "leaky", "quantize", "mul", "transpose", "slice", "concat", "mean"],
)
def test_channels_go_through(between: Any) -> None:
    net = Net(IMAGE)
    m = between(net, first_layer(net))
    y = net.conv(m, noise(4, 1, 1, net.shape(m)[-1]), quant=WIDE)
    after = rewrite(net.graph(y), remove_constant_channels)
    assert shapes(after)[0] == (1, 5, 4, 4)
    assert shapes(after)[1][-1] == 4


def test_channels_go_through_a_flattened_image() -> None:
    net = Net(IMAGE)
    flat = net.add(ops.Reshape, first_layer(net), shape=(1, 120))
    second = noise(3, 120)
    y = net.dense(flat, second, [1, 2, 3], quant=WIDE)
    after = rewrite(net.graph(y), remove_constant_channels)
    assert shapes(after)[:2] == [(1, 5, 4, 4), (1, 80)]
    np.testing.assert_array_equal(weights_of(after, 2), second.reshape(3, 20, 6)[..., LIVE].reshape(3, 80))


def test_channels_side_by_side() -> None:
    net = Net(IMAGE)
    both = net.add(ops.Concat, first_layer(net), net.conv("x", noise(2, 1, 1, 3)), axis=3)
    a, b = net.add_many(ops.Split, 2, both, axis=3, sizes=(5, 3))
    y = net.add(ops.Add, net.conv(a, noise(4, 1, 1, 5)), net.conv(b, noise(4, 1, 1, 3)), quant=WIDE)
    after = rewrite(net.graph(y), remove_constant_channels)
    assert [s[3] for s in shapes(after)] == [4, 2, 6, 3, 3, 4, 4, 4]


def test_channels_that_only_a_slice_drops() -> None:
    net = Net(IMAGE)
    part = net.add(
        ops.StridedSlice,
        net.conv("x", noise(6, 1, 1, 3)),
        begin=(0, 0, 0, 2),
        size=(1, 5, 4, 3),
        step=(1, 1, 1, 1),
    )
    after = rewrite(net.graph(net.conv(part, noise(4, 1, 1, 3))), remove_constant_channels)
    assert [s[3] for s in shapes(after)] == [3, 3, 4]


def test_padded_channels_go_where_nothing_reads_them() -> None:
    net = Net(IMAGE)
    padded = net.add(ops.Pad, first_layer(net), before=(0, 0, 0, 1), after=(0, 0, 0, 2), value=5.0)
    after = rewrite(net.graph(net.conv(padded, noise(4, 1, 1, 9), quant=WIDE)), remove_constant_channels)
    assert kinds(after) == ["Conv2D", "Pad", "Conv2D"]
    assert [s[3] for s in shapes(after)] == [4, 4, 4]


def test_grouped_convolutions_keep_their_channels() -> None:
    net = Net(IMAGE)
    y = net.conv(first_layer(net), noise(4, 1, 1, 3), groups=2, quant=WIDE)
    assert shapes(rewrite(net.graph(y), remove_constant_channels))[0] == (1, 5, 4, 6)
