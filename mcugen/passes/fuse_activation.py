"""Fuses clamping activations into the operator before."""

from __future__ import annotations

import dataclasses

from mcugen.ir import DType, Graph, Op, Tensor, Tensors
from mcugen.ops import Clip, FullyConnected, Reshape
from mcugen.ops.binary import BinaryOp
from mcugen.ops.conv2d import WindowOp
from mcugen.passes.common import private_tensors, unused_name, writer_positions

Clamping = WindowOp | FullyConnected | BinaryOp


def fuse_activation(graph: Graph) -> Graph:
    """* ``Clip(op(...))`` becomes ``op(...)`` with narrower bounds, under the Clip's output name.
    * ``Clip(Reshape(x))`` becomes ``Reshape(Clip(x))``, so that the first rule can apply.

    op: a convolution, pooling, fully connected or element-wise operator of two inputs; nobody else reads
    what the Clip reads. In integer graphs only when the Clip does not requantize, so that every result stays
    the same.
    """
    private = private_tensors(graph)
    tensors = dict(graph.tensors)
    kept: list[Op] = []
    for op in graph.ops:
        if isinstance(op, Clip) and op.inputs[0] in private:
            _add_clip(kept, op, private, tensors)
        else:
            kept.append(op)
    return graph.with_ops(kept, tensors)


def _add_clip(kept: list[Op], clip: Clip, private: set[str], tensors: dict[str, Tensor]) -> None:
    """Appends the Clip, fused into the operator before or moved before a Reshape where possible."""
    position = writer_positions(kept).get(clip.inputs[0])
    before = None if position is None else kept[position]
    fused = None if before is None else _fused(before, clip, tensors)
    if position is None or before is None:
        kept.append(clip)
    elif fused is not None:
        kept[position] = fused
    elif isinstance(before, Reshape) and before.inputs[0] in private:
        inner = unused_name(tensors, f"{clip.outputs[0]}/clipped")
        tensors[inner] = tensors[clip.outputs[0]].replace(name=inner, shape=tensors[before.inputs[0]].shape)
        del kept[position]
        _add_clip(kept, dataclasses.replace(clip, inputs=before.inputs, outputs=(inner,)), private, tensors)
        kept.append(dataclasses.replace(before, inputs=(inner,), outputs=clip.outputs))
    else:
        kept.append(clip)


def _fused(op: Op, clip: Clip, tensors: Tensors) -> Op | None:
    if not isinstance(op, Clamping):
        return None
    before, after = tensors[clip.inputs[0]], tensors[clip.outputs[0]]
    if before.dtype is not after.dtype or (after.dtype is not DType.FLOAT32 and before.quant != after.quant):
        return None
    low, high = max(op.low, clip.low), min(op.high, clip.high)
    if low > high:
        return None
    return dataclasses.replace(op, outputs=clip.outputs, low=low, high=high)
