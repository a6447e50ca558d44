"""The harness itself: it sees what broken kernels do."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from mcugen.lowering.variant import Variant
from tests.kernels import cases, matrix, runner

# What a kernel for table_8 does after its work, and a pattern of what is said of it. What lies outside a buffer is a
# guard that is compared, or cannot be touched.
FAULTS = {
    "wrong value": ("output[p->n - 1] ^= 1;", "'y' output differs"),
    "skipped value": ("output[p->n - 1] = before;", "'y' output differs"),
    "writes above": ("output[p->n] = 0;", "above|stopped"),
    "writes below": ("output[-1] = 0;", "below|stopped"),
    "writes the input": ("((uint8_t *)(uintptr_t)input)[0] ^= 1;", "'x' input differs"),
    "reads above": ("(void)*(volatile const uint8_t *)(input + p->n);", "stopped"),
    "reads below": ("(void)*(volatile const uint8_t *)(input - 1);", "stopped"),
    "faults": ("((void (*)(void))(uintptr_t)0xF0000001U)();", "stopped"),
}
HEADER = """
#include "common/compiler.h"
#include "common/params.h"
MCUGEN_KERNEL void mcugen_table_8_broken(const mcugen_table_8_params *p, const uint8_t *input,
                                         const uint8_t *table, uint8_t *output)
{{
    const uint8_t before = output[p->n - 1];
    for (int32_t i = 0; i < p->n; i++) {{
        output[i] = table[input[i]];
    }}
    (void)before;
    {fault}
}}
"""


def run_broken(fault: str, platform_name: str, folder: Path) -> runner.Report:
    header = folder / "broken.h"
    header.write_text(HEADER.format(fault=fault), encoding="utf-8")
    variant = Variant("table_8", "broken", str(header), "scalar")
    platform = matrix.platform(platform_name)
    if not runner.has_tools(platform):
        pytest.skip(f"no compiler or emulator for {platform}")
    chosen = cases.cases(variant, 40, seed=1)
    return runner.Harness.build(variant, platform, folder, chosen).run(chosen)


@pytest.mark.parametrize("platform_name", ["mps2-an385", "mps3-an547"])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_seen_on_boards(fault: str, platform_name: str, tmp_path: Path) -> None:
    statement, message = FAULTS[fault]
    report = run_broken(statement, platform_name, tmp_path)
    assert report.failures
    assert re.search(message, report.failures[0].message)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_seen_on_the_host(fault: str, tmp_path: Path) -> None:
    statement, message = FAULTS[fault]
    report = run_broken(statement, "host-gcc", tmp_path)
    assert report.failures
    outside = fault.endswith(("above", "below"))
    expected = "AddressSanitizer" if outside else message
    assert expected in report.failures[0].message


def test_right_kernel_passes_and_counts(tmp_path: Path) -> None:
    report = run_broken("", "mps2-an385", tmp_path)
    assert not report.failures
    assert report.cases == 40
    assert report.instructions is not None
    assert report.instructions > 0


@pytest.mark.parametrize("platform_name", ["mps2-m0", "mps2-an386", "mps3-an547"])
def test_stack_is_measured(platform_name: str, tmp_path: Path) -> None:
    statement = "volatile uint8_t big[600]; for (int i = 0; i < 600; i++) { big[i] = 1; } (void)big[0];"
    (tmp_path / "little").mkdir()
    little = run_broken("", platform_name, tmp_path / "little").stack_bytes
    assert 0 < little < 100
    assert 600 <= run_broken(statement, platform_name, tmp_path).stack_bytes - little < 650


def test_unaligned_word_access_faults_on_armv6m(tmp_path: Path) -> None:
    statement = "output[0] = (uint8_t)(output[0] + 0U * *(const volatile uint32_t *)(uintptr_t)(output + 1));"
    report = run_broken(statement, "mps2-m0", tmp_path)
    assert "HardFault" in report.failures[0].message


def test_cases_repeat_by_seed() -> None:
    first, second = (cases.generate("conv2d_s8", Random("x")) for _ in range(2))
    assert str(first) == str(second)
    assert all((first.arrays[n] == second.arrays[n]).all() for n in first.arrays)
