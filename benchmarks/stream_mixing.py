"""Compare the shuffling of streamed batches with a full shuffle, on data sorted by class.

    python benchmarks/stream_mixing.py [--rows 100000] [--classes 10] [--epochs 5]

No pixels are read, because the order of an epoch depends only on shards, window and seed. Data
sorted by class are the worst case. Data that were shuffled before writing mix like a full shuffle.

moved       how far a row moves between its place in the set and in the epoch, as a share of the
            set; 1/3 on average in a full shuffle
in window   the same against its place in the sequence of shards, in rows: what the window adds
classes     different classes in a batch, on average
distance    half the sum over classes of |share in the batch - share in the set|, on average: 0 if
            each batch has the classes of the set, and what a full shuffle has by chance
"""

import argparse

import numpy as np

from multihead.vimh.stream.order import StreamOrder

BATCH = 256


def epoch_order(order: StreamOrder, epoch: int) -> np.ndarray:
    """Return the rows of an epoch in order."""
    return np.concatenate([window.rows[window.order] for window in order.epoch(epoch)])


def figures(rows: np.ndarray, classes: np.ndarray) -> tuple[float, float, float]:
    """Return the distances that rows moved, and the classes and distance of batches."""
    moved = float(np.abs(rows - np.arange(len(rows))).mean()) / len(rows)
    count = int(classes.max()) + 1
    whole = len(rows) // BATCH * BATCH
    batches = classes[rows[:whole]].reshape(-1, BATCH)
    shares = np.stack([np.bincount(batch, minlength=count) for batch in batches]) / BATCH
    distance = np.abs(shares - 1 / count).sum(1) / 2
    return moved, float((shares > 0).sum(1).mean()), float(distance.mean())


def main() -> None:
    """Print one line per size of shards and window."""
    arguments = argparse.ArgumentParser(description="How well streamed batches mix.")
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--classes", type=int, default=10)
    arguments.add_argument("--epochs", type=int, default=5)
    given = arguments.parse_args()
    classes = np.arange(given.rows) * given.classes // given.rows
    print(f"{given.rows:,} rows sorted by {given.classes} classes, batches of {BATCH}")
    print("rows per shard   shuffle_rows   moved   in window   classes   distance")
    rng = np.random.default_rng(0)
    full = [figures(rng.permutation(given.rows), classes) for _ in range(given.epochs)]
    moved, seen, distance = np.mean(full, 0)
    print(f"{'full shuffle':>29}   {moved:5.3f}   {'':>9}   {seen:7.2f}   {distance:8.3f}")
    for shard in (256, 1024, 2720):
        starts = np.append(np.arange(0, given.rows, shard), given.rows)
        for window in (1, 2048, 8192, 32768):
            order = StreamOrder(np.arange(given.rows), starts, shuffle_rows=window, seed=0)
            orders = [epoch_order(order, epoch) for epoch in range(given.epochs)]
            moved, seen, distance = np.mean([figures(rows, classes) for rows in orders], 0)
            places = [np.abs(w.order - np.arange(len(w.order))).mean() for w in order.epoch(0)]
            print(
                f"{shard:14,}   {window:12,}   {moved:5.3f}   {np.mean(places):9,.0f}   "
                f"{seen:7.2f}   {distance:8.3f}"
            )


if __name__ == "__main__":
    main()
