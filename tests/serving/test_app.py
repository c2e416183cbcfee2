"""What the server answers, and what it refuses and why."""

import base64
import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from multihead.hosts import KnownHosts
from multihead.serving.app import Limits, make_app
from multihead.serving.batching import Answer
from multihead.serving.model import ServedModel
from multihead.serving.pictures import _webp_pixels

RAW = {"Content-Type": "application/octet-stream"}
HEADS = ("digit", "thickness", "smoothness")
Examples = tuple[np.ndarray, dict[str, np.ndarray]]


def _said(answer: object) -> dict[str, list[int]]:
    rows = answer.json()["predictions"]
    return {head: [row[head] for row in rows] for head in HEADS}


def _expected(examples: Examples) -> dict[str, list[int]]:
    return {head: examples[1][head].tolist() for head in HEADS}


def _picture(pixels: np.ndarray, form: str = "PNG") -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return base64.b64encode(file.getvalue()).decode()


def test_numbers_bytes_and_pictures_get_the_checkpoints_answers(
    client: TestClient, examples: Examples
) -> None:
    images = examples[0]
    pictures = [_picture(image[:, :, 0]) for image in images]
    urls = [f"data:image/png;base64,{picture}" for picture in pictures]
    answers = [
        client.post("/invocations", json={"inputs": images.tolist()}),
        client.post("/invocations", json={"instances": images.astype(float).tolist()}),
        client.post("/invocations", content=images.tobytes(), headers=RAW),
        client.post(
            "/invocations", content=images.tobytes(), headers=RAW | {"X-Shape": "12,8,8,1"}
        ),
        client.post("/invocations", json={"images": pictures}),
        client.post("/invocations", json={"images": urls}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert _said(answer) == _expected(examples)


def test_a_picture_may_be_the_body_itself(client: TestClient, examples: Examples) -> None:
    png = base64.b64decode(_picture(examples[0][0, :, :, 0]))
    answer = client.post("/invocations", content=png, headers={"Content-Type": "image/png"})
    assert _said(answer)["digit"] == _expected(examples)["digit"][:1]


def test_a_probability_for_each_head_and_all_of_them_on_request(
    client: TestClient, examples: Examples
) -> None:
    body = client.post(
        "/invocations?probabilities=true", content=examples[0].tobytes(), headers=RAW
    ).json()
    for head, classes in zip(HEADS, (10, 5, 3), strict=True):
        every = np.array(body["probabilities"][head])
        assert every.shape == (12, classes)
        stated = [row[f"{head}_probability"] for row in body["predictions"]]
        np.testing.assert_allclose(every.max(1), stated, rtol=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"nonsense", 400, "not JSON"),
        (b"[" * 5000, 400, "not JSON"),
        (b"[]", 400, "not a JSON object"),
        (b"{}", 400, "the keys []"),
        (b'{"pixels": 1}', 400, "unknown key 'pixels'"),
        (b'{"inputs": [[1, 2], [3]]}', 400, "ragged"),
        (b'{"inputs": [[1, 2]]}', 400, "shape [1, 2]; this model takes uint8 [B, 8, 8, 1]"),
        (b'{"inputs": []}', 400, "shape [0]"),
        (b'{"inputs": "a"}', 400, "inputs holds no list of numbers"),
        (b'{"images": []}', 400, "not a list of pictures"),
        (b'{"images": [3]}', 400, "picture 0 is not text"),
        (b'{"images": ["*"]}', 400, "picture 0 is not base64"),
        (b'{"images": ["AAAA"]}', 400, "not a PNG, JPEG, WebP or BMP"),
        (b'{"images": ["AAAA"], "resize": 1}', 400, "resize is 1"),
        (json.dumps({"images": ["A"] * 17}).encode(), 413, "takes 16 per request"),
        (b" " * 20_001, 413, "more than 20,000 bytes"),
    ],
)
def test_a_wrong_json_body_is_refused_with_the_reason(
    client: TestClient, body: bytes, status: int, reason: str
) -> None:
    answer = client.post("/invocations", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (256, "0 to 256"),
        (-1, "-1 to 0"),
        (0.5, "fractions"),
        ("a", "other values than"),
        (True, "other values than"),
    ],
)
def test_numbers_that_are_no_pixels_are_refused(
    client: TestClient, value: object, reason: str | None
) -> None:
    pixels = np.zeros((1, 8, 8, 1), int).tolist()
    pixels[0][0][0][0] = value
    answer = client.post("/invocations", json={"inputs": pixels})
    assert answer.status_code == (200 if reason is None else 400)
    assert reason is None or reason in answer.json()["error"]


@pytest.mark.parametrize(
    ("count", "shape", "status", "reason"),
    [
        (63, None, 400, "multiple of 64 bytes"),
        (0, None, 400, "0 bytes"),
        (64, "2,8,8,1", 400, "the body has 64 bytes"),
        (64, "1,1,8,8", 400, "this model takes uint8 [B, 8, 8, 1]"),
        (64, "a", 400, "give numbers"),
        (64 * 17, None, 413, "takes 16 per request"),
    ],
)
def test_bytes_of_another_shape_are_refused(
    client: TestClient, count: int, shape: str | None, status: int, reason: str
) -> None:
    headers = RAW if shape is None else RAW | {"X-Shape": shape}
    answer = client.post("/invocations", content=bytes(count), headers=headers)
    assert answer.status_code == status
    assert reason in answer.json()["error"]


def test_a_picture_of_another_size_is_fitted_only_on_request(client: TestClient) -> None:
    picture = _picture(np.zeros((20, 30, 3), np.uint8), "JPEG")
    refused = client.post("/invocations", json={"images": [picture]})
    assert refused.status_code == 400
    assert "30 x 20 (width x height), but this model takes 8 x 8" in refused.json()["error"]
    assert client.post("/invocations", json={"images": [picture], "resize": True}).is_success


def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused(client: TestClient) -> None:
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + size
    header = struct.pack(">I", len(size)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    bomb = base64.b64encode(b"\x89PNG\r\n\x1a\n" + header).decode()
    answer = client.post("/invocations", json={"images": [bomb], "resize": True})
    assert answer.status_code in (400, 413), answer.text
    assert "picture 0" in answer.json()["error"]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_picture_may_have_any_format_that_is_bounded(client: TestClient, form: str) -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    file = base64.b64decode(_picture(grey, form))
    answer = client.post(
        "/invocations", content=file, headers={"Content-Type": f"image/{form.lower()}"}
    )
    assert answer.is_success, answer.text


@pytest.mark.parametrize("form", ["TIFF", "GIF"])
def test_other_formats_are_refused_whatever_they_are_called(client: TestClient, form: str) -> None:
    file = base64.b64decode(_picture(np.zeros((8, 8), np.uint8), form))
    answer = client.post("/invocations", content=file, headers={"Content-Type": "image/png"})
    assert answer.status_code == 400
    assert answer.json()["error"] == (
        "picture 0 is not a PNG, JPEG, WebP or BMP file; save it as PNG."
    )


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("extended", [True, False])
def test_the_size_of_a_webp_is_known_before_it_is_opened(lossless: bool, extended: bool) -> None:
    file = io.BytesIO()
    extra = {"exif": b"Exif\0\0"} if extended else {}
    Image.new("RGB", (70, 30)).save(file, "WEBP", lossless=lossless, **extra)
    assert _webp_pixels(file.getvalue()) == 70 * 30


def test_a_webp_that_claims_a_huge_picture_is_refused_unopened(client: TestClient) -> None:
    side = (16_383).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + side + side
    file = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    answer = client.post("/invocations", content=file, headers={"Content-Type": "image/webp"})
    assert answer.status_code == 413
    assert "268,435,456 pixels" in answer.json()["error"]


def test_a_truncated_picture_is_named(client: TestClient) -> None:
    whole = base64.b64decode(_picture(np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)))
    cut = base64.b64encode(whole[:-30]).decode()
    answer = client.post("/invocations", json={"images": [cut]})
    assert answer.status_code == 400
    assert "picture 0 is damaged" in answer.json()["error"]


def test_what_is_transparent_is_black(client: TestClient) -> None:
    clear = np.full((8, 8, 4), 255, np.uint8)
    clear[:, :, 3] = 0
    black = client.post("/invocations", content=bytes(64), headers=RAW)
    assert _said(client.post("/invocations", json={"images": [_picture(clear)]})) == _said(black)


def test_other_types_paths_and_methods_are_refused_in_json(client: TestClient) -> None:
    assert client.post("/invocations", content=b"x").status_code == 415
    assert client.get("/invocations").status_code == 405
    missing = client.get("/../etc/passwd")
    assert (missing.status_code, list(missing.json())) == (404, ["error"])


def test_health_and_versions_are_told(client: TestClient) -> None:
    assert client.get("/ping").status_code == client.get("/health").status_code == 200
    assert list(client.get("/version").json()) == ["multihead", "mlflow"]
    assert client.get("/model").json()["shape"] == [8, 8, 1]


def test_the_page_may_load_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for text in (page.text, client.get("/page.js").text, client.get("/page.css").text):
        assert "http:" not in text
        assert "https:" not in text


class _Stuck(ServedModel):
    """A network that fails, or does not come back in time."""

    seconds = 0.0

    def answer(self, images: np.ndarray) -> Answer:
        import time

        time.sleep(self.seconds)
        raise RuntimeError("secret")


def _with(served: ServedModel, limits: Limits, seconds: float) -> TestClient:
    stuck = _Stuck(served.loaded, served.examples, served.uri, served.run_id)
    object.__setattr__(stuck, "seconds", seconds)
    return TestClient(
        make_app(stuck, limits, KnownHosts(["testserver"])), raise_server_exceptions=False
    )


def test_an_answer_that_takes_too_long_is_a_504(served: ServedModel) -> None:
    with _with(served, Limits(timeout=0.05), 0.3) as client:
        answer = client.post("/invocations", content=bytes(64), headers=RAW)
    assert (answer.status_code, list(answer.json())) == (504, ["error"])


def test_a_fault_of_the_server_tells_the_client_nothing_of_its_inside(served: ServedModel) -> None:
    with _with(served, Limits(), 0) as client:
        answer = client.post("/invocations", content=bytes(64), headers=RAW)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_other_names_and_pages_of_others_get_403(
    client: TestClient, headers: dict[str, str]
) -> None:
    answer = client.post("/invocations", content=bytes(64), headers=RAW | headers)
    assert (answer.status_code, list(answer.json())) == (403, ["error"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Encoding": "gzip"}, 415),
        ({"X-Shape": "9" * 5000}, 400),
        ({"X-Shape": "-1,8,8,1"}, 400),
        ({"X-Shape": "1_0,8,8,1"}, 400),
        ({"X-Shape": ""}, 400),
        ({"Content-Type": "x" * 3000}, 415),
    ],
)
def test_odd_headers_are_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    answer = client.post("/invocations", content=bytes(64), headers=RAW | headers)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


@pytest.mark.parametrize("path", ["//evil.example/x", "/page.css%3F", "/%2e%2e/x", "/a" * 3000])
def test_odd_paths_are_not_found(client: TestClient, path: str) -> None:
    answer = client.get(f"http://testserver{path}")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])
    assert len(answer.content) < 500


def _damaged() -> dict[str, bytes]:
    """Files that made Pillow raise what no file should, or work for minutes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    def png(colours: int, *chunks: bytes) -> bytes:
        size = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, colours, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + size + b"".join(chunks) + chunk(b"IEND", b"")

    pixels = chunk(b"IDAT", zlib.compress(bytes(9 * 8)))
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG", progressive=True)
    scan = file.getvalue().rindex(b"\xff\xda")
    jpeg = file.getvalue()
    return {
        "no palette": png(3, pixels),
        "a profile that ends early": png(0, pixels, chunk(b"iCCP", b"x")),
        "a text that unpacks to a gigabyte": png(
            0, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))), pixels
        ),
        "a webp that ends early": b"RIFF\x20\0\0\0WEBPVP8L\x08\0\0\0\x2f\7\xc0\1\0",
        "run lengths": b"BM" + bytes(12) + b"\x28" + bytes(15) + b"\1\0\0\0" + bytes(60),
        "scans without end": jpeg[:scan] + jpeg[scan:-2] * 500 + jpeg[-2:],
    }


@pytest.mark.parametrize("name", _damaged())
def test_a_damaged_picture_is_refused(served: ServedModel, name: str) -> None:
    app = make_app(served, Limits(), KnownHosts(["testserver"]))
    with TestClient(app, raise_server_exceptions=False) as client:
        file = _damaged()[name]
        answer = client.post("/invocations", content=file, headers={"Content-Type": "image/png"})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
