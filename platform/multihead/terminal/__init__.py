"""Output to the terminal. Only this package writes to it, so foreign text is always escaped."""
