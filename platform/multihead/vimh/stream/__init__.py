"""Training on sets in shards: the order of the rows, the reading ahead, the batches."""
