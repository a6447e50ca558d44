"""Front-ends: model files to graphs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from mcugen.errors import InputError, ModelFormatError
from mcugen.frontends.imported import Imported
from mcugen.ir import Shape

Format: TypeAlias = Literal["tflite", "onnx"]
MAX_FILE_BYTES = 1 << 30


def read_model(path: Path) -> tuple[bytes, Format]:
    """The bytes of a model file and its format, by its name and, for TFLite, its identifier.

    Raises InputError when the file cannot be read, ModelFormatError for an empty or unknown one.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(
                f"the file has {path.stat().st_size} bytes, at most {MAX_FILE_BYTES} are read",
                where=str(path),
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the model: {error.strerror}", where=str(path)) from error
    if not data:
        raise ModelFormatError(
            "the file is empty", where=str(path), hint="download or export the model again"
        )
    suffix = path.suffix.lower()
    is_tflite = data[4:8] == b"TFL3"
    if suffix == ".onnx" and is_tflite:
        raise ModelFormatError(
            "this is a TFLite model with the name of an ONNX one",
            where=str(path),
            hint="rename it to .tflite",
        )
    if suffix == ".onnx":
        return data, "onnx"
    if suffix == ".tflite" or is_tflite:
        return data, "tflite"
    raise ModelFormatError(
        f"unknown model format '{suffix or path.name}'", where=str(path), hint="give a .onnx or .tflite file"
    )


def import_model(data: bytes, model_format: Format, name: str, shapes: Mapping[str, Shape]) -> Imported:
    """The graph of a model. ``shapes`` fixes dynamic input shapes (ONNX only)."""
    # Imported here: each front-end loads a large library that the other format does not need.
    if model_format == "onnx":
        from mcugen.frontends.onnx import load_onnx

        return load_onnx(data, name, shapes)
    from mcugen.frontends.tflite import load_tflite

    if shapes:
        raise InputError("the shapes of a TFLite model are fixed", where="--shape", hint="leave out --shape")
    return load_tflite(data, name)
