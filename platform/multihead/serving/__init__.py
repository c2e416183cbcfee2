"""Models that answer for all heads: in MLflow, over HTTP, and in other formats."""
