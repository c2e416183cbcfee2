"""Who starts the workers of a study: this machine, or a scheduler that the user has already.

A new engine is one module here, its settings in `choice`, and its line in `make_engine`. Nothing
else of a study knows of it: workers find their trials in the storage, wherever they run.
"""
