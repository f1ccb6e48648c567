"""The driver side of the protocol of ``spec/driver.md``."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from towline.conformance.driver import configuration, goals, names, pulls
from towline.conformance.driver.session import (
    Input,
    Operation,
    PartError,
    PulledPartlyError,
    Session,
)
from towline.conformance.tokens import fold
from towline.errors import TowlineError
from towline.rules import Rules
from towline.store.layout.store import open_store

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["main"]


_OPERATIONS: Mapping[str, Operation] = {
    **names.OPERATIONS,
    **configuration.OPERATIONS,
    **goals.OPERATIONS,
    **pulls.OPERATIONS,
}


def main(lines: TextIO = sys.stdin, answers: TextIO = sys.stdout) -> None:
    """Write one answer for each input line, until the input ends."""
    session: Session | None = None
    for line in lines:
        message = json.loads(line)
        if message["cmd"] == "start":
            session = _session(message)
            answer = _greeting(session)
        elif message["cmd"] == "run" and session is not None:
            answer = {"seq": message["seq"], **_answer(session, message)}
        else:
            break  # not a message of this protocol
        print(json.dumps(answer), file=answers, flush=True)


def _session(message: Input) -> Session:
    os.chdir(message["cwd"])
    files = Path(message["store_dir"])
    identity = open_store(files / "graph").identity
    return Session(Rules.named(message["edition"]), Path(message["root"]), files, identity)


def _greeting(session: Session) -> dict[str, Any]:
    return {
        "implementation": {"name": "towline", "version": _version()},
        "ops": sorted(_OPERATIONS),
        "tokens": session.tokens(),
    }


def _version() -> str:
    try:
        return metadata.version("towline")
    except metadata.PackageNotFoundError:
        return "not installed"


def _answer(session: Session, message: Input) -> dict[str, Any]:
    operation = _OPERATIONS.get(message["op"])
    if operation is None:
        return {"skipped": f"{message['op']} is not offered"}
    try:
        return _result(operation, session, message["input"])
    except Exception:  # noqa: BLE001 - a crash is reported as an answer, which fails the case
        return {"crashed": traceback.format_exc()}


def _result(operation: Operation, session: Session, given: Input) -> dict[str, Any]:
    try:
        return {"ok": _folded(operation(session, given))}
    except PulledPartlyError as failure:
        return {"error": _error_json(session, "", failure.error), **_folded(failure.outputs)}
    except PartError as failure:
        return {"error": _error_json(session, f"{failure.part}: ", failure.error)}
    except TowlineError as error:
        return {"error": _error_json(session, "", error)}


def _error_json(session: Session, prefix: str, error: TowlineError) -> dict[str, Any]:
    return {"code": error.code, "message": fold(prefix + error.render(session.rules.wording))}


def _folded(value: Any) -> Any:
    match value:
        case str():
            return fold(value)
        case dict():
            return {key: _folded(member) for key, member in value.items()}
        case list() | tuple():
            return [_folded(element) for element in value]
        case _:
            return value
