"""Accuracy of float models and of their int8 firmware in the emulator, on labelled samples: part of docs/RESULTS.md.

    python tools/accuracy.py [--board BOARD]

The MLPerf Tiny models come from the folder MCUGEN_ZOO (default ../shared/models).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, compile_model
from mcugen.emit.project import library_files, write_files
from mcugen.firmware import build_runner, run_cases
from mcugen.inputs import load_test_data
from mcugen.manifest import manifest_of

ROOT = Path(__file__).parents[1]
ZOO = Path(os.environ.get("MCUGEN_ZOO", ROOT.parent / "shared" / "models"))
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """A model, its calibration inputs, its test inputs, and their labels (None: reconstruction error instead)."""

    name: str
    model: Path
    calibration: Floats
    inputs: Floats
    labels: NDArray[np.int64] | None


def tasks() -> list[Task]:
    """digits, and with the zoo keyword spotting, image classification and anomaly detection."""
    digits = ROOT / "examples" / "digits"
    test = np.load(digits / "test.npz")
    calibration = np.load(digits / "calibration.npz")["image"]
    found = [
        Task("digits", digits / "digits.onnx", calibration, test["image"], test["label"].astype(np.int64))
    ]
    samples, onnx = ZOO / "mlperf_tiny" / "samples", ZOO / "onnx" / "mlperf_tiny"
    if not samples.is_dir():
        print(f"no model zoo at MCUGEN_ZOO ({ZOO.name}): digits only")
        return found
    kws = np.load(samples / "kws01_samples.npz")
    # The samples are in the quantized domain of kws_ref_int8.
    x = ((kws["x"].astype(np.float32) - 83) * np.float32(0.5847029)).astype(np.float32)
    found.append(Task("kws", onnx / "kws_ref_float.onnx", x[:200], x[200:], kws["y"][200:]))
    ic = np.load(samples / "ic01_samples.npz")
    images = ic["x"].astype(np.float32)
    found.append(Task("ic", onnx / "ic_resnet8_float.onnx", images, images, ic["y"]))
    rows = np.load(samples / "ad01_samples.npz")["spectrogram"]
    windows = np.stack([rows[i : i + 5].reshape(-1) for i in range(196)]).astype(np.float32)
    found.append(Task("ad", onnx / "ad01_float.onnx", windows, windows, None))
    return found


def float_outputs(task: Task) -> Floats:
    session = onnxruntime.InferenceSession(str(task.model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[None]})[0] for x in task.inputs])


def device_outputs(task: Task, board_name: str, folder: Path) -> tuple[Floats, int]:
    """Real values of the outputs of the firmware, and its instructions per inference."""
    np.save(folder / "calibration.npy", task.calibration)
    np.save(folder / "inputs.npy", task.inputs)
    board = load_board(board_name)
    options = CompileOptions(calibration=str(folder / "calibration.npy"))
    compiled = compile_model(task.model, board, options)
    manifest = manifest_of(compiled, "library")
    write_files(library_files(compiled), folder / "project")
    elf = build_runner(folder / "project", manifest, board, folder / "runner.elf")
    cases = load_test_data(folder / "inputs.npy", manifest.inputs).cases
    result = run_cases(elf, manifest, board, cases)
    (output,) = manifest.outputs
    values = np.stack([case[output.name] for case in result.outputs]).astype(np.float32)
    real = (values - (output.zero_point or 0)) * np.float32(output.scale or 1)
    return real.reshape(len(task.inputs), -1), result.instructions


def score(task: Task, outputs: Floats) -> str:
    if task.labels is None:
        error = np.mean((outputs.reshape(task.inputs.shape) - task.inputs) ** 2)
        return f"error {error:.2f}"
    return f"{np.mean(outputs.reshape(len(task.labels), -1).argmax(axis=1) == task.labels):.2%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--board", default="mps2-an386")
    board = parser.parse_args().board
    print(f"| model | samples | float | int8 on {board} | same prediction | instructions |")
    print("|---|--:|--:|--:|--:|--:|")
    for task in tasks():
        with tempfile.TemporaryDirectory() as folder:
            device, instructions = device_outputs(task, board, Path(folder))
        reference = float_outputs(task).reshape(device.shape)
        same = "" if task.labels is None else f"{np.mean(device.argmax(1) == reference.argmax(1)):.2%}"
        print(
            f"| {task.name} | {len(task.inputs)} | {score(task, reference)} | {score(task, device)} | {same} "
            f"| {instructions:,} |"
        )


if __name__ == "__main__":
    main()
