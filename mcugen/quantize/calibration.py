"""Calibration data: samples for every model input, in the user's axis order, as float32.

A source is one of

* ``FILE.npy``: the samples of the only input;
* ``FILE.npz``: arrays named as the inputs, or in0, in1, ..., or a single array for a single input;
  ``FILE.npz:NAME`` takes the array NAME for the only input;
* ``FILE.csv``: one sample of the only input per row, with or without a header;
* a folder of images, read as grey or RGB by the number of channels and scaled to 0 ... 1;
  ``FOLDER:raw`` leaves the pixels at 0 ... 255. Images must have the size of the input;
* ``random``: standard normal noise, for size estimates only.

Arrays have a leading axis over samples: ``[samples, *input shape]`` or, for batch 1, ``[samples, *input
shape[1:]]``; dimensions of size 1 may be missing. An array of exactly the input's shape is one sample.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcugen.errors import CalibrationError
from mcugen.ir import Array, Graph, Shape

RANDOM = "random"
RANDOM_SAMPLES = 8
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".gif", ".webp")
WHERE = "--calibration"
MISSING_HINT = (
    "give about 100 typical inputs: --calibration DATA.npy, DATA.npz, DATA.csv or a folder of images; "
    "--calibration random is enough for estimates of size and speed"
)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Samples by input name, of shape [samples, *input shape]; ``notes`` is what the user should know."""

    samples: Mapping[str, Array]
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return min(len(a) for a in self.samples.values())

    def sample(self, index: int) -> dict[str, Array]:
        return {name: array[index] for name, array in self.samples.items()}


def user_shapes(graph: Graph) -> dict[str, Shape]:
    """The shapes of the model's inputs in the axis order of the user's file."""
    shapes = {}
    for name in graph.inputs:
        stored = graph.tensors[name].shape
        layout = graph.layouts.get(name, tuple(range(len(stored))))
        shapes[name] = tuple(stored[layout.index(axis)] for axis in range(len(layout)))
    return shapes


def to_stored(graph: Graph, name: str, array: Array) -> Array:
    """An array of the user's axis order in the order of the graph."""
    return np.ascontiguousarray(array.transpose(graph.layouts.get(name, tuple(range(array.ndim)))))


def load_calibration(source: str | None, graph: Graph) -> Calibration:
    """Samples for the inputs of a float graph. Raises CalibrationError."""
    if not source:
        message = "the model is in float32: calibration data is needed to quantize it"
        raise CalibrationError(message, where=WHERE, hint=MISSING_HINT)
    shapes = user_shapes(graph)
    if source == RANDOM:
        return _random(shapes)
    path, option = _split_source(source)
    arrays = _read(path, option, shapes)
    samples = {name: _checked(arrays[name], shape, str(path), name) for name, shape in shapes.items()}
    counts = {name: len(array) for name, array in samples.items()}
    if len(set(counts.values())) > 1:
        raise CalibrationError(f"the inputs have different numbers of samples: {counts}", where=str(path))
    return Calibration(samples)


def _random(shapes: Mapping[str, Shape]) -> Calibration:
    rng = np.random.default_rng(0)
    samples = {n: rng.standard_normal((RANDOM_SAMPLES, *s)).astype(np.float32) for n, s in shapes.items()}
    note = "CALIBRATED ON RANDOM NOISE: good for estimates of size and speed only, the outputs are useless"
    return Calibration(samples, (note,))


def _split_source(source: str) -> tuple[Path, str]:
    """(path, what stands after the last colon), unless the whole is an existing path."""
    head, _, option = source.rpartition(":")
    path = Path(source)
    if not path.exists() and head and Path(head).exists():
        return Path(head), option
    if not path.exists():
        raise CalibrationError("there is no such file or folder", where=source, hint=MISSING_HINT)
    return path, ""


def _read(path: Path, option: str, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    if path.is_dir():
        return _read_images(path, option, shapes)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _read_npz(path, option, shapes)
    if option:
        raise CalibrationError(
            f"'{option}' after the colon means nothing for {suffix} files", where=str(path)
        )
    if suffix == ".npy":
        array = _load_numpy(path)
        if not isinstance(array, np.ndarray):
            raise CalibrationError("the file is not a .npy file", where=str(path))
        return {_only_input(shapes, path): array}
    if suffix == ".csv":
        return {_only_input(shapes, path): _read_csv(path)}
    raise CalibrationError(
        f"unknown kind of file '{suffix}'", where=str(path), hint="use .npy, .npz, .csv or a folder"
    )


def _only_input(shapes: Mapping[str, Shape], path: Path) -> str:
    if len(shapes) != 1:
        message = f"the model has {len(shapes)} inputs ({', '.join(shapes)})"
        raise CalibrationError(message, where=str(path), hint="give a .npz file with an array for each input")
    return next(iter(shapes))


def _load_numpy(path: Path) -> Array | dict[str, Array]:
    """The array of a .npy file, or the arrays of a .npz file by name."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise CalibrationError(f"the file cannot be read: {error}", where=str(path)) from error


def _read_npz(path: Path, option: str, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    arrays = _load_numpy(path)
    if not isinstance(arrays, dict):
        raise CalibrationError("the file is not a .npz file", where=str(path))
    if option:
        if option not in arrays:
            raise CalibrationError(f"no array '{option}', only {', '.join(arrays)}", where=str(path))
        return {_only_input(shapes, path): arrays[option]}
    found = {}
    for index, name in enumerate(shapes):
        key = name if name in arrays else f"in{index}"
        if key not in arrays and len(arrays) == len(shapes) == 1:
            key = next(iter(arrays))
        if key not in arrays:
            hint = f"name the array as the input, or choose one: {path}:{next(iter(arrays), 'NAME')}"
            raise CalibrationError(
                f"no array for input '{name}'; the file has {', '.join(arrays) or 'none'}",
                where=str(path),
                hint=hint,
            )
        found[name] = arrays[key]
    return found


def _read_csv(path: Path) -> Array:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
        if rows and not _is_number(rows[0][0]):
            rows = rows[1:]
        return np.array([[float(cell) for cell in row] for row in rows], dtype=np.float32)
    except (OSError, ValueError, csv.Error) as error:
        raise CalibrationError(f"the file is not a table of numbers: {error}", where=str(path)) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_images(folder: Path, option: str, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    if option not in ("", "raw"):
        raise CalibrationError(
            f"unknown option '{option}'", where=str(folder), hint="folders take :raw or nothing"
        )
    name = _only_input(shapes, folder)
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        kinds = " ".join(IMAGE_SUFFIXES)
        raise CalibrationError("the folder holds no images", where=str(folder), hint=f"looked for {kinds}")
    images = np.stack([_read_image(file, shapes[name]) for file in files]).astype(np.float32)
    return {name: images if option == "raw" else images / np.float32(255)}


def _image_axes(shape: Shape) -> tuple[int, int, int] | None:
    """(channels, height, width) axes of an image input, channels first or last."""
    if len(shape) != 4:
        return None
    if shape[1] in (1, 3):
        return 1, 2, 3
    return (3, 1, 2) if shape[3] in (1, 3) else None


def _read_image(file: Path, shape: Shape) -> Array:
    from PIL import Image, UnidentifiedImageError

    axes = _image_axes(shape)
    if axes is None:
        message = f"the input of shape {shape} does not look like a grey or RGB image"
        raise CalibrationError(message, where=str(file.parent), hint="give a .npz file")
    channels, height, width = (shape[a] for a in axes)
    try:
        with Image.open(file) as image:
            size, pixels = image.size, np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        raise CalibrationError(f"the image cannot be read: {error}", where=str(file)) from error
    if size != (width, height):
        message = f"the image has {size[0]}x{size[1]} pixels, the model needs {width}x{height}"
        raise CalibrationError(message, where=str(file), hint="resize the images as in training")
    pixels = pixels.reshape(height, width, channels)
    return pixels if axes[0] == 3 else pixels.transpose(2, 0, 1)


def _squeezed(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def _checked(array: Array, shape: Shape, where: str, name: str) -> Array:
    """The array as float32 [samples, *shape]. Raises CalibrationError for other shapes, types or values."""
    where = f"{where}: input '{name}'"
    if array.dtype.kind not in "fiu":
        raise CalibrationError(f"the data has type {array.dtype}, numbers are needed", where=where)
    count = _sample_count(array.shape, shape)
    if count is None:
        dims = ", ".join(map(str, shape))
        message = f"the data has shape {array.shape}, [samples, {dims}] is needed"
        raise CalibrationError(message, where=where)
    if count == 0:
        raise CalibrationError("the data holds no samples", where=where)
    with np.errstate(over="ignore"):  # gives infinity, which is refused below
        samples = array.reshape(count, *shape).astype(np.float32)
    if not np.isfinite(samples).all():
        bad = np.flatnonzero(~np.isfinite(samples).reshape(count, -1).all(axis=1))
        raise CalibrationError(
            f"NaN or infinity in {bad.size} of {count} samples, first in {bad[0]}", where=where
        )
    return samples


def _sample_count(given: Shape, shape: Shape) -> int | None:
    if given == shape:
        return 1
    flat = len(given) == 2 and given[1] == int(np.prod(shape))  # rows of a table
    if given and (flat or _squeezed(given[1:]) == _squeezed(shape)):
        return given[0]
    return 1 if _squeezed(given) == _squeezed(shape) else None
