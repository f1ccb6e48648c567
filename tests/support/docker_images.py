"""A small image on a scripted registry server, and a source that reads it."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, field

from tests.support.scripted_server import Connection, Handler, Request
from towline.cancel import CancelToken
from towline.image.descriptor import Descriptor
from towline.name.reference import parse_normalized
from towline.registry.certificates import Certificates
from towline.registry.connection_slots import ConnectionSlots
from towline.registry.credentials import Credentials, Login
from towline.rules import Rules
from towline.source.docker import DockerAccess, DockerSource, open_source
from towline.timeouts import Timeouts
from towline.transport.docker import DockerReference

__all__ = [
    "BLOB",
    "CONFIG",
    "DIGEST",
    "LAYER",
    "MANIFEST",
    "SCHEMA2",
    "SHORT_TIMEOUTS",
    "Registry",
    "descriptor",
    "source",
]

#: Short timeouts, so that tests of a silent server end soon; no test asserts them.
SHORT_TIMEOUTS = Timeouts(
    connect=5.0, response=0.4, stall_window=0.4, stall_bytes=64, backoff=0.0, longest_delay=0.01
)

SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = b'{"architecture":"amd64","os":"linux"}'
LAYER = gzip.compress(bytes(range(256)) * 8192, mtime=0) * 40


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _entry(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(data), "digest": digest_of(data)}


MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": SCHEMA2,
        "config": _entry("application/vnd.docker.container.image.v1+json", CONFIG),
        "layers": [_entry("application/vnd.docker.image.rootfs.diff.tar.gzip", LAYER)],
    }
).encode()
DIGEST = digest_of(MANIFEST)
BLOB = f"/v2/r/blobs/{digest_of(LAYER)}"


def descriptor(
    data: bytes = LAYER, *, size: int | None = None, urls: tuple[str, ...] = ()
) -> Descriptor:
    """The descriptor of bytes."""
    return Descriptor("", digest_of(data), len(data) if size is None else size, urls=urls)


@dataclass(slots=True)
class Registry:
    """A correct registry; `odd` replaces the handlers of single paths."""

    odd: dict[str, Handler] = field(default_factory=dict)

    def __call__(self, request: Request, connection: Connection) -> None:
        odd = self.odd.get(request.path)
        if odd is not None:
            odd(request, connection)
        elif request.path == "/v2/":
            connection.reply(200, b"{}")
        elif request.path.startswith("/v2/r/manifests/"):
            connection.reply(200, MANIFEST, Content_Type=SCHEMA2)
        elif request.path.startswith("/v2/r/blobs/"):
            self.blob(request, connection)
        else:
            connection.reply(404)

    def blob(self, request: Request, connection: Connection) -> None:
        """Send a blob, or the requested range of it."""
        data = {digest_of(each): each for each in (CONFIG, LAYER)}[request.path.rpartition("/")[2]]
        wanted = request.headers.get("range")
        if wanted is None:
            connection.reply(200, data)
            return
        first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        span = f"bytes {first}-{len(data) - 1}/{len(data)}"
        connection.reply(206, data[first:], Content_Range=span)


def source(
    host: str,
    *,
    name: str = "r",
    rules: Rules = Rules.CURRENT,
    insecure: bool | None = True,
    credentials: Credentials | None = None,
    login: Login | None = None,
    timeouts: Timeouts = SHORT_TIMEOUTS,
    cancel: CancelToken | None = None,
    certificates: Certificates | None = None,
    slots: ConnectionSlots | None = None,
) -> DockerSource:
    """A source of an image on a server, by default with short timeouts."""
    reference = DockerReference(parse_normalized(f"{host}/{name}").tagged())
    access = DockerAccess(
        rules.registry,
        rules.limits,
        rules.copying.typeless,
        insecure=insecure,
        login=login or Login(credentials),
        timeouts=timeouts,
        cancel=cancel or CancelToken(),
        certificates=certificates,
        slots=slots or ConnectionSlots(),
    )
    return open_source(reference, access)
