"""The C generated for small graphs, compared with files that are reviewed like code.

``pytest tests/golden --update-golden`` writes them anew.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcugen.emit.outputs import OUTPUTS
from tests.golden.models import MODELS, digest, generated

_EXPECTED = Path(__file__).parent / "expected"
_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", MODELS)
def test_generated_files(name: str, update_golden: bool) -> None:
    folder, files = _EXPECTED / name, generated(name)
    if update_golden:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="\n")
    expected = {
        p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8")
        for p in folder.rglob("*")
        if p.is_file()
    }
    assert sorted(files) == sorted(expected), "refresh with: pytest tests/golden --update-golden"
    for path, text in files.items():
        assert text == expected[path], _difference(path, expected[path], text)


def _difference(path: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"expected {path}", f"generated {path}", lineterm=""
    )
    return "\n".join(list(lines)[:60]) + "\nif it is meant to be so: pytest tests/golden --update-golden"


def test_twice_the_same_in_one_process() -> None:
    assert digest(tuple(OUTPUTS)) == digest(tuple(OUTPUTS))


def test_the_same_for_every_order_of_hashes() -> None:
    """Sets and dictionaries of strings are walked in another order in each process, unless sorted."""
    script = "import sys; from tests.golden.models import digest; print(digest(tuple(sys.argv[1:])))"
    found = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script, *OUTPUTS]
        run = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=True)
        found.add(run.stdout)
    assert len(found) == 1
