"""The loop of a process whose arms are timed; it imports nothing of ours, so that the peer's venv can run it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any


def answer(about: dict[str, Any], make: Callable[[dict[str, Any]], dict[str, Callable[[], Any]]]) -> None:
    """Answer requests until the input ends: ``make`` returns the arms of one, which are then called and timed."""
    print(json.dumps(about), flush=True)
    arms: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "make" in request:
            arms = make(request)
            result: Any = list(arms)
        else:
            call = arms[request["arm"]]
            if request["calls"] > 1:
                call()  # threads that slept wake up
            start = time.perf_counter()
            for _ in range(request["calls"]):
                call()
            result = time.perf_counter() - start
        print(json.dumps(result), flush=True)
