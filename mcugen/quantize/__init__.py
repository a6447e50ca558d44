"""From float graphs and QDQ graphs to int8 graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mcugen.ir import Graph
from mcugen.quantize.borders import with_float_borders
from mcugen.quantize.calibration import Calibration, load_calibration
from mcugen.quantize.observers import observer_factory
from mcugen.quantize.qdq import from_qdq
from mcugen.quantize.ranges import observe
from mcugen.quantize.scheme import quantized, tensors_to_observe

IO: TypeAlias = Literal["int8", "float32"]

__all__ = ["IO", "Quantized", "quantize_float", "quantize_qdq"]


@dataclass(frozen=True)
class Quantized:
    """An integer graph, and what the user should know about it, one sentence each."""

    graph: Graph
    notes: tuple[str, ...] = ()


def quantize_float(
    graph: Graph,
    calibration: str | Calibration | None,
    *,
    observer: str = "minmax",
    io: IO = "int8",
    model_bytes: bytes | None = None,
    model_format: str = "onnx",
) -> Quantized:
    """Quantizes a float graph on which the float passes have run.

    calibration: a source as :mod:`mcugen.quantize.calibration` describes, or data already loaded.
    observer: "minmax", "percentile" or "percentile:P". io: the type of the model's inputs and outputs.
    model_bytes, model_format: the file behind the graph; an ONNX file is run by ONNX Runtime.

    Raises CalibrationError, InputError for an unknown observer.
    """
    factory = observer_factory(observer)
    data = calibration if isinstance(calibration, Calibration) else load_calibration(calibration, graph)
    model = model_bytes if model_format == "onnx" else None
    ranges = observe(graph, tensors_to_observe(graph), data, factory, model)
    result, notes = quantized(graph, ranges)
    return Quantized(with_float_borders(result) if io == "float32" else result, (*data.notes, *notes))


def quantize_qdq(graph: Graph, io: IO = "float32") -> Quantized:
    """Turns a graph with Quantize and Dequantize operators around float ones into an integer graph.

    Raises UnsupportedModelError for operators that the file leaves in float.
    """
    result, notes = from_qdq(graph)
    return Quantized(with_float_borders(result) if io == "float32" else result, tuple(notes))
