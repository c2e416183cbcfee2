"""The records of runs, and the store that holds them."""
