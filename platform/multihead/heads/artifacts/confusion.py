"""The confusion matrix of classes: `confusion_<head>`, a CSV and a PNG."""

from pathlib import Path

from multihead.heads.artifacts.pairs import Pairs
from multihead.heads.results import Shown
from multihead.metrics.accuracy import ACCURACY
from multihead.spreadsheet import write_csv


class Confusion(Pairs):
    """Counts pairs of true and predicted class."""

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write the matrix as a table and a figure."""
        from multihead.figures.confusion import confusion_figure, confusion_matrix, confusion_table

        head = self.head
        classes = head.classes or tuple(map(str, range(head.num_classes)))
        matrix = confusion_matrix(self.counts(), head.num_classes)
        table = confusion_table(matrix, classes)
        write_csv(table, folder / f"confusion_{head.name}.csv", index=True)
        title = ACCURACY.titled(head.shown, shown.metric(ACCURACY.name), head.unit)
        confusion_figure(matrix, classes, title, folder / f"confusion_{head.name}.png")
        return {}
