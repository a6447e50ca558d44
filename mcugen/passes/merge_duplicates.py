"""Merges tensors that are computed twice, and equal constants."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable

from mcugen.ir import Graph, Op, Tensor, Tensors


def merge_duplicates(graph: Graph) -> Graph:
    """Of operators with equal kind, attributes, inputs, and output formats only the first stays, and its readers
    are everybody's; of constants with equal contents and formats, one.

    Operators that keep state stay, and so do those that write a model output.
    """
    renamed = _equal_constants(graph)
    seen: dict[Hashable, Op] = {}
    kept: list[Op] = []
    for op in (op.rewired(renamed) for op in graph.ops):
        first = op if op.states else seen.setdefault(_key(op, graph.tensors), op)
        if first is op or set(op.outputs) & set(graph.outputs):
            kept.append(op)
        else:
            renamed.update(zip(op.outputs, first.outputs, strict=True))
    return graph.with_ops(kept)


def _equal_constants(graph: Graph) -> dict[str, str]:
    seen: dict[Hashable, str] = {}
    first = {t.name: seen.setdefault(_contents(t), t.name) for t in graph.constants()}
    return {name: other for name, other in first.items() if name != other and name not in graph.outputs}


def _contents(tensor: Tensor) -> Hashable:
    assert tensor.data is not None
    return (_format(tensor), tensor.data.tobytes())


def _format(tensor: Tensor) -> Hashable:
    return (tensor.dtype, tensor.shape, tensor.quant)


def _key(op: Op, tensors: Tensors) -> Hashable:
    formats = tuple(_format(tensors[n]) for n in op.outputs)
    return (dataclasses.replace(op, outputs=(), origin=""), formats)
