"""Read pickles of arrays without running code in them."""
