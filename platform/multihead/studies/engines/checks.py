"""Check, before a study is made, that its engine can run it."""

from multihead.studies.definition import Definition
from multihead.studies.engines.choice import RayChoice, SubmititChoice
from multihead.studies.engines.sharing import refuse_unshared
from multihead.tracking.store import Store


def check_engine(definition: Definition, store: Store) -> None:
    """Check that a study's engine can start workers, and that they reach the storage and MLflow.

    Raises:
        ConfigError: If not. The message names what is missing, and how to mend it.
        StoreError: If the engine does not answer.
    """
    url = definition.storage_url
    if isinstance(definition.engine, RayChoice):
        from multihead.studies.engines.ray_cluster import connect
        from multihead.studies.engines.ray_shared import hosts

        connect(definition)
        refuse_unshared("the Ray cluster", hosts(), url, store)
    if isinstance(definition.engine, SubmititChoice):
        from multihead.studies.engines.queues import SlurmQueue
        from multihead.studies.engines.submission import check_submitit

        check_submitit(definition)
        if definition.engine.executor == "slurm":
            machines = SlurmQueue().hosts(definition.engine.partition)
            refuse_unshared("Slurm", machines, url, store)
