"""Ablations: arms that differ only in what a file says, compared seed by seed."""
