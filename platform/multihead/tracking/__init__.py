"""The record of a run, and the store it is in."""
