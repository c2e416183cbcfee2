"""Pictures of every kind that people have, a few of each, as files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)


def noise(*shape: int, most: int = 256) -> np.ndarray:
    return RNG.integers(0, most, shape).astype(np.uint8 if most <= 256 else np.uint16)


def smooth(height: int, width: int) -> Image.Image:
    return Image.fromarray(noise(4, 4, 3)).resize((width, height), Image.Resampling.BICUBIC)


def _rotated(path: Path, number: int) -> None:
    upright = smooth(16, 24)
    exif = upright.getexif()
    exif[0x112] = number % 8 + 1
    turned = upright.transpose(Image.Transpose.ROTATE_90) if number % 8 >= 4 else upright
    turned.save(path, exif=exif, quality=95)


def _clear_palette(path: Path, number: int) -> None:
    picture = smooth(16, 16).convert("P", palette=Image.Palette.ADAPTIVE)
    picture.save(path, transparency=number)


def _colour_or_grey(path: Path, number: int) -> None:
    picture = Image.fromarray(noise(16, 16, 3))
    (picture.convert("L") if number == 1 else picture).save(path)


SAVE: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "colour": ("png", lambda p, i: Image.fromarray(noise(16, 16, 3)).save(p)),
    "grey": ("png", lambda p, i: Image.fromarray(noise(16, 16)).save(p)),
    "jpeg": ("jpg", lambda p, i: smooth(16, 16).save(p, quality=90)),
    "rotated": ("jpg", _rotated),
    "transparent": ("png", lambda p, i: Image.fromarray(noise(16, 16, 4)).save(p)),
    "opaque": ("png", lambda p, i: Image.fromarray(noise(16, 16, 3)).convert("RGBA").save(p)),
    "grey and transparent": ("png", lambda p, i: Image.fromarray(noise(16, 16, 2), "LA").save(p)),
    "twelve bits": ("png", lambda p, i: Image.fromarray(noise(16, 16, most=4096)).save(p)),
    "grey among colour": ("png", _colour_or_grey),
    "palette": ("png", lambda p, i: smooth(16, 16).convert("P").save(p)),
    "palette with transparency": ("png", _clear_palette),
    "four inks": ("jpg", lambda p, i: smooth(16, 16).convert("CMYK").save(p, quality=95)),
    "one bit": ("png", lambda p, i: Image.fromarray(noise(16, 16)).convert("1").save(p)),
    "mixed sizes": ("jpg", lambda p, i: smooth(30 + 9 * i, 60 - 11 * i).save(p, quality=90)),
    "large": ("jpg", lambda p, i: smooth(1200 + i, 900).save(p, quality=90)),
}


def write(folder: Path, kind: str, count: int = 4) -> list[Path]:
    """Write pictures of a kind into a folder that is made."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix, save = SAVE[kind]
    paths = [folder / f"{i}.{suffix}" for i in range(count)]
    for number, path in enumerate(paths):
        save(path, number)
    return paths
