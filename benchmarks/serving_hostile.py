"""Slow and large clients for serving.py --load, as a separate process.

    python benchmarks/serving_hostile.py ADDRESS SECONDS SLOW LARGE VALID.json

SLOW is the number of connections that send a byte every half second to a server on loopback. A
third never ends the headers, a third never ends a body, and a third never reads the answers. LARGE
is the number of clients that send one large body after another: valid JSON (the file VALID.json),
and JSON of wrong shapes. All end after SECONDS. It prints JSON: the number of answers by status,
and the answers to VALID.json that differ from the first.
"""

import asyncio
import contextlib
import http.client
import itertools
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

_LARGE = 15_000_000
_UNITS = (b"[],", b"0,", b'"",', b"{},", b"[", b"9", b"1.5,")
_HEAD = "POST /invocations HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n{more}\r\n"


async def main() -> None:
    """Run all clients, and print the counts of answers."""
    address, seconds, slow, large, valid = sys.argv[1:]
    place = urlsplit(address)
    if place.hostname != "127.0.0.1" or place.port is None:
        sys.exit("this is for a server on 127.0.0.1 alone.")
    statuses: Counter[str] = Counter()
    answers: list[bytes] = []
    right = Path(valid).read_bytes()
    wrong = [b'{"inputs": [' + unit * (_LARGE // len(unit)) for unit in _UNITS]
    wrong += [b'{"inputs": ["' + b"a" * _LARGE + b'"' + b',""' * 3000 + b"]}"]
    wrong += [b'{"images": ["' + b"A" * _LARGE + b'"]}']
    end = time.monotonic() + float(seconds)
    threads = []
    for number in range(int(large)):
        bodies = [right] if number % 2 else wrong[number % len(wrong) :] + wrong
        arguments = (place.port, bodies, right, end, statuses, answers)
        threads.append(threading.Thread(target=_large, args=arguments))
        threads[-1].start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(float(seconds)):
            await asyncio.gather(*(_slow(place.port, number % 3) for number in range(int(slow))))
    for thread in threads:
        thread.join()
    different = sum(answer != answers[0] for answer in answers)
    first = answers[0].decode() if answers else None
    print(json.dumps({"statuses": statuses, "different": different, "first": first}))


async def _slow(port: int, kind: int) -> None:
    """Keep one connection open, and open it again when the server closes it."""
    host = f"127.0.0.1:{port}"
    starts = (
        f"GET /ping HTTP/1.1\r\nHost: {host}\r\nX-Slow: ",
        _HEAD.format(host=host, kind="application/json", more="Content-Length: 100000\r\n"),
        f"GET /page.js HTTP/1.1\r\nHost: {host}\r\n\r\n" * 100,
    )
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            with contextlib.closing(writer):
                writer.write(starts[kind].encode())
                for _ in range(1000):
                    await asyncio.sleep(0.5)
                    writer.write(b"x" if kind < 2 else b"")
                    await writer.drain()
        await asyncio.sleep(0.5)


def _large(
    port: int,
    bodies: list[bytes],
    right: bytes,
    end: float,
    statuses: Counter[str],
    answers: list[bytes],
) -> None:
    for body in itertools.cycle(bodies):
        if time.monotonic() > end:
            return
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, said = str(answer.status), answer.read()
        except (OSError, http.client.HTTPException) as error:
            status, said = type(error).__name__, b""
        connection.close()
        statuses[f"{'right' if body is right else 'wrong'} body: {status}"] += 1
        if body is right and status == "200":
            answers.append(said)
        else:
            time.sleep(1)  # the time of Retry-After


if __name__ == "__main__":
    asyncio.run(main())
