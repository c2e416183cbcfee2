"""Searches: many runs, chosen by Optuna, in parallel, none of them lost."""
