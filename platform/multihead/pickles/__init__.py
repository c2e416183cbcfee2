"""Reading pickles of arrays, and running nothing that is in them."""
