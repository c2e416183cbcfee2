"""Pictures from tables and arrays."""
