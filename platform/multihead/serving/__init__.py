"""Serve trained models: in MLflow, over HTTP, and as exported files."""
