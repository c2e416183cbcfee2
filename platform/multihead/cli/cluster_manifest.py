"""`multihead cluster manifest`: write a Kubernetes Job for the workers of a study."""

from pathlib import Path

import click

from multihead.cli.help import examples
from multihead.errors import ConfigError
from multihead.terminal.lines import say, write_document


@click.command(
    "manifest",
    epilog=examples(
        "multihead cluster manifest --workers 4 mnist_loss_weights | kubectl apply -f -",
        "multihead cluster manifest --workers 8 --memory 16Gi --output job.yaml digits_quick",
    ),
)
@click.argument("study", default="digits_quick", metavar="[STUDY]")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--workers", required=True, type=click.IntRange(1, 1024), help="Number of pods.")
@click.option(
    "--image", default="multihead:latest", show_default=True, help="Container image of the pods."
)
@click.option(
    "--secret",
    default="multihead",
    show_default=True,
    help="Name of the Secret with the addresses of the study's storage and of MLflow, and their "
    "passwords.",
)
@click.option(
    "--runs",
    default="multihead-runs",
    show_default=True,
    help="Name of the PersistentVolumeClaim (ReadWriteMany) that all pods write their runs to.",
)
@click.option(
    "--data",
    default="multihead-data",
    show_default=True,
    help="Name of the PersistentVolumeClaim with the datasets, which pods only read.",
)
@click.option(
    "--memory",
    default="8Gi",
    show_default=True,
    help="Memory of each pod, as Kubernetes writes it, such as 500Mi.",
)
@click.option("--namespace", show_default="that of kubectl", help="Namespace of the Job.")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an existing study until it has n_trials trials in total.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    show_default="standard output",
    help="File to write.",
)
def command(
    study: str,
    overrides: tuple[str, ...],
    workers: int,
    image: str,
    secret: str,
    runs: str,
    data: str,
    memory: str,
    namespace: str | None,
    resume: bool,
    output: Path | None,
) -> None:
    """Write a Kubernetes Job whose pods work on a study.

    Pipe the manifest into `kubectl apply -f -`. Its first lines name the claims and the Secret
    that the cluster needs.

    STUDY is a name from `multihead list`, or a YAML file; digits_quick without one. KEY=VALUE
    changes a key as for `multihead study`. The key devices_per_worker sets the GPUs and cores of
    a pod.
    """
    from multihead.studies.manifest import Place, manifest

    place = Place(image, secret, runs, data, memory, namespace)
    text = manifest(study, overrides, workers, place, resume=resume)
    if output is None:
        write_document(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--output {output} cannot be written: {error.strerror}.") from error
    say(f"kubectl apply -f {output}")
