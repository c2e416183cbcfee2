"""What an inspection amounts to: tables of figures, and a sentence per thing to look at."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.heads import Head
from multihead.inspection.inspect import Inspection

# Levels of a parameter are judged in bins: one level alone has too few samples.
BINS = 16
_IMBALANCED = 10.0
_EXPECTED = 10  # samples of a label, were all alike; on fewer an empty one is no wonder


def label_bins(
    inspection: Inspection, head: Head
) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """Gather the labels of a head for people to read; missing ones are left out.

    Returns:
        A text per bar, and its count by split: each class of a classification, or `BINS` bins of
        equally many levels (or one less) of a parameter, or equally wide bins of numbers, named by
        where they begin.
    """
    known = {split: facts.known(head) for split, facts in inspection.splits.items()}
    if not head.num_classes:
        values = np.concatenate([labels.ravel() for labels in known.values()])
        edges = np.histogram_bin_edges(values, BINS) if len(values) else np.linspace(0, 1, BINS + 1)
        names = [head.text(edge) for edge in edges[:-1]]
        return names, {split: np.histogram(part, edges)[0] for split, part in known.items()}
    counts = {s: np.bincount(part, minlength=head.num_classes) for s, part in known.items()}
    if not head.has_range or head.num_classes <= BINS:
        return [head.text(code) for code in range(head.num_classes)], counts
    starts = np.linspace(0, head.num_classes, BINS + 1).astype(int)[:-1]
    names = [head.text(code) for code in starts]
    return names, {split: np.add.reduceat(part, starts) for split, part in counts.items()}


def heads_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per head: kind, number of labels, range, unit and scale.

    Where labels are missing, `labelled` is the share of the samples that have one.
    """
    rows = []
    total = sum(facts.count for facts in inspection.splits.values())
    for head in inspection.heads.values():
        labelled = sum(facts.labelled[head.name] for facts in inspection.splits.values())
        low, high = _ends(inspection, head)
        rows.append(
            {
                "head": head.name,
                "kind": head.kind.name,
                "labels": head.num_classes,
                "from": low,
                "to": high,
                "scale": head.scale,
                "labelled": labelled / max(total, 1),
            }
        )
    table = pd.DataFrame(rows)
    return table if (table["labelled"] < 1).any() else table.drop(columns="labelled")


def _ends(inspection: Inspection, head: Head) -> tuple[str, str]:
    if head.num_classes:
        return head.text(0), head.text(head.num_classes - 1)
    values = np.concatenate([facts.known(head).ravel() for facts in inspection.splits.values()])
    return (head.text(values.min()), head.text(values.max())) if len(values) else ("", "")


def balance_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per head and split on how evenly its labels are spread.

    `labelled` counts samples with a label, where some have none; `seen` counts labels that occur;
    `most` and `fewest` are shares of the labelled samples in the fullest and the emptiest class (or
    bin, see `label_bins`); `imbalance` is their ratio, infinite where one is empty; `evenness` is
    the entropy over that of equal shares, 1 at best.
    """
    rows = []
    for head in inspection.heads.values():
        _, bins = label_bins(inspection, head)
        for split, facts in inspection.splits.items():
            share = bins[split] / max(facts.labelled[head.name], 1)
            least = share.min()
            present = share[share > 0]
            rows.append(
                {
                    "head": head.name,
                    "split": split,
                    "labelled": facts.labelled[head.name],
                    "seen": len(np.unique(facts.known(head), axis=0)),
                    "most": share.max(),
                    "fewest": least,
                    "imbalance": share.max() / least if least else np.inf,
                    "evenness": -(present * np.log(present)).sum() / np.log(len(share)),
                }
            )
    table = pd.DataFrame(rows)
    counts = {split: facts.count for split, facts in inspection.splits.items()}
    complete = table["labelled"] == table["split"].map(counts)
    return table.drop(columns="labelled") if complete.all() else table


def channels_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per split and channel: extremes, mean and standard deviation of the bytes."""
    tables = {split: facts.channels for split, facts in inspection.splits.items()}
    return pd.concat(tables, names=["split", "channel"]).reset_index()


def findings(inspection: Inspection) -> list[str]:
    """Return a sentence per thing to look at before training; none where all is well."""
    return [
        *_empty(inspection),
        *_missing(inspection),
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


def _missing(inspection: Inspection) -> Iterator[str]:
    for name in inspection.heads:
        for split, facts in inspection.splits.items():
            absent = facts.count - facts.labelled[name]
            if absent:
                share = absent / facts.count
                yield (
                    f"{name}: {absent:,} of {facts.count:,} labels are missing in {split} "
                    f"({share:.1%})."
                )


def _imbalanced(inspection: Inspection) -> Iterator[str]:
    table = balance_table(inspection)
    for row in table.to_dict("records"):
        head, facts = inspection.heads[row["head"]], inspection.splits[row["split"]]
        names, counts = label_bins(inspection, head)
        of_split = counts[row["split"]]
        labelled = facts.labelled[head.name]
        if row["imbalance"] < _IMBALANCED or labelled < _EXPECTED * len(names):
            continue
        if np.isinf(row["imbalance"]):
            empty = np.flatnonzero(of_split == 0)
            what = "bins of levels" if head.num_classes else "bins of values"
            what = "labels" if len(names) == head.num_classes else what
            some = ", ".join(names[i] for i in empty[:5]) + (", ..." if len(empty) > 5 else "")
            yield (
                f"{head.name}: {len(empty)} of {len(names)} {what} never occur in "
                f"{row['split']} ({some})."
            )
        else:
            yield (
                f"{head.name}: {names[int(of_split.argmax())]} occurs {row['imbalance']:.0f} times "
                f"as often as {names[int(of_split.argmin())]} in {row['split']}."
            )
