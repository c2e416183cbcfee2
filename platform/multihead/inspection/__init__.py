"""Inspect a dataset: counts, duplicate images, heads that depend on each other, and oddities."""
