"""Write ended trials of a study as rows of tables; Optuna's calls take 10 ms per trial."""

import json

import numpy as np
import sqlalchemy as sa

from multihead.studies.lease import Outcome, leases
from multihead.studies.storage import StudyStorage

_RUNS = {"runs": {"12345": "20261122-221503-ebcef8"}, "mlflow_runs": {"12345": "0" * 32}}
_UNIFORM = json.dumps(
    {
        "name": "FloatDistribution",
        "attributes": {"step": None, "low": 0.0, "high": 1.0, "log": False},
    }
)


def fill(storage: StudyStorage, name: str, count: int) -> None:
    """Add ended trials with two parameters, a value, a report and a lease."""
    if not count:
        return
    xy = np.random.default_rng(0).random((count, 2))
    metadata = sa.MetaData()
    metadata.reflect(storage.engine, only=lambda table, _: table.startswith(("trial", "studies")))
    table = metadata.tables
    with storage.engine.begin() as connection:
        study = connection.execute(
            sa.select(table["studies"].c.study_id).where(table["studies"].c.study_name == name)
        ).scalar_one()

        def insert(into: sa.Table, rows: list[dict[str, object]]) -> None:
            connection.execute(sa.insert(into), rows)

        now = sa.func.now()
        ids = connection.execute(
            sa.insert(table["trials"])
            .values(datetime_start=now, datetime_complete=now)
            .returning(table["trials"].c.trial_id, sort_by_parameter_order=True),
            [{"number": i, "study_id": study, "state": "COMPLETE"} for i in range(count)],
        ).scalars().all()  # fmt: skip
        both = list(zip(ids, xy.tolist(), strict=True))
        insert(
            table["trial_params"],
            [
                {"trial_id": i, "param_name": p, "param_value": v, "distribution_json": _UNIFORM}
                for i, point in both
                for p, v in zip("xy", point, strict=True)
            ],
        )
        insert(
            table["trial_values"],
            [
                {"trial_id": i, "objective": 0, "value": sum(point), "value_type": "FINITE"}
                for i, point in both
            ],
        )
        insert(
            table["trial_intermediate_values"],
            [
                {
                    "trial_id": i,
                    "step": 1,
                    "intermediate_value": sum(point),
                    "intermediate_value_type": "FINITE",
                }
                for i, point in both
            ],
        )
        insert(
            table["trial_user_attributes"],
            [
                {"trial_id": i, "key": key, "value_json": json.dumps(value)}
                for i in ids
                for key, value in _RUNS.items()
            ],
        )
        insert(
            leases,
            [
                {
                    "study": name,
                    "number": n,
                    "trial_id": i,
                    "owner": "history",
                    "attempt": 1,
                    "lost": 0,
                    "expires": 0.0,
                    "outcome": Outcome("COMPLETE", (sum(point),)).to_json(),
                    "decided": 1.0 + n,
                }
                for n, (i, point) in enumerate(both)
            ],
        )
    with storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
