"""Drops a final softmax when only the place of the largest output is wanted."""

from __future__ import annotations

import numpy as np

from mcugen.ir import Graph, Op
from mcugen.ops import Dequantize, Reshape, Softmax
from mcugen.passes.common import private_tensors
from mcugen.passes.remove_dead import remove_dead


def drop_softmax(graph: Graph) -> Graph:
    """``Softmax(x)`` as a model output becomes x, which then is the output, under its own name and quantization.

    Not exact but for the arg max, hence in no pipeline. A softmax never gives a larger logit a smaller
    probability, so that the first largest logit of a row is one of the places with the largest probability; of
    several places with equal probabilities, which softmax makes of logits that are far from the largest one or
    close to each other, it is one whose logit is largest. Between the Softmax and the output there may be a
    Dequantize, and a Reshape that keeps the rows.
    """
    for name in graph.outputs:
        graph = _without_softmax(graph, name)
    return remove_dead(graph)


def _without_softmax(graph: Graph, output: str) -> Graph:
    producers, private = graph.producers(), private_tensors(graph)
    after: list[Op] = []
    op = producers.get(output)
    while isinstance(op, Reshape | Dequantize) and op.inputs[0] in private:
        after.append(op)
        op = producers.get(op.inputs[0])
    if not isinstance(op, Softmax) or not _droppable(graph, op, output):
        return graph
    logits, probabilities = op.inputs[0], op.outputs[0]
    if probabilities == output:
        return _renamed_output(graph, output, logits)
    quant = graph.tensors[logits].quant
    moved = {o.outputs[0] for o in after if isinstance(o, Reshape)}
    tensors = {n: t.replace(quant=quant) if n in moved else t for n, t in graph.tensors.items()}
    ops = [o.rewired({probabilities: logits}) if o in after else o for o in graph.ops]
    return graph.with_ops(ops, tensors)


def _droppable(graph: Graph, op: Softmax, output: str) -> bool:
    """Whether the rows of the output are the softmax's, and the logits can be an output."""
    x, y, final = (graph.tensors[n] for n in (op.inputs[0], op.outputs[0], output))
    if op.beta <= 0 or op.check(graph.tensors) or x.dtype is not y.dtype or x.is_const:
        return False
    monotonic = bool((np.diff(op.exp_table(graph.tensors).astype(np.int64)) <= 0).all())
    return monotonic and final.shape[-1:] == x.shape[-1:] and x.name not in (*graph.inputs, *graph.outputs)


def _renamed_output(graph: Graph, old: str, new: str) -> Graph:
    layouts = {new if name == old else name: layout for name, layout in graph.layouts.items()}
    outputs = tuple(new if name == old else name for name in graph.outputs)
    return graph.replace(outputs=outputs, layouts=layouts)
