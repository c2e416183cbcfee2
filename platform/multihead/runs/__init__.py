"""From a configuration to a recorded run."""
