"""The NumPy definition of every operator against the scalar C kernels, on this computer under sanitizers."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcugen.lowering.native import SCALAR_VARIANTS
from tests.kernels import cases, matrix, runner

EXAMPLES = int(os.environ.get("MCUGEN_EXAMPLES", "30"))
VARIANTS = {v.kernel: v for v in SCALAR_VARIANTS}


@pytest.fixture(scope="module")
def harness_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], runner.Harness]:
    platform = matrix.platform("host-gcc")
    if not runner.has_tools(platform):
        pytest.skip("no gcc")

    def build(kernel: str) -> runner.Harness:
        sample = cases.case_of_seed(kernel, 0)
        return runner.Harness.build(VARIANTS[kernel], platform, tmp_path_factory.mktemp(kernel), [sample])

    return build


@pytest.mark.parametrize("kernel", sorted(VARIANTS))
def test_c_equals_definition(kernel: str, harness_of: Callable[[str], runner.Harness]) -> None:
    harness = harness_of(kernel)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def check(r: Random) -> None:
        report = harness.run([cases.generate(kernel, r)])
        assert not report.failures, f"{report.failures[0].message}\n{report.failures[0].case}"

    check()
