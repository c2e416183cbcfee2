from pathlib import Path

import pytest
from tests.vimh_files import DRUM, NOTE, write_folder

from multihead import VIMHDataModule
from multihead.errors import ConfigError
from multihead.heads import KINDS, Kind


def kinds(tmp_path: Path, head_kinds: object) -> dict[str, Kind]:
    folder = write_folder(
        tmp_path, size=(1, 1, 1), counts=(1, 1), mappings={"drum": DRUM, "n": NOTE}
    )
    heads = VIMHDataModule(folder, head_kinds=head_kinds).heads
    return {name: head.kind for name, head in heads.items()}


def test_one_kind_is_for_all_that_have_a_range(tmp_path: Path) -> None:
    assert kinds(tmp_path, None)["n"] == KINDS["ordinal"]
    assert kinds(tmp_path, "bounded_regression") == {
        "drum": KINDS["classification"],
        "n": KINDS["bounded_regression"],
    }


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("best", "data.head_kinds is 'best'; choose one of"),
        ({"n": "best"}, "data.head_kinds.n is 'best'; choose one of"),
        ({"m": "ordinal"}, r"names head 'm', but .* has the heads \['drum', 'n'\]"),
        ({"drum": "ordinal"}, "classes without an order"),
    ],
)
def test_other_kinds_are_refused(tmp_path: Path, given: object, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        kinds(tmp_path, given)
