"""A picture that is posted becomes the pixels that it was in training."""

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from starlette.testclient import TestClient
from tests.picture_kinds import SAVE, write
from tests.serving.conftest import serving
from tests.serving.test_page import CHROMIUM

from multihead import SimpleCNN, load_run, run
from multihead.datasets.picture_files import PictureOptions, open_pictures
from multihead.datasets.preparation import Preparation
from multihead.errors import CheckpointError, ConfigError, DataError
from multihead.heads import Heads
from multihead.hosts import KnownHosts
from multihead.runs.bundle import MODEL, read_bundle, write_bundle
from multihead.runs.load import LoadedRun
from multihead.serving.app import Limits, make_app
from multihead.serving.batching import Answer
from multihead.serving.export import export
from multihead.serving.model import ServedModel, find_model
from multihead.tracking.store import Store

TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


class Shown(ServedModel):
    """A served model that tells which pixels reached its network."""

    def answer(self, images: np.ndarray) -> Answer:
        self.loaded.seen.append(images.copy())
        return super().answer(images)


def served(preparation: Preparation | None, shape: tuple[int, int, int]) -> Shown:
    heads = Heads.from_outputs({"kind": 2})
    channels, height, width = shape
    network = SimpleCNN(channels, heads_config={"kind": 2}, input_size=(height, width))
    record = {
        "heads": heads,
        "image_shape": shape,
        "mean": [0.5] * channels,
        "std": [0.5] * channels,
        "preparation": preparation,
    }
    loaded = LoadedRun(network, record, {})
    loaded.seen = []
    return Shown(loaded, np.zeros((1, height, width, channels), np.uint8), "made", "made")


def client_of(model: ServedModel) -> TestClient:
    return TestClient(make_app(model, Limits(), KnownHosts(["testserver"])))


@pytest.mark.parametrize("size", [None, (20, 12)])
@pytest.mark.parametrize("kind", SAVE)
def test_a_posted_picture_has_the_pixels_of_training(
    kind: str, size: tuple[int, int] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTIHEAD_HOME", str(tmp_path / "home"))
    paths = write(tmp_path / "a", kind)
    options = PictureOptions(size=size)
    found = open_pictures(paths, root=tmp_path / "a", rows=range(1, 5), options=options)
    model = served(found.preparation, found.preparation.shape)
    with client_of(model) as client:
        for path in paths:
            headers = {"Content-Type": TYPES[path.suffix]}
            answer = client.post("/invocations", content=path.read_bytes(), headers=headers)
            assert answer.status_code == 200, answer.text
        texts = [base64.b64encode(path.read_bytes()).decode() for path in paths]
        assert client.post("/invocations", json={"images": texts}).status_code == 200
        shown = client.post("/pixels", json={"images": texts})
        files = [("file", (path.name, path.read_bytes())) for path in paths]
        assert client.post("/pixels", files=files).content == shown.content
        assert client.post("/invocations", files=files).status_code == 200
    trained = found.images[:].transpose(0, 2, 3, 1)
    assert shown.content == trained.tobytes()
    assert np.array_equal(np.concatenate(model.loaded.seen), np.concatenate([trained] * 3))


def test_without_a_record_pictures_are_read_as_before() -> None:
    """Models that were trained on pixels, or before the record was made."""
    model = served(None, (3, 16, 24))
    with client_of(model) as client:
        assert client.get("/model").json()["preparation"] is None
    with pytest.raises(DataError, match="does not record how picture files are read"):
        model.loaded.pictures([Path("a.png")])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("rotated", "is 16 x 24 (width x height), but this model takes 24 x 16; add"),
        ("twelve bits", "picture 0 has 16 bits per pixel; pictures of 8 bits were expected"),
    ],
)
def test_without_a_record_what_is_not_known_is_refused(
    kind: str, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a", kind, 8)[5 if kind == "rotated" else 0]
    with client_of(served(None, (3, 16, 24))) as client:
        headers = {"Content-Type": TYPES[path.suffix]}
        answer = client.post("/invocations", content=path.read_bytes(), headers=headers)
    assert (answer.status_code, reason in answer.json()["error"]) == (400, True), answer.text


@pytest.mark.parametrize(("largest", "status"), [(4095, 200), (5000, 400)])
def test_a_picture_beyond_the_range_of_the_training_is_refused(
    largest: int, status: int, tmp_path: Path
) -> None:
    """Its brightest parts would become white without a word."""
    path, values = tmp_path / "a.png", np.zeros((16, 16), np.uint16)
    values[3, 5] = largest
    Image.fromarray(values).save(path)
    with client_of(served(Preparation(1, (16, 16), deepest=4095), (1, 16, 16))) as client:
        headers = {"Content-Type": "image/png"}
        answer = client.post("/invocations", content=path.read_bytes(), headers=headers)
    assert answer.status_code == status, answer.text
    assert status == 200 or answer.json()["error"] == (
        "picture 0 has values up to 5,000, but this model takes 0 to 4,095, the range of its "
        "training; scale the picture to that range."
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write(folder, "twelve bits", 40)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("pictured") / "home"
    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIHEAD_HOME", str(home))
        patch.chdir(home.parent)
        yield home


@pytest.fixture(scope="module")
def trained(folder: Path, home: Path) -> SimpleNamespace:
    """A training on pictures of twelve bits, and its store."""
    result = run(
        [
            "experiment=multihead_cnn_digits",
            "data.source._target_=tests.serving.pictured.pictures",
            f"data.data_dir={folder}",
            "data.train_val_test_split=[30,10,40]",
            "data.heads=null",
            "model.loss_weights=null",
            "model.criteria=null",
            "callbacks=score",
            "optimized_metric=val/score",
            "trainer.max_epochs=1",
            "trainer.accelerator=cpu",
        ]
    )
    return SimpleNamespace(run=str(result.run_id), store=Store(home=home))


@pytest.mark.slow
def test_the_record_goes_with_the_run_its_model_and_every_export(
    trained: SimpleNamespace, folder: Path, tmp_path: Path
) -> None:
    import onnx
    from safetensors import safe_open

    loaded = load_run(trained.run, trained.store)
    wanted = loaded.preparation.record()
    assert (wanted["deepest"], wanted["size"], wanted["channels"]) == (4095, [16, 16], 1)
    model = find_model(trained.run, trained.store)
    assert model.loaded.preparation == loaded.preparation
    with client_of(model) as client:
        assert client.get("/model").json()["preparation"] == wanted
    made = {
        form: export(trained.run, form, tmp_path / form, store=trained.store).path
        for form in ("safetensors", "onnx", "torchscript")
    }
    with safe_open(made["safetensors"], framework="np") as file:
        assert json.loads(file.metadata()["multihead"])["preparation"] == wanted
    (entry,) = onnx.load(made["onnx"]).metadata_props
    assert json.loads(entry.value)["preparation"] == wanted
    assert b'"deepest": 4095' in made["torchscript"].read_bytes()


@pytest.mark.slow
def test_a_loaded_run_reads_pictures_as_its_training_did(
    trained: SimpleNamespace, folder: Path
) -> None:
    from tests.serving.pictured import pictures

    loaded = load_run(trained.run, trained.store)
    paths = sorted(folder.iterdir())
    assert np.array_equal(loaded.pictures(paths), pictures(folder, "test").images[:])
    assert np.array_equal(loaded.pictures(list(map(str, paths))), loaded.pictures(paths))
    with pytest.raises(DataError, match=r"none\.png cannot be read"):
        loaded.pictures([folder / "none.png"])


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH")
def test_the_page_shows_an_uploaded_picture_as_the_network_gets_it(
    trained: SimpleNamespace, folder: Path, home: Path
) -> None:
    """A browser would leave 16 of 256 grey levels of twelve bits."""
    path = folder / "3.png"
    wanted = load_run(trained.run, trained.store).pictures([path])
    with serving(trained.run, home) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        expect(page.get_by_label("Example").get_by_role("option")).not_to_have_count(1)
        page.get_by_label("Upload a picture").set_input_files(path)
        expect(page.locator("#message")).to_contain_text("kind: ")
        assert page.evaluate("[...pixels()]") == wanted.ravel().tolist()
        browser.close()


@pytest.mark.parametrize(
    "change",
    [{"deepest": "4095"}, {"size": [8, 8]}, {"size": 3}, {"resize": "zoom"}, {"channels": 7}, None],
)
def test_a_damaged_record_is_refused(change: dict | None, tmp_path: Path) -> None:
    preparation = Preparation(1, (16, 16))
    loaded = served(preparation, (1, 16, 16)).loaded
    loaded.node = {"_target_": "multihead.SimpleCNN"}
    write_bundle(loaded, tmp_path / "bundle", np.zeros((1, 16, 16, 1), np.uint8))
    assert read_bundle(tmp_path / "bundle").preparation == preparation
    path = tmp_path / "bundle" / MODEL
    record = json.loads(path.read_text())
    record["preparation"] = [] if change is None else record["preparation"] | change
    path.write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="damaged"):
        read_bundle(tmp_path / "bundle")


def test_an_impossible_preparation_is_refused() -> None:
    with pytest.raises(ConfigError, match="has deepest=0"):
        replace(Preparation(1, (8, 8)), deepest=0)
