"""The command `multihead`: one module per command, imported when the command runs."""

import signal
import sys
from collections.abc import Sequence

import click
from click.shell_completion import BashComplete, add_completion_class

from multihead import __version__, settings
from multihead.cli.lazy import LazyGroup
from multihead.errors import MultiheadError
from multihead.garbage import collect_all_rarely
from multihead.terminal.lines import complain, say
from multihead.terminal.streams import show_notices

COMMANDS = {
    "train": "Train, test and record a network (Hydra overrides; try `train --help`).",
    "evaluate": "Test a run or a checkpoint: evaluate run=<id> data=...",
    "data": "Look at datasets, check, convert and make them.",
    "rerun": "Train a recorded run again: rerun RUN [overrides]; says what differs from then.",
    "runs": "List runs, or compare some by their ids.",
    "ablate": "Compare arms over seeds: ablate NAME [key=value]... (try `ablate --help`).",
    "study": "Search with many trainings: study NAME [key=value]... (try `study --help`).",
    "soup": "Average the weights of a study's best trials: soup NAME --best 5.",
    "cluster": "Write what Kubernetes needs for a study: cluster manifest --workers N [STUDY].",
    "report": "Write the report on an ablation: one page, and its tables as files.",
    "compare": "Write such a report on runs picked by hand: compare RUN RUN...",
    "promote": "Register a run's model: promote <run id> --name X --alias champion",
    "serve": "Answer over HTTP: serve models:/X@champion",
    "export": "Write a run's network as ONNX, TorchScript or safetensors.",
    "sync": "Send what runs could not send to the store themselves.",
    "reap": "Mark runs as KILLED whose process is gone, as FAILED whose folder is.",
    "restore": "Bring back an experiment or a run that was deleted in MLflow.",
    "list": "List experiments, studies and ablations with a line each.",
    "ui": "Open the MLflow UI on the current store, on loopback.",
    "doctor": "Show versions, devices, precision, and whether data, runs and store answer.",
}
_MODULES = {name: f"multihead.cli.{name}" for name in COMMANDS} | {"list": "multihead.cli.listing"}
_LAZY = {name: (_MODULES[name], text) for name, text in COMMANDS.items()}


_HELP = """Train networks with one backbone and several heads, and keep every figure of it.

\b
multihead train experiment=multihead_cnn_digits
multihead runs
multihead ui

Shell completion: eval "$(_MULTIHEAD_COMPLETE=bash_source multihead)", or zsh_source, or
fish_source piped into `source`.
"""


@click.group(
    cls=LazyGroup, lazy=_LAZY, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="multihead")
def cli() -> None:
    """Hold the commands; each is imported when it is called."""


class WholeWordBash(BashComplete):
    """Complete `key=value` as one word: bash would cut it at the equals sign."""

    source_template = (
        "export COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}\n"
        + BashComplete.source_template.replace(
            "complete -o nosort", "complete -o nosort -o nospace"
        )
    )

    @staticmethod
    def _check_version() -> None:
        """Skip the check: it starts bash, and any bash of this decade will do."""


add_completion_class(WholeWordBash)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors a user can cause are one line and exit code 2."""
    collect_all_rarely()
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    show_notices()
    try:
        settings.current_folder()
        code = cli.main(arguments, prog_name="multihead", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(*error.format_message().splitlines(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        fail(error.format_message())
    except click.exceptions.Abort:
        sys.exit(130)
    except MultiheadError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> None:
    """Print one line on stderr and exit with 2."""
    complain(message)
    sys.exit(2)
