"""Links between pages, and from source files to pages, lead to what is there."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tests.conftest import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
SOURCES = [
    "platform",
    "experiments",
    "studies",
    "docker",
    "tests",
    "benchmarks",
    "tools",
    "examples",
]
SUFFIXES = (".py", ".yaml", ".yml", ".sh", ".md", ".html", ".toml", ".txt")
FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"""(?:\]\(|\bsrc(?:set)?=")([^)"\s]+)[)"]""")
REFERENCE = re.compile(r"\b(docs/[\w/-]+\.md(?:#[\w-]+)?)")


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for title in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", page.read_text()), re.MULTILINE):
        text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        count = found[name] = found.get(name, -1) + 1
        found |= {f"{name}-{count}": 0} if count else {}
    return frozenset(found)


def fault(page: Path, target: str) -> str | None:
    """Return what is wrong with a link on a page."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return f"{page.relative_to(ROOT)}: {target} is not there"
    if anchor and file.suffix == ".md" and anchor not in anchors(file):
        return f"{page.relative_to(ROOT)}: no heading of {file.name} has the anchor #{anchor}"
    return None


def source_files() -> Iterator[Path]:
    yield from (ROOT / "Makefile", ROOT / "mkdocs.yml", ROOT / ".ci" / "run")
    yield from ROOT.glob("docker-compose*.yml")
    for folder in SOURCES:
        files = (ROOT / folder).rglob("*")
        yield from (f for f in files if f.suffix in SUFFIXES or f.name.startswith("Dockerfile"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))
    links = [target for target in LINK.findall(text) if not re.match(r"[a-z]+:", target)]
    assert [problem for target in links if (problem := fault(page, target))] == []


def test_every_page_that_a_source_file_names_is_there() -> None:
    faults = []
    for file in source_files():
        for target in REFERENCE.findall(file.read_text()):
            if problem := fault(ROOT / "README.md", target):
                faults.append(f"{file.relative_to(ROOT)} names {problem.partition(': ')[2]}")
    assert faults == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## Train, test & record", "train-test--record"),
        ("### `data.table` and [its page](x.md)", "datatable-and-its-page"),
        ("# 2 × 3_4", "2--3_4"),
    ],
)
def test_anchors_are_those_of_github(tmp_path: Path, heading: str, anchor: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```\n# comment\n```\n{heading}\n\n{heading}\n")
    assert anchors(page) == {anchor, f"{anchor}-1"}
