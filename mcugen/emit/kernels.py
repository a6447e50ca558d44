"""The kernel headers that a program needs, with all that they include."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from mcugen.resources import resource_dir

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def kernels_dir() -> Path:
    return resource_dir("firmware") / "kernels"


def kernel_files(headers: Iterable[str]) -> dict[str, str]:
    """Path relative to ``firmware/kernels`` -> text, for the headers and everything they include from there."""
    found: dict[str, str] = {}
    pending = list(headers)
    while pending:
        header = pending.pop()
        if header in found:
            continue
        path = kernels_dir() / header
        found[header] = path.read_text(encoding="utf-8")
        for name in _INCLUDE.findall(found[header]):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(header), name))
            if (kernels_dir() / target).is_file():
                pending.append(target)
    return dict(sorted(found.items()))
