"""The built-in kinds of heads, one file each."""
