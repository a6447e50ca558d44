"""A whole project: the model's files, the kernels, the manifest, and the files of the build system asked for."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mcugen.compiled import Compiled
from mcugen.emit.kernels import kernel_files
from mcugen.emit.model import model_files
from mcugen.emit.outputs import OUTPUTS, WITH_REGIONS
from mcugen.errors import InputError
from mcugen.manifest import FILE_NAME, manifest_of
from mcugen.resources import resource_dir


def library_files(compiled: Compiled) -> dict[str, str]:
    """Path -> text of what every kind of project has: the model, the kernels, the shared header."""
    headers = {call.header for call in compiled.program.calls} | {"common/compiler.h"}
    shared = resource_dir("firmware") / "include" / "mcugen" / "model.h"
    return {
        **model_files(compiled),
        **{f"src/mcugen/{path}": text for path, text in kernel_files(headers).items()},
        "include/mcugen/model.h": shared.read_text(encoding="utf-8"),
    }


def project_files(compiled: Compiled, kind: str) -> dict[str, str]:
    """Path -> text of a project. ``kind`` is a key of :data:`mcugen.emit.outputs.OUTPUTS`; KeyError otherwise.

    Raises InputError for a kind of project that has a single arena only, when the model is spread over regions.
    """
    check_regions(compiled, kind)
    files = library_files(compiled)
    manifest = manifest_of(compiled, kind)
    return {**files, **OUTPUTS[kind](compiled, manifest, tuple(files)), FILE_NAME: manifest.text()}


def check_regions(compiled: Compiled, kind: str) -> None:
    """Raises InputError unless a kind of project can place the buffers of the model."""
    if compiled.memory.spread is not None and kind not in WITH_REGIONS:
        raise InputError(
            f"'{kind}' projects have a single arena",
            where="--regions",
            hint=f"several regions are for {', '.join(WITH_REGIONS)}; or leave the option out",
        )


@contextlib.contextmanager
def staged_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """A folder that is filled beside ``out`` and moved into place when the block ends without an error.

    Raises InputError when ``out`` exists and is not empty (with ``force``: when it is not a project of mcugen's),
    or cannot be written.
    """
    check_target(out, force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise InputError(
            f"cannot write there: {error.strerror}", where=str(out), hint="give another --out"
        ) from error
    try:
        yield staging
        staging.chmod(0o755)
        _move_into_place(staging, out)
    except OSError as error:
        raise InputError(f"cannot write the project: {error.strerror}", where=str(out)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Writes texts below a folder, which is made if need be. Raises OSError."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def check_target(out: Path, force: bool) -> None:
    """Raises InputError unless ``out`` can be made or, with ``force``, replaced."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise InputError("exists and is not a folder", where=str(out), hint="give another --out")
    if not any(out.iterdir()):
        return
    if not force:
        raise InputError(
            "the folder exists and is not empty",
            where=str(out),
            hint="give --force to replace it, or another --out",
        )
    if not (out / FILE_NAME).is_file():
        raise InputError(
            "the folder is not a project of mcugen, so --force does not replace it",
            where=str(out),
            hint="remove it yourself, or give another --out",
        )


def _move_into_place(staging: Path, out: Path) -> None:
    if not out.exists():
        os.replace(staging, out)
        return
    old = staging.with_name(staging.name + ".old")
    os.replace(out, old)
    try:
        os.replace(staging, out)
    except OSError:
        os.replace(old, out)
        raise
    shutil.rmtree(old, ignore_errors=True)
