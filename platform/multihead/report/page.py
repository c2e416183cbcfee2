"""Fill a template. The result is one HTML file that loads no other file."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from multihead.text import lines

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Return a page: `templates/<template>.html.j2`, which extends `base.html.j2`.

    Text is escaped, and shown without control characters and direction marks. Only `Markup`, such
    as our own figures, is inserted unchanged.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["digest"] = _digest
    return environment.get_template(f"{template}.html.j2").render(values)


def _shown(value: Any) -> Any:
    return lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def trusted(svg: str) -> Markup:
    """Mark an SVG element that this package drew as safe, so that it is not escaped."""
    return Markup(svg)


def _digest(script: str) -> str:
    """Return the hash by which the content security policy allows a script."""
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"
