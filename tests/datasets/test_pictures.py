"""Pictures of every usual type become bytes; bombs and broken files end in one message."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from multihead.datasets.pictures import picture_shape, read_picture
from multihead.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    picture = Image.fromarray(pixels)
    (picture if mode is None else picture.convert(mode)).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "ppm", "tga"])
def test_a_colour_picture_keeps_its_bytes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RGB).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert picture_shape(path) == (3, 5, 7)
    assert (read_picture(path, (3, 5, 7)) == RGB.transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("1", 1), ("LA", 2), ("P", 3), ("RGBA", 4)]
)
def test_the_mode_gives_the_channels(tmp_path: Path, mode: str, channels: int) -> None:
    path = save(tmp_path / "a.png", RGB, mode)
    assert read_picture(path, (channels, 5, 7)).shape == (channels, 5, 7)


def test_of_sixteen_bits_the_upper_eight_stay(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.array([[0, 255, 256, 65535]], np.uint16))
    assert read_picture(path, (1, 1, 4)).ravel().tolist() == [0, 0, 1, 255]


def test_another_shape_is_refused_unless_it_is_to_be_scaled(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", RGB)
    with pytest.raises(DataError, match=r"is 5x7x3, but the first picture is 4x4x3 .*--size"):
        read_picture(path, (3, 4, 4))
    assert read_picture(path, (3, 4, 4), resize=True).shape == (3, 4, 4)
    with pytest.raises(DataError, match="is 5x7x3, but the first picture is 4x4x1"):
        read_picture(path, (1, 4, 4), resize=True)


def bomb(path: Path, side: int) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("side", [9_000, 60_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    with pytest.raises(DataError, match=r"bomb|at most|exceeds limit"):
        picture_shape(bomb(tmp_path / "a.png", side))


def test_a_file_that_lacks_its_end_is_refused(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    )
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="is no picture that can be read"):
        read_picture(path, (3, 64, 64))


def test_postscript_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "a.eps"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 5\n%%EndComments\nquit\n")
    with pytest.raises(DataError, match="is no picture that can be read"):
        picture_shape(path)


def test_floating_point_pixels_have_no_range(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tiff", np.ones((3, 3), np.float32))
    with pytest.raises(DataError, match="mode F"):
        picture_shape(path)


def test_a_missing_file_and_a_folder_are_no_pictures(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(DataError, match="is no file"):
            picture_shape(path)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("samples")
    kinds = ("png", "gif", "bmp", "tiff", "jpg", "webp", "tga")
    return [save(folder / f"a.{kind}", RGB).read_bytes() for kind in kinds]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_pictures_are_read_or_refused(
    data: st.DataObject, samples: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(data.draw(st.sampled_from(samples)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        pixels = read_picture(path, (3, 5, 7))
    except DataError:
        return
    assert (pixels.shape, pixels.dtype) == ((3, 5, 7), np.uint8)
