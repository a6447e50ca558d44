"""The demonstration behind `make demo`: a float ONNX model becomes int8 firmware that reads digits in the emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path("examples/digits")  # the demonstration runs from the top of the checkout
WORK = Path("build/demo")
MODEL, CALIBRATION, TEST = HERE / "digits.onnx", HERE / "calibration.npz", HERE / "test.npz"
BOARD, IMAGES, DRAWN = "nrf52", 100, 4
SHADES = " .:-=+*#%@"


def mcugen(*arguments: str, show: bool = True) -> str:
    """Runs the command line as a user would, and prints what it prints."""
    command = [sys.executable, "-m", "mcugen", *arguments]
    if show:
        print("$ mcugen", *arguments)
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        sys.exit(result.returncode)
    if show:
        print(result.stdout)
    return result.stdout


def float_accuracy(images: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of the float model under ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    scores = [session.run(None, {"image": image[None]})[0] for image in images]
    return float(np.mean(np.concatenate(scores).argmax(axis=1) == labels))


def drawing(image: np.ndarray) -> list[str]:
    """An 8x8 image with values 0 to 1 as text, two characters a pixel."""
    return ["".join(SHADES[min(int(v * len(SHADES)), len(SHADES) - 1)] * 2 for v in row) for row in image[0]]


def show_digits(images: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> None:
    """A few images side by side with what the firmware says of them."""
    for lines in zip(*(drawing(image) for image in images[:DRAWN]), strict=True):
        print("   ".join(lines))
    captions = (
        f"{row.argmax()} ({row.max():.0%}), label {label}"
        for row, label in zip(scores, labels[:DRAWN], strict=False)
    )
    print("   ".join(f"{caption:<16}" for caption in captions), end="\n\n")


def main() -> None:
    test = np.load(TEST)
    images, labels = test["image"][:IMAGES], test["label"][:IMAGES]
    WORK.mkdir(parents=True, exist_ok=True)
    project, cases = WORK / "digits", WORK / "images.npz"
    np.savez(cases, image=images)
    mcugen(
        *("build", str(MODEL), "--board", BOARD, "--calibration", str(CALIBRATION)),
        *("--out", str(project), "--force"),
    )
    print(f"$ mcugen run {project} --input {cases}    # {len(images)} images, in QEMU\n")
    summary = json.loads(mcugen("run", str(project), "--input", str(cases), "--json", show=False))
    scores = np.array(summary["outputs"]["digit"]).reshape(len(images), -1)
    show_digits(images, labels, scores)
    print(f"float accuracy   {float_accuracy(images, labels):.1%}   ONNX Runtime, {len(images)} images")
    print(
        f"int8 accuracy    {np.mean(scores.argmax(axis=1) == labels):.1%}   on the device code, the same images"
    )
    print(
        f"instructions     {summary['instructions']:,} per inference; {summary['stack_bytes']} bytes of stack"
    )


if __name__ == "__main__":
    main()
