"""A server that sends ranges of a blob, and downloads that request ranges in parallel.

Every connection counts as slow here, and ranges are small.  Tests count the requests at the server.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.docker_images import Registry, descriptor, digest_of
from tests.support.scripted_server import Connection, Handler, Request, ScriptedServer
from towline.core import BlobWriter
from towline.errors import TowlineError
from towline.registry.connection_slots import ConnectionSlots, Division
from towline.source.docker import DockerSource

__all__ = [
    "EAGER",
    "LARGE",
    "PATH",
    "RANGE_SIZE",
    "begin",
    "blob_requests",
    "deliver",
    "is_bounded_range",
    "ranges",
    "ranges_from",
    "send",
    "send_of",
    "slots",
    "span",
]

RANGE_SIZE = 64 << 10
LARGE = b"".join(b"%015d\n" % number for number in range(1 << 16)) + b"the end"
PATH = f"/v2/r/blobs/{digest_of(LARGE)}"
EAGER = Division(
    min_remaining=2 * RANGE_SIZE, range_size=RANGE_SIZE, memory=6 * RANGE_SIZE, after=0.0, share=0.0
)


def slots(most: int = 6) -> ConnectionSlots:
    """Connection slots that divide every blob immediately."""
    return ConnectionSlots(most, EAGER)


def span(request: Request) -> tuple[int, int]:
    """The range that a request asks for, as start and exclusive end."""
    first, last = request.headers["range"].removeprefix("bytes=").split("-")
    return int(first), int(last) + 1


def is_bounded_range(request: Request) -> bool:
    """Whether a request has a range with an end, as those of the helper threads do."""
    return not request.headers.get("range", "-").endswith("-")


def send_of(data: bytes, request: Request, connection: Connection) -> None:
    """Respond correctly: with the whole blob, or with the requested range."""
    wanted = request.headers.get("range")
    if wanted is None:
        connection.reply(200, data, Accept_Ranges="bytes")
        return
    first, last = wanted.removeprefix("bytes=").split("-")
    part = data[int(first) : int(last or len(data)) + bool(last)]
    end = int(first) + len(part) - 1
    connection.reply(206, part, Content_Range=f"bytes {first}-{end}/{len(data)}")


def send(request: Request, connection: Connection) -> None:
    """Respond correctly to a request for `LARGE`."""
    send_of(LARGE, request, connection)


def ranges_from(odd: Handler) -> Registry:
    """A registry in which a test's handler responds to the requests with a bounded range."""
    return Registry(
        {
            PATH: lambda request, connection: (odd if is_bounded_range(request) else send)(
                request, connection
            )
        }
    )


def blob_requests(server: ScriptedServer) -> list[Request]:
    """The requests for the blob."""
    return [request for request in server.requests if request.path == PATH]


def ranges(server: ScriptedServer) -> list[tuple[int, int]]:
    """The bounded ranges that were requested, sorted."""
    return sorted(span(request) for request in blob_requests(server) if is_bounded_range(request))


def deliver(image: DockerSource, path: Path, offset: int = 0) -> bytes:
    """Download the blob and return it; after an error the file must be a prefix of it."""
    path.write_bytes(LARGE[:offset])
    writer = BlobWriter(str(path), resume=offset > 0)
    try:
        with image.open_blob(descriptor(LARGE), offset) as blob:
            blob.deliver(writer)
        assert writer.finish() == (digest_of(LARGE), len(LARGE))
    except TowlineError:
        writer.abort()
        assert LARGE.startswith(path.read_bytes())
        raise
    return path.read_bytes()


def begin(request: Request, connection: Connection, count: int) -> None:
    """Send the response headers for a range, and its first `count` bytes."""
    first, end = span(request)
    headers = {"Content_Range": f"bytes {first}-{end - 1}/{len(LARGE)}"}
    connection.head(206, Content_Length=str(end - first), **headers)
    connection.send(LARGE[first : first + count])
