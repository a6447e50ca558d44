"""A chain of convolutions around which a tensor is carried to an addition at the end."""

from __future__ import annotations

from mcugen.ir import Graph
from mcugen.lowering import Program, Rules, lower
from mcugen.ops import Add, Conv2D
from tests.support import graphs

_SIDE, _CHANNELS = 8, 8


def residual_graph() -> Graph:
    """x -> a -> b -> c -> e, then a + e = d; all of 512 bytes."""
    names = ("x", "a", "b", "c", "e", "d")
    tensors = [graphs.activation(name, 1, _SIDE, _SIDE, _CHANNELS) for name in names]
    tensors += [graphs.int8_constant(f"w{k}", (_CHANNELS, 3, 3, _CHANNELS), seed=k) for k in range(4)]
    tensors += [graphs.int32_constant(f"bias{k}", range(_CHANNELS)) for k in range(4)]
    ops = [
        Conv2D(
            inputs=(source, f"w{k}", f"bias{k}"), outputs=(target,), origin=f"CONV_2D #{k} '{target}'",
            kernel=(3, 3), padding=(1, 1, 1, 1),
        )
        for k, (source, target) in enumerate((("x", "a"), ("a", "b"), ("b", "c"), ("c", "e")))
    ]  # fmt: skip
    return graphs.graph(
        tensors, [*ops, Add(inputs=("a", "e"), outputs=("d",), origin="ADD #4 'd'")], "x", "d"
    )


def residual_program() -> Program:
    """Its kernels for a core with DSP instructions."""
    return lower(residual_graph(), Rules("dsp"))
