"""Turn a configuration into a recorded run."""
