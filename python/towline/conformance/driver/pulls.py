"""The operation `pull`: names, progress text, log, events and store content of a pull."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

from towline.conformance.driver.configuration import configured, write
from towline.conformance.driver.session import Input, Operation, PulledPartlyError, Session
from towline.errors import TowlineError
from towline.image.platform import Platform
from towline.runtime.options import Options
from towline.runtime.runtime import Runtime
from towline.store.layout.store import open_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.events import Event
    from towline.store.protocol import ImageStore

__all__ = ["OPERATIONS", "pulled_before"]

_TLS_VERIFY = {"skip_tls_true": False, "skip_tls_false": True, "nil": None}
_LEVELS = {"INFO": "info", "WARNING": "warning", "ERROR": "error", "CRITICAL": "fatal"}
_ACCEPT = '{"default": [{"type": "insecureAcceptAnything"}]}'


class _Recorder(logging.Handler):
    """Records the progress text, the log and the events of a pull."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.written: list[str] = []
        self.logged: list[dict[str, str]] = []
        self.events: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        level = _LEVELS[record.levelname]
        self.logged.append({"level": level, "message": record.getMessage()})

    def write(self, text: str) -> None:
        self.written.append(text)

    def event(self, event: Event) -> None:
        self.events.append({"type": event.type, "status": event.status, "name": event.name})


def _pull(session: Session, given: Input) -> dict[str, Any]:
    write(session.policy, given["policy"])
    write(session.authfile, given.get("authfile"))
    store = _pulled(session, given)
    recorder = _Recorder()
    log = logging.getLogger("towline")
    log.setLevel(logging.INFO)
    log.addHandler(recorder)
    runtime = Runtime(store, _options(session, given))
    writer = recorder if given.get("writer", True) else None
    try:
        if given["mode"] == "reference":
            result = runtime.pull_reference(given["source"], writer, on_event=recorder.event)
        else:
            result = runtime.pull(
                given["source"], given.get("label"), writer, on_event=recorder.event
            )
    except TowlineError as error:
        raise PulledPartlyError(error, _outputs(store, recorder)) from None
    finally:
        log.removeHandler(recorder)
    return {"images": list(result.images), **_outputs(store, recorder)}


def _options(session: Session, given: Input) -> Options:
    creds = given.get("creds")
    return Options(
        rules=session.rules,
        locations=configured(session, given),
        policy=session.policy,
        authfile=session.authfile if given.get("authfile") is not None else None,
        auth=(creds["username"], creds["password"]) if creds else None,
        tls_verify=_TLS_VERIFY[given.get("docker_options", "nil")],
        remove_signatures=given.get("remove_signatures", False),
        platform=Platform("linux", "amd64"),  # that of the machine of the recordings
        allow_other_platform=True,
    )


def _outputs(store: ImageStore, recorder: _Recorder) -> dict[str, Any]:
    return {
        "writer": "".join(recorder.written),
        "log": recorder.logged,
        "events": recorder.events,
        "stored": [
            {"id": image.id, "names": list(image.names), "digest": str(image.digest)}
            for image in store.images()
        ],
    }


def pulled_before(session: Session, given: Input) -> ImageStore:
    """A new store with the images in ``pre``, pulled under a policy that accepts all images."""
    write(session.policy, _ACCEPT)
    return _pulled(session, given)


def _pulled(session: Session, given: Input) -> ImageStore:
    store = _new_store(session)
    for name in given.get("pre", ()):
        try:
            Runtime(store, _options(session, given)).pull(name)
        except TowlineError:
            continue  # preparation is not compared
    return store


def _new_store(session: Session) -> ImageStore:
    shutil.rmtree(session.identity.graph_root, ignore_errors=True)
    return open_store(session.identity.graph_root)


OPERATIONS: Mapping[str, Operation] = {"pull": _pull}
