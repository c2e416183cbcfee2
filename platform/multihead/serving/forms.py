"""Decode pictures in a `multipart/form-data` form, as `curl -F` and browsers send it."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, State

from multihead.datasets.preparation import Preparation
from multihead.serving.budget import Share
from multihead.serving.errors import too_large, wrong
from multihead.serving.pictures import NAMED, decode_files

FORM = "multipart/form-data"
_LONGEST_BOUNDARY = 70  # characters; RFC 2046, section 5.1.1
_MOST_OF_HEADERS = 4096  # bytes of headers in a part
_BLANK_LINE = re.compile(rb"\r\n\r\n|\r\r|\n\n")
_TRUTHS = {b"true": True, b"false": False}


def boundary_of(content_type: str) -> bytes:
    """Return the boundary between the parts of a form.

    Args:
        content_type: The header with its options.

    Raises:
        RequestError: If the header has no valid boundary.
    """
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii():
        raise wrong(f"Content-Type is {FORM} without a boundary of 1 to 70 ASCII characters.")
    return boundary.encode()


def decode_form(
    body: bytes | bytearray,
    boundary: bytes,
    shape: tuple[int, int, int],
    max_batch: int,
    memory: Share,
    *,
    resize: bool,
    preparation: Preparation | None = None,
) -> NDArray[np.uint8]:
    """Return the pictures of a form as uint8 [B, H, W, C], in the order of its parts.

    Args:
        body: A form with one file per part, and an optional field `resize` (`true` or `false`).
        boundary: The boundary between the parts.
        shape: H, W, C of the model.
        max_batch: Largest number of pictures.
        memory: The memory budget of the request.
        resize: See `decode_files`. The form's field `resize` overrides it.
        preparation: How training prepared pictures.

    Raises:
        RequestError: If a part or picture cannot be used. It names the part or picture and the
            reason.
    """
    files, fields = [], dict[str, bytes]()
    for name, is_file, content in _parts(body, boundary):
        if is_file:
            files.append(content)
        elif name != "resize" or name in fields or content not in _TRUTHS:
            raise wrong(
                f"the form has {name[:100]!r} as {content[:20]!r}; give files, as in "
                f"curl -F file=@0.png, and resize as true or false once."
            )
        else:
            fields[name] = content
        if len(files) > max_batch:
            raise too_large(f"more than {max_batch} images, this server's limit per request.")
    if not files:
        raise wrong(f"the form has no file; give {NAMED} files, as in curl -F file=@0.png.")
    resize = _TRUTHS[fields["resize"]] if fields else resize
    return decode_files(files, shape, memory, resize=resize, preparation=preparation)


def _parts(body: bytes | bytearray, boundary: bytes) -> Iterator[tuple[str, bool, bytes]]:
    """Yield each part's name, whether it is a file, and its content.

    Raises:
        RequestError: If the body is not a complete form.
    """
    decoder = MultipartDecoder(boundary)
    decoder.receive_data(bytes(body))
    decoder.receive_data(None)
    part: File | Field | None = None
    content = b""
    while True:
        if decoder.state is State.PART:
            part = None
            if _BLANK_LINE.search(decoder.buffer[:_MOST_OF_HEADERS]) is None:
                raise wrong(
                    f"a part of the form has headers of more than {_MOST_OF_HEADERS:,} bytes."
                )
        try:
            event = decoder.next_event()
        except ValueError as error:
            raise wrong(
                "the body is not a complete form with the boundary of Content-Type."
            ) from error
        if isinstance(event, Epilogue):
            return
        if isinstance(event, File | Field):
            part, content = event, b""
        elif isinstance(event, Data) and part is not None:
            content += event.data
            if not event.more_data:
                yield part.name or "", isinstance(part, File), content
