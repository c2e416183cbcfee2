"""Pictures in a form, as `curl -F file=@0.png` sends them."""

import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

Examples = tuple[np.ndarray, dict[str, np.ndarray]]
END = b"--b--\r\n"
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="0.png"\r\n'


def picture(pixels: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def field(name: str, value: bytes) -> bytes:
    return (
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
    )


def post(client: TestClient, body: bytes, kind: str = "multipart/form-data; boundary=b"):
    return client.post("/invocations", content=body, headers={"Content-Type": kind})


@pytest.mark.parametrize("count", [1, 12])
def test_files_of_a_form_are_answered_in_order(
    client: TestClient, examples: Examples, count: int
) -> None:
    files = [("file", (f"ü {n}.png", picture(examples[0][n, :, :, 0]))) for n in range(count)]
    answer = client.post("/invocations", files=files)
    assert answer.status_code == 200, answer.text
    said = [row["digit"] for row in answer.json()["predictions"]]
    assert said == examples[1]["digit"].tolist()[:count]


def test_a_form_may_ask_for_another_size_to_be_fitted(client: TestClient) -> None:
    files = [("any", ("a.bmp", picture(np.full((20, 20), 255, np.uint8), "BMP")))]
    refused = client.post("/invocations", files=files)
    assert refused.status_code == 400
    assert '"resize": true' in refused.json()["error"]
    assert client.post("/invocations", files=files, data={"resize": "true"}).status_code == 200
    assert client.post("/invocations?resize=true", files=files).status_code == 200


def test_a_form_without_line_feeds_of_its_own_is_read(client: TestClient) -> None:
    """Bytes of a file may look like the end of a line, or like a boundary."""
    png = picture(np.zeros((8, 8), np.uint8))
    body = FILE + b"\r\n" + png + b"\r\n--bb\n--b \r\n\r\n\r\n--b--"
    assert post(client, body).status_code == 400
    assert post(client, FILE + b"\r\n" + png + b"\r\n" + END).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "not a complete form"),
        (b"nonsense", 400, "not a complete form"),
        (END, 400, "has no file"),
        (FILE + b"\r\n" + b"x" * 20, 400, "not a complete form"),
        (FILE + b"\r\nx\r\n" + END, 400, "picture 0 is not a PNG"),
        (b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n" + END, 400, "not a complete form"),
        (
            b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n' + END,
            400,
            "not a complete",
        ),
        (b"--b\r\nX: " + b"y" * 5000 + b"\r\n\r\n\r\n" + END, 400, "headers of more than 4,096"),
        (field("resize", b"yes") + END, 400, "the form has 'resize' as b'yes'"),
        (field("resize", b"true") * 2 + END, 400, "true or false once"),
        (field("file", b"0.png") + END, 400, "as in curl -F file=@0.png"),
        ((FILE + b"\r\nx\r\n") * 17 + END, 413, "more than 16 images"),
        (FILE + b"\r\n" + b"x" * 20_000 + b"\r\n" + END, 413, "more than 20,000 bytes"),
    ],
)
def test_a_wrong_form_is_refused_in_json(
    client: TestClient, body: bytes, status: int, reason: str
) -> None:
    answer = post(client, body)
    assert answer.status_code == status
    (said,) = answer.json().values()
    assert reason in said
    assert "\n" not in said


@pytest.mark.parametrize("kind", ["", "; boundary=", "; boundary=" + "x" * 71, "; boundary=ü"])
def test_a_form_without_a_boundary_is_refused(client: TestClient, kind: str) -> None:
    answer = post(client, END, f"multipart/form-data{kind}".encode("latin-1"))  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert "boundary" in answer.json()["error"]
