"""From a study's key `engine` to the engine."""

from multihead.studies.create_or_resume import OpenStudy
from multihead.studies.engines.choice import LocalChoice, RayChoice, SubmititChoice
from multihead.studies.engines.engine import Engine
from multihead.studies.engines.local import LocalEngine


def make_engine(opened: OpenStudy) -> Engine:
    """Return the engine that a study asks for, which has started nothing yet.

    `checks.check_engine` has seen that it can run the study.
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
