"""Write VIMH folders.

The samples may be written in parts. A folder appears only when it is complete. The same input makes
the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from multihead.data.source import Split
from multihead.errors import ConfigError
from multihead.heads import Heads
from multihead.vimh.binary import record_dtype
from multihead.vimh.dimensions import LARGEST, Dimensions, folder_dimensions
from multihead.vimh.info import ENCODING_KEYS, INFO_FILE, OWN_KEYS
from multihead.vimh.mapping import head_name, write_parameter
from multihead.vimh.pickle_stream import PickleStream
from multihead.vimh.publish import Publication
from multihead.vimh.source import FORMS, Form

_SPLITS = ("train", "test")
_BLOCK = 16 << 20  # bytes that are converted at a time


class VIMHWriter:
    """Write a dataset in any number of parts. Each part must fit into memory.

        with VIMHWriter(path, heads, (3, 32, 32)) as writer:
            writer.write("train", images, {"note": notes})

    The complete folder appears when the block ends. If the block ends with an error, or the process
    is killed, there is no folder. The next writer removes temporary files that are left beside it.

    Args:
        path: The folder to make. Missing parent folders are made too.
        heads: The heads whose labels are stored, in the order of their ids. Each head has classes,
            or is a parameter of 256 levels.
        image_shape: Channels, height and width, 1 to 65,535 each.
        dataset_name: The name that runs record; the folder's name if None.
        forms: `binary`, `pickle`, or both.
        fixed: Values of the parameters that do not vary, by name.
        descriptions: Free text by head name.
        names: The parameter's name by head name, where the two differ, for example because the
            parameter's name has spaces.
        entries: Additional keys of a parameter's entry, by parameter name; written unchanged.
        encoding: Additional keys of `label_encoding`; written unchanged.
        metadata: Additional keys of the metadata; written unchanged.
        overwrite: Replace an existing dataset.

    Raises:
        ConfigError: If VIMH cannot store these heads or images, or the folder exists. `write`
            raises it for images or codes that do not fit.
        DataError: If the folder cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        heads: Heads,
        image_shape: Sequence[int],
        *,
        dataset_name: str | None = None,
        forms: Sequence[Form] = ("binary",),
        fixed: Mapping[str, float] | None = None,
        descriptions: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
        entries: Mapping[str, Mapping[str, Any]] | None = None,
        encoding: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path, self.heads = Path(path).expanduser(), heads
        self.image_shape, self.forms = _checked_shape(image_shape), tuple(dict.fromkeys(forms))
        self.dataset_name = dataset_name or self.path.absolute().name
        self.fixed, self.descriptions = dict(fixed or {}), dict(descriptions or {})
        self.names, self.entries = dict(names or {}), dict(entries or {})
        self.encoding, self.overwrite = dict(encoding or {}), overwrite
        self.metadata = dict(metadata or {})
        self._mappings = {self._own(name): write_parameter(head) for name, head in heads.items()}
        self._counts: dict[str, int] = {}
        self._header: int | None = None
        self._check()
        self._binary: dict[str, Any] = {}
        self._pickles: dict[str, PickleStream] = {}

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._close()

    def _begin(self) -> None:
        """Reserve the place of the dataset."""
        self._publication = Publication(self.path, INFO_FILE, overwrite=self.overwrite)
        self._open = ExitStack()

    def _close(self) -> None:
        """Close the files, and remove a dataset that was not finished."""
        self._open.close()
        self._publication.close()

    def write(
        self,
        split: Split,
        images: NDArray[np.uint8],
        codes: Mapping[str, Any],
        spec_range: NDArray[np.float32] | None = None,
    ) -> None:
        """Append samples to a split.

        Args:
            split: `train` or `test`.
            images: uint8 [n, C, H, W].
            codes: Integers [n] by head name, 0 to the head's classes - 1.
            spec_range: float32 [n, 2], spec_min and spec_max of each sample. Give it in all calls
                or in none.

        Raises:
            ConfigError: If a shape, type or range is wrong. Then this call writes no samples.
        """
        if split not in _SPLITS:
            raise ConfigError(f"there is no split {split!r}; write train or test.")
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape or images.ndim != 4:
            raise ConfigError(
                f"images are {images.dtype} {list(images.shape)}; they must be uint8 "
                f"[n, {', '.join(map(str, self.image_shape))}]."
            )
        pairs = self._pairs(codes, len(images))
        self._check_header(spec_range, len(images))
        rows = max(1, _BLOCK // int(np.prod(self.image_shape)))
        for start in range(0, max(1, len(images)), rows):
            part = slice(start, start + rows)
            ranges = None if spec_range is None else spec_range[part]
            self._write_block(split, images[part], pairs[part], ranges)
        self._counts[split] = self._counts.get(split, 0) + len(images)

    def _write_block(
        self,
        split: str,
        images: NDArray[np.uint8],
        pairs: NDArray[np.uint8],
        ranges: NDArray[np.float32] | None,
    ) -> None:
        if "binary" in self.forms:
            if split not in self._binary:
                file = (self._publication.folder / FORMS["binary"].format(split)).open("wb")
                self._binary[split] = self._open.enter_context(file)
            self._binary[split].write(self._records(images, pairs, ranges).tobytes())
        if "pickle" in self.forms:
            if split not in self._pickles:
                path = self._publication.folder / FORMS["pickle"].format(split)
                scratch = self._publication.scratch
                stream = PickleStream(path, scratch, self.image_shape)
                self._pickles[split] = self._open.enter_context(stream)
            self._pickles[split].write(images, pairs, ranges)

    def _records(
        self,
        images: NDArray[np.uint8],
        pairs: NDArray[np.uint8],
        ranges: NDArray[np.float32] | None,
    ) -> NDArray[np.void]:
        """Return samples as the records [n] of the binary form."""
        channels, height, width = self.image_shape
        dtype = record_dtype(self._header or 6, len(self.heads), self.image_shape)
        records = np.zeros(len(images), dtype)
        records["dimensions"] = (height, width, channels)
        records["count"] = len(self.heads)
        records["pairs"], records["pixels"] = pairs, images
        if ranges is not None:
            records["spec_range"] = ranges
        return records

    def _pairs(self, codes: Mapping[str, Any], count: int) -> NDArray[np.uint8]:
        """Check the codes, and return ids and values uint8 [n, N, 2]."""
        if set(codes) != set(self.heads):
            raise ConfigError(f"codes are for {list(codes)}; the heads are {list(self.heads)}.")
        pairs = np.empty((count, len(self.heads), 2), np.uint8)
        for number, (name, head) in enumerate(self.heads.items()):
            values = np.asarray(codes[name])
            if values.dtype.kind not in "iu" and values.size:
                raise ConfigError(f"codes of {name!r} are {values.dtype}; they must be integers.")
            if values.shape != (count,):
                raise ConfigError(
                    f"codes of {name!r} are of shape {list(values.shape)}; they must be [{count}]."
                )
            outside = (values < 0) | (values >= head.num_classes)
            if outside.any():
                first = int(outside.argmax())
                raise ConfigError(
                    f"code {int(values[first])} of {name!r} (sample {first} of the call) is "
                    f"outside 0 to {head.num_classes - 1}."
                )
            pairs[:, number, 0], pairs[:, number, 1] = number, values
        return pairs

    def _check_header(self, spec_range: NDArray[np.float32] | None, count: int) -> None:
        header = 6 if spec_range is None else 14
        if self._header not in (None, header):
            raise ConfigError("spec_range must be given in all calls of write, or in none.")
        fits = spec_range is None or (
            spec_range.shape == (count, 2) and bool(np.isfinite(spec_range).all())
        )
        if not fits:
            raise ConfigError(
                f"spec_range has a wrong shape or value; it must be finite numbers [{count}, 2]."
            )
        self._header = header

    def _finish(self) -> None:
        if not self._counts:
            raise ConfigError(f"nothing was written to {self.path}; write train or test samples.")
        text = json.dumps(self._record(), indent=2, ensure_ascii=False, allow_nan=False)
        for stream in self._pickles.values():
            stream.finish()
        (self._publication.folder / INFO_FILE).write_text(text + "\n", encoding="utf-8")
        self._open.close()
        self._publication.publish()

    def _record(self) -> dict[str, Any]:
        channels, height, width = self.image_shape
        mappings = {name: dict(record) for name, record in self._mappings.items()}
        for name, value in self.fixed.items():
            mappings[name] = {"min": value, "max": value, "scale": "linear"}
        for name, text in self.descriptions.items():
            mappings[self._own(name)]["description"] = text
        for name, more in self.entries.items():
            mappings[name] = mappings.get(name, {}) | dict(more)
        spec = " [spec_min] [spec_max]" if self._header == 14 else ""
        words = f"[height] [width] [channels]{spec} [N] [id] [value] ... [pixels]"
        record = {
            "format": "VIMH",
            "version": "3.0",
            "dataset_name": self.dataset_name,
            "image_size": f"{height}x{width}x{channels}",
            "height": height,
            "width": width,
            "channels": channels,
            "pixel_order": "HWC",
            "varying_parameters": len(self.heads),
            "parameter_names": list(self._mappings),
            "parameter_mappings": mappings,
            **{
                f"{split}_samples": self._counts[split]
                for split in _SPLITS
                if split in self._counts
            },
            "label_encoding": {
                "format": words,
                "metadata_bytes": self._header,
                "N_range": [1, 255],
                **self.encoding,
            },
        }
        return record | self.metadata

    def _own(self, name: str) -> str:
        return self.names.get(name, name)

    def _may_own(self, name: str) -> bool:
        return name in self.heads and head_name(self.names[name]) == name

    def _repeats(self, name: str) -> bool:
        """Return whether an entry has a key that the writer itself writes."""
        own = self._mappings.get(name, {})
        ends = ("min", "max") if name in self.fixed else ()
        return not {*own, *ends}.isdisjoint(self.entries[name])

    def _check(self) -> None:
        if len(self.heads) > 255:
            raise ConfigError(f"there are {len(self.heads)} heads; VIMH stores at most 255.")
        if not self.forms or not set(self.forms) <= set(FORMS):
            raise ConfigError(f"forms are {list(self.forms)}; give one or both of {list(FORMS)}.")
        for key, given, allowed in (
            ("metadata", [k for k in self.metadata if k in OWN_KEYS], "keys VIMH does not use"),
            ("names", [k for k in self.names if not self._may_own(k)], "names that become heads"),
            ("entries", [k for k in self.entries if self._repeats(k)], "keys VIMH does not use"),
            ("fixed", [k for k in self.fixed if k in self._mappings], "names that are not heads"),
            ("encoding", [k for k in self.encoding if k in ENCODING_KEYS], "other keys"),
            (
                "descriptions",
                [k for k in self.descriptions if k not in {*self.heads, *self.fixed}],
                "names of heads or fixed parameters",
            ),
        ):
            if given:
                raise ConfigError(f"{key} has {given[0]!r}; use {allowed}.")
        channels, height, width = self.image_shape
        named, stated = folder_dimensions(self.path), Dimensions(height, width, channels)
        if named is not None and not named.agrees(stated):
            raise ConfigError(
                f"{self.path.name} says {named} (height x width x channels), but the images are "
                f"{stated}; choose another name."
            )
        try:
            texts = (self._record(), self.dataset_name)
            json.dumps(texts, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            raise ConfigError(f"the metadata cannot be written as JSON: {error}.") from None


def _checked_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    sizes = tuple(shape)
    if len(sizes) != 3 or not all(1 <= size <= LARGEST for size in sizes):
        raise ConfigError(
            f"image_shape is {sizes}; give channels, height and width, 1 to {LARGEST:,} each."
        )
    return sizes[0], sizes[1], sizes[2]
