"""Some of the heads, by `data.only_heads`."""

import shlex
from pathlib import Path

import pytest
from tests.conftest import DIGITS

from multihead.errors import ConfigError
from multihead.runs.build import build
from multihead.runs.config import compose_run


@pytest.mark.parametrize("kept", [["thickness"], ["digit", "smoothness"], ["smoothness"]])
def test_one_error_names_all_overrides_that_leave_out_a_head(home: Path, kept: list[str]) -> None:
    """Each of three errors named one."""
    typed = [*DIGITS, f"data.only_heads=[{','.join(kept)}]"]
    with pytest.raises(ConfigError, match=f"keeps {', '.join(kept)}, but .*; add ") as refused:
        build(compose_run(typed))
    more = shlex.split(str(refused.value).partition("; add ")[2])
    assert list(build(compose_run([*typed, *more])).data.heads) == kept
