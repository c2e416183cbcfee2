"""Make the engine for a study's key `engine`."""

from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.engines.choice import LocalChoice, RayChoice, SubmititChoice
from multihead.studies.engines.engine import Engine
from multihead.studies.engines.local import LocalEngine


def make_engine(opened: OpenStudy) -> Engine:
    """Return the study's engine, which has not started anything yet.

    `checks.check_engine` must have checked that it can run the study.
    """
    choice = opened.definition.engine
    if isinstance(choice, RayChoice):
        from multihead.studies.engines.ray import RayEngine

        return RayEngine(opened)
    if isinstance(choice, SubmititChoice):
        from multihead.studies.engines.submitit import SubmititEngine

        return SubmititEngine(opened)
    assert isinstance(choice, LocalChoice)
    return LocalEngine(opened)
