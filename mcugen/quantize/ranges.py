"""The calibration run: the range of every tensor that needs one."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from mcugen.errors import CalibrationError
from mcugen.interp import evaluate
from mcugen.ir import Array, Graph
from mcugen.ops import Reshape, Transpose
from mcugen.quantize.calibration import Calibration, to_stored
from mcugen.quantize.observers import Observer, ObserverFactory
from mcugen.quantize.parameters import Range

Runner = Callable[[Mapping[str, Array]], Mapping[str, Array]]


def observe(
    graph: Graph, names: Collection[str], calibration: Calibration, make: ObserverFactory, model: bytes | None
) -> dict[str, Range]:
    """The ranges of the named tensors of a float graph over all samples.

    model: the ONNX file behind the graph. ONNX Runtime computes the values if the file knows all of them (by
    name, or under the name of a reshaped copy); else, and for other formats, the reference interpreter does.
    Raises CalibrationError when a value is NaN or infinite.
    """
    observers: dict[str, Observer] = {n: make(graph.tensors[n].elements * calibration.count) for n in names}
    for values in _runs(graph, names, calibration, model):
        for name, observer in observers.items():
            observer.update(values[name])
    ranges = {name: observer.range() for name, observer in observers.items()}
    bad = [n for n, r in ranges.items() if not (math.isfinite(r.low) and math.isfinite(r.high))]
    if bad:
        message = f"the model computes NaN or infinity on the calibration data, first in '{bad[0]}'"
        raise CalibrationError(message, hint="check that the data is scaled as in training")
    return ranges


def _runs(
    graph: Graph, names: Collection[str], calibration: Calibration, model: bytes | None
) -> Iterator[Mapping[str, Array]]:
    run = None if model is None else _onnxruntime(graph, names, model, calibration.sample(0))
    if run is None:
        run = _interpreter(graph)
    for index in range(calibration.count):
        yield run(calibration.sample(index))


def _interpreter(graph: Graph) -> Runner:
    def run(sample: Mapping[str, Array]) -> Mapping[str, Array]:
        with np.errstate(all="ignore"):  # what overflows is reported by name
            return evaluate(graph, {name: to_stored(graph, name, array) for name, array in sample.items()})

    return run


def _known_names(graph: Graph, names: Collection[str], model: bytes) -> dict[str, str] | None:
    """For each tensor the name of a value of the file with the same elements, None if one is missing."""
    from mcugen.frontends.onnx.expose import value_names

    known = value_names(model)
    copies: dict[str, str] = {}
    for op in graph.ops:
        if isinstance(op, (Reshape, Transpose)):
            copies.setdefault(op.inputs[0], op.outputs[0])
    found = {}
    for name in names:
        candidate: str | None = name
        while candidate is not None and candidate not in known:
            candidate = copies.get(candidate)
        if candidate is None:
            return None
        found[name] = candidate
    return found


def _onnxruntime(
    graph: Graph, names: Collection[str], model: bytes, trial: Mapping[str, Array]
) -> Runner | None:
    """Runs the file with the values wanted as outputs; None when it cannot, as a trial shows."""
    found = _known_names(graph, names, model)
    computed = sorted(set((found or {}).values()) - set(graph.inputs))
    if found is None or not computed:
        return None
    try:
        run = _session(model, computed, found)
        run(trial)
    except Exception:  # its errors have no public base class; the interpreter computes the same
        return None
    return run


def _session(model: bytes, computed: list[str], found: Mapping[str, str]) -> Runner:
    import onnxruntime

    from mcugen.frontends.onnx.expose import expose_values

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    data = expose_values(model, computed)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints when it does not like a file
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def run(sample: Mapping[str, Array]) -> Mapping[str, Array]:
        results = session.run(computed, dict(sample))
        values = {**sample, **dict(zip(computed, results, strict=True))}
        return {name: values[source] for name, source in found.items()}

    return run
