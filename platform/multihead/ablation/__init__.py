"""Ablations: arms that differ only as a file defines, compared seed by seed."""
