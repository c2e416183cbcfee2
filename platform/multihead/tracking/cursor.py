"""How far a run's spool has been delivered."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from multihead.files import write_text_atomically


@dataclass
class Cursor:
    """How far a spool has been delivered, kept in `delivery.json`.

    Attributes:
        store: The store's URI, without its password.
        offset: The byte of the spool where the next record begins.
        experiment_id: MLflow's id of the experiment.
        mlflow_id: MLflow's id of the run.
        attempts: The attempts so far, as `attempts.json` lists them.
        wanted: SHA-256 of the artifacts recorded so far, by path.
        sent: SHA-256 of those that are in the store.
        described: SHA-256 of the description that was sent last.
    """

    store: str
    offset: int = 0
    experiment_id: str | None = None
    mlflow_id: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    wanted: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    described: str | None = None

    @classmethod
    def load(cls, path: Path, store: str) -> "Cursor":
        """Return the cursor of a file; a cursor at the start if the file is missing or damaged."""
        try:
            values = json.loads(path.read_bytes())
            # Files of an earlier version have no `described`.
            names = {f.name for f in fields(cls)} - ({"described"} - set(values))
            found = cls(**{name: values[name] for name in names})
            for_check = (found.offset + 0, dict(found.sent), dict(found.wanted))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return cls(store)
        return found if for_check[0] >= 0 else cls(store)

    def save(self, path: Path) -> None:
        """Write the file; if a power cut loses it, records are only sent again."""
        text = json.dumps(asdict(self))
        write_text_atomically(path, text, durable=False, make_folder=False)
