"""Fixtures and options that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.zoo import Zoo

# Examples are derived from the test itself, so that every run draws the same ones; `--hypothesis-profile=soak` draws
# new ones each time, and many.
_HEALTH = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
settings.register_profile(
    "fixed", derandomize=True, database=None, deadline=None, max_examples=150, suppress_health_check=_HEALTH
)
settings.register_profile(
    "soak",
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("MCUGEN_SOAK_EXAMPLES", "3000")),
    suppress_health_check=_HEALTH,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
settings.load_profile("fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected files instead of comparing"
    )


@pytest.fixture(scope="session")
def zoo() -> Zoo:
    """The model zoo with its vectors; tests that need it are skipped where it is not."""
    found = Zoo.find()
    if found is None:
        pytest.skip("the model zoo is not here: set MCUGEN_ZOO")
    return found


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def cmsis_nn() -> Path:
    """The CMSIS-NN of CMSIS_NN_ROOT; tests that need it are skipped where it is not set."""
    root = os.environ.get("CMSIS_NN_ROOT")
    if not root:
        pytest.skip("CMSIS_NN_ROOT is not set")
    return Path(root)
