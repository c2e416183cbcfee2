"""`multihead serve`: answer for all heads of a model over HTTP."""

import click

from multihead.cli.overrides import checkpoint_option, trust_option
from multihead.terminal.lines import say


@click.command("serve")
@click.argument("model", metavar="MODEL")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--allowed-hosts",
    default="",
    metavar="NAMES",
    help="Names by which clients reach another --host than loopback, separated by commas.",
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--max-batch",
    default=1024,
    show_default=True,
    type=click.IntRange(1),
    help="Most images in a request.",
)
@click.option(
    "--max-bytes",
    default=16_000_000,
    show_default=True,
    type=click.IntRange(1),
    help="Largest body of a request.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds for a body to arrive, for its answer, and for the answer to be read.",
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
    """Serve MODEL, with a page to try it at /.

    MODEL is models:/NAME@ALIAS, models:/NAME/VERSION, models:/MODEL_ID, or a run's id, of which
    --checkpoint chooses another than the best. Port 0 takes any free one. There is no password:
    with another --host, everyone who reaches it can ask. Requests are answered if they are for a
    name of this machine, as localhost, or for one of --allowed-hosts, such as
    lab.example,lab.example:8080; pages of other places are refused.
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
