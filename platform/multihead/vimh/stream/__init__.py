"""Training on datasets in shards: the order of the rows, reading ahead, and batches."""
