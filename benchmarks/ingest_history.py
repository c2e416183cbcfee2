"""Fill MLflow's tables with runs by SQL: a hundred thousand in a minute."""

import sqlalchemy as sa

PARAMS, TAGS, METRICS = 10, 10, 10
_EXPERIMENT = (
    "INSERT INTO experiments"
    " (name, artifact_location, lifecycle_stage, creation_time, last_update_time)"
    " VALUES ('history', 'mlflow-artifacts:/history', 'active', 0, 0) RETURNING experiment_id"
)
_RUN_ID = "md5('run' || r)"
_FILL = (
    "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time,"
    " lifecycle_stage, artifact_uri, experiment_id)"
    f" SELECT {_RUN_ID}, 'r' || r, 'LOCAL', 'me', 'FINISHED', 1000 * r::bigint, 1000 * r::bigint"
    " + 60000, 'active', 'mlflow-artifacts:/history/' || r, :experiment"
    " FROM generate_series(1, :runs) r",
    "INSERT INTO tags (key, value, run_uuid)"
    f" SELECT 'multihead.run', to_char(r, 'FM00000000') || '-abcdef', {_RUN_ID}"
    " FROM generate_series(1, :runs) r",
    "INSERT INTO tags (key, value, run_uuid)"
    f" SELECT 'multihead.tag' || k, 'a tag about as long as those of real runs' || k, {_RUN_ID}"
    f" FROM generate_series(1, :runs) r, generate_series(2, {TAGS}) k",
    "INSERT INTO params (key, value, run_uuid)"
    f" SELECT 'model.group.parameter' || k, ((r + k) % 7) || '.001234', {_RUN_ID}"
    f" FROM generate_series(1, :runs) r, generate_series(1, {PARAMS}) k",
    "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)"
    f" SELECT 'val/m' || k, random(), 1000 * r::bigint, 100, false, {_RUN_ID}"
    f" FROM generate_series(1, :runs) r, generate_series(1, {METRICS}) k",
)


def fill(url: str, runs: int) -> str:
    """Add ended runs to a new experiment, with 10 parameters, 10 tags and 10 last metrics each.

    They have no curves, only the data that a list of runs reads.

    Returns:
        The experiment's id.
    """
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        experiment = connection.execute(sa.text(_EXPERIMENT)).scalar_one()
        for statement in _FILL:
            values = {"runs": runs, "experiment": experiment}
            names = [name for name in values if f":{name}" in statement]
            connection.execute(sa.text(statement), {name: values[name] for name in names})
        connection.execute(sa.text("VACUUM ANALYZE"))
    engine.dispose()
    return str(experiment)
