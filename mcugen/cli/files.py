"""Files that commands are given and that they write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mcugen.errors import InputError


def model_files(paths: Sequence[Path]) -> list[Path]:
    """The files given, and the models in the folders given. Raises InputError for a folder without any."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix in (".tflite", ".onnx"))
            if not found:
                raise InputError("no .tflite or .onnx file in this folder", where=str(path))
            files += found
        else:
            files.append(path)
    return files


def inputs_for(model: Path, inputs: Path | None) -> Path | None:
    """The file of test inputs of a model: the one given, or the model's in the folder given."""
    if inputs is None or not inputs.is_dir():
        return inputs
    candidate = inputs / f"{model.stem}.npz"
    return candidate if candidate.is_file() else None


def write_text(path: Path | None, content: str) -> None:
    """Writes a file, if one is asked for. Raises InputError."""
    if path is None:
        return
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write: {error.strerror}", where=str(path)) from error
