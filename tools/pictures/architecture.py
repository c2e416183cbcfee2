"""Draw what the platform is made of, as SVG whose colours follow those of the reader's system."""

from html import escape

_WIDTH, _HEIGHT = 980, 600
_STYLE = """
svg { --page: #ffffff; --box: #f4f5fb; --line: #5c6bc0; --text: #1f2330; --faint: #5a6072;
      --strong: #e3e7fb; --head: #ffe9cc; --head-line: #c77700; }
@media (prefers-color-scheme: dark) {
  svg { --page: #1e2129; --box: #272b36; --line: #8c9eff; --text: #eceef5; --faint: #b3b9c9;
        --strong: #30385c; --head: #4a3a22; --head-line: #ffb74d; }
}
text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--text);
       text-anchor: middle; }
.title { font-size: 16px; font-weight: 600; }
.note { font-size: 12.5px; fill: var(--faint); }
.page { fill: var(--page); }
.box { fill: var(--box); stroke: var(--line); stroke-width: 1.4; }
.strong { fill: var(--strong); stroke: var(--line); stroke-width: 1.4; }
.head { fill: var(--head); stroke: var(--head-line); stroke-width: 1.4; }
.arrow { fill: none; stroke: var(--line); stroke-width: 1.8; marker-end: url(#tip); }
#tip path { fill: var(--line); }
"""


def box(x: int, y: int, w: int, h: int, title: str, *notes: str, kind: str = "box") -> str:
    """Return a box with a title and lines below it; x and y are of its upper left corner."""
    # Capitals are 12 high, and lines 18 apart: the text is in the middle of the box.
    top = y + h / 2 + 6 - 9 * len(notes)
    lines = [f'<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="8"/>']
    for row, text in enumerate((title, *notes)):
        name = "note" if row else "title"
        at = f'x="{x + w / 2:g}" y="{top + 19 * row:g}"'
        lines.append(f'<text class="{name}" {at}>{escape(text)}</text>')
    return "\n".join(lines)


def arrow(*points: tuple[int, int]) -> str:
    """Return an arrow along points."""
    return f'<path class="arrow" d="M{" L".join(f"{x},{y}" for x, y in points)}"/>'


def _network() -> list[str]:
    """Draw a training: a backbone, its heads, and what weighs their losses."""
    heads = ["digit", "thickness", "smoothness"]
    parts = ['<rect class="box" x="240" y="268" width="470" height="176" rx="8"/>']
    parts.append('<text class="title" x="475" y="294">Training with Lightning</text>')
    parts.append(box(260, 320, 130, 100, "Backbone", "CNN or timm", kind="strong"))
    for row, head in enumerate(heads):
        y = 312 + 42 * row
        parts.append(box(430, y, 126, 32, head, kind="head"))
        parts += [arrow((390, 370), (426, y + 16)), arrow((556, y + 16), (586, 345 + 25 * row))]
    parts.append(box(590, 320, 104, 100, "Balancer", "weighs the", "heads' losses", kind="strong"))
    return parts


def drawing() -> str:
    """Return the drawing of the architecture."""
    parts = [
        box(20, 36, 300, 80, "Command line and Python", "multihead train, study, ablate, serve"),
        box(380, 36, 270, 80, "Studies", "Optuna searches weights", "and learning rates"),
        box(690, 36, 270, 80, "Ablations", "arms × seeds,", "paired statistics"),
        box(20, 156, 300, 64, "Configuration", "Hydra presets, checked before a run"),
        box(380, 156, 580, 64, "Workers", "processes, containers, Ray, Slurm, Kubernetes"),
        box(20, 310, 170, 110, "Data", "table, folder,", "torchvision, VIMH,", "shards on S3"),
        *_network(),
        box(760, 310, 200, 110, "Run folder", "configuration, figures,", "checkpoints, tests"),
        box(20, 496, 270, 70, "Serve and export", "HTTP, ONNX, safetensors"),
        box(355, 496, 270, 70, "Look and compare", "MLflow UI, reports, tables"),
        box(690, 496, 270, 70, "MLflow store", "SQLite or PostgreSQL, models"),
        arrow((320, 76), (376, 76)),
        arrow((350, 76), (350, 16), (825, 16), (825, 32)),
        arrow((170, 116), (170, 152)),
        arrow((515, 116), (515, 152)),
        arrow((825, 116), (825, 152)),
        arrow((260, 220), (260, 264)),
        arrow((600, 220), (600, 264)),
        arrow((190, 365), (236, 365)),
        arrow((710, 365), (756, 365)),
        arrow((860, 420), (860, 492)),
        arrow((690, 531), (629, 531)),
        arrow((825, 566), (825, 584), (155, 584), (155, 570)),
    ]
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
            ' role="img" aria-label="The parts of multihead and what flows between them">',
            f"<style>{_STYLE}</style>",
            f'<defs>{tip} orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>',
            f'<rect class="page" width="{_WIDTH}" height="{_HEIGHT}" rx="10"/>',
            *parts,
            "</svg>\n",
        ]
    )
