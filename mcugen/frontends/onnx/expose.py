"""Makes inner values of an ONNX model visible as outputs, for calibration."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, ValueInfoProto


def value_names(data: bytes) -> set[str]:
    """The names of all values that the nodes of the model compute, and of its inputs."""
    graph = ModelProto.FromString(data).graph
    return {n for node in graph.node for n in node.output if n} | {i.name for i in graph.input}


def expose_values(data: bytes, names: Iterable[str]) -> bytes:
    """The model with the named values as its only outputs, in order."""
    model = ModelProto.FromString(data)
    del model.graph.output[:]
    model.graph.output.extend(ValueInfoProto(name=name) for name in names)
    return bytes(model.SerializeToString())
