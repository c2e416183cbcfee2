"""The shipped kinds of heads, a file each."""
