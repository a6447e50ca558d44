"""Small int8 graphs for the tests of rewrites: made by hand, or drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mcugen import ops
from mcugen.interp import Interpreter
from mcugen.ir import Array, DType, Graph, Op, QuantParams, Shape, Tensor
from mcugen.passes import Pass
from mcugen.verify_ir import check_supported, verify
from tests.support.compare import assert_equal_bytes

UNIT = QuantParams.per_tensor(0.05, -3)
PROBABILITY = QuantParams.per_tensor(1 / 256, -128)
SIGNED_UNIT = QuantParams.per_tensor(1 / 128, 0)


class Net:
    """A graph under construction with the int8 input "x"; every method gives the name of its result."""

    def __init__(self, shape: Shape, quant: QuantParams = UNIT, dtype: DType = DType.INT8) -> None:
        self.tensors = {"x": Tensor("x", dtype, shape, quant)}
        self.ops: list[Op] = []

    def shape(self, name: str) -> Shape:
        return self.tensors[name].shape

    def quant(self, name: str) -> QuantParams:
        quant = self.tensors[name].quant
        assert quant is not None
        return quant

    def const(self, data: Array, quant: QuantParams | None = None) -> str:
        name = f"k{len(self.tensors)}"
        self.tensors[name] = Tensor(name, DType(data.dtype.name), tuple(data.shape), quant, data)
        return name

    def add(self, kind: type[Op], *inputs: str, quant: QuantParams | None = None, **attributes: Any) -> str:
        """An operator with one output, by default of the first input's quantization."""
        return self.add_many(kind, 1, *inputs, quant=quant, **attributes)[0]

    def add_many(
        self, kind: type[Op], count: int, *inputs: str, quant: QuantParams | None = None, **attributes: Any
    ) -> tuple[str, ...]:
        names = tuple(f"t{len(self.ops)}{'abc'[i] if count > 1 else ''}" for i in range(count))
        op = kind(inputs=inputs, outputs=names, origin=f"{kind.kind} #{len(self.ops)}", **attributes)
        shapes = op.infer(*(self.shape(n) if n else () for n in inputs))
        source = self.tensors[inputs[0]]
        for name, shape in zip(names, shapes, strict=True):
            self.tensors[name] = source.replace(
                name=name, shape=shape, quant=quant or source.quant, data=None
            )
        self.ops.append(op)
        return names

    def conv(
        self,
        x: str,
        weights: Array,
        bias: Sequence[int] | None = None,
        *,
        quant: QuantParams = UNIT,
        **attributes: Any,
    ) -> str:
        """Conv2D for weights OHWI; the scale of the weights is 1/64."""
        return self._layer(ops.Conv2D, x, weights, bias, quant, kernel=weights.shape[1:3], **attributes)

    def depthwise(
        self,
        x: str,
        weights: Array,
        bias: Sequence[int] | None = None,
        *,
        quant: QuantParams = UNIT,
        **attributes: Any,
    ) -> str:
        return self._layer(
            ops.DepthwiseConv2D, x, weights, bias, quant, kernel=weights.shape[1:3], **attributes
        )

    def dense(
        self,
        x: str,
        weights: Array,
        bias: Sequence[int] | None = None,
        *,
        quant: QuantParams = UNIT,
        **attributes: Any,
    ) -> str:
        return self._layer(ops.FullyConnected, x, weights, bias, quant, **attributes)

    def _layer(
        self,
        kind: type[Op],
        x: str,
        weights: Array,
        bias: Sequence[int] | None,
        quant: QuantParams,
        **attributes: Any,
    ) -> str:
        scales = attributes.pop("scales", (1 / 64,))
        axis = None if len(scales) == 1 else (3 if kind is ops.DepthwiseConv2D else 0)
        w = self.const(weights.astype(np.int8), QuantParams(tuple(scales), (0,) * len(scales), axis))
        b = "" if bias is None else self.const(np.array(bias, dtype=np.int32))
        return self.add(kind, x, w, b, quant=quant, **attributes)

    def graph(self, *outputs: str) -> Graph:
        graph = Graph(self.tensors, tuple(self.ops), ("x",), outputs)
        verify(graph)
        check_supported(graph)
        return graph


def noise(*shape: int, low: int = -50, high: int = 50, seed: int = 0) -> Array:
    """Weights without a zero."""
    values = np.random.default_rng((seed, *shape)).integers(low, high, shape)
    return np.where(values == 0, 7, values)


def inputs_for(graph: Graph, count: int = 3) -> list[dict[str, Array]]:
    """Random inputs, then the smallest and the largest value everywhere."""
    generator = np.random.default_rng(5)
    x = graph.tensors["x"]
    low, high = x.dtype.bounds
    drawn = [generator.integers(low, high, x.shape, endpoint=True) for _ in range(count)]
    return [{"x": a.astype(x.dtype.numpy)} for a in (*drawn, np.full(x.shape, low), np.full(x.shape, high))]


def assert_same_outputs(before: Graph, after: Graph) -> None:
    verify(after)
    check_supported(after)
    for data in inputs_for(before):
        wanted, found = Interpreter(before).run(data), Interpreter(after).run(data)
        for name in before.outputs:
            assert_equal_bytes(found[name], wanted[name], f"output '{name}' of\n{before}\nbecame\n{after}")


def rewrite(graph: Graph, transform: Pass) -> Graph:
    """The graph after one pass, which changes no output and has nothing left to do."""
    after = transform(graph)
    assert_same_outputs(graph, after)
    assert str(transform(after)) == str(after)
    return after


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def shapes(graph: Graph) -> list[Shape]:
    """Of all results, in order."""
    return [graph.tensors[n].shape for op in graph.ops for n in op.outputs]


# ---- drawn graphs ----------------------------------------------------------------------------------------


@dataclass
class Drawing:
    """A net that grows by random operators; ``current`` is the last result, ``earlier`` all before."""

    draw: st.DrawFn
    random: np.random.Generator
    net: Net
    current: str = "x"
    earlier: list[str] = field(default_factory=list)

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def quant(self) -> QuantParams:
        return QuantParams.per_tensor(self.one_of(0.05, 0.02, 0.3, 1.5), self.one_of(-128, 0, 127, -3))

    def weights(self, *shape: int) -> Array:
        """OTI with many zeros: of some outputs, of some inputs, and here and there."""
        weights = self.random.integers(-127, 128, shape)
        weights[self.random.random(shape[0]) < 0.3] = 0
        weights[..., self.random.random(shape[-1]) < 0.3] = 0
        weights[self.random.random(shape) < self.one_of(0.0, 0.6)] = 0
        return weights

    def bias(self, outputs: int) -> list[int] | None:
        """Absent, small, or so large that outputs saturate, at times near the limits of 32 bits."""
        size = self.one_of(None, 0, 1000, 200_000, 2**31 - 1)
        return None if size is None else self.random.integers(-size, size, outputs, endpoint=True).tolist()

    def scales(self, outputs: int) -> tuple[float, ...]:
        if self.one_of(True, False):
            return (0.01,)
        return tuple(float(np.float32(s)) for s in self.random.uniform(0.001, 0.05, outputs))

    def clamp(self) -> dict[str, float]:
        return self.one_of({}, {"low": 0.0}, {"low": 0.0, "high": 6.0}, {"low": 0.5, "high": 0.6})

    @property
    def image(self) -> bool:
        return len(self.net.shape(self.current)) == 4

    @property
    def channels(self) -> int:
        return self.net.shape(self.current)[-1]

    def advance(self, name: str) -> None:
        self.earlier.append(self.current)
        self.current = name


def _conv(d: Drawing) -> str:
    kernel, stride = d.one_of(1, 1, 3), d.one_of(1, 1, 2)
    outputs = d.one_of(1, 2, 4, 6)
    return d.net.conv(
        d.current, d.weights(outputs, kernel, kernel, d.channels), d.bias(outputs), quant=d.quant(),
        padding=d.one_of((0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1)) if kernel == 3 else (0, 0, 0, 0),
        stride=(stride, stride), scales=d.scales(outputs), **d.clamp(),
    )  # fmt: skip


def _depthwise(d: Drawing) -> str:
    multiplier = d.one_of(1, 1, 2)
    outputs = d.channels * multiplier
    weights = np.moveaxis(d.weights(outputs, 3, 3, 1), 0, -1).reshape(1, 3, 3, outputs)
    return d.net.depthwise(
        d.current, weights, d.bias(outputs), quant=d.quant(), padding=d.one_of((0, 0, 0, 0), (1, 1, 1, 1)),
        scales=d.scales(outputs), **d.clamp(),
    )  # fmt: skip


def _binary(d: Drawing) -> str:
    kind = d.one_of(ops.Add, ops.Sub, ops.Mul)
    same = [n for n in (*d.earlier, d.current) if d.net.shape(n) == d.net.shape(d.current)]
    other = d.one_of("earlier", "earlier", "scalar", "per channel")
    if other == "earlier":
        second = d.one_of(*same)
    else:
        size = 1 if other == "scalar" else d.channels
        second = d.net.const(d.random.integers(-128, 128, size).astype(np.int8), d.quant())
    pair = d.one_of((d.current, second), (second, d.current))
    return d.net.add(kind, *pair, quant=d.quant(), **d.clamp())


def _unary(d: Drawing) -> str:
    kind = d.one_of(ops.Clip, ops.LeakyRelu, ops.Logistic, ops.Tanh, ops.Quantize, ops.HardSwish)
    if kind is ops.Clip:
        same = d.net.quant(d.current)
        return d.net.add(
            ops.Clip, d.current, quant=d.one_of(same, d.quant()), low=d.one_of(0.0, -0.5, 0.07), high=2.0
        )
    if kind is ops.LeakyRelu:
        return d.net.add(ops.LeakyRelu, d.current, quant=d.quant(), alpha=0.1)
    fixed = {ops.Logistic: PROBABILITY, ops.Tanh: SIGNED_UNIT}
    quant = d.one_of(d.net.quant(d.current), d.quant()) if kind is ops.Quantize else d.quant()
    return d.net.add(kind, d.current, quant=fixed.get(kind, quant))


def _pool(d: Drawing) -> str:
    kind = d.one_of(ops.AveragePool2D, ops.MaxPool2D)
    padding = d.one_of((0, 0, 0, 0), (1, 0, 1, 0), (1, 1, 1, 1))
    return d.net.add(kind, d.current, kernel=(2, 2), padding=padding, **d.clamp())


def _pad(d: Drawing) -> str:
    zero_point = d.net.quant(d.current).zero_point[0]
    sides = d.one_of(((0, 1, 1, 0), (0, 1, 0, 0)), ((0, 0, 0, 1), (0, 0, 0, 2)))
    value = d.one_of(zero_point, zero_point, -128, 5)
    return d.net.add(ops.Pad, d.current, before=sides[0], after=sides[1], value=float(value))


def _join(d: Drawing) -> str:
    same = [
        n
        for n in (*d.earlier, d.current)
        if d.net.shape(n) == d.net.shape(d.current) and d.net.quant(n) == d.net.quant(d.current)
    ]
    return d.net.add(ops.Concat, d.current, d.one_of(*same), axis=d.one_of(1, 3))


def _part(d: Drawing) -> str:
    n = d.channels
    if n < 2:
        return _unary(d)
    if d.one_of(True, False):
        first, second = d.net.add_many(ops.Split, 2, d.current, axis=3, sizes=(1, n - 1))
        d.earlier.append(first)
        return second
    size = (*d.net.shape(d.current)[:3], n - 1)
    return d.net.add(ops.StridedSlice, d.current, begin=(0, 0, 0, 1), size=size, step=(1, 1, 1, 1))


def _transpose(d: Drawing) -> str:
    return d.net.add(ops.Transpose, d.current, perm=d.one_of((0, 2, 1, 3), (0, 3, 1, 2)))


STEPS: tuple[Callable[[Drawing], str], ...] = (
    _conv, _conv, _conv, _depthwise, _depthwise, _binary, _binary, _unary, _unary,
    _pool, _pad, _join, _part, _transpose,
)  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Chains with residual connections, many zero weights, saturating biases and padding, then a small head."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(4, 5))
    net = Net((1, size, size, draw(st.integers(1, 4))))
    d = Drawing(draw, random, net)
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=8)):
        if min(net.shape(d.current)[1:3]) < 3 or net.tensors[d.current].elements > 1000:
            break
        d.advance(step(d))
    outputs = [_head(d)]
    if d.one_of(False, False, True) and d.current != "x":
        outputs.append(d.current)
    return net.graph(*dict.fromkeys(outputs))


def _head(d: Drawing) -> str:
    """Dense layers on the flattened image or its mean."""
    if d.one_of(True, False):
        d.advance(d.net.add(ops.Mean, d.current, axes=(1, 2), keep_dims=d.one_of(True, False)))
    flat = int(np.prod(d.net.shape(d.current)))
    d.advance(d.net.add(ops.Reshape, d.current, shape=(1, flat)))
    hidden = d.one_of(1, 2, 5)
    x = d.net.dense(
        d.current, d.weights(hidden, flat), d.bias(hidden), quant=d.quant(), scales=d.scales(hidden)
    )
    return d.net.dense(x, d.weights(3, hidden), d.bias(3), quant=d.quant(), scales=d.scales(3))
