"""Hooks of `mkdocs build`: pages from outside docs/, the API page, and no call to another host.

A page has the links of the repository, which are rewritten here for the site. A link to a file that
the site does not have, such as a preset, becomes plain text.
"""

import posixpath
import re
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import multihead

ROOT = Path(__file__).parents[2]
# Pages outside docs/, and their names in the site.
PAGES = {
    "README.md": "index.md",
    "examples/README.md": "examples.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
# Sections of the API page, and the packages whose public names they have.
SECTIONS = {
    "Train, load and compare runs": ["runs", "tracking"],
    "Heads": ["heads"],
    "Data": ["data", "datasets"],
    "Data in VIMH": ["vimh"],
    "Networks and losses": ["models"],
    "Training modules": ["training"],
    "Errors": ["errors"],
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
ATTRIBUTE = re.compile(r'\b(src|srcset)="([^"\s]+)"')
ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
# What a browser loads without being asked.
LOADED = {
    "img": "src",
    "script": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
    "embed": "src",
    "link": "href",
}


def api_page() -> str:
    """Return the API page: a section for some packages, with every name of `multihead.__all__`."""
    by_package = defaultdict(list)
    for name in multihead.__all__:
        if name != "__version__":
            by_package[multihead._HOMES[name].split(".")[1]].append(name)
    lines = ["# Python API", "", "Everything here is imported from `multihead` itself.", ""]
    for title, packages in SECTIONS.items():
        names = sorted((n for p in packages for n in by_package.pop(p)), key=str.lower)
        lines += [f"## {title}", "", *(f"::: multihead.{name}\n" for name in names)]
    if by_package:
        raise PluginError(f"SECTIONS of tools/site/hooks.py lacks {sorted(by_package)}.")
    return "\n".join(lines)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for source, name in PAGES.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text()))
    files.append(File.generated(config, "api.md", content=api_page()))
    for name in ("iframe-worker.js", "site.css"):
        path = str(Path(__file__).with_name(name))
        files.append(File.generated(config, f"assets/{name}", abs_src_path=path))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of the repository into those of the site, outside of code blocks."""
    if page.parent is None:  # its menu would have this page alone
        page.meta["hide"] = ["navigation"]
    sources = {name: source for source, name in PAGES.items()}
    here = page.file.src_uri
    source = sources.get(here, f"docs/{here}")

    def moved(target: str) -> str | None:
        path, hash_, anchor = target.partition("#")
        if not path or ":" in path:
            return target
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if path not in PAGES and not path.startswith("docs/"):
            return None
        inside = PAGES.get(path) or path.removeprefix("docs/")
        return posixpath.relpath(inside, posixpath.dirname(here) or ".") + hash_ + anchor

    def link(match: re.Match[str]) -> str:
        picture, text, target = match.groups()
        target = moved(target)
        return text if target is None else f"{picture}[{text}]({target})"

    def attribute(match: re.Match[str]) -> str:
        return f'{match[1]}="{moved(match[2]) or match[2]}"'

    parts = re.split(r"^(```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    prose = [ATTRIBUTE.sub(attribute, LINK.sub(link, part)) for part in parts[::2]]
    return "".join(a + b for a, b in zip(prose, [*parts[1::2], ""], strict=True))


class Loads(HTMLParser):
    """The addresses on other hosts that a page makes a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what this element loads."""
        address = dict(attrs).get(LOADED.get(tag, "")) or ""
        if ELSEWHERE.match(address) and dict(attrs).get("rel") != "canonical":
            self.found.append(address)


def foreign(file: Path) -> list[str]:
    """Return the addresses on other hosts that a page or a style sheet loads."""
    text = file.read_text()
    if file.suffix == ".css":
        return re.findall(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", text)
    loads = Loads()
    loads.feed(text)
    return loads.found


def on_post_build(config: MkDocsConfig) -> None:
    """Fail if opening the site would call another host."""
    site = Path(config.site_dir)
    for file in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        if found := foreign(file):
            raise PluginError(f"{file.relative_to(site)} would load {found[0]}.")
