"""What a run measures: a file per metric, which says what its figures mean and how they come."""
