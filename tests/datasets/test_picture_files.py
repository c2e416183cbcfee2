"""Pictures as people have them become one array, and what was done to them is told."""

import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.datasets.test_pictures import bomb
from tests.picture_kinds import SAVE, noise, write

from multihead.datasets.picture_files import PictureOptions, Pictures, open_pictures
from multihead.datasets.preparation import Preparation
from multihead.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIHEAD_HOME", str(tmp_path / "home"))


def opened(paths: list[Path], **options: object) -> Pictures:
    rows = range(1, len(paths) + 1)
    return open_pictures(paths, root=paths[0].parent, rows=rows, options=PictureOptions(**options))


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("kind", SAVE)
def test_decoded_now_or_from_the_cache_the_pixels_are_the_same(kind: str, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", kind)
    cached, again, anew = opened(paths), opened(paths), opened(paths, cache=False)
    assert cached.notes == again.notes == anew.notes
    assert cached.preparation == anew.preparation
    wanted = np.stack([cached.preparation.read(path) for path in paths])
    for found in (cached, again, anew):
        assert found.images.shape == (4, *cached.preparation.shape)
        assert np.array_equal(found.images[np.array([3, 0, 3])], wanted[[3, 0, 3]])
        assert np.array_equal(np.asarray(found.images), wanted)


@pytest.mark.parametrize(
    ("kind", "shape", "told"),
    [
        ("colour", (3, 16, 16), None),
        ("grey", (1, 16, 16), None),
        ("rotated", (3, 16, 24), "3 of 4 pictures are turned upright"),
        ("transparent", (4, 16, 16), "all 4 pictures are transparent .* a fourth channel"),
        ("opaque", (3, 16, 16), None),
        ("grey and transparent", (4, 16, 16), "all 4 pictures are transparent"),
        ("twelve bits", (1, 16, 16), r"up to 4,\d+: 0 to 4,095 \(12 bits\) become 0 to 255"),
        ("grey among colour", (3, 16, 16), "1 of 4 pictures is grey: read as colour"),
        ("four inks", (3, 16, 16), None),
        ("one bit", (1, 16, 16), None),
        ("mixed sizes", (3, 53, 53), r"30 x 27 to 57 x 60 .* padded to 53 x 53"),
        ("large", (3, 224, 168), r"1200 x 900 to 1203 x 900 .* scaled to 224 x 168"),
    ],
)
def test_what_is_chosen_fits_the_pictures_and_is_told(
    kind: str, shape: tuple[int, int, int], told: str | None, tmp_path: Path
) -> None:
    found = opened(write(tmp_path / "a", kind))
    assert found.images.shape[1:] == shape
    assert bool(found.notes) == (told is not None)
    assert told is None or re.search(told, " ".join(found.notes)), found.notes


def test_a_rotated_picture_is_upright_and_a_flipped_one_is_not_mirrored(tmp_path: Path) -> None:
    pixels = noise(6, 9, 3)
    turns = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # that undo each orientation
    paths = []
    for orientation, stored in turns.items():
        picture = Image.fromarray(pixels)
        exif = picture.getexif()
        exif[0x112] = orientation
        kept = picture if stored is None else picture.transpose(Image.Transpose(stored))
        path = tmp_path / f"{orientation}.png"
        kept.save(path, exif=exif)
        paths.append(path)
    for image in opened(paths).images[:]:
        assert np.array_equal(image, pixels.transpose(2, 0, 1))


def test_twelve_bits_keep_their_range_and_all_pictures_the_same(tmp_path: Path) -> None:
    dark = save(tmp_path / "a/dark.png", np.array([[0, 1000]], np.uint16))
    bright = save(tmp_path / "a/bright.png", np.array([[2048, 4095]], np.uint16))
    eight = save(tmp_path / "a/eight.png", np.array([[7, 200]], np.uint8))
    images = opened([dark, bright, eight]).images[:]
    assert images.reshape(3, 2).tolist() == [[0, 62], [128, 255], [7, 200]]


@pytest.mark.parametrize(
    ("brightest", "said"),
    [
        (4000, None),
        (65_000, "2 of 3 pictures are of 16 bits per pixel with values above 4,095"),
        (200, "all 3 pictures are of 16 bits per pixel, with values up to 200: 0 to 4,095"),
    ],
)
def test_pictures_of_another_range_than_a_runs_are_told(
    brightest: int, said: str | None, tmp_path: Path
) -> None:
    """A test on them would else be wrong in silence: all white, or nearly black."""
    run = opened([save(tmp_path / "a/0.png", np.array([[0, 4095]], np.uint16))]).preparation
    values = [100, brightest, brightest]
    paths = [
        save(tmp_path / f"b/{i}.png", np.array([[0, value]], np.uint16))
        for i, value in enumerate(values)
    ]
    assert_notes(told(paths, run), said)


@pytest.mark.parametrize(
    ("channels", "pixels", "said"),
    [
        (1, noise(2, 2, 3), "the picture is in colour: read as grey"),
        (3, noise(2, 2, 1)[..., 0], "the picture is grey: read as colour"),
        (3, noise(2, 2, 3), None),
    ],
)
def test_other_colours_than_a_runs_are_told(
    channels: int, pixels: np.ndarray, said: str | None, tmp_path: Path
) -> None:
    run = Preparation(channels, (2, 2))
    assert_notes(told([save(tmp_path / "b/0.png", pixels)], run), said)


def test_a_set_without_sixteen_bits_is_told_if_the_runs_had_them(tmp_path: Path) -> None:
    run = Preparation(1, (1, 2), deepest=4095)
    notes = told([save(tmp_path / "b/0.png", np.array([[7, 200]], np.uint8))], run)
    assert_notes(notes, "no picture has 16 bits per pixel")


def told(paths: list[Path], run: Preparation) -> tuple[str, ...]:
    rows = range(1, len(paths) + 1)
    options = PictureOptions()
    return open_pictures(paths, root=paths[0].parent, rows=rows, options=options, like=run).notes


def assert_notes(notes: tuple[str, ...], said: str | None) -> None:
    assert len(notes) == (said is not None)
    assert said is None or re.match(said, notes[0]), notes


def test_colours_of_sixteen_bits_are_told(tmp_path: Path) -> None:
    """Pillow reads the upper half of each alone."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1 + 12)))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b""))
    assert "the picture is of 16 bits per colour, of which the upper 8" in opened([path]).notes[0]


def test_transparency_of_a_few_is_put_on_white_and_told(tmp_path: Path) -> None:
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[0, 0, 3] = 255
    paths = [save(tmp_path / f"a/{i}.png", noise(4, 4, 3)) for i in range(3)]
    found = opened([save(tmp_path / "a/clear.png", clear), *paths])
    assert found.images[0, :, 0, 0].tolist() == [0, 0, 0]
    assert found.images[0, :, 1, 1].tolist() == [255, 255, 255]
    assert found.notes == ("1 of 4 pictures is transparent in parts or throughout: put on white",)


def test_of_an_animation_the_first_picture_counts_and_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    found = opened([path])
    assert np.unique(found.images[:]).tolist() == [10]
    assert found.notes[0] == "the picture is animated or of several pages: the first counts"


@pytest.mark.parametrize("colour", ["grey", "rgb", "rgba"])
def test_colours_can_be_chosen(colour: str, tmp_path: Path) -> None:
    paths = [save(tmp_path / "a/c.png", noise(4, 4, 3)), save(tmp_path / "a/g.png", noise(4, 4))]
    assert opened(paths, colour=colour).images.shape[1] == {"grey": 1, "rgb": 3, "rgba": 4}[colour]


@pytest.mark.parametrize(
    ("resize", "row"),
    [("stretch", [0] * 4 + [255] * 4), ("crop", [0] * 4 + [255] * 4), ("pad", [0] * 4 + [255] * 4)],
)
def test_a_size_is_reached_in_three_ways(resize: str, row: list[int], tmp_path: Path) -> None:
    """The left half is black, the right half white, above and below there is padding or not."""
    wide = np.zeros((8, 32, 3), np.uint8)
    wide[:, 16:] = 255
    image = opened([save(tmp_path / "a.png", wide)], size=(8, 8), resize=resize).images[0, 0]
    assert np.abs(image[4].astype(int) - row).max() <= (0 if resize == "crop" else 64)
    assert image[0].any() == (resize != "pad")


def test_upper_case_missing_suffixes_spaces_and_accents_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    stored = ["GROSS.PNG", "ohne.png", "mit leer zeichen.png", "u\u0308ber.png"]
    for name in stored:
        save(folder / name, noise(4, 4, 3), format="PNG")
    save(folder / "bare", noise(4, 4, 3), format="PNG")
    named = ["gross.png", "ohne", "mit leer zeichen.png", "\u00fcber.png", "bare"]
    found = opened([folder / name for name in named])
    assert len(found.kept) == 5
    assert found.notes[-1].startswith("3 of 5 files were found under another spelling")


def test_all_damaged_and_missing_pictures_are_listed_with_their_rows(tmp_path: Path) -> None:
    paths = write(tmp_path / "a", "colour", 6)
    paths[1].write_bytes(paths[1].read_bytes()[:90])
    paths[2].write_bytes(b"")
    paths[3].write_text("no picture")
    paths[4].unlink()
    for options in ({}, {"cache": False}):
        with pytest.raises(DataError) as error:
            opened(paths, **options)
        text = str(error.value)
        assert text.startswith("4 of 6 pictures cannot be used: row 2: 1.png is damaged")
        for part in (
            "row 3: 2.png is empty",
            "row 4: 3.png is not a picture",
            "row 5: 4.png is miss",
        ):
            assert part in text
        assert "\n" not in text
        found = opened(paths, on_damaged="skip", **options)
        assert found.kept.tolist() == [0, 5]
        assert "row 5: 4.png is missing" in found.notes[-1]
        assert found.notes[-1].endswith("left out: rows 2 to 5")
        assert np.array_equal(found.images[1], found.preparation.read(paths[5]))


def test_a_long_list_is_bounded_and_counted(tmp_path: Path) -> None:
    paths = [*write(tmp_path / "a", "colour", 1), *(tmp_path / f"a/none{i}" for i in range(500))]
    with pytest.raises(
        DataError, match=r"500 of 501 .* row 11: none9 is missing; and 490 more"
    ) as e:
        opened(paths)
    assert len(str(e.value)) < 1000


def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    paths = [*write(tmp_path / "a", "colour", 1), bomb(tmp_path / "a/bomb.png", 9000)]
    with pytest.raises(DataError, match=r"row 2: bomb.png is 9000 x 9000 pixels; at most"):
        opened(paths)


@pytest.mark.parametrize("cell", ["../secret.png", "/etc/passwd", "inside/../../secret.png"])
def test_paths_out_of_the_folder_are_refused_and_all_listed(cell: str, tmp_path: Path) -> None:
    save(tmp_path / "secret.png", noise(4, 4, 3))
    (tmp_path / "a/inside").mkdir(parents=True)
    paths = [*write(tmp_path / "a", "colour", 2), tmp_path / "a" / cell, tmp_path / "a" / cell]
    for options in ({}, {"follow_links": True}, {"on_damaged": "skip"}):
        with pytest.raises(DataError, match=r"2 of 4 pictures are not inside .* row 3: .* row 4: "):
            opened(paths, **options)


def test_links_out_of_the_folder_are_followed_on_request_alone(tmp_path: Path) -> None:
    real = write(tmp_path / "real", "colour", 2)
    links = tmp_path / "a"
    (links / "sub").mkdir(parents=True)
    (links / "0.png").symlink_to(real[0])
    (links / "folder").symlink_to(tmp_path / "real")
    paths = [links / "0.png", links / "folder" / "1.png"]
    with pytest.raises(DataError, match=r"2 of 2 .* a link leads to .*data.follow_links=true"):
        opened(paths)
    assert len(opened(paths, follow_links=True).kept) == 2


def test_a_link_within_the_folder_is_a_picture(tmp_path: Path) -> None:
    (path,) = write(tmp_path / "a", "colour", 1)
    (tmp_path / "a/link.png").symlink_to("0.png")
    assert len(opened([path, tmp_path / "a/link.png"]).kept) == 2


@pytest.mark.parametrize("odd", ["fifo", "folder", "loop", "long", "nul"])
def test_what_is_no_file_is_named_and_nothing_waits_for_it(odd: str, tmp_path: Path) -> None:
    paths = write(tmp_path / "a", "colour", 1)
    path = tmp_path / "a" / {"long": "x" * 3000, "nul": "a\0b"}.get(odd, "odd")
    if odd == "fifo":
        os.mkfifo(path)
    elif odd == "folder":
        path.mkdir()
    elif odd == "loop":
        path.symlink_to(path)
    with pytest.raises(DataError, match=r"1 of 2 pictures .*row 2: .* is (no file|missing)"):
        opened([*paths, path])


def test_wrong_options_are_named() -> None:
    for options, reason in (
        ({"size": (0, 8)}, r"data.size is \[0, 8\]"),
        ({"size": (8,)}, "data.size is"),
        ({"resize": "zoom"}, "data.resize is 'zoom'; choose from pad, crop, stretch"),
        ({"colour": "red"}, "data.colour is 'red'"),
        ({"on_damaged": "guess"}, "data.on_damaged is 'guess'"),
    ):
        with pytest.raises(ConfigError, match=reason):
            PictureOptions(**options)
