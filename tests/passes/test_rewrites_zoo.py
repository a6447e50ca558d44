"""Rewrites on the models of the zoo: golden outputs with every pass switched off in turn, and what they save."""

from __future__ import annotations

import numpy as np
import pytest

from mcugen.frontends.tflite import load_tflite
from mcugen.interp import Interpreter
from mcugen.ir import Graph
from mcugen.ops import Conv2D, DepthwiseConv2D, FullyConnected, Softmax
from mcugen.passes import INTEGER_PIPELINE, apply_passes, drop_softmax
from tests.models.test_golden_vectors import EXACT
from tests.support.compare import assert_equal_bytes
from tests.support.zoo import Entry, Zoo

# One case of larger models would take longer than all others.
_MOST_MACS = 100_000_000


def _assert_golden(entry: Entry, graph: Graph, cases: int) -> None:
    golden = entry.golden()
    for case in range(cases):
        values = Interpreter(graph).run({name: golden[f"in{i}"][case] for i, name in enumerate(graph.inputs)})
        for i, name in enumerate(graph.outputs):
            assert_equal_bytes(values[name], golden[f"out{i}"][case], f"output {i} of case {case}")


def _load(entry: Entry) -> Graph:
    return load_tflite(entry.path.read_bytes(), "model").graph


@pytest.mark.parametrize("name", EXACT)
def test_golden_outputs_without_each_pass(zoo: Zoo, name: str) -> None:
    """Graphs that come out the same are evaluated once: two cases for the whole pipeline, one for each pass off."""
    entry = zoo.entry(name)
    graph = _load(entry)
    if graph.macs() > _MOST_MACS:
        pytest.skip("too large for many evaluations")
    result = apply_passes(graph, INTEGER_PIPELINE)
    _assert_golden(entry, result.graph, 2)
    seen = {str(result.graph)}
    for transform in INTEGER_PIPELINE:
        other = apply_passes(graph, INTEGER_PIPELINE, disabled=frozenset({transform.__name__})).graph
        if str(other) not in seen:
            seen.add(str(other))
            _assert_golden(entry, other, 1)


def test_constant_channels_of_vww(zoo: Zoo) -> None:
    """Half of the multiplications and six sevenths of the weights have no influence on the outputs."""
    entry = zoo.entry("vww_96_int8")
    graph = apply_passes(_load(entry), INTEGER_PIPELINE).graph
    weights = [
        graph.tensors[op.inputs[1]].bytes
        for op in graph.ops
        if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected)
    ]
    assert (graph.macs(), sum(weights)) == (3_727_313, 29_066)
    _assert_golden(entry, graph, 8)


@pytest.mark.parametrize(
    "name", ["ic_resnet8_int8", "kws_ref_int8", "vww_96_int8", "mltk_magic_wand_float_io"]
)
def test_arg_max_without_softmax(zoo: Zoo, name: str) -> None:
    entry = zoo.entry(name)
    graph = drop_softmax(apply_passes(_load(entry), INTEGER_PIPELINE).graph)
    assert not any(isinstance(op, Softmax) for op in graph.ops)
    golden = entry.golden()
    for case in range(8):
        data = golden["in0"][case]
        found = Interpreter(graph).run({graph.inputs[0]: data})[graph.outputs[0]]
        wanted = golden["out0"][case].reshape(-1)
        assert wanted[int(np.argmax(found))] == wanted.max()
