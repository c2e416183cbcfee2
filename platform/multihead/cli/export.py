"""`multihead export`: write a run's best checkpoint as ONNX, TorchScript or safetensors."""

from pathlib import Path

import click

from multihead.cli.help import examples
from multihead.cli.overrides import checkpoint_option, trust_option
from multihead.terminal.lines import say

FORMATS = ("onnx", "torchscript", "safetensors")


@click.command(
    "export",
    epilog=examples(
        "multihead export 20261122-221503 --to onnx",
        "multihead export 20261122-221503 --to safetensors --checkpoint best-digit --out digit.st",
    ),
)
@click.argument("run", metavar="RUN")
@click.option(
    "--to", "form", required=True, type=click.Choice(FORMATS), help="The format of the file."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="RUN.onnx, RUN.pt or RUN.safetensors in the current folder; with --checkpoint, "
    "RUN-NAME",
    help="The file to write.",
)
@checkpoint_option
@trust_option
def command(
    run: str, form: str, out: Path | None, checkpoint: str | None, trust: tuple[str, ...]
) -> None:
    """Write the network of RUN in another format.

    The command reads the new file again and compares its logits with those of the checkpoint. If
    they differ too much, it writes nothing.

    RUN is a run's id, MLflow's id, or a unique prefix of either.
    """
    from multihead.serving.export import export

    made = export(run, form, out, trust=trust, checkpoint=checkpoint)
    say(
        f"{made.path}  {made.path.stat().st_size:,} bytes; logits differ by at most "
        f"{made.difference:.1e} of the largest (allowed: {made.tolerance:.0e})"
    )
