"""The training of a network: module, balancing, metrics, checkpoints."""
