"""The clients of serving.py --load: normal ones, alone and together with slow and large ones.

Each of 8 normal clients repeats 32 images as raw bytes on one connection, and compares every answer
with the checkpoint's. The other clients are in serving_hostile.py.
"""

import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from multihead import LoadedRun

_GOOD, _SLOW, _LARGE = 8, 200, 20
_BATCH, _LARGE_BATCH = 32, 1024
_SETTLE_SECONDS = 2.0


@dataclass
class Seen:
    """Results of the normal clients.

    Attributes:
        took: Time of each answer in seconds.
        wrong: Number of answers that differ from the checkpoint's or are missing.
        pings: Time of each answer of `/ping` in seconds.
    """

    took: list[float] = field(default_factory=list)
    wrong: int = 0
    pings: list[float] = field(default_factory=list)


def measure(loaded: LoadedRun, address: str, seconds: float) -> bool:
    """Measure, print a table, and return whether the results are good enough."""
    channels, height, width = loaded.image_shape
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_LARGE_BATCH, height, width, channels), np.uint8)
    right = loaded.predict(images.transpose(0, 3, 1, 2))
    port = int(address.rpartition(":")[2])
    good(port, images[:_BATCH], right, 1.0)  # warms up
    before = good(port, images[:_BATCH], right, seconds)
    with tempfile.TemporaryDirectory() as scratch:
        valid = Path(scratch) / "valid.json"
        valid.write_text(json.dumps({"inputs": images.tolist()}, indent=9))
        hostile = [sys.executable, str(Path(__file__).with_name("serving_hostile.py")), address]
        hostile += [str(seconds + 3 * _SETTLE_SECONDS), str(_SLOW), str(_LARGE), str(valid)]
        with subprocess.Popen(hostile, stdout=subprocess.PIPE, text=True) as process:
            time.sleep(_SETTLE_SECONDS)
            beside = good(port, images[:_BATCH], right, seconds)
            told = json.loads(process.communicate(timeout=60)[0])
    after = good(port, images[:_BATCH], right, seconds)
    alone = (len(before.took) + len(after.took)) / 2 / seconds
    print("| 8 good clients | requests/s | of alone | p50 ms | p99 ms | ping p99 ms | wrong |")
    print("|---|---|---|---|---|---|---|")
    for name, seen in (("alone", before), ("beside the others", beside), ("alone again", after)):
        rate = len(seen.took) / seconds
        print(
            f"| {name} | {rate:,.0f} | {rate / alone:.2f} | {_ms(seen.took, 0.5)} "
            f"| {_ms(seen.took, 0.99)} | {_ms(seen.pings, 0.99)} | {seen.wrong} |"
        )
    large_wrong = told["different"] + _differs(told["first"], right)
    print(f"\nlarge bodies: {told['statuses']}; answers that are wrong: {large_wrong}")
    wrong = before.wrong + beside.wrong + after.wrong + large_wrong
    return not wrong and len(beside.took) / seconds >= alone / 2


def good(port: int, images: np.ndarray, right: dict[str, np.ndarray], seconds: float) -> Seen:
    """Run the normal clients for some seconds."""
    seen = Seen()
    end = time.perf_counter() + seconds
    arguments = (port, images, right, end, seen)
    threads = [threading.Thread(target=_client, args=arguments) for _ in range(_GOOD)]
    threads.append(threading.Thread(target=_pinger, args=(port, end, seen)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def _client(
    port: int, images: np.ndarray, right: dict[str, np.ndarray], end: float, seen: Seen
) -> None:
    body, headers = images.tobytes(), {"Content-Type": "application/octet-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    expected = {head: values[: len(images)].tolist() for head, values in right.items()}
    while (began := time.perf_counter()) < end:
        try:
            connection.request("POST", "/invocations", body, headers)
            answer = connection.getresponse()
            rows = json.loads(answer.read()).get("predictions", [])
        except (OSError, http.client.HTTPException):
            connection.close()
            rows = []
        found = {head: [row[head] for row in rows] for head in expected}
        if found == expected:
            seen.took.append(time.perf_counter() - began)
        else:
            seen.wrong += 1
    connection.close()


def _pinger(port: int, end: float, seen: Seen) -> None:
    """Request `/ping` ten times a second, each time on a new connection."""
    while (began := time.perf_counter()) < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/ping")
            seen.wrong += connection.getresponse().status != 200
        except (OSError, http.client.HTTPException):
            seen.wrong += 1
        connection.close()
        seen.pings.append(time.perf_counter() - began)
        time.sleep(0.1)


def _differs(answer: str | None, right: dict[str, np.ndarray]) -> bool:
    if answer is None:
        return False
    rows = json.loads(answer)["predictions"]
    return any([row[head] for row in rows] != right[head].tolist() for head in right)


def _ms(seconds: list[float], share: float) -> str:
    if len(seconds) < 2:
        return "-"
    return f"{1000 * float(np.quantile(seconds, share)):.1f}"
