"""A server that sends ranges of a blob, and downloads that ask for them at once.

Every connection counts as slow here, and pieces are small; what decides is counted at the server.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.docker_images import Registry, descriptor, digest_of
from tests.support.scripted_server import Handler, Line, Request, ScriptedServer
from towline.core import BlobWriter
from towline.errors import TowlineError
from towline.registry.connection_slots import ConnectionSlots, Division
from towline.source.docker import DockerSource

__all__ = [
    "EAGER",
    "LARGE",
    "PATH",
    "PIECE",
    "asked",
    "begin",
    "deliver",
    "is_piece",
    "pieces_by",
    "ranges",
    "send",
    "send_of",
    "slots",
    "span",
]

PIECE = 64 << 10
LARGE = b"".join(b"%015d\n" % number for number in range(1 << 16)) + b"the end"
PATH = f"/v2/r/blobs/{digest_of(LARGE)}"
EAGER = Division(worth=2 * PIECE, piece=PIECE, memory=6 * PIECE, after=0.0, share=0.0)


def slots(most: int = 6) -> ConnectionSlots:
    """Slots that divide every blob as soon as they may."""
    return ConnectionSlots(most, EAGER)


def span(request: Request) -> tuple[int, int]:
    """The range of a request for a piece, its end excluded."""
    first, last = request.headers["range"].removeprefix("bytes=").split("-")
    return int(first), int(last) + 1


def is_piece(request: Request) -> bool:
    """Whether a range with an end is asked for, as helpers do it."""
    return not request.headers.get("range", "-").endswith("-")


def send_of(data: bytes, request: Request, line: Line) -> None:
    """What a good server does: all of a blob, or the range that was asked for."""
    wanted = request.headers.get("range")
    if wanted is None:
        line.reply(200, data, Accept_Ranges="bytes")
        return
    first, last = wanted.removeprefix("bytes=").split("-")
    part = data[int(first) : int(last or len(data)) + bool(last)]
    end = int(first) + len(part) - 1
    line.reply(206, part, Content_Range=f"bytes {first}-{end}/{len(data)}")


def send(request: Request, line: Line) -> None:
    """The same of `LARGE`."""
    send_of(LARGE, request, line)


def pieces_by(odd: Handler) -> Registry:
    """A registry whose pieces are sent by a handler of the test."""
    return Registry(
        {PATH: lambda request, line: (odd if is_piece(request) else send)(request, line)}
    )


def asked(server: ScriptedServer) -> list[Request]:
    """The requests for the blob."""
    return [request for request in server.requests if request.path == PATH]


def ranges(server: ScriptedServer) -> list[tuple[int, int]]:
    """The pieces that were asked for, sorted."""
    return sorted(span(request) for request in asked(server) if is_piece(request))


def deliver(image: DockerSource, path: Path, offset: int = 0) -> bytes:
    """The blob, as a writer has it in the end; after an error the file is a prefix."""
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


def begin(request: Request, line: Line, count: int) -> None:
    """The head of a piece, and its first bytes."""
    first, end = span(request)
    headers = {"Content_Range": f"bytes {first}-{end - 1}/{len(LARGE)}"}
    line.head(206, Content_Length=str(end - first), **headers)
    line.send(LARGE[first : first + count])
