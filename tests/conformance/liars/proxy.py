"""A proxy in front of the built-in driver, used by the drivers with deliberate errors.

`lie(change)` starts the built-in driver, forwards every line, and modifies each answer with
`change(operation, input, answer)`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

Change = Callable[[str, dict[str, Any], dict[str, Any]], object]

CORRECT = (sys.executable, "-m", "towline.conformance.driver")


def lie(change: Change) -> None:
    """Forward all lines to the built-in driver, and modify its answers with `change`."""
    with subprocess.Popen(CORRECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        assert driver.stdin is not None
        assert driver.stdout is not None
        for line in sys.stdin:
            driver.stdin.write(line.encode())
            driver.stdin.flush()
            answer = json.loads(driver.stdout.readline())
            message = json.loads(line)
            if message["cmd"] == "run":
                change(message["op"], message["input"], answer)
            print(json.dumps(answer), flush=True)


def pairs(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The pairs in an answer: those of a goal, or the answer itself if it is a pair."""
    ok = answer.get("ok", {})
    if "pairs" in ok:
        return list(ok["pairs"])
    return [ok] if "dst" in ok else []
