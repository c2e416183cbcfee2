"""Check the folders and files in a configuration that was recorded by somebody else.

Training and testing write to folders: missing data are downloaded or generated there, and
checkpoints are saved. A training can also start from a checkpoint. A record from this home has
paths of its own user; other records must not choose paths, unless the user types them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from multihead import settings
from multihead.data.source_function import is_address
from multihead.errors import PathError
from multihead.runs.sections import RunConfig
from multihead.tracking.store import Store


def check_places(config: RunConfig, overrides: Sequence[str], store: Store) -> None:
    """Check a configuration that comes from a store, and not from a run's folder in this home.

    Args:
        config: The configuration to run.
        overrides: The user's overrides; paths in them are not checked.
        store: The store of the record.

    Raises:
        PathError: For data outside `MULTIHEAD_DATA_DIR`, for checkpoints outside the run's folder,
            for a checkpoint to start from, and for another store.
    """
    typed = {override.lstrip("+~").partition("=")[0] for override in overrides}
    uri = config.logger.tracking_uri
    if uri not in (None, store.uri) and "logger.tracking_uri" not in typed:
        raise PathError(
            "the record is not from this home and names another store than its own; type "
            "logger.tracking_uri=... yourself."
        )
    for key, place, folder in _named(config):
        if key in typed or key.partition(".")[0] in typed:
            continue
        here = folder is not None and not is_address(place) and _is_inside(place, folder)
        if not here:
            allowed = "the folder of the run" if folder is None else str(folder)
            raise PathError(
                f"the record is not from this home and has {key}={place!r:.200}, which is not "
                f"inside {allowed}; type {key}=... yourself."
            )


def _named(config: RunConfig) -> Iterator[tuple[str, str, Path | None]]:
    """Yield key and value of each path, and the folder that must contain it (None: no path is)."""
    for key in ("data_dir", "folder", "table"):
        for path, value in _texts(config.data.node, "data", key):
            yield path, value, settings.data_dir()
    for path, value in _texts(config.callbacks, "callbacks", "dirpath"):
        yield path, value, None
    if (start := config.run.ckpt_path) is not None:
        yield "ckpt_path", str(start), None


def _texts(node: object, path: str, wanted: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted path and the value of each key named `wanted` that has a text."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == wanted and isinstance(value, str):
                yield f"{path}.{key}", value
            yield from _texts(value, f"{path}.{key}", wanted)


def _is_inside(place: str, folder: Path) -> bool:
    try:
        return Path(place).expanduser().absolute().resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return False
