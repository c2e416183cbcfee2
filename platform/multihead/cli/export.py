"""`multihead export`: a run's best checkpoint as ONNX, TorchScript or safetensors."""

from pathlib import Path

import click

from multihead.cli.overrides import checkpoint_option, trust_option
from multihead.terminal.lines import say

FORMATS = ("onnx", "torchscript", "safetensors")


@click.command("export")
@click.argument("run", metavar="RUN")
@click.option("--to", "form", required=True, type=click.Choice(FORMATS))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file.")
@checkpoint_option
@trust_option
def command(
    run: str, form: str, out: Path | None, checkpoint: str | None, trust: tuple[str, ...]
) -> None:
    """Write the best checkpoint of RUN in another format, checked against the checkpoint.

    RUN is a run's id, MLflow's id, or a unique prefix of either.
    """
    from multihead.serving.export import export

    made = export(run, form, out, trust=trust, checkpoint=checkpoint)
    say(
        f"{made.path}  {made.path.stat().st_size:,} bytes; logits differ by at most "
        f"{made.difference:.1e} of the largest (allowed: {made.tolerance:.0e})"
    )
