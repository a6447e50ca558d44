"""Small ONNX models made on the spot, and their outputs by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

from mcugen.interp import evaluate
from mcugen.ir import Array, Graph
from mcugen.passes import FLOAT_PIPELINE, run_passes
from mcugen.passes.expand_batch_norm import expand_batch_norm
from mcugen.passes.merge_pad import merge_pad

Nodes = Sequence[NodeProto]


def simplified(graph: Graph) -> Graph:
    """The graph after all passes for float graphs."""
    return run_passes(graph, (*FLOAT_PIPELINE, expand_batch_norm, merge_pad, *FLOAT_PIPELINE))


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str] = ("y",), **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs), list(outputs), name=f"n/{outputs[0]}", **attributes)


def model(
    nodes: Nodes,
    inputs: Mapping[str, Sequence[int | str | None]],
    constants: Mapping[str, Array] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 13,
) -> bytes:
    """A float model; shapes of outputs are left open."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for proto in made.graph.output:
        proto.type.Clear()
        proto.type.tensor_type.elem_type = TensorProto.FLOAT
    return bytes(made.SerializeToString())


def runtime_outputs(data: bytes, arrays: Mapping[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return list(session.run([o.name for o in onnx.load_from_string(data).graph.output], dict(arrays)))


def stored(graph: Graph, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """User arrays in the order of the graph's inputs."""
    return {
        n: np.ascontiguousarray(a.transpose(graph.layouts.get(n, tuple(range(a.ndim)))))
        for n, a in arrays.items()
    }


def graph_outputs(graph: Graph, arrays: Mapping[str, Array]) -> list[Array]:
    """The graph's outputs on user arrays, in the user's axis order."""
    values = evaluate(graph, stored(graph, arrays))
    results = []
    for name in graph.outputs:
        layout = graph.layouts.get(name, tuple(range(values[name].ndim)))
        results.append(values[name].transpose(np.argsort(layout)))
    return results


def noise(shape: Sequence[int], seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(tuple(shape)).astype(np.float32)
