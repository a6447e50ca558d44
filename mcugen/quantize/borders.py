"""float32 inputs and outputs around an integer graph."""

from __future__ import annotations

from mcugen.ir import DType, Graph, Op
from mcugen.ops import Dequantize, Quantize
from mcugen.passes.common import unused_name


def with_float_borders(graph: Graph) -> Graph:
    """The graph with float32 inputs and outputs of the same names, and conversions next to them."""
    tensors = dict(graph.tensors)
    inner: dict[str, str] = {}
    for name in dict.fromkeys((*graph.inputs, *graph.outputs)):
        tensor = graph.tensors[name]
        if tensor.dtype is not DType.FLOAT32:
            inner[name] = unused_name(tensors, f"{name}/int8")
            tensors[inner[name]] = tensor.replace(name=inner[name])
            tensors[name] = tensor.replace(dtype=DType.FLOAT32, quant=None)
    before: list[Op] = [Quantize(inputs=(n,), outputs=(inner[n],)) for n in graph.inputs if n in inner]
    after: list[Op] = [Dequantize(inputs=(inner[n],), outputs=(n,)) for n in graph.outputs if n in inner]
    return graph.with_ops((*before, *(op.rewired(inner) for op in graph.ops), *after), tensors)
