"""Code for all datasets: sources, the DataModule, loaders, splits, normalisation, labels."""
