"""The files of examples/, imported by their own names, as a person's Python would."""

import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"


@cache
def example(path: str) -> ModuleType:
    """Return the module of a file, such as `plugins/count_kind.py`."""
    file = EXAMPLES / path
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[file.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
