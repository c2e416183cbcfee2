"""`multihead cluster manifest`: a Kubernetes Job for the workers of a study."""

from pathlib import Path

import click

from multihead.errors import ConfigError
from multihead.terminal.lines import say, write_document


@click.command("manifest")
@click.argument("study", default="digits_quick")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--workers", required=True, type=click.IntRange(1, 1024), help="Number of pods.")
@click.option("--image", default="multihead:latest", show_default=True, help="That of trainers.")
@click.option("--secret", default="multihead", show_default=True, help="Secret with addresses.")
@click.option("--runs", default="multihead-runs", show_default=True, help="Claim all write to.")
@click.option("--data", default="multihead-data", show_default=True, help="Claim with data.")
@click.option("--memory", default="8Gi", show_default=True, help="Of each pod.")
@click.option("--namespace", help="Where the Job is made; else where kubectl is.")
@click.option("--resume", is_flag=True, help="Go on with a study that is there.")
@click.option("--output", type=click.Path(path_type=Path), help="Write this file instead.")
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
    """Print a Kubernetes Job whose pods work on a study, for `kubectl apply -f -`.

    STUDY (digits_quick if none) and KEY=VALUE are as for `multihead study`; devices_per_worker
    says what GPUs and cores a pod asks for.
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
