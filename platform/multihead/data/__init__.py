"""Datasets as sources, their heads, splits and loaders."""
