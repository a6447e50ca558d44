"""Makes inner values of an ONNX model visible as outputs, for calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onnx import ModelProto, ValueInfoProto

from mcugen.ir import Shape


def value_names(data: bytes) -> set[str]:
    """The names of all values that the nodes of the model compute, and of its inputs."""
    graph = ModelProto.FromString(data).graph
    return {n for node in graph.node for n in node.output if n} | {i.name for i in graph.input}


def expose_values(data: bytes, names: Iterable[str], shapes: Mapping[str, Shape] | None = None) -> bytes:
    """The model with the named values as its only outputs, in order; ``shapes`` fixes input dimensions."""
    model = ModelProto.FromString(data)
    del model.graph.output[:]
    model.graph.output.extend(ValueInfoProto(name=name) for name in names)
    for proto in model.graph.input:
        for dim, size in zip(
            proto.type.tensor_type.shape.dim, (shapes or {}).get(proto.name, ()), strict=False
        ):
            dim.dim_value = size
    return bytes(model.SerializeToString())
