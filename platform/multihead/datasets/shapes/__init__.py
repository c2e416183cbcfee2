"""Drawn pictures of one shape each, with exact labels."""
