"""Pictures of one shape each, drawn by our own code, so that every label is true."""
