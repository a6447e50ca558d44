"""Simplifies transpositions."""

from __future__ import annotations

import dataclasses

from mcugen.ir import Graph, Op, Shape
from mcugen.ops import Reshape, Transpose


def cancel_transposes(graph: Graph) -> Graph:
    """* ``Transpose(Transpose(x))`` becomes one Transpose of x.
    * A Transpose that moves only dimensions of size 1 becomes a Reshape.
    * Readers of a Transpose by the identity read its input instead; a model output becomes a Reshape.

    Transposes that nothing reads any more are left to ``remove_dead``.
    """
    transposes: dict[str, Transpose] = {}
    same: dict[str, str] = {}
    kept: list[Op] = []
    for op in (op.rewired(same) for op in graph.ops):
        if not isinstance(op, Transpose):
            kept.append(op)
            continue
        before = transposes.get(op.inputs[0])
        if before is not None:
            perm = tuple(before.perm[p] for p in op.perm)
            op = dataclasses.replace(op, inputs=before.inputs, perm=perm)
        shape, y = graph.tensors[op.inputs[0]].shape, op.outputs[0]
        if op.perm == tuple(range(len(shape))) and y not in graph.outputs:
            same[y] = op.inputs[0]
        elif _keeps_order(op.perm, shape):
            target = graph.tensors[y].shape
            kept.append(Reshape(inputs=op.inputs, outputs=op.outputs, shape=target, origin=op.origin))
        else:
            transposes[y] = op
            kept.append(op)
    return graph.with_ops(kept)


def _keeps_order(perm: Shape, shape: Shape) -> bool:
    """Whether the dimensions longer than 1 stay in order."""
    long = [p for p in perm if shape[p] > 1]
    return long == sorted(long)
