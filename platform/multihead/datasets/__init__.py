"""Datasets, a function `(data_dir, split) -> Source` each; what makes and converts them."""
