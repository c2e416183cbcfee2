"""What an inspection amounts to: tables of figures, and a sentence per thing to look at."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.data.inspect import Inspection
from multihead.heads import Head

# Levels of a parameter are judged in bins: one level alone has too few samples.
BINS = 16
_IMBALANCED = 10.0
_EXPECTED = 10  # samples of a label, were all alike; on fewer an empty one is no wonder


def label_text(head: Head, code: float) -> str:
    """Return what a label stands for, as people read it: a class's name, or value and unit."""
    if head.classes:
        return head.classes[int(code)]
    return f"{float(head.decode(code)):.4g} {head.unit}".strip()


def label_bins(head: Head, counts: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """Gather label counts [num_classes] for people to read.

    Returns:
        A text per bar, and its count: each class of a classification, or `BINS` bins of equally
        many levels (or one less) of a parameter, named by what their first level stands for.
    """
    if head.parameter is None or head.num_classes <= BINS:
        return [label_text(head, code) for code in range(head.num_classes)], counts
    edges = np.linspace(0, head.num_classes, BINS + 1).astype(int)[:-1]
    return [label_text(head, code) for code in edges], np.add.reduceat(counts, edges)


def heads_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per head: kind, number of labels, range, unit and scale."""
    rows = []
    for head in inspection.heads.values():
        low, high = label_text(head, 0), label_text(head, head.num_classes - 1)
        rows.append(
            {
                "head": head.name,
                "kind": head.kind,
                "labels": head.num_classes,
                "from": low,
                "to": high,
                "scale": "" if head.parameter is None else head.parameter.scale,
            }
        )
    return pd.DataFrame(rows)


def balance_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per head and split on how evenly its labels are spread.

    `seen` counts labels that occur; `most` and `fewest` are shares of the samples in the fullest
    and the emptiest class (or bin of levels, see `label_bins`); `imbalance` is their ratio,
    infinite where one is empty; `evenness` is the entropy over that of equal shares, 1 at best.
    """
    rows = []
    for head in inspection.heads.values():
        for split, facts in inspection.splits.items():
            counts = facts.label_counts(head)
            _, binned = label_bins(head, counts)
            share = binned / max(facts.count, 1)
            least = share.min()
            present = share[share > 0]
            rows.append(
                {
                    "head": head.name,
                    "split": split,
                    "seen": int(np.count_nonzero(counts)),
                    "most": share.max(),
                    "fewest": least,
                    "imbalance": share.max() / least if least else np.inf,
                    "evenness": -(present * np.log(present)).sum() / np.log(len(share)),
                }
            )
    return pd.DataFrame(rows)


def channels_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per split and channel: extremes, mean and standard deviation of the bytes."""
    tables = {split: facts.channels for split, facts in inspection.splits.items()}
    return pd.concat(tables, names=["split", "channel"]).reset_index()


def findings(inspection: Inspection) -> list[str]:
    """Return a sentence per thing to look at before training; none where all is well."""
    return [
        *_empty(inspection),
        *_duplicates(inspection),
        *_channels(inspection),
        *_redundant(inspection),
        *_imbalanced(inspection),
    ]


def _empty(inspection: Inspection) -> Iterator[str]:
    for split, facts in inspection.splits.items():
        if not facts.count:
            yield f"The split {split} is empty."


def _duplicates(inspection: Inspection) -> Iterator[str]:
    for found in inspection.duplicates:
        share = found.count / inspection.splits[found.second].count
        place = "twice" if found.first == found.second else f"also in {found.first}"
        noun = "sample has its picture" if found.count == 1 else "samples have their picture"
        pairs = ", ".join(f"{b:,} = {a:,}" for a, b in found.examples[:3])
        labels = f", {found.conflicting:,} with other labels" if found.conflicting else ""
        yield (
            f"{found.count:,} {found.second} {noun} {place} ({share:.1%}{labels}), such as {pairs}."
        )


def _channels(inspection: Inspection) -> Iterator[str]:
    for split, facts in inspection.splits.items():
        for channel, value in facts.constant_channels.items():
            yield f"Channel {channel} is constant in {split}: every pixel is {value}."


def _redundant(inspection: Inspection) -> Iterator[str]:
    found = inspection.redundancy
    for b, a in found.functions:
        yield f"{b} is a function of {a}: each label of {a} has one label of {b}."
    for a, b, value in found.pairs:
        if (a, b) not in found.functions and (b, a) not in found.functions:
            yield f"{a} and {b} share much: normalised mutual information {value:.2f}."


def _imbalanced(inspection: Inspection) -> Iterator[str]:
    table = balance_table(inspection)
    for row in table.to_dict("records"):
        head, facts = inspection.heads[row["head"]], inspection.splits[row["split"]]
        names, counts = label_bins(head, facts.label_counts(head))
        if row["imbalance"] < _IMBALANCED or facts.count < _EXPECTED * len(names):
            continue
        if np.isinf(row["imbalance"]):
            empty = np.flatnonzero(counts == 0)
            what = "labels" if len(names) == head.num_classes else "bins of levels"
            some = ", ".join(names[i] for i in empty[:5]) + (", ..." if len(empty) > 5 else "")
            yield (
                f"{head.name}: {len(empty)} of {len(names)} {what} never occur in "
                f"{row['split']} ({some})."
            )
        else:
            yield (
                f"{head.name}: {names[int(counts.argmax())]} occurs {row['imbalance']:.0f} times "
                f"as often as {names[int(counts.argmin())]} in {row['split']}."
            )
