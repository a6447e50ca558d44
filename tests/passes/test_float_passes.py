"""Passes on graphs made by hand: the text of the result, the same numbers, and nothing left for a second run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mcugen import ops
from mcugen.interp import evaluate
from mcugen.ir import Array, DType, Graph, Op, QuantParams, Shape, Tensor
from mcugen.passes import Pass, run_passes
from mcugen.passes.cancel_transposes import cancel_transposes
from mcugen.passes.expand_batch_norm import expand_batch_norm
from mcugen.passes.fold_batch_norm import fold_batch_norm
from mcugen.passes.fold_channel_scaling import fold_channel_scaling
from mcugen.passes.fold_transpose_into_fc import fold_transpose_into_fc
from mcugen.passes.fuse_activation import fuse_activation
from mcugen.passes.merge_pad import merge_pad
from mcugen.passes.remove_dead import remove_dead


def noise(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def build(
    x: Shape, nodes: Sequence[Op], constants: dict[str, Array] | None = None, outputs: Sequence[str] = ("y",)
) -> Graph:
    """A float graph with input x; shapes of results are inferred."""
    tensors = {"x": Tensor("x", DType.FLOAT32, x)}
    for name, data in (constants or {}).items():
        tensors[name] = Tensor(name, DType.FLOAT32, tuple(data.shape), data=data)
    for op in nodes:
        shapes = op.infer(*(tensors[n].shape if n else () for n in op.inputs))
        tensors.update({n: Tensor(n, DType.FLOAT32, s) for n, s in zip(op.outputs, shapes, strict=True)})
    return Graph(tensors, tuple(nodes), ("x",), tuple(outputs))


def as_int8(graph: Graph, quants: dict[str, QuantParams]) -> Graph:
    """The graph with int8 activations of the given parameters."""
    tensors = {
        n: t.replace(dtype=DType.INT8, quant=quants.get(n, quants["x"])) if t.data is None else t
        for n, t in graph.tensors.items()
    }
    return graph.replace(tensors=tensors)


def check(graph: Graph, *passes: Pass) -> list[str]:
    """Runs the passes and ``remove_dead``; returns the kinds of operators left."""
    after = run_passes(graph, (*passes, remove_dead))
    assert str(run_passes(after, (*passes, remove_dead))) == str(after)
    x = graph.tensors["x"]
    data = noise(*x.shape)
    if x.dtype is not DType.FLOAT32:
        data = np.clip(data * 60, -128, 127).astype(x.dtype.numpy)
    before_values, after_values = evaluate(graph, {"x": data}), evaluate(after, {"x": data})
    for name in graph.outputs:
        if x.dtype is DType.FLOAT32:
            np.testing.assert_allclose(after_values[name], before_values[name], rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(after_values[name], before_values[name])
    return [op.kind for op in after.ops]


IMAGE = (1, 5, 6, 4)
CONV = ops.Conv2D(inputs=("x", "w", ""), outputs=("c",), kernel=(3, 3), origin="conv")
CONV_WEIGHTS = {"w": noise(6, 3, 3, 4)}


@pytest.mark.parametrize(
    "layer",
    [
        CONV,
        ops.Conv2D(inputs=("x", "w", "k"), outputs=("c",), kernel=(3, 3)),
        ops.DepthwiseConv2D(inputs=("x", "d", ""), outputs=("c",), kernel=(3, 3)),
        ops.FullyConnected(inputs=("x", "f", "k"), outputs=("c",), keep_dims=True),
    ],
    ids=lambda op: op.kind,
)
@pytest.mark.parametrize("affine", ["BatchNorm", "Add", "Mul", "Sub", "constant - x"])
def test_fold_batch_norm(layer: Op, affine: str) -> None:
    channels = 8 if layer.kind == "DepthwiseConv2D" else 6
    second: dict[str, Op] = {
        "BatchNorm": ops.BatchNorm(inputs=("c", "s", "t"), outputs=("y",)),
        "Add": ops.Add(inputs=("c", "t"), outputs=("y",), low=0.0),
        "Mul": ops.Mul(inputs=("s", "c"), outputs=("y",)),
        "Sub": ops.Sub(inputs=("c", "t"), outputs=("y",)),
        "constant - x": ops.Sub(inputs=("t", "c"), outputs=("y",)),
    }
    constants = {
        **CONV_WEIGHTS, "d": noise(1, 3, 3, 8), "f": noise(6, 4), "k": noise(6),
        "s": noise(channels), "t": noise(channels),
    }  # fmt: skip
    assert check(build(IMAGE, [layer, second[affine]], constants), fold_batch_norm) == [layer.kind]


def test_fold_batch_norm_needs_a_layer_read_once() -> None:
    norm = ops.BatchNorm(inputs=("c", "s", "t"), outputs=("y",))
    constants = {**CONV_WEIGHTS, "s": noise(6), "t": noise(6)}
    graph = build(IMAGE, [CONV, norm], constants, outputs=("c", "y"))
    assert check(graph, fold_batch_norm) == ["Conv2D", "BatchNorm"]
    relu = ops.Conv2D(inputs=("x", "w", ""), outputs=("c",), kernel=(3, 3), low=0.0)
    assert check(build(IMAGE, [relu, norm], constants), fold_batch_norm) == ["Conv2D", "BatchNorm"]


def test_fold_batch_norm_leaves_constants_that_vary_inside_a_channel() -> None:
    add = ops.Add(inputs=("c", "k"), outputs=("y",))
    graph = build(IMAGE, [CONV, add], {**CONV_WEIGHTS, "k": noise(1, 3, 4, 6)})
    assert check(graph, fold_batch_norm) == ["Conv2D", "Add"]


READERS: dict[str, Op] = {
    "Conv2D": ops.Conv2D(inputs=("c", "w", ""), outputs=("y",), kernel=(3, 3), low=0.0),
    "groups": ops.Conv2D(inputs=("c", "g", "k"), outputs=("y",), kernel=(3, 3), groups=2),
    "DepthwiseConv2D": ops.DepthwiseConv2D(inputs=("c", "d", "e"), outputs=("y",), kernel=(3, 3)),
    "FullyConnected": ops.FullyConnected(inputs=("c", "f", "k"), outputs=("y",), keep_dims=True),
}
SCALINGS: dict[str, Op] = {
    "BatchNorm": ops.BatchNorm(inputs=("x", "s", "t"), outputs=("c",)),
    "Add": ops.Add(inputs=("x", "t"), outputs=("c",)),
    "Mul": ops.Mul(inputs=("s", "x"), outputs=("c",)),
    "constant - x": ops.Sub(inputs=("t", "x"), outputs=("c",)),
}
SCALED = {
    "w": noise(6, 3, 3, 4), "g": noise(6, 3, 3, 2), "d": noise(1, 3, 3, 8), "f": noise(6, 4),
    "k": noise(6), "e": noise(8), "s": noise(4), "t": noise(4) + 1,
}  # fmt: skip


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("layer", READERS)
def test_fold_channel_scaling(layer: str, scaling: str) -> None:
    graph = build(IMAGE, [SCALINGS[scaling], READERS[layer]], SCALED)
    assert check(graph, fold_channel_scaling) == [READERS[layer].kind]


@pytest.mark.parametrize("scaling", SCALINGS)
def test_only_scalings_go_through_padding(scaling: str) -> None:
    padded = ops.Conv2D(inputs=("c", "w", ""), outputs=("y",), kernel=(3, 3), padding=(1, 1, 1, 1))
    kinds = check(build(IMAGE, [SCALINGS[scaling], padded], SCALED), fold_channel_scaling)
    assert kinds == (["Conv2D"] if scaling == "Mul" else [SCALINGS[scaling].kind, "Conv2D"])


def test_fold_channel_scaling_keeps_activations_and_what_others_read() -> None:
    relu = ops.Mul(inputs=("x", "s"), outputs=("c",), low=0.0)
    assert check(build(IMAGE, [relu, READERS["Conv2D"]], SCALED), fold_channel_scaling) == ["Mul", "Conv2D"]
    graph = build(IMAGE, [SCALINGS["Mul"], READERS["Conv2D"]], SCALED, outputs=("c", "y"))
    assert check(graph, fold_channel_scaling) == ["Mul", "Conv2D"]


@pytest.mark.parametrize("shape", [(1, 5), (1, 3, 5), (1, 3, 2, 5)])
def test_expand_batch_norm(shape: Shape) -> None:
    norm = ops.BatchNorm(inputs=("x", "s", "t"), outputs=("y",))
    kinds = check(build(shape, [norm], {"s": noise(5), "t": noise(5)}), expand_batch_norm)
    assert kinds == (["DepthwiseConv2D"] if len(shape) == 4 else ["Reshape", "DepthwiseConv2D", "Reshape"])


CLIP = ops.Clip(inputs=("c",), outputs=("y",), low=-0.5, high=0.7)


@pytest.mark.parametrize(
    "op",
    [
        CONV,
        ops.Add(inputs=("x", "x"), outputs=("c",)),
        ops.Mul(inputs=("x", "x"), outputs=("c",), low=-0.1),
        ops.MaxPool2D(inputs=("x",), outputs=("c",), kernel=(2, 2)),
        ops.AveragePool2D(inputs=("x",), outputs=("c",), kernel=(2, 2)),
    ],
    ids=lambda op: op.kind,
)
def test_fuse_activation(op: Op) -> None:
    assert check(build(IMAGE, [op, CLIP], CONV_WEIGHTS), fuse_activation) == [op.kind]


def test_fuse_activation_through_a_reshape() -> None:
    reshape = ops.Reshape(inputs=("c",), outputs=("r",), shape=(1, 72))
    clip = ops.Clip(inputs=("r",), outputs=("y",), low=0.0)
    assert check(build(IMAGE, [CONV, reshape, clip], CONV_WEIGHTS), fuse_activation) == ["Conv2D", "Reshape"]


def test_fuse_activation_keeps_what_others_read() -> None:
    graph = build(IMAGE, [CONV, CLIP], CONV_WEIGHTS, outputs=("c", "y"))
    assert check(graph, fuse_activation) == ["Conv2D", "Clip"]


def test_fuse_activation_keeps_disjoint_bounds() -> None:
    add = ops.Add(inputs=("x", "x"), outputs=("c",), low=1.0)
    clip = ops.Clip(inputs=("c",), outputs=("y",), low=-1.0, high=0.5)
    assert check(build(IMAGE, [add, clip]), fuse_activation) == ["Add", "Clip"]


def test_fuse_activation_in_integers_needs_equal_parameters() -> None:
    graph = build(IMAGE, [ops.Add(inputs=("x", "x"), outputs=("c",)), CLIP])
    one, other = QuantParams.per_tensor(0.02, 3), QuantParams.per_tensor(0.01, -5)
    assert check(as_int8(graph, {"x": one}), fuse_activation) == ["Add"]
    assert check(as_int8(graph, {"x": one, "y": other}), fuse_activation) == ["Add", "Clip"]


def pad(value: float = 0.0, channels: int = 0) -> Op:
    before, after = (0, 1, 2, channels), (0, 3, 0, 0)
    return ops.Pad(inputs=("x",), outputs=("p",), before=before, after=after, value=value)


def test_merge_pad() -> None:
    conv = ops.Conv2D(inputs=("p", "w", ""), outputs=("y",), kernel=(3, 3), padding=(1, 0, 0, 1))
    assert check(build(IMAGE, [pad(), conv], CONV_WEIGHTS), merge_pad) == ["Conv2D"]
    assert check(build(IMAGE, [pad(1.0), conv], CONV_WEIGHTS), merge_pad) == ["Pad", "Conv2D"]
    wide = build(IMAGE, [pad(channels=2), conv], {"w": noise(6, 3, 3, 6)})
    assert check(wide, merge_pad) == ["Pad", "Conv2D"]


def test_merge_pad_into_pooling() -> None:
    pool = ops.MaxPool2D(inputs=("p",), outputs=("y",), kernel=(4, 4))
    assert check(build(IMAGE, [pad(-np.inf), pool]), merge_pad) == ["MaxPool2D"]
    assert check(build(IMAGE, [pad(), pool]), merge_pad) == ["Pad", "MaxPool2D"]
    average = ops.AveragePool2D(inputs=("p",), outputs=("y",), kernel=(4, 4))
    assert check(build(IMAGE, [pad(), average]), merge_pad) == ["Pad", "AveragePool2D"]


def test_merge_pad_in_integers_compares_with_the_zero_point() -> None:
    quant = {"x": QuantParams.per_tensor(0.02, -128)}
    pool = ops.MaxPool2D(inputs=("p",), outputs=("y",), kernel=(4, 4))
    assert check(as_int8(build(IMAGE, [pad(-128), pool]), quant), merge_pad) == ["MaxPool2D"]


def transpose(source: str, target: str, *perm: int) -> Op:
    return ops.Transpose(inputs=(source,), outputs=(target,), perm=perm)


def test_cancel_transposes() -> None:
    back = [transpose("x", "t", 0, 3, 1, 2), transpose("t", "u", 0, 2, 3, 1)]
    relu = ops.Clip(inputs=("u",), outputs=("y",))
    assert check(build(IMAGE, [*back, relu]), cancel_transposes) == ["Clip"]
    twice = [transpose("x", "t", 0, 3, 1, 2), transpose("t", "y", 0, 3, 1, 2)]
    assert check(build(IMAGE, twice), cancel_transposes) == ["Transpose"]
    output = [transpose("x", "t", 0, 3, 1, 2), transpose("t", "y", 0, 2, 3, 1)]
    assert check(build(IMAGE, output), cancel_transposes) == ["Reshape"]


def test_transposing_ones_is_a_reshape() -> None:
    assert check(build((1, 1, 1, 7), [transpose("x", "y", 0, 3, 1, 2)]), cancel_transposes) == ["Reshape"]


def test_fold_transpose_into_fc() -> None:
    nodes = [
        transpose("x", "t", 0, 3, 1, 2),
        ops.Reshape(inputs=("t",), outputs=("r",), shape=(1, 120)),
        ops.FullyConnected(inputs=("r", "f", ""), outputs=("y",)),
    ]
    graph = build(IMAGE, nodes, {"f": noise(7, 120)})
    assert check(graph, fold_transpose_into_fc) == ["FullyConnected"]


def test_fold_transpose_into_fc_needs_whole_samples() -> None:
    nodes = [
        transpose("x", "t", 0, 3, 1, 2),
        ops.Reshape(inputs=("t",), outputs=("r",), shape=(4, 30)),
        ops.FullyConnected(inputs=("r", "f", ""), outputs=("y",)),
    ]
    graph = build(IMAGE, nodes, {"f": noise(7, 30)})
    assert check(graph, fold_transpose_into_fc) == ["Transpose", "Reshape", "FullyConnected"]
