"""What all datasets share: sources, the DataModule, loaders, splits, normalisation, labels."""
