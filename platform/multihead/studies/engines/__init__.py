"""Engines start the workers of a study, on this machine or with the user's scheduler.

A new engine needs one module here, its settings in `choice` and a line in `make_engine`. The rest
of a study does not depend on it, since workers find their trials in the storage.
"""
