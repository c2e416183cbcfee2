"""The terminal: nothing else in the package writes to it, so text of others is always text."""
