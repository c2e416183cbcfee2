"""Turn the file of a picture into the pixels that a network takes.

Training, serving and users of a loaded run all call `Preparation.pixels`. The model stores its
record. So a picture that is sent to a server gets the same pixels as in training.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from multihead.datasets.picture_opening import (
    DAMAGED,
    EIGHT_BITS,
    SIXTEEN_BITS,
    OtherSizeError,
    PictureError,
    decoding,
    open_picture,
)
from multihead.errors import ConfigError

Resize = Literal["pad", "crop", "stretch"]
RESIZES: tuple[Resize, ...] = ("pad", "crop", "stretch")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_GROUNDS = {"black": 0, "white": 255}
_MOST = 0xFFFF
_ORIENTATION = 0x112  # EXIF tag of the orientation
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})  # these orientations swap height and width


@dataclass(frozen=True)
class Preparation:
    """The steps between the file of a picture and the network.

    Pictures are resized with bilinear interpolation and antialiasing (a triangular filter).

    Attributes:
        channels: 1 grey, 2 grey and transparency, 3 colour, 4 colour and transparency.
        size: Height and width.
        resize: How pictures of another size are fitted. `pad` fits the whole picture and adds black
            borders, `crop` takes the middle, `stretch` changes the proportions. None refuses them.
        deepest: Value of a 16-bit pixel that becomes 255, 1 to 65,535. Larger values become 255,
            too. None refuses such pictures.
        ground: Background of transparent parts, `black` or `white`, if transparency is not a
            channel.
        upright: Whether pictures are rotated according to their EXIF orientation.
        draft: Whether a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, but never below
            twice the wanted size. This is several times as fast.

    Raises:
        ConfigError: If a value is not one of these.
    """

    channels: int
    size: tuple[int, int]
    resize: Resize | None = None
    deepest: int | None = None
    ground: Literal["black", "white"] = "white"
    upright: bool = True
    draft: bool = True

    def __post_init__(self) -> None:
        sides = [type(n) is int and 0 < n <= _MOST for n in self.size]
        deepest = self.deepest is None or (type(self.deepest) is int and 0 < self.deepest <= _MOST)
        fits = {
            "channels": self.channels in _MODES,
            "size": len(sides) == 2 and all(sides),
            "resize": self.resize is None or self.resize in RESIZES,
            "deepest": deepest,
            "ground": self.ground in _GROUNDS,
            "upright": isinstance(self.upright, bool),
            "draft": isinstance(self.draft, bool),
        }
        for name, fit in fits.items():
            if not fit:
                raise ConfigError(
                    f"a preparation of pictures has {name}={getattr(self, name)!r:.80}, which is "
                    f"not allowed."
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the prepared pictures."""
        return (self.channels, *self.size)

    def record(self) -> dict[str, Any]:
        """Return it in JSON types, as a model stores it."""
        return {**asdict(self), "size": list(self.size)}

    @classmethod
    def from_record(cls, record: object) -> "Preparation":
        """Create it from its record.

        Raises:
            ConfigError: If it is not such a record.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(record, Mapping) or set(record) != names:
            raise ConfigError(f"the preparation of pictures is {record!r:.80}; give {names}.")
        size = record["size"]
        if not isinstance(size, list | tuple):
            raise ConfigError(f"the size of prepared pictures is {size!r:.80}; give [H, W].")
        return cls(**{**record, "size": tuple(size)})

    def read(self, file: Path | bytes) -> NDArray[np.uint8]:
        """Return the pixels, uint8 [C, H, W], of a picture's file or of its bytes.

        Raises:
            PictureError: If it cannot be read, or this preparation does not accept it.
        """
        with open_picture(file) as picture:
            return self.pixels(picture)

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels, uint8 [C, H, W], of an opened picture that is not yet decoded.

        Raises:
            PictureError: If it is damaged, has another size and `resize` is None, or the range of
                its pixels is unknown.
        """
        height, width = self.size
        with decoding():
            if self.draft and self.resize is not None:
                picture.draft(None, (2 * max(self.size),) * 2)
            plain = self._plain(upright(picture) if self.upright else picture)
            if plain.size != (width, height):
                plain = self._fitted(plain)
            pixels = np.asarray(plain, np.uint8).reshape(height, width, self.channels)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def _plain(self, picture: Image.Image) -> Image.Image:
        """Return the picture in the Pillow mode that fits the channels."""
        if picture.mode in SIXTEEN_BITS:
            picture = self._eight_bits(picture)
        elif picture.mode not in EIGHT_BITS:
            raise PictureError(
                f"has pixels of mode {picture.mode}, which have no fixed range; save it with 8 or "
                f"16 bits per pixel"
            )
        if picture.mode in ("P", "PA") and picture.palette is None:
            raise PictureError("is damaged: it has no colours")
        mode = _MODES[self.channels]
        if self.channels in (1, 3) and picture.has_transparency_data:
            layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
            value = _GROUNDS[self.ground]
            ground = Image.new("RGBA", layer.size, (value, value, value, 255))
            picture = Image.alpha_composite(ground, layer)
            del layer, ground  # frees memory, as a large picture has several copies
        if picture.mode in ("CMYK", "LAB", "HSV", "YCbCr") and mode != "RGB":
            picture = picture.convert("RGB")
        return picture if picture.mode == mode else picture.convert(mode)

    def _eight_bits(self, picture: Image.Image) -> Image.Image:
        values = np.asarray(picture)
        if self.deepest is None:
            raise PictureError("has 16 bits per pixel; pictures of 8 bits were expected")
        if values.size and (values.min() < 0 or values.max() > _MOST):
            raise PictureError("has pixels beyond 16 bits, 0 to 65,535")
        values = np.minimum(values.astype(np.uint32), self.deepest)
        return Image.fromarray(((values * 255 + self.deepest // 2) // self.deepest).astype("u1"))

    def _fitted(self, picture: Image.Image) -> Image.Image:
        (height, width), (wide, high) = self.size, picture.size
        by = Image.Resampling.BILINEAR
        match self.resize:
            case "stretch":
                return picture.resize((width, height), by)
            case "crop":
                scale = max(width / wide, height / high)
                left, top = (wide - width / scale) / 2, (high - height / scale) / 2
                box = (max(0.0, left), max(0.0, top), min(wide, wide - left), min(high, high - top))
                return picture.resize((width, height), by, box=box)
            case "pad":
                scale = min(width / wide, height / high)
                size = (max(1, round(wide * scale)), max(1, round(high * scale)))
                whole = Image.new(picture.mode, (width, height))  # all zeros
                whole.paste(
                    picture.resize(size, by), ((width - size[0]) // 2, (height - size[1]) // 2)
                )
                return whole
        raise OtherSizeError(f"is {high} x {wide} (height x width), not {height} x {width}")


def upright(picture: Image.Image) -> Image.Image:
    """Return a picture rotated according to its EXIF orientation."""
    picture.load()  # in some formats, EXIF comes after the pixels
    turn = _TURNS.get(orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none or it cannot be read."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except DAMAGED:
        return 1
    return found if isinstance(found, int) and found in _TURNS else 1
