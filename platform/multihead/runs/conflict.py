"""Store the conflicts of the heads' gradients with a run: a table and pictures."""

from multihead.runs.build import Parts
from multihead.spreadsheet import write_csv
from multihead.tracking.run import TrackedRun
from multihead.training.conflict import WHOLE

TABLE, PICTURE = "gradients.csv", "gradients.png"


def store_conflict(run: TrackedRun, parts: Parts) -> None:
    """Store `gradients.csv`, and heat maps over the epochs, for the backbone and each stage."""
    table = None if parts.conflict is None else parts.conflict.table()
    if table is None or table.empty:
        return
    from multihead.figures.conflict import conflict_figure  # takes a second to import

    write_csv(table, run.folder / TABLE)
    run.log_file(run.folder / TABLE)
    for stage, rows in table.groupby("stage", sort=False):
        name = PICTURE if stage == WHOLE else f"gradients_{stage}.png"
        title = f"Gradients of pairs of heads on the {'backbone' if stage == WHOLE else stage}"
        conflict_figure(rows, title, run.folder / name)
        run.log_file(run.folder / name)
