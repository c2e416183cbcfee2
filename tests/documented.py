"""The commands that pages of the documentation show, as a shell would read them."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGES = [
    page
    for page in (
        ROOT / "README.md",
        ROOT / "docs" / "tutorial.md",
        ROOT / "docs" / "cli.md",
        *sorted((ROOT / "examples").rglob("README.md")),
    )
    if page.is_file()
]
_BLOCK = re.compile(r"^```\n(.*?)^```", re.DOTALL | re.MULTILINE)  # those without a language
_COMMAND = re.compile(r"(multihead|make) ")


@dataclass(frozen=True)
class Command:
    """A line of a page.

    Attributes:
        page: Its file.
        line: As it is written, with the lines that it goes on in.
    """

    page: Path
    line: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.line}"

    @property
    def words(self) -> list[str]:
        """The words after quotes, variables and comments; what is behind a pipe is left out."""
        shell = f"weight=0.5; printf '%s\\n' {self.line.partition(' | ')[0]}"
        done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()


def commands(page: Path) -> list[Command]:
    """Return the lines of a page that begin with `multihead` or `make`, each once."""
    blocks = "".join(_BLOCK.findall(page.read_text())).replace("\\\n", " ")
    lines = (line.strip() for line in blocks.splitlines())
    return [Command(page, line) for line in dict.fromkeys(lines) if _COMMAND.match(line)]


COMMANDS = [command for page in PAGES for command in commands(page)]
