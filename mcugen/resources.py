"""Finds the data files that come with mcugen: templates, firmware sources and boards.

In a checkout they are folders beside the package; a wheel carries them inside it, under ``_data``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

ResourceKind = Literal["boards", "firmware", "templates"]

_PACKAGE = Path(__file__).resolve().parent


def resource_dir(kind: ResourceKind) -> Path:
    """The folder of one kind of data files.

    Raises FileNotFoundError if the installation lacks it, which is a fault of the packaging.
    """
    candidates = (_PACKAGE / "_data" / kind, _PACKAGE.parent / kind)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"mcugen's {kind} folder is not at any of {', '.join(map(str, candidates))}")
