"""Instruction counts of whole models: how they are measured, and the committed ones."""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for, load_quantized
from mcugen.emit.project import library_files, write_files
from mcugen.firmware import build_runner, run_cases
from mcugen.inputs import generated_cases
from mcugen.manifest import manifest_of

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("instructions.json")
BOARDS = ("mps2-m0", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
DIGITS = "digits"
# Of the zoo: name and where it is below the folder of models.
MODELS: Mapping[str, str] = {
    "vww_96_int8": "mlperf_tiny/vww_96_int8.tflite",
    "ic_resnet8_int8": "mlperf_tiny/ic_resnet8_int8.tflite",
    "kws_ref_int8": "mlperf_tiny/kws_ref_int8.tflite",
    "ad01_int8": "mlperf_tiny/ad01_int8.tflite",
    "sww_ref_int8": "mlperf_tiny/sww_ref_int8.tflite",
    "person_detect_int8": "tflm/person_detect_int8.tflite",
    "micro_speech_int8": "tflm/micro_speech_int8.tflite",
}


def model_path(name: str) -> Path | None:
    """The file of a model; None for one of the zoo where there is no zoo."""
    if name == DIGITS:
        return ROOT / "examples" / "digits" / "digits.onnx"
    path = Path(os.environ.get("MCUGEN_ZOO") or ROOT.parent / "shared" / "models") / MODELS[name]
    return path if path.is_file() else None


def options_for(name: str) -> CompileOptions:
    if name == DIGITS:
        return CompileOptions(calibration=str(ROOT / "examples" / "digits" / "calibration.npz"))
    return CompileOptions()


@functools.cache
def _quantized(name: str) -> Quantized:
    path = model_path(name)
    assert path is not None, f"there is no {name} here"
    return load_quantized(path, options_for(name))


def measured(name: str, board_name: str) -> int:
    """Instructions of the second of two equal inferences with native kernels, as `mcugen bench` counts them."""
    board = load_board(board_name)
    compiled = compile_for(_quantized(name), f"{name}.x", board, options_for(name))
    manifest = manifest_of(compiled, "library")
    case = generated_cases(manifest.inputs)[:1]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        write_files(library_files(compiled), project)
        elf = build_runner(project, manifest, board, project / "runner.elf")
        return run_cases(elf, manifest, board, case * 2).instructions


def committed() -> dict[str, dict[str, int]]:
    """Instructions by model and board."""
    if not FILE.is_file():
        return {}
    figures: dict[str, dict[str, int]] = json.loads(FILE.read_text(encoding="utf-8"))
    return figures
