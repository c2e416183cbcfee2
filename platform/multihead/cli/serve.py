"""`multihead serve`: serve predictions of all heads of a model over HTTP."""

import click

from multihead.cli.help import examples
from multihead.cli.overrides import checkpoint_option, trust_option
from multihead.terminal.lines import say


@click.command(
    "serve",
    epilog=examples(
        "multihead serve models:/digits@champion",
        "multihead serve 20261122-221503 --checkpoint best-digit --port 0",
        "multihead serve models:/digits/2 --host 0.0.0.0 --allowed-hosts lab.example",
    ),
)
@click.argument("model", metavar="MODEL")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--allowed-hosts",
    default="",
    metavar="NAMES",
    help="Host names that clients may use, separated by commas, such as "
    "lab.example,lab.example:8080. Required for a --host beyond this machine; the names of the "
    "loopback interface are always allowed.",
)
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on. 0 chooses a free one.",
)
@click.option(
    "--max-batch",
    default=1024,
    show_default=True,
    type=click.IntRange(1),
    help="Largest number of images in a request.",
)
@click.option(
    "--max-bytes",
    default=16_000_000,
    show_default=True,
    type=click.IntRange(1),
    help="Largest body of a request, in bytes.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Time limit in seconds. It holds for each of three steps: receiving the body, "
    "computing the answer, and sending it.",
)
@checkpoint_option
@trust_option
def command(
    model: str,
    host: str,
    allowed_hosts: str,
    port: int,
    max_batch: int,
    max_bytes: int,
    timeout: float,
    checkpoint: str | None,
    trust: tuple[str, ...],
) -> None:
    """Serve MODEL over HTTP until Ctrl-C. The page / is a form to try it.

    MODEL is models:/NAME@ALIAS, models:/NAME/VERSION, models:/MODEL_ID, or a run's id. Only a
    run has several checkpoints, so --checkpoint needs a run's id.

    The server has no password. With a --host beyond this machine, everyone who reaches the port
    can use the model. The server refuses requests for other host names than those of
    --allowed-hosts and of the loopback interface, and requests from web pages of other sites.
    """
    from multihead.hosts import published_hosts
    from multihead.serving.app import Limits
    from multihead.serving.model import find_model
    from multihead.serving.server import bind, serve

    listening = bind(host, port)
    address, port = listening.getsockname()[:2]
    hosts = published_hosts(host, address, port, allowed_hosts)
    found = find_model(model, trust=trust, checkpoint=checkpoint)
    shown = f"[{host}]" if ":" in host else host
    say(f"serving {model} on http://{shown}:{port}/  Ctrl-C stops it")
    serve(found, Limits(max_batch, max_bytes, timeout), listening, hosts)
