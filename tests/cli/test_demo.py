"""The demonstration runs, reads digits well, and is what README.md shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcugen.toolchain import find_toolchain

ROOT = Path(__file__).parents[2]


def test_readme_shows_the_demonstration() -> None:
    if "12.2" not in find_toolchain().version:
        pytest.skip("README.md shows the sizes that GCC 12.2 gives; this is another compiler")
    result = subprocess.run(
        [sys.executable, "tools/update_readme.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_int8_is_as_accurate_as_float() -> None:
    """On the images of the demonstration, by the figures that README.md shows."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    float_accuracy, int8_accuracy = (
        float(m) for m in re.findall(r"^(?:float|int8) accuracy +([\d.]+)%", readme, re.MULTILINE)
    )
    assert int8_accuracy >= float_accuracy - 0.5
