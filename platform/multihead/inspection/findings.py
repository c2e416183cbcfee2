"""Summarise an inspection: tables of figures, and a sentence per possible problem."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multihead.heads import Head
from multihead.inspection.inspect import Inspection, SplitFacts
from multihead.inspection.unseen import never_occur

_IMBALANCED = 10.0
_EXPECTED = 10  # mean samples per label; with fewer, an empty label is not remarkable


def label_bins(
    inspection: Inspection, head: Head
) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """Return the name of each bar of a head's labels, and the counts [bars] by split.

    The head's kind defines the bars. Missing labels are left out.
    """
    known = {split: facts.known(head) for split, facts in inspection.splits.items()}
    return head.kind.histogram(head, known)


def heads_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per head: kind, number of labels, range, unit and scale.

    If labels are missing, `labelled` is the fraction of the samples that have one, 0 to 1.
    """
    rows = []
    total = sum(facts.count for facts in inspection.splits.values())
    for head in inspection.heads.values():
        labelled = sum(facts.labelled[head.name] for facts in inspection.splits.values())
        low, high = _ends(inspection, head)
        rows.append(
            {
                "head": head.shown,
                "kind": head.kind.name,
                "labels": head.num_classes or len(head.kind.class_names(head)),
                "from": low,
                "to": high,
                "scale": head.scale,
                "labelled": labelled / max(total, 1),
            }
        )
    table = pd.DataFrame(rows)
    return table if (table["labelled"] < 1).any() else table.drop(columns="labelled")


def _ends(inspection: Inspection, head: Head) -> tuple[str, str]:
    names = head.kind.class_names(head)
    if names:
        return names[0], names[-1]
    if head.num_classes:
        return head.text(0), head.text(head.num_classes - 1)
    values = np.concatenate([facts.known(head).ravel() for facts in inspection.splits.values()])
    return (head.text(values.min()), head.text(values.max())) if len(values) else ("", "")


def balance_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per head and split that shows how balanced its labels are.

    Columns:
        `labelled`: number of samples with a label; only if some have none.
        `seen`: number of labels that occur.
        `most`, `fewest`: fraction of the labelled samples in the largest and smallest class, or
            bin (see `label_bins`).
        `imbalance`: their ratio; infinite if a class is empty.
        `evenness`: entropy divided by that of equal fractions, 0 to 1; 1 is perfectly balanced.
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
                    "head": head.shown,
                    "split": split,
                    "labelled": facts.labelled[head.name],
                    "seen": len(np.unique(facts.known(head), axis=0)),
                    "most": share.max(),
                    "fewest": least,
                    "imbalance": share.max() / least if least else np.inf,
                    "evenness": _evenness(present, len(share)),
                }
            )
    table = pd.DataFrame(rows)
    counts = {split: facts.count for split, facts in inspection.splits.items()}
    complete = table["labelled"] == table["split"].map(counts)
    return table.drop(columns="labelled") if complete.all() else table


def _evenness(present: NDArray[np.float64], count: int) -> float:
    """Return the entropy of the fractions above 0, divided by that of `count` equal ones.

    It is 1 if there is only one bin.
    """
    if count < 2:
        return 1.0
    return float(-(present * np.log(present)).sum() / np.log(count))


def channels_table(inspection: Inspection) -> pd.DataFrame:
    """Return a row per split and channel: extremes, mean and standard deviation of the bytes."""
    tables = {split: facts.channels for split, facts in inspection.splits.items()}
    return pd.concat(tables, names=["split", "channel"]).reset_index()


def findings(inspection: Inspection) -> list[str]:
    """Return a sentence per problem to look at before training; empty if there is none."""
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
    titles = {name: head.shown for name, head in inspection.heads.items()}
    for b, a in found.functions:
        of = titles[a]
        yield f"{titles[b]} is a function of {of}: each label of {of} has one label of {titles[b]}."
    for a, b, value in found.pairs:
        if (a, b) not in found.functions and (b, a) not in found.functions:
            pair = f"{titles[a]} and {titles[b]}"
            yield f"{pair} share information: normalised mutual information {value:.2f}."


def _missing(inspection: Inspection) -> Iterator[str]:
    for name, head in inspection.heads.items():
        for split, facts in inspection.splits.items():
            absent = facts.count - facts.labelled[name]
            if absent:
                share = absent / facts.count
                yield (
                    f"{head.shown}: {absent:,} of {facts.count:,} labels are missing in {split} "
                    f"({share:.1%})."
                )


def _imbalanced(inspection: Inspection) -> Iterator[str]:
    table = balance_table(inspection)
    by_title = {head.shown: head for head in inspection.heads.values()}
    for row in table.to_dict("records"):
        head, facts = by_title[row["head"]], inspection.splits[row["split"]]
        if head.has_range and not head.num_classes:
            continue  # the tails of any distribution of numbers are thin
        labelled = facts.labelled[head.name]
        if head.kind.class_counts(head, facts.known(head)[:0]) is None:
            yield from _rare_yes(head, row["split"], facts)
            continue
        names, counts = label_bins(inspection, head)
        of_split = counts[row["split"]]
        if row["imbalance"] < _IMBALANCED or labelled < _EXPECTED * len(names):
            continue
        if np.isinf(row["imbalance"]):
            empty = np.flatnonzero(of_split == 0).tolist()
            yield f"{never_occur(head, names, empty, row['split'])}."
        else:
            yield (
                f"{head.shown}: {names[int(of_split.argmax())]} occurs {row['imbalance']:.0f} "
                f"times as often as {names[int(of_split.argmin())]} in {row['split']}"
                f"{_mend(head, row['split'], 'class_weights')}."
            )


def _rare_yes(head: Head, split: str, facts: SplitFacts) -> Iterator[str]:
    """Name the tag with the largest imbalance between images with it and without it."""
    counts = head.kind.yes_counts(head, facts.known(head))
    if counts is None or facts.labelled[head.name] < _EXPECTED:
        return
    yes, no = counts
    ratios = np.maximum(yes, no) / np.maximum(np.minimum(yes, no), 1)
    worst = int(ratios.argmax())
    if ratios[worst] >= _IMBALANCED:
        name = head.kind.class_names(head)[worst]
        yield (
            f"{head.shown}: {name} is in {yes[worst]:,} of {yes[worst] + no[worst]:,} labels in "
            f"{split}{_mend(head, split, 'pos_weight')}."
        )


def _mend(head: Head, split: str, key: str) -> str:
    """Return the override that balances the labels; empty for test splits and ranges."""
    if head.has_range or split == "test":
        return ""
    return f" (to weigh them alike: model.{key}.{head.name}=balanced)"
