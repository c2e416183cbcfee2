"""Pictures of strangers become bytes; bombs and broken files end in one message."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from multihead.datasets.picture_opening import PictureError, ignore_advice
from multihead.datasets.preparation import Preparation

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
AS_IT_IS = Preparation(3, (5, 7))


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "ppm", "tga"])
def test_a_colour_picture_keeps_its_bytes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RGB).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert (AS_IT_IS.read(path) == RGB.transpose(2, 0, 1)).all()


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
    with pytest.raises(PictureError, match=r"bomb|at most|exceeds limit"):
        AS_IT_IS.read(bomb(tmp_path / "a.png", side))


def test_a_file_that_lacks_its_end_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = save(tmp_path / "a.png", noise)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(PictureError, match="damaged"):
        Preparation(3, (64, 64)).read(path)


def test_postscript_is_never_run(tmp_path: Path) -> None:
    path = tmp_path / "a.eps"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 5\n%%EndComments\nquit\n")
    with pytest.raises(PictureError, match="not a picture"):
        AS_IT_IS.read(path)


def test_floating_point_pixels_have_no_range(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tiff", np.ones((3, 3), np.float32))
    with pytest.raises(PictureError, match="mode F"):
        AS_IT_IS.read(path)


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
    ignore_advice()
    content = bytearray(data.draw(st.sampled_from(samples)))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        pixels = AS_IT_IS.read(path)
    except PictureError:
        return
    assert (pixels.shape, pixels.dtype) == ((3, 5, 7), np.uint8)
