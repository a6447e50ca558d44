"""Rewrites on drawn int8 graphs: no output changes, whatever passes run; the analysis bounds every value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcugen.interp import Interpreter
from mcugen.ir import Graph
from mcugen.passes import INTEGER_PIPELINE, Pass, apply_passes
from mcugen.passes.intervals import channel_ranges, channels_of
from mcugen.verify_ir import verify
from tests.passes.integer_graphs import assert_same_outputs, graphs, inputs_for

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = sorted(p.__name__ for p in INTEGER_PIPELINE)


def with_code(graph: Graph) -> int:
    return sum(not op.is_alias for op in graph.ops)


@SETTINGS
@given(graphs())
def test_pipeline(graph: Graph) -> None:
    result = apply_passes(graph, INTEGER_PIPELINE)
    assert_same_outputs(graph, result.graph)
    assert sum(s.macs for s in result.savings) == graph.macs() - result.graph.macs()
    assert sum(s.ops for s in result.savings) == with_code(graph) - with_code(result.graph)
    again = apply_passes(result.graph, INTEGER_PIPELINE)
    assert str(again.graph) == str(result.graph)
    assert not any((s.macs, s.constant_bytes, s.ops) != (0, 0, 0) for s in again.savings)


@SETTINGS
@given(graphs(), st.sets(st.sampled_from(NAMES), min_size=1))
def test_pipeline_without_some_passes(graph: Graph, disabled: set[str]) -> None:
    result = apply_passes(graph, INTEGER_PIPELINE, disabled=frozenset(disabled))
    assert not disabled & {s.name for s in result.savings}
    assert_same_outputs(graph, result.graph)


@pytest.mark.parametrize("transform", INTEGER_PIPELINE, ids=lambda p: p.__name__)
@settings(SETTINGS, max_examples=25)
@given(graph=graphs())
def test_each_pass_alone(transform: Pass, graph: Graph) -> None:
    after = transform(graph)
    verify(after)
    assert_same_outputs(graph, after)


@SETTINGS
@given(graphs())
def test_intervals_hold(graph: Graph) -> None:
    ranges = channel_ranges(graph)
    for data in inputs_for(graph):
        values = Interpreter(graph).run(data)
        for name, range_ in ranges.items():
            if name in values:
                rows = values[name].reshape(-1, channels_of(graph.tensors[name])).astype(np.int64)
                assert (rows >= range_.low).all() and (rows <= range_.high).all(), f"{name} of\n{graph}"
