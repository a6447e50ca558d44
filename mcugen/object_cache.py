"""Keeps the folder of compiled objects from growing without end: what was not used for longest goes first."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

LIMIT_BYTES = 512 * 2**20
# Another process may be about to link what it was given; linking begins sooner than that.
SPARED_SECONDS = 3600.0


@dataclass(frozen=True)
class _Entry:
    path: Path
    used: float
    size: int


def use(target: Path) -> bool:
    """Whether an object is there; it then counts as used now. Its time of modification stays."""
    try:
        os.utime(target, ns=(time.time_ns(), target.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    except PermissionError:
        pass  # somebody else's object is as good
    return True


@functools.cache
def prune_once(folder: Path) -> None:
    """Prunes a folder to `LIMIT_BYTES` the first time that this process asks for it."""
    prune(folder, LIMIT_BYTES)


def prune(folder: Path, limit: int, spared_seconds: float = SPARED_SECONDS) -> None:
    """Removes objects until at most ``limit`` bytes are left, and what interrupted compilations left behind.

    Spares what was used in the last ``spared_seconds``. Several processes may do this at the same time.
    """
    oldest_spared = time.time() - spared_seconds
    entries = sorted(_entries(folder), key=lambda entry: entry.used)
    excess = sum(entry.size for entry in entries) - limit
    for entry in entries:
        if entry.used >= oldest_spared:
            break
        if entry.path.is_dir():
            shutil.rmtree(entry.path, ignore_errors=True)
        elif excess > 0:
            with contextlib.suppress(OSError):  # gone already, or somebody else's
                entry.path.unlink()
            excess -= entry.size


def _entries(folder: Path) -> list[_Entry]:
    """Objects, and folders in which one was compiled; these count for nothing."""
    found = []
    for path in folder.iterdir():
        try:
            status = path.stat()
        except FileNotFoundError:  # another process was faster
            continue
        found.append(
            _Entry(path, max(status.st_atime, status.st_mtime), 0 if path.is_dir() else status.st_size)
        )
    return found
