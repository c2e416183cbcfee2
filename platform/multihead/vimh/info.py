"""Read and check the metadata of a VIMH folder, `vimh_dataset_info.json`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from multihead.checked_json import read_json_object
from multihead.errors import DataError
from multihead.heads import Head, Heads
from multihead.text import one_line
from multihead.vimh.dimensions import LARGEST, Dimensions
from multihead.vimh.mapping import VIMHParameter, read_parameter

INFO_FILE = "vimh_dataset_info.json"
SHARDS_FILE = "vimh_shards.json"  # the index of a dataset in shards; see `shard_index`
PixelOrder = Literal["HWC", "CHW"]
OWN_KEYS = (
    "format",
    "version",
    "dataset_name",
    "image_size",
    "height",
    "width",
    "channels",
    "pixel_order",
    "varying_parameters",
    "parameter_names",
    "parameter_mappings",
    "train_samples",
    "test_samples",
    "label_encoding",
)
ENCODING_KEYS = ("format", "metadata_bytes", "N_range")
_REQUIRED = ("format", "height", "width", "channels", "parameter_names", "parameter_mappings")
_IMAGE_SIZE = re.compile(r"\d{1,5}x\d{1,5}(x\d{1,5})?", re.ASCII)
_VERSION = re.compile(r"v?([1-9]\d{0,3})(?:\.(\d{1,4}))*", re.ASCII)


@dataclass(frozen=True)
class VIMHInfo:
    """The metadata of a dataset.

    Attributes:
        folder: The dataset's folder.
        name: Its `dataset_name`, or the folder's name.
        dimensions: Height, width and channels.
        parameters: 1 to 255 parameters; the index is the id.
        heads: The heads of the parameters that vary, in the order of their ids.
        header_bytes: 6 or 14, or None if the metadata do not state it.
        pixel_order: The pixel order of the pickles, or None if the metadata do not state it.
        counts: The number of samples by split, for the splits whose number is stated.
        fixed: Values of the fixed parameters by name, including parameters without an id.
        descriptions: Descriptions by head name, where there are any.
        names: The parameter's name by head name, where the two differ.
        entries: The other keys of `parameter_mappings`, by parameter name.
        encoding: The other keys of `label_encoding`.
        extra: All other keys, unchanged.
        notices: Warnings for the user, one line each.
        metadata: The name of the metadata's file.
    """

    folder: Path
    name: str
    dimensions: Dimensions
    parameters: tuple[VIMHParameter, ...]
    heads: Heads
    header_bytes: int | None = None
    pixel_order: PixelOrder | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    fixed: Mapping[str, float] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    encoding: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    metadata: str = INFO_FILE

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        height, width, channels = self.dimensions
        assert height is not None
        assert width is not None
        assert channels is not None
        return channels, height, width

    @property
    def ids(self) -> dict[str, int]:
        """The parameter ids by head name."""
        return {p.head.name: i for i, p in enumerate(self.parameters) if p.head is not None}


def read_info(path: str | Path) -> VIMHInfo:
    """Read and check the metadata of a folder, without opening the data.

    Args:
        path: The dataset's folder.

    Raises:
        DataError: If there is no such folder or file, or if it is damaged, incomplete or of
            another format.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"{one_line(str(folder))} is not a folder. Check the path, or make a dataset with "
            f"`multihead data generate resonator`."
        )
    file = folder / INFO_FILE
    if (folder / SHARDS_FILE).is_file() and not file.is_file():
        raise DataError(
            f"{one_line(str(folder))} is a dataset in shards. Use data=vimh_stream to stream it."
        )
    if not file.is_file():
        raise DataError(
            f"{one_line(str(folder))} has no {INFO_FILE}, so it is not a VIMH dataset. Check "
            f"the path, or make a dataset with `multihead data generate resonator`."
        )
    return check_info(read_json_object(file), folder, one_line(str(file)))


def check_info(record: Mapping[str, Any], folder: Path, where: str) -> VIMHInfo:
    """Check the metadata of a dataset; see `read_info`.

    Args:
        record: The metadata's JSON object.
        folder: The dataset's folder; its name is the default name of the dataset.
        where: The file's name for error messages.

    Raises:
        DataError: If they are incomplete, invalid or of another format.
    """
    missing = [key for key in _REQUIRED if key not in record]
    if missing:
        raise DataError(f"{where} lacks {', '.join(missing)}; it needs {', '.join(_REQUIRED)}.")
    _check_format(record, where)
    _check_image_size(record, where)
    parameters = read_parameters(record["parameter_names"], record["parameter_mappings"], where)
    notices, heads = name_heads(parameters, where)
    return VIMHInfo(
        folder=folder,
        name=_name(record, folder, where),
        dimensions=Dimensions(*(_size(record, k, where) for k in ("height", "width", "channels"))),
        parameters=parameters,
        heads=heads,
        header_bytes=_header_bytes(record.get("label_encoding"), where),
        pixel_order=read_pixel_order(record, where),
        counts=read_counts(record, where),
        notices=notices,
        **kept(record, parameters, where),
    )


def kept(
    record: Mapping[str, Any], parameters: Sequence[VIMHParameter], where: str
) -> dict[str, Any]:
    """Return the fields of `VIMHInfo` that a copy of the dataset has to keep.

    Raises:
        DataError: If an entry of `parameter_mappings` is invalid.
    """
    mappings = record.get("parameter_mappings") or {}
    named = {parameter.name for parameter in parameters}
    others = [read_parameter(n, entry, where) for n, entry in mappings.items() if n not in named]
    made = [(p, p.head) for p in parameters if p.head is not None]
    constant = [p for p in (*parameters, *others) if p.value is not None]
    entries = {p.name: p.more for p in (*parameters, *constant) if p.more}
    unused = {p.name: mappings[p.name] for p in others if p.head is not None}
    encoding = record.get("label_encoding")
    return {
        "fixed": {p.name: p.value for p in constant},
        "names": {head.name: p.name for p, head in made if head.name != p.name},
        "descriptions": {head.name: p.description for p, head in made if p.description},
        "entries": entries | unused,
        "encoding": {
            key: value
            for key, value in (encoding if isinstance(encoding, dict) else {}).items()
            if key not in ENCODING_KEYS
        },
        "extra": {key: value for key, value in record.items() if key not in OWN_KEYS},
    }


def read_parameters(names: object, mappings: object, where: str) -> tuple[VIMHParameter, ...]:
    """Make the parameters, by id, from `parameter_names` and `parameter_mappings`.

    Raises:
        DataError: If there are not 1 to 255 different names, or a name has no mapping.
    """
    if not isinstance(mappings, dict):
        raise DataError(f"{where}: parameter_mappings must be an object.")
    words = check_names(names, where)
    for name in words:
        if name not in mappings:
            raise DataError(one_line(f"{where}: parameter_mappings has no {name!r}; add it."))
    return tuple(read_parameter(name, mappings[name], where) for name in words)


def check_names(names: object, where: str) -> list[str]:
    """Return `parameter_names`.

    Raises:
        DataError: If they are not 1 to 255 different names.
    """
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise DataError(f"{where}: parameter_names must be a list of names.")
    if len(set(names)) != len(names):
        raise DataError(f"{where}: parameter_names has a name twice, so its ids are ambiguous.")
    if not 1 <= len(names) <= 255:
        raise DataError(f"{where} names {len(names)} parameters; 1 to 255 are allowed.")
    return names


def name_heads(parameters: tuple[VIMHParameter, ...], where: str) -> tuple[tuple[str, ...], Heads]:
    """Return warnings about the parameters, and the heads of the parameters that vary.

    Raises:
        DataError: If none varies, or two names become the same head.
    """
    notices = [p.notice for p in parameters if p.notice]
    made: dict[str, tuple[str, Head]] = {}
    for parameter in parameters:
        if (head := parameter.head) is None:
            continue
        if head.name in made:
            raise DataError(
                one_line(
                    f"{where}: the parameters {made[head.name][0]!r} and {parameter.name!r} both "
                    f"become the head {head.name!r}; rename one."
                )
            )
        made[head.name] = (parameter.name, head)
    if not made:
        raise DataError(f"{where}: no parameter varies, so there is nothing to predict.")
    renamed = [f"{old!r} is {new}" for new, (old, _) in made.items() if old != new]
    if renamed:
        notices.append(
            one_line(f"{where}: head names have letters, digits and _, so {', '.join(renamed)}.")
        )
    return tuple(notices), Heads(head for _, head in made.values())


def read_counts(record: Mapping[str, Any], where: str) -> dict[str, int]:
    """Return `train_samples` and `test_samples` by split; a missing key is left out.

    Raises:
        DataError: If a number is not an integer of 0 or more.
    """
    counts = {}
    for split in ("train", "test"):
        count = record.get(f"{split}_samples")
        if count is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise DataError(
                one_line(f"{where}: {split}_samples is {count!r:.60}; it must be 0 or more.")
            )
        counts[split] = count
    return counts


def read_pixel_order(record: Mapping[str, Any], where: str) -> PixelOrder | None:
    """Return `pixel_order`, HWC or CHW, or None if it is missing.

    Raises:
        DataError: If it has another value.
    """
    order = record.get("pixel_order")
    if order is None:
        return None
    if order not in ("HWC", "CHW"):
        raise DataError(one_line(f"{where}: pixel_order is {order!r:.60}; it must be HWC or CHW."))
    return "HWC" if order == "HWC" else "CHW"


def _check_format(record: Mapping[str, Any], where: str) -> None:
    given = record["format"]
    word = re.sub(r"[^a-z]", "", given.lower()) if isinstance(given, str) else ""
    if "vimh" not in word and "variableimagemultihead" not in word:
        raise DataError(one_line(f"{where}: format is {given!r:.60}; it must be VIMH."))
    version = record.get("version")
    if version is None:
        return
    text = str(version) if isinstance(version, str | int | float) else ""
    match = _VERSION.fullmatch(text.strip())
    if match is None or isinstance(version, bool) or not _between_1_and_3(text.strip(" v")):
        raise DataError(one_line(f"{where}: version is {version!r:.60}; it must be 1.0 to 3.0."))


def _between_1_and_3(version: str) -> bool:
    major, *minor = (int(part) for part in version.split("."))
    return 1 <= major < 3 or (major == 3 and not any(minor))


def _check_image_size(record: Mapping[str, Any], where: str) -> None:
    """Compare `image_size`, if it is `HxW` or `HxWxC`, with height, width and channels."""
    text = record.get("image_size")
    if not isinstance(text, str) or not _IMAGE_SIZE.fullmatch(text):
        return
    sizes = [record[key] for key in ("height", "width", "channels")]
    said = [int(part) for part in text.split("x")]
    if said != sizes[: len(said)]:
        raise DataError(
            one_line(
                f"{where}: image_size says {text}, but height, width and channels are "
                f"{sizes!r:.60}. Correct the wrong one."
            )
        )


def _size(record: Mapping[str, Any], key: str, where: str) -> int:
    size = record[key]
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST:
        raise DataError(
            one_line(f"{where}: {key} is {size!r:.60}; it must be an integer, 1 to {LARGEST:,}.")
        )
    return size


def _name(record: Mapping[str, Any], folder: Path, where: str) -> str:
    name = record.get("dataset_name")
    if name is not None and not isinstance(name, str):
        raise DataError(one_line(f"{where}: dataset_name is {name!r:.60}; it must be text."))
    return one_line(name or folder.absolute().name)[:200]


def _header_bytes(encoding: object, where: str) -> int | None:
    """Return the number of bytes before N, from `metadata_bytes` or else from the format."""
    if encoding is None:
        return None
    if isinstance(encoding, str):
        encoding = {"format": encoding}
    if not isinstance(encoding, dict):
        raise DataError(f"{where}: label_encoding must be an object.")
    stated = encoding.get("metadata_bytes")
    if stated is not None:
        if isinstance(stated, bool) or stated not in (6, 14):
            raise DataError(
                one_line(f"{where}: label_encoding.metadata_bytes is {stated!r:.60}; give 6 or 14.")
            )
        return int(stated)
    words = encoding.get("format")
    if not isinstance(words, str) or "height" not in words.lower():
        return None
    return 14 if "spec_min" in words.lower() else 6
