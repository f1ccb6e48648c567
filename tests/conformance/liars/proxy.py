"""What the wrong drivers share: an honest driver behind them, and one lie each.

A liar is a program: `lie(change)` starts the built-in driver, hands every line on, and lets
`change(operation, input, answer)` spoil each answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

Change = Callable[[str, dict[str, Any], dict[str, Any]], object]

HONEST = (sys.executable, "-m", "towline.conformance.driver")


def lie(change: Change) -> None:
    """Answer every line as the honest driver does, but for what `change` does to an answer."""
    with subprocess.Popen(HONEST, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as honest:
        assert honest.stdin is not None
        assert honest.stdout is not None
        for line in sys.stdin:
            honest.stdin.write(line.encode())
            honest.stdin.flush()
            answer = json.loads(honest.stdout.readline())
            message = json.loads(line)
            if message["cmd"] == "run":
                change(message["op"], message["input"], answer)
            print(json.dumps(answer), flush=True)


def pairs(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The pairs of an answer: of a goal, or the one that the answer is."""
    ok = answer.get("ok", {})
    if "pairs" in ok:
        return list(ok["pairs"])
    return [ok] if "dst" in ok else []
