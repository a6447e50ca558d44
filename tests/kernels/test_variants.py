"""Every kernel variant gives the reference's bytes on random cases, on every kind of core it runs on.

MCUGEN_CASES: cases per variant, shared out over its platforms with a seed each (default 2000); MCUGEN_SEED: where
they start (default 1).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from mcugen.lowering import native
from mcugen.lowering.variant import Variant
from tests.kernels import cases, matrix, runner, stack

CASES = int(os.environ.get("MCUGEN_CASES", "2000"))
# Specialised for literal parameters, as in generated code, every case is compiled.
SPECIALISED = 6
SEED = int(os.environ.get("MCUGEN_SEED", "1"))


def params(pairs: Iterable[tuple[Variant, str]]) -> list[ParameterSet]:
    return [pytest.param(v, name, id=f"{v.kernel}-{v.name}-{name}") for v, name in pairs]


def check(
    variant: Variant, platform_name: str, folder: Path, count: int, *, literals: bool, seed: int = SEED
) -> None:
    platform = matrix.platform(platform_name)
    if not runner.has_tools(platform):
        pytest.skip(f"no compiler or emulator for {platform}")
    chosen = cases.cases(variant, count, seed)
    assert len(chosen) >= min(count, 20), f"only {len(chosen)} random cases suit {variant.function}"
    report = runner.Harness.build(variant, platform, folder, chosen, literals=literals).run(chosen)
    assert not report.failures, "\n\n".join(runner.describe(f, variant, platform) for f in report.failures)
    assert report.cases == len(chosen)
    assert report.stack_bytes <= stack.bound(platform), f"{report.stack_bytes} bytes of stack"


@pytest.mark.parametrize(("variant", "platform_name"), params(matrix.pairs()))
def test_variant_equals_reference(variant: Variant, platform_name: str, tmp_path: Path) -> None:
    platforms = [name for v, name in matrix.pairs() if v is variant]
    share = -(-CASES // len(platforms))
    seed = SEED + CASES * platforms.index(platform_name)
    check(variant, platform_name, tmp_path, share, literals=False, seed=seed)


@pytest.mark.parametrize(("variant", "platform_name"), params(matrix.specialised_pairs()))
def test_specialised_variant_equals_reference(variant: Variant, platform_name: str, tmp_path: Path) -> None:
    check(variant, platform_name, tmp_path, SPECIALISED, literals=True)


def test_every_contract_has_cases() -> None:
    assert {v.kernel for v in native.VARIANTS} == set(cases.GENERATORS)


def test_document_lists_every_kernel() -> None:
    text = stack.DOCUMENT.read_text(encoding="utf-8")
    assert [v.function for v in native.VARIANTS if f"| `{v.function}` | {v.requires} |" not in text] == []
