"""Random int8 graphs whose operators work by rows, and random divisions of them into steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from mcugen import ops
from mcugen.ir import Graph, QuantParams
from mcugen.lowering import Program, Rules, Step, lower, step_of
from mcugen.lowering.choice import least_scratch
from mcugen.rows.fuse import BandLowering, fused
from mcugen.rows.order import Run, works_by_rows
from tests.kernels.cases import Window, _padding
from tests.kernels.draws import chance
from tests.passes.integer_graphs import Net, noise

# What a few products of two bytes come to, compared with what a byte holds.
_SPREAD = 74 * 74 / 45


@dataclass
class Drawing:
    """A net that grows. ``made``: everything in it, the last may be read by anything that follows."""

    r: Random
    net: Net
    made: list[str] = field(default_factory=lambda: ["x"])

    def quant(self) -> QuantParams:
        return QuantParams.per_tensor(0.05, self.r.choice((-128, -3, 0, 127)))

    def window(self, x: str, *, dilated: bool) -> Window:
        """Sizes of a window over a tensor, which fits at least once. Padding is at times larger than the window."""
        r, (_, h, w, c) = self.r, self.net.shape(x)
        kernel = (r.choice((1, 2, 3, 3, 5)), r.choice((1, 2, 3)))
        stride = r.choice(((1, 1), (1, 1), (2, 1), (2, 2), (3, 2)))
        dilation = (r.randint(1, 3), r.randint(1, 2)) if dilated and chance(r, 0.25) else (1, 1)
        found = Window(h, w, c, c, kernel, stride, dilation)
        rows = _padding(r, h, found.reach[0], stride[0])
        columns = _padding(r, w, found.reach[1], stride[1])
        if dilated and chance(r, 0.05):
            rows = (rows[0] + r.randint(0, 3), rows[1] + r.randint(0, 3))
        return replace(found, padding=(*rows, *columns))

    def weighted(self, fan_in: int) -> dict[str, object]:
        low = self.r.choice((-math.inf, -math.inf, 0.0))
        return {"scales": (1 / (_SPREAD * math.sqrt(fan_in)),), "low": low, "quant": self.quant()}

    def like(self, x: str, axes: slice) -> list[str]:
        """Everything whose shape is the same along some axes."""
        return [n for n in self.made if self.net.shape(n)[axes] == self.net.shape(x)[axes]]


def _conv(d: Drawing, x: str) -> str:
    w = d.window(x, dilated=True)
    groups = 2 if w.in_c % 2 == 0 and chance(d.r, 0.15) else 1
    out_c, per_in = groups * d.r.randint(1, 5), w.in_c // groups
    weights = noise(out_c, *w.kernel, per_in, low=-127, high=128, seed=d.r.getrandbits(30))
    bias = [d.r.randint(-3000, 3000) for _ in range(out_c)]
    fan_in = per_in * math.prod(w.kernel)
    return d.net.conv(
        x, weights, bias, stride=w.stride, dilation=w.dilation, padding=w.padding, groups=groups,
        **d.weighted(fan_in),
    )  # fmt: skip


def _depthwise(d: Drawing, x: str) -> str:
    w = d.window(x, dilated=True)
    out_c = w.in_c * d.r.choice((1, 1, 1, 2))
    weights = noise(1, *w.kernel, out_c, low=-127, high=128, seed=d.r.getrandbits(30))
    bias = [d.r.randint(-3000, 3000) for _ in range(out_c)]
    return d.net.depthwise(
        x, weights, bias, stride=w.stride, dilation=w.dilation, padding=w.padding,
        **d.weighted(math.prod(w.kernel)),
    )  # fmt: skip


def _pool(d: Drawing, x: str) -> str:
    w = d.window(x, dilated=False)
    inside = tuple(
        min(p, k - 1) for p, k in zip(w.padding, (w.kernel[0],) * 2 + (w.kernel[1],) * 2, strict=True)
    )
    w = replace(w, padding=inside)  # type: ignore[arg-type]
    if min(w.out_hw) < 1:
        return _unary(d, x)
    kind = d.r.choice((ops.AveragePool2D, ops.MaxPool2D))
    return d.net.add(kind, x, kernel=w.kernel, stride=w.stride, padding=w.padding)


def _binary(d: Drawing, x: str) -> str:
    kind = d.r.choice((ops.Add, ops.Add, ops.Sub, ops.Mul))
    second = d.r.choice(d.like(x, slice(None)))
    if chance(d.r, 0.2):
        shape = d.r.choice(((d.net.shape(x)[3],), (1, 1, 1, 1)))
        second = d.net.const(noise(*shape, seed=d.r.getrandbits(30)).astype(np.int8), d.quant())
    pair = (x, second) if chance(d.r, 0.5) else (second, x)
    return d.net.add(kind, *pair, quant=QuantParams.per_tensor(0.08, d.quant().zero_point[0]))


def _unary(d: Drawing, x: str) -> str:
    kind = d.r.choice((ops.LeakyRelu, ops.HardSwish, ops.Quantize, ops.Table))
    if kind is ops.Table:
        values = np.random.default_rng(d.r.getrandbits(30)).integers(0, 256, 256).astype(np.uint8)
        return d.net.add(kind, x, d.net.const(values))
    return d.net.add(kind, x, quant=d.quant(), **({"alpha": 0.1} if kind is ops.LeakyRelu else {}))


def _concat(d: Drawing, x: str) -> str:
    """Along the channels or the columns; at times with a constant."""
    axis = d.r.choice((3, 3, 2))
    like = [n for n in d.made if _but(d.net.shape(n), axis) == _but(d.net.shape(x), axis)]
    parts = [x, *(d.r.choice(like) for _ in range(d.r.randint(1, 2)))]
    if chance(d.r, 0.15):
        parts.append(
            d.net.const(noise(*d.net.shape(x), seed=d.r.getrandbits(30)).astype(np.int8), d.net.quant(x))
        )
    d.r.shuffle(parts)
    same = [n if d.net.quant(n) == d.net.quant(x) else _same_quant(d, n, d.net.quant(x)) for n in parts]
    return d.net.add(ops.Concat, *same, quant=d.net.quant(x), axis=axis)


def _same_quant(d: Drawing, name: str, quant: QuantParams) -> str:
    return d.net.add(ops.Quantize, name, quant=quant)


def _but(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


_KINDS: tuple[Callable[[Drawing, str], str], ...] = (
    _conv, _conv, _conv, _depthwise, _depthwise, _pool, _pool, _binary, _binary, _binary, _unary, _concat,
)  # fmt: skip


def graph_of(seed: int, most: int = 8) -> Graph:
    """A graph of up to ``most`` operators, about. Later ones read anything before; what nobody reads is an output."""
    r = Random(f"rows {seed}")
    net = Net((1, r.randint(3, 14), r.randint(1, 6), r.randint(1, 5)))
    d = Drawing(r, net)
    for _ in range(r.randint(1, most)):
        x = d.made[-1] if chance(r, 0.75) else r.choice(d.made)
        kind = r.choice(_KINDS)
        if kind is _concat and net.shape(x)[3] > 8:
            kind = _conv
        d.made.append(kind(d, x))
    read = {name for op in net.ops for name in op.inputs}
    unread = [name for name in d.made[1:] if name not in read]
    inner = [name for name in d.made[1:] if name in read and chance(r, 0.1)]
    return net.graph(*unread, *inner)


@dataclass(frozen=True)
class Piece:
    """Operators ``start <= i < end`` as one step, ``unit`` rows at a time; unit 0: one whole operator."""

    start: int
    end: int
    unit: int = 0
    thrift: int = 0
    upwards: bool = False


def pieces_of(graph: Graph, r: Random, longest: int = 6) -> list[Piece]:
    """A random division; about three in four operators that work by rows are computed by rows."""
    by_rows = [works_by_rows(op, graph.tensors) for op in graph.ops]
    pieces: list[Piece] = []
    at = 0
    while at < len(graph.ops):
        reach = next((k for k in range(at, len(by_rows)) if not by_rows[k]), len(by_rows)) - at
        if reach == 0 or chance(r, 0.25):
            pieces.append(Piece(at, at + 1, thrift=r.randint(0, 2)))
        else:
            end = at + r.randint(1, min(reach, longest))
            upwards = end - at == 1 and chance(r, 0.5)
            pieces.append(Piece(at, end, r.choice((1, 1, 2, 3, 8)), r.randint(0, 2), upwards))
        at = pieces[-1].end
    return pieces


def run_of(graph: Graph, start: int, end: int) -> Run:
    """The operators as a run: what others read, or the user, is kept as a whole."""
    inside = graph.ops[start:end]
    readers = graph.consumers()
    kept = [
        name
        for op in inside
        for name in op.outputs
        if name in graph.outputs or any(reader not in inside for reader in readers.get(name, []))
    ]
    return Run(inside, graph.tensors, tuple(kept))


def divided(graph: Graph, pieces: Sequence[Piece], rules: Rules) -> Program:
    """The program with these steps."""
    program = lower(graph, rules)
    lowerings = [BandLowering(graph.tensors, rules, None, thrift) for thrift in range(3)]

    def step(piece: Piece) -> Step:
        if not piece.unit:
            return _whole(graph, program.steps[piece.start], piece.thrift, rules)
        run = run_of(graph, piece.start, piece.end)
        return fused(run, piece.unit, lowerings[piece.thrift], piece.upwards).step

    return replace(program, steps=tuple(step(piece) for piece in pieces))


def _whole(graph: Graph, usual: Step, thrift: int, rules: Rules) -> Step:
    if not thrift:
        return usual
    (op,) = usual.ops
    contracts = op.lower(graph.tensors)
    return step_of(op, contracts, [least_scratch(call, rules, thrift > 1) for call in contracts])
