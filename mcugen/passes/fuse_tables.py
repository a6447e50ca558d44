"""Makes one table of element-wise 8-bit operators that follow each other."""

from __future__ import annotations

from mcugen.ir import DType, Graph, Op, Tensor, Tensors
from mcugen.ops import Table
from mcugen.ops.binary import BinaryOp
from mcugen.passes.byte_functions import IDENTITY, ByteFunction, composed, is_elementwise
from mcugen.passes.common import private_tensors, unused_name
from mcugen.passes.remove_dead import remove_dead

# An element-wise operator of two inputs is kept on tensors smaller than this: a table would take more flash.
_LEAST_ELEMENTS = 64


def fuse_tables(graph: Graph) -> Graph:
    """* ``f(g(x))`` becomes ``Table(x)``, f and g element-wise on bytes, when nobody else reads ``g(x)``: Clip,
      LeakyRelu, Logistic, Tanh, HardSwish, Quantize between 8-bit types, Table, and Add, Sub and Mul with one
      element or of two functions of the same x (``Mul(x, Logistic(x))``).
    * Add, Sub and Mul of a constant of one element, or of x with itself, become ``Table(x)``.
    """
    private = private_tensors(graph)
    tensors = dict(graph.tensors)
    functions: dict[str, ByteFunction] = {}
    kept: list[Op] = []
    for op in graph.ops:
        function = _function(op, tensors, {n: f for n, f in functions.items() if n in private})
        if function is None:
            kept.append(op)
            continue
        functions[op.outputs[0]] = function
        pays = isinstance(op, BinaryOp) and tensors[op.outputs[0]].elements >= _LEAST_ELEMENTS
        kept.append(_table(op, function, tensors) if pays or function.source not in op.inputs else op)
    return remove_dead(graph.with_ops(kept, tensors))


def _function(op: Op, tensors: Tensors, known: dict[str, ByteFunction]) -> ByteFunction | None:
    """The operator as a function of one tensor, looking through ``known`` inputs where it can."""
    if not is_elementwise(op, tensors):
        return None
    variable = [n for n in dict.fromkeys(op.inputs) if not tensors[n].is_const]
    ways = [[f for f in (known.get(n), ByteFunction(n, IDENTITY)) if f is not None] for n in variable]
    for source in dict.fromkeys(f.source for way in ways for f in way):
        chosen = [next((f for f in way if f.source == source), None) for way in ways]
        inputs = {n: f.table for n, f in zip(variable, chosen, strict=True) if f is not None}
        if len(inputs) == len(variable):
            table = composed(op, tensors, inputs)
            return None if table is None else ByteFunction(source, table)
    return None


def _table(op: Op, function: ByteFunction, tensors: dict[str, Tensor]) -> Op:
    name = unused_name(tensors, f"{op.outputs[0]}/table")
    tensors[name] = Tensor(name, DType.UINT8, (256,), data=function.table)
    return Table(inputs=(function.source, name), outputs=op.outputs, origin=op.origin)
