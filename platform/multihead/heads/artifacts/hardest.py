"""The worst predictions: `worst_<head>`, a CSV and a PNG with the images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from multihead.heads.artifacts.pairs import class_readout
from multihead.heads.head import Head
from multihead.heads.results import Artifact, Shown, name_files
from multihead.spreadsheet import write_csv
from multihead.text import one_line

KEPT = 24
_LONGEST = 24


@dataclass(frozen=True)
class Worst:
    """The worst predictions of a head, worst first; each array is [n], n up to 24.

    Attributes:
        image: Number of the image in the test split.
        label: True class or level.
        predicted: Predicted class or level.
        probability: Probability of the predicted class; NaN for parameters.
        badness: Minus the logarithm of the label's probability, in nats; for parameters the
            distance in levels.
    """

    image: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float64]
    badness: NDArray[np.float64]


class Hardest(Artifact):
    """Keeps the predictions with the largest distance in levels, on the device.

    Args:
        head: The head.
    """

    def __init__(self, head: Head) -> None:
        self.head, self.readout = head, class_readout(head)
        self.reset()

    def reset(self) -> None:
        """Discard all samples."""
        self._kept: Tensor | None = None

    @torch.no_grad()
    def add(self, outputs: Tensor, labels: Tensor, numbers: Tensor) -> None:
        """Add one batch."""
        readout = self.readout.to(outputs.device)
        true, predicted = readout.label_codes(labels), readout.codes(outputs)
        probability, badness = self.judged(outputs, true, predicted)
        badness = badness.masked_fill(predicted == true, -1)  # correct predictions
        # Image numbers are exact in float32 up to 16 million.
        columns = [numbers.float(), true.float(), predicted.float(), probability, badness]
        rows = torch.stack(columns, 1)
        rows = rows if self._kept is None else torch.cat([self._kept, rows])
        self._kept = rows[rows[:, -1].topk(min(KEPT, len(rows))).indices]

    def judged(self, outputs: Tensor, true: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of the predicted class and the badness, [B] each."""
        unknown = torch.full_like(outputs[:, 0], torch.nan)
        return unknown, (predicted - true).abs().to(outputs.dtype)

    def read(self) -> Worst:
        """Return the worst predictions, without correct ones."""
        table = np.zeros((0, 5)) if self._kept is None else self._kept.double().cpu().numpy()
        table = table[table[:, 1] != table[:, 2]]
        whole = table[:, :3].astype(np.int64)
        return Worst(whole[:, 0], whole[:, 1], whole[:, 2], table[:, 3], table[:, 4])

    def write(self, folder: Path, shown: Shown) -> dict[str, float]:
        """Write the predictions as a table, and their images; no files if all are correct."""
        worst, head = self.read(), self.head
        labels = [head.text(code) for code in worst.label]
        said = [head.text(code) for code in worst.predicted]
        figures = worst.probability, worst.badness
        write_worst(head, folder, shown, worst.image, labels, said, *figures)
        return {}


class HardestClasses(Hardest):
    """Keeps the predictions with the lowest probability of the true class."""

    def judged(self, outputs: Tensor, true: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of the predicted class, and minus the label's logarithm."""
        logs = outputs.log_softmax(1)
        return logs.max(1).values.exp(), -logs.gather(1, true[:, None])[:, 0]


class HardestBinary(HardestClasses):
    """Keeps the same for one logit; the logit of class 0 is 0."""

    def judged(self, outputs: Tensor, true: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probability of the predicted class, and minus the label's logarithm."""
        both = torch.cat([torch.zeros_like(outputs), outputs], 1)
        return super().judged(both, true, predicted)


def write_worst(
    head: Head,
    folder: Path,
    shown: Shown,
    numbers: NDArray[np.int64],
    labels: Sequence[str],
    predicted: Sequence[str],
    probability: NDArray[np.float64],
    badness: NDArray[np.float64],
) -> None:
    """Write predictions as a table and a figure, `worst_<head>`; no files without predictions.

    Args:
        head: The head.
        folder: The folder for the files.
        shown: The source of the images.
        numbers: Numbers of the samples in the test split, worst first, [n].
        labels: Labels as text, [n].
        predicted: Predictions as text, [n].
        probability: Probabilities of the predicted class, [n]; NaN if there are none.
        badness: Sizes of the errors, [n].
    """
    from multihead.figures.gallery import gallery_figure

    if not len(numbers):
        return
    places, images = shown.images(numbers)
    table = pd.DataFrame(
        {
            "image": places,
            "label": labels,
            "predicted": predicted,
            "probability": probability,
            "badness": badness,
        }
    )
    write_csv(name_files(table, shown, numbers), folder / f"worst_{head.name}.csv")
    captions = [
        f"is {one_line(row.label, _LONGEST)}\nsaid {one_line(row.predicted, _LONGEST)}"
        + ("" if row.probability != row.probability else f" ({row.probability:.0%})")
        for row in table.itertuples()
    ]
    title = f"{head.shown}: the worst predictions of the test split"
    gallery_figure(images, captions, title, folder / f"worst_{head.name}.png")
