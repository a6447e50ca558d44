"""The ONNX front-end: ``load_onnx``. Only the modules of this package import ``onnx``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, ModelProto

from mcugen import ops
from mcugen.errors import ModelFormatError, UnsupportedModelError
from mcugen.frontends.imported import Imported
from mcugen.frontends.onnx import reading
from mcugen.frontends.onnx.builder import Builder
from mcugen.frontends.onnx.folding import FOLDABLE, fold
from mcugen.frontends.onnx.importers import CHANNELS_LAST, IMPORTERS, ORDER_AGNOSTIC
from mcugen.frontends.onnx.node import STANDARD_DOMAINS, Node, UnsupportedNodeError
from mcugen.frontends.onnx.values import Const, Value, channels_last, identity, stored_shape, without_inserted
from mcugen.ir import DType, Graph, Shape, Tensor
from mcugen.passes.remove_dead import remove_dead

__all__ = ["load_onnx"]


def load_onnx(data: bytes, name: str, shapes: Mapping[str, Shape] | None = None) -> Imported:
    """Reads an ONNX model: float graphs, and QDQ graphs with Quantize and Dequantize operators.

    Activations are stored NHWC where convolutions want them so; ``Graph.layouts`` says for which inputs and
    outputs. ``shapes`` fixes dynamic dimensions by input name; a dynamic batch becomes 1.

    Raises ModelFormatError (corrupt file), InputError (dynamic dimensions), UnsupportedModelError (every node
    that is not supported, one line each).
    """
    model = reading.parse(data, name)
    names = _all_names(model.graph, name)
    known = reading.constants(model, name)
    inputs = reading.inputs(model, known, shapes or {}, name)
    builder = Builder(names)
    builder.values.update(known)
    notes = [i.note for i in inputs if i.note]
    layouts = {}
    for item in inputs:
        value = _add_input(builder, item, _wants_channels_last(model.graph, item))
        if without_inserted(value.perm) != identity(value.rank):
            layouts[item.name] = without_inserted(value.perm)
            notes.append(_layout_note("input", item.name, item.shape))
    with np.errstate(all="ignore"):  # what overflows is refused as a constant
        _import_nodes(builder, model, name)
    graph = _finish(builder, model, tuple(i.name for i in inputs), layouts, name)
    notes += [_layout_note("output", n, graph.tensors[n].shape) for n in graph.outputs if n in graph.layouts]
    return Imported(graph, tuple(notes))


def _all_names(graph: GraphProto, file: str) -> set[str]:
    """The names of all values. Raises ModelFormatError for names that are not text."""
    values = [*graph.input, *graph.output, *graph.initializer]
    names = {n for node in graph.node for n in (*node.input, *node.output)} | {v.name for v in values}
    kinds = {node.op_type for node in graph.node} | {node.domain for node in graph.node}
    if not all(isinstance(n, str) for n in names | kinds):  # protobuf gives bytes for invalid UTF-8
        raise ModelFormatError("the file contains names that are not text", where=file)
    return names


def _layout_note(what: str, name: str, shape: Shape) -> str:
    order = "NCL became NLC" if len(shape) == 3 else "NCHW became NHWC"
    return f"{what} '{name}': {order}"


def _wants_channels_last(graph: GraphProto, item: reading.Input) -> bool:
    """Whether a convolution or the like reads the input, directly or through element-wise operators."""
    if len(item.shape) not in (3, 4):
        return False
    reached = {item.name}
    for node in graph.node:
        if reached.intersection(node.input):
            if node.op_type in CHANNELS_LAST and node.input[0] in reached:
                return True
            if node.op_type in ORDER_AGNOSTIC:
                reached.update(node.output)
    return False


def _add_input(b: Builder, item: reading.Input, nhwc: bool) -> Value:
    perm = channels_last(len(item.shape)) if nhwc else identity(len(item.shape))
    plain = without_inserted(perm)
    b.add_tensor(Tensor(item.name, DType.FLOAT32, stored_shape(item.shape, plain)))
    value = b.restored(Value(item.name, item.shape, plain), perm)
    b.values[item.name] = value
    return value


def _import_nodes(b: Builder, model: ModelProto, file: str) -> None:
    """Imports all nodes in order, and raises one UnsupportedModelError for all that failed."""
    versions = reading.opsets(model)
    problems: list[str] = []
    lost: set[str] = set()
    for index, proto in enumerate(model.graph.node):
        domain = "" if proto.domain in STANDARD_DOMAINS else proto.domain
        node = Node(proto, index, versions.get(domain, 0))
        known = node.kind in IMPORTERS or node.kind in FOLDABLE
        if known and lost.intersection(node.inputs):
            lost.update(node.outputs)
            continue
        try:
            _import_node(b, node, versions)
        except UnsupportedNodeError as problem:
            problems.append(f"{node.origin}: {problem}")
            lost.update(node.outputs)
        except (ValueError, IndexError) as error:
            raise ModelFormatError(str(error), where=f"{file}: {node.origin}") from error
        except ModelFormatError as error:
            raise ModelFormatError(error.message, where=f"{file}: {error.where or node.origin}") from error
    if problems:
        raise UnsupportedModelError("\n".join(problems), where=file)


def _import_node(b: Builder, node: Node, versions: dict[str, int]) -> None:
    for name in node.outputs:
        if name and name in b.values:
            raise ModelFormatError(f"'{name}' is defined twice", where=node.origin)
    known = all(isinstance(b.values.get(n), Const) for n in node.inputs if n)
    if known and node.kind in FOLDABLE:
        fold(b, node, versions)
    elif node.kind in IMPORTERS:
        IMPORTERS[node.kind](b, node)
    else:
        raise UnsupportedNodeError("the operator is not supported")


def _finish(
    b: Builder, model: ModelProto, inputs: tuple[str, ...], layouts: dict[str, Shape], file: str
) -> Graph:
    """The graph, its outputs under the names of the file."""
    outputs = {proto.name: _output_value(b, proto.name, file) for proto in model.graph.output}
    taken = {*inputs, *(name for name, value in outputs.items() if value.name == name)}
    renames: dict[str, str] = {}
    for name, value in outputs.items():
        if value.perm != identity(value.rank):
            layouts[name] = value.perm
        if value.name == name:
            continue
        source = _copied(b, value) if value.name in taken else value.name
        taken.add(source)
        if name in b.tensors:
            renames[name] = b.fresh(f"{name}/inner")
        renames[source] = name
    graph = Graph(b.tensors, tuple(b.ops), inputs, tuple(outputs), file, layouts)
    return remove_dead(_renamed(graph, renames))


def _output_value(b: Builder, name: str, file: str) -> Value:
    value = b.values.get(name)
    if not isinstance(value, Value):
        text = "is constant" if isinstance(value, Const) else "is produced by no node"
        raise ModelFormatError(f"output '{name}' {text}", where=file)
    return b.restored(value, without_inserted(value.perm))


def _copied(b: Builder, value: Value) -> str:
    """A second tensor for a value, so that every output is a tensor of its own."""
    name = b.fresh(f"{value.name}/output")
    b.emit(ops.Reshape(inputs=(value.name,), outputs=(name,), shape=value.stored_shape), value.perm)
    return name


def _renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    if not names:
        return graph
    tensors = {names.get(n, n): t.replace(name=names.get(n, n)) for n, t in graph.tensors.items()}
    return graph.replace(tensors=tensors, ops=tuple(op.rewired(names) for op in graph.ops))
