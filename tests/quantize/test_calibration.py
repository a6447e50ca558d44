"""Calibration data: all kinds of sources, and what is said about bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mcugen.errors import CalibrationError
from mcugen.ir import DType, Graph, Shape, Tensor
from mcugen.quantize.calibration import load_calibration, to_stored, user_shapes


def graph(*stored: Shape, layout: tuple[int, ...] | None = None) -> Graph:
    """A graph that only has inputs: x, then z."""
    names = ("x", "z")[: len(stored)]
    tensors = {n: Tensor(n, DType.FLOAT32, s) for n, s in zip(names, stored, strict=True)}
    return Graph(tensors, (), names, (), layouts={"x": layout} if layout else {})


NHWC = graph((1, 4, 6, 3), layout=(0, 2, 3, 1))  # the user's shape is (1, 3, 4, 6)
VECTOR = graph((1, 5))


def failure(source: str | None, target: Graph = VECTOR) -> CalibrationError:
    with pytest.raises(CalibrationError) as caught:
        load_calibration(source, target)
    assert str(caught.value)
    return caught.value


def test_layout() -> None:
    assert user_shapes(NHWC) == {"x": (1, 3, 4, 6)}
    array = np.arange(72).reshape(1, 3, 4, 6)
    np.testing.assert_array_equal(to_stored(NHWC, "x", array), array.transpose(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("given", "count"),
    [((7, 1, 3, 4, 6), 7), ((7, 3, 4, 6), 7), ((1, 3, 4, 6), 1), ((3, 4, 6), 1), ((7, 72), 7)],
)
def test_npy_shapes(tmp_path: Path, given: Shape, count: int) -> None:
    data = np.arange(np.prod(given), dtype=np.float64).reshape(given)
    np.save(tmp_path / "c.npy", data)
    calibration = load_calibration(str(tmp_path / "c.npy"), NHWC)
    assert calibration.count == count
    assert calibration.samples["x"].dtype == np.float32
    np.testing.assert_array_equal(calibration.samples["x"].reshape(-1), data.reshape(-1).astype(np.float32))


def test_npz_names(tmp_path: Path) -> None:
    two = graph((1, 5), (1, 2))
    np.savez(tmp_path / "named.npz", x=np.ones((4, 5)), z=np.ones((4, 2)))
    np.savez(tmp_path / "numbered.npz", in0=np.ones((4, 5)), in1=np.ones((4, 2)))
    np.savez(tmp_path / "one.npz", anything=np.ones((4, 5)))
    np.savez(tmp_path / "several.npz", calib=np.ones((3, 5)), test=np.ones((9, 5)))
    for name in ("named", "numbered"):
        assert load_calibration(str(tmp_path / f"{name}.npz"), two).count == 4
    assert load_calibration(str(tmp_path / "one.npz"), VECTOR).count == 4
    assert load_calibration(f"{tmp_path / 'several.npz'}:calib", VECTOR).count == 3
    error = failure(str(tmp_path / "several.npz"))
    assert "no array for input 'x'; the file has calib, test" in error.message
    assert error.hint.endswith("several.npz:calib")
    assert "no array 'other'" in failure(f"{tmp_path / 'several.npz'}:other").message
    assert "no array for input 'x'; the file has anything" in failure(str(tmp_path / "one.npz"), two).message


def test_different_numbers_of_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", x=np.ones((4, 5)), z=np.ones((3, 2)))
    assert "different numbers" in failure(str(tmp_path / "c.npz"), graph((1, 5), (1, 2))).message


@pytest.mark.parametrize("header", ["", "a,b,c,d,e\n"])
def test_csv(tmp_path: Path, header: str) -> None:
    (tmp_path / "c.csv").write_text(header + "1,2,3,4,5\n\n6,7,8,9,10\n")
    np.testing.assert_array_equal(
        load_calibration(str(tmp_path / "c.csv"), VECTOR).samples["x"], np.arange(1, 11).reshape(2, 1, 5)
    )


@pytest.mark.parametrize("text", ["", "1,2,3\n", "1,2,3,4,x\n", "1,2,3,4,5\n1,2\n", "1,2,3,4,nan\n"])
def test_bad_csv(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    failure(str(tmp_path / "c.csv"))


def write_image(path: Path, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> None:
    width, height = size
    pixels = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    Image.fromarray(pixels).convert(mode).save(path)


def test_images(tmp_path: Path) -> None:
    write_image(tmp_path / "b.png")
    write_image(tmp_path / "a.bmp")
    (tmp_path / "notes.txt").write_text("not an image")
    first = load_calibration(str(tmp_path), NHWC)
    raw = load_calibration(f"{tmp_path}:raw", NHWC)
    assert first.samples["x"].shape == (2, 1, 3, 4, 6)
    assert raw.samples["x"][0, 0, 2, 1, 0] == 20  # blue of row 1, column 0
    np.testing.assert_allclose(first.samples["x"] * 255, raw.samples["x"], rtol=1e-6)


def test_grey_images_channels_last(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    assert load_calibration(str(tmp_path), graph((1, 4, 6, 1))).samples["x"].shape == (1, 1, 4, 6, 1)


def test_bad_images(tmp_path: Path) -> None:
    assert "holds no images" in failure(str(tmp_path), NHWC).message
    write_image(tmp_path / "a.png", (5, 4))
    assert "5x4 pixels, the model needs 6x4" in failure(str(tmp_path), NHWC).message
    (tmp_path / "a.png").write_bytes(b"\x89PNG broken")
    assert "cannot be read" in failure(str(tmp_path), NHWC).message
    assert "does not look like" in failure(str(tmp_path), VECTOR).message
    assert "unknown option" in failure(f"{tmp_path}:scaled", NHWC).message


def test_missing_says_how_to_give_it() -> None:
    for source in (None, ""):
        assert "--calibration DATA.npy" in failure(source).hint
    assert "no such file" in failure("nowhere.npy").message


def test_random_is_loudly_marked() -> None:
    calibration = load_calibration("random", NHWC)
    assert calibration.count > 0
    assert calibration.notes[0].startswith("CALIBRATED ON RANDOM NOISE")


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.ones((4, 6)), "shape"),
        (np.ones(()), "shape"),
        (np.ones((0, 5)), "no samples"),
        (np.array([["a"] * 5]), "numbers are needed"),
        (np.ones((2, 5), complex), "numbers are needed"),
        (np.array([[1, 2, 3, 4, np.nan], [1, 2, 3, 4, 5]]), "NaN or infinity in 1 of 2 samples, first in 0"),
        (np.array([[1, 2, 3, 4, 5], [1, 2, 3, 4, np.inf]]), "first in 1"),
        (np.array([[1, 2, 3, 4, 1e300]]), "NaN or infinity"),
    ],
)
def test_bad_arrays(tmp_path: Path, array: np.ndarray, text: str) -> None:
    np.save(tmp_path / "c.npy", array)
    assert text in failure(str(tmp_path / "c.npy")).message


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("data", [b"", b"garbage", b"PK\x03\x04broken", b"\x93NUMPY\x01\x00"])
def test_broken_files(tmp_path: Path, suffix: str, data: bytes) -> None:
    path = tmp_path / f"c{suffix}"
    path.write_bytes(data)
    failure(str(path))


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    failure(str(tmp_path / "c.npy"))


def test_unknown_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("1")
    assert "unknown kind of file" in failure(str(tmp_path / "c.txt")).message


def test_one_array_for_two_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.ones((4, 5)))
    assert "2 inputs" in failure(str(tmp_path / "c.npy"), graph((1, 5), (1, 2))).message
