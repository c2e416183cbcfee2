"""The places that a recorded configuration names: another person's are not used unasked.

Training and testing write to folders: data that are absent are fetched or generated there, and
checkpoints kept. From a checkpoint a training starts. A run of this home names what its user once
typed.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from multihead import settings
from multihead.data.source_function import is_address
from multihead.errors import PathError
from multihead.runs.sections import RunConfig
from multihead.tracking.store import Store


def check_places(config: RunConfig, overrides: Sequence[str], store: Store) -> None:
    """Check a configuration that came from a store and not from a run's folder in this home.

    Args:
        config: As it is to be run.
        overrides: What the user typed; places that are typed may be any.
        store: Where the record is.

    Raises:
        PathError: For data elsewhere than in `MULTIHEAD_DATA_DIR`, for checkpoints that would go
            elsewhere than into the run's folder, for a checkpoint to start from, and for another
            store.
    """
    typed = {override.lstrip("+~").partition("=")[0] for override in overrides}
    uri = config.logger.tracking_uri
    if uri not in (None, store.uri) and "logger.tracking_uri" not in typed:
        raise PathError(
            "the record, which is not of this home, would be recorded in another store than it is "
            "in; give logger.tracking_uri=... yourself."
        )
    for key, place, folder in _named(config):
        if key in typed or key.partition(".")[0] in typed:
            continue
        here = folder is not None and not is_address(place) and _is_inside(place, folder)
        if not here:
            allowed = "the folder of the run" if folder is None else str(folder)
            raise PathError(
                f"the record, which is not of this home, has {key}={place!r:.200}, which is not "
                f"inside {allowed}; give {key}=... yourself."
            )


def _named(config: RunConfig) -> Iterator[tuple[str, str, Path | None]]:
    """Yield key and value of each place, and the folder it has to be in, or None for no other."""
    for key in ("data_dir", "folder", "table"):
        for path, value in _texts(config.data.node, "data", key):
            yield path, value, settings.data_dir()
    for path, value in _texts(config.callbacks, "callbacks", "dirpath"):
        yield path, value, None
    if (start := config.run.ckpt_path) is not None:
        yield "ckpt_path", str(start), None


def _texts(node: object, path: str, wanted: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each key of this name."""
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
