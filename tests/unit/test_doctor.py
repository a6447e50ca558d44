"""What `mcugen doctor` looks for."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from mcugen import doctor

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]


def check(start: str) -> doctor.Check:
    (found,) = (c for c in doctor.checks() if c.name.startswith(start))
    return found


def test_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [line for line in project["dependencies"] if "python_version" not in line]
    assert [re.split(r"[^\w-]", line)[0] for line in needed] == list(doctor.PACKAGES)


def test_everything_required_is_here() -> None:
    assert [c.name for c in doctor.checks() if c.required and not c.ok] == []


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    assert not check("packages").ok and "pip install no-such-package" in check("packages").hint


def test_missing_host_compiler_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nonexistent/cc")
    found = check("host compiler")
    assert not found.ok and not found.required and "apt install gcc" in found.hint


def test_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MCUGEN_CACHE", str(tmp_path / "file"))
    assert not check("cache").ok and "MCUGEN_CACHE" in check("cache").hint


def test_emulator_without_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text("#!/bin/sh\necho 'mps2-an385  some board'\n")
    qemu.chmod(0o755)
    monkeypatch.setenv("MCUGEN_QEMU", str(qemu))
    found = check("machines")
    assert not found.ok and "mps2-an386" in found.hint and "mps2-an385" not in found.hint


def test_toolchain_without_c_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gcc = tmp_path / "arm-none-eabi-gcc"
    gcc.write_text("#!/bin/sh\necho libc.a\n")
    gcc.chmod(0o755)
    monkeypatch.setenv("MCUGEN_TOOLCHAIN", str(tmp_path))
    assert not check("C library").ok and "libnewlib" in check("C library").hint
