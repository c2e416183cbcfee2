"""What a dataset holds: counts, copies, labels that follow from each other, and what is odd."""
