"""Parts of tensors that lie in one piece are read and made in place, without copying."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mcugen.ir import Graph, Op, Shape
from mcugen.ops import Concat, Join, Split, StridedSlice, View


def view_slices(graph: Graph) -> Graph:
    """Outputs of Split and StridedSlice that are neighbours in memory become views of the input.

    Tensors that the caller sees keep memory of their own, and so do states.
    """
    return graph.with_ops(new for op in graph.ops for new in _viewed(graph, op))


def join_in_place(graph: Graph) -> Graph:
    """Inputs of Concat that are neighbours in memory are made in the output.

    A tensor is made in one Concat only, by an operator with code, and read by nobody else.
    """
    joinable = set(_joinable(graph))
    return graph.with_ops(
        _joined(op) if isinstance(op, Concat) and op in joinable else op for op in graph.ops
    )


def _joined(op: Concat) -> Join:
    return Join(inputs=op.inputs, outputs=op.outputs, origin=op.origin, axis=op.axis)


def _joinable(graph: Graph) -> Iterator[Concat]:
    producers, consumers = graph.producers(), graph.consumers()
    for op in graph.ops:
        if type(op) is not Concat or math.prod(graph.tensors[op.outputs[0]].shape[: op.axis]) != 1:
            continue
        makers = [producers.get(name) for name in op.inputs]
        own = all(maker is not None and not maker.is_alias for maker in makers)
        unseen = not set(op.inputs) & set(graph.outputs) and len(set(op.inputs)) == len(op.inputs)
        if own and unseen and all(len(consumers[name]) == 1 for name in op.inputs):
            yield op


def _viewed(graph: Graph, op: Op) -> list[Op]:
    source = op.inputs[0] if op.inputs else ""
    usable = source and not graph.tensors[source].is_const and not graph.tensors[source].variable
    if not usable or set(op.outputs) & set(graph.outputs):
        return [op]
    shape = graph.tensors[source].shape
    if isinstance(op, Split) and math.prod(shape[: op.axis]) == 1:
        pitch = math.prod(shape[op.axis + 1 :])
        firsts = [pitch * sum(op.sizes[:k]) for k in range(len(op.sizes))]
    elif isinstance(op, StridedSlice) and _in_one_piece(op, shape):
        firsts = [sum(b * math.prod(shape[i + 1 :]) for i, b in enumerate(op.begin))]
    else:
        return [op]
    return [
        View(
            inputs=(source,), outputs=(name,), origin=op.origin, first=first, shape=graph.tensors[name].shape
        )
        for name, first in zip(op.outputs, firsts, strict=True)
    ]


def _in_one_piece(op: StridedSlice, shape: Shape) -> bool:
    """Whether a slice is whole in all dimensions but the first of more than one element that it keeps."""
    if any(step != 1 for step, size in zip(op.step, op.size, strict=True) if size > 1):
        return False
    first = next((i for i, size in enumerate(op.size) if size > 1), len(shape))
    return op.size[first + 1 :] == shape[first + 1 :]
