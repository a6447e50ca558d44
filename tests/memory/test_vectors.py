"""Planning instances of others: TFLM's test cases, the zoo's models, minimalloc's hard instances."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mcugen.memory import Problem, plan
from mcugen.memory.conflicts import instance_of
from mcugen.memory.instances import read_csv
from mcugen.memory.linear_scan import greedy_by_size
from tests.support.zoo import Zoo

CAPACITY = 1_048_576
HARD = "ABCDEFGHIJK"


@pytest.fixture(scope="module")
def vectors(zoo: Zoo) -> Path:
    folder = zoo.root / "vectors" / "memplan"
    if not folder.is_dir():
        pytest.skip("the zoo has no planning instances (vectors/memplan)")
    return folder


@pytest.mark.parametrize(
    ("name", "greedy"), [("TestGreedyBasics", 20), ("TestGreedyMedium", 90), ("TestOverlapCase", 120)]
)
def test_greedy_by_size_is_that_of_tflm(vectors: Path, name: str, greedy: int) -> None:
    problem = read_csv(vectors / "tflm" / f"{name}.csv")
    assert greedy_by_size(instance_of(problem, "arena")).peak == greedy
    assert plan(problem).peak <= greedy


def test_person_detection_of_tflm_reaches_the_lower_bound(vectors: Path) -> None:
    result = plan(read_csv(vectors / "tflm" / "TestPersonDetectionModel.csv"))
    assert (result.peak, result.gap) == (64512, 0)


@pytest.mark.parametrize(("alignment", "key"), [(1, "lower_bound"), (16, "lower_bound_align16")])
def test_every_model_of_the_zoo_is_planned_at_its_lower_bound(
    vectors: Path, alignment: int, key: str
) -> None:
    summary = json.loads((vectors / "models" / "SUMMARY.json").read_text(encoding="utf-8"))
    wrong = {}
    for name, expected in summary.items():
        problem = read_csv(vectors / "models" / f"{name}.csv")
        problem = Problem(tuple(replace(b, alignment=alignment) for b in problem.buffers))
        start = time.process_time()
        result = plan(problem)
        if (result.peak, result.lower_bound) != (
            expected[key],
            expected[key],
        ) or time.process_time() - start > 1:
            wrong[name] = result
    assert not wrong


@pytest.mark.parametrize("name", HARD)
def test_hard_instances_are_solved_in_few_nodes(vectors: Path, name: str) -> None:
    """10,000 nodes take one to two seconds on an ordinary machine."""
    result = plan(read_csv(vectors / "minimalloc" / f"{name}.{CAPACITY}.csv"), seconds=60, capacity=CAPACITY)
    assert result.peak <= CAPACITY
    assert result.nodes <= 10_000


@pytest.mark.soak
@pytest.mark.parametrize("name", HARD)
def test_hard_instances_without_a_capacity_go_below_it(vectors: Path, name: str) -> None:
    """Without being told where to stop, the search for the lower bound must not lose the capacity."""
    result = plan(read_csv(vectors / "minimalloc" / f"{name}.{CAPACITY}.csv"), seconds=60)
    assert result.peak <= CAPACITY


def test_the_example_of_minimalloc(vectors: Path) -> None:
    result = plan(read_csv(vectors / "minimalloc" / "input.12.csv"))
    assert (result.peak, result.lower_bound) == (12, 12)
