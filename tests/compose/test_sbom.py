"""`make sbom` of the images that the tests build."""

import json
from pathlib import Path

import pytest
from tests.compose.stack import IMAGE, Stack
from tests.test_packaging import LOCKS, pins

pytestmark = pytest.mark.compose(minutes=0.5)


@pytest.mark.usefixtures("images")
def test_each_image_has_a_list_of_its_python_and_debian_packages(tmp_path: Path) -> None:
    stack = Stack("multihead-sbom")
    stack.run(["tools/sbom.sh", str(tmp_path)])
    found = {
        file.name.removesuffix(".cdx.json"): json.loads(file.read_text())
        for file in tmp_path.iterdir()
    }
    assert set(found) == {f"{IMAGE}_latest", f"{IMAGE}-server_latest", "postgres_17-trixie"}
    assert {sbom["bomFormat"] for sbom in found.values()} == {"CycloneDX"}
    urls = {
        name: {part.get("purl", "").partition("?")[0] for part in sbom["components"]}
        for name, sbom in found.items()
    }
    locked = pins(LOCKS[0])
    trainer, server = urls[f"{IMAGE}_latest"], urls[f"{IMAGE}-server_latest"]
    mlflow, torch = (f"pkg:pypi/{name}@{locked[name]}" for name in ("mlflow", "torch"))
    assert mlflow in trainer & server
    assert torch in trainer - server
    for some in urls.values():
        assert any(url.startswith("pkg:deb/debian/postgresql-client-17@") for url in some)
