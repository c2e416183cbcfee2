"""`multihead list`: list experiments, studies and ablations, one per line."""

from pathlib import Path

import click

from multihead import settings
from multihead.cli.help import examples
from multihead.terminal.lines import say

KINDS = {
    "experiments": ("experiments", "experiment"),
    "studies": ("studies", "search"),
    "ablations": ("studies", "ablation"),
}


@click.command("list", epilog=examples("multihead list"))
def command() -> None:
    """List experiments, studies and ablations with a line of description each.

    The files of the folders experiments/ and studies/ here come before those of the package.
    """
    for title, (kind, group) in KINDS.items():
        found = described(kind, group)
        if not found:
            continue
        say(f"{title}:")
        width = max(map(len, found))
        for name, text in found.items():
            say(f"  {name:<{width}}  {text}")


def described(kind: str, group: str) -> dict[str, str]:
    """Return the descriptions of the configs of a group, by name. The first folder has priority.

    The description is the first comment line of the file that is not Hydra's package directive.
    """
    found: dict[str, str] = {}
    for folder in settings.config_folders(kind):
        for path in sorted((folder / group).glob("*.yaml")):
            if path.is_file() and not path.name.startswith("_"):
                found.setdefault(path.stem, _description(path))
    return found


def _description(path: Path) -> str:
    try:
        whole = path.read_text(encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    for line in whole.splitlines():
        text = line.removeprefix("#").strip()
        if line.startswith("#") and text and not text.startswith("@package"):
            return text
    return ""
