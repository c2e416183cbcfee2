"""Synthesised plucked and struck strings as mel spectrograms, with exact labels."""
