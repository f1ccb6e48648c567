"""Run actions on both cores, and compare the results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

from towline.core import _native, twin
from towline.core.failure import CoreError

__all__ = ["CORES", "Core", "archive_facts", "both", "layer_facts", "native", "python", "result_of"]


class Core(Protocol):
    """The names that both cores have."""

    Archive: Any
    BlobWriter: Any
    LayerFacts: Any
    Limits: Any
    Member: Any
    Stop: Any
    hash_file: Any
    layer_pass: Any


native = cast(Core, _native)
python = cast(Core, twin)
CORES = (native, python)

FIELDS = ("name", "linkname", "type", "size", "offset", "header")


def failure_facts(failure: CoreError) -> tuple[str, str, int]:
    return ("failed", failure.code, failure.offset)


def result_of(action: Callable[[], Any]) -> Any:
    """The result of an action, or the code and offset of its failure."""
    try:
        return action()
    except CoreError as failure:
        return failure_facts(failure)


def both(action: Callable[[Core], Any]) -> Any:
    """The result of both cores, which must be equal."""
    one, other = result_of(lambda: action(native)), result_of(lambda: action(python))
    assert one == other
    return one


def chosen(core: Core, limits: dict[str, int] | None) -> Any:
    """Limits as an object of that core; None for its defaults."""
    return None if limits is None else core.Limits(**limits)


def members_of(index: tuple[list[Any], CoreError | None]) -> Any:
    members, failure = index
    plain = [tuple(getattr(member, field) for field in FIELDS) for member in members]
    return plain, failure and failure_facts(failure)


def archive_facts(
    core: Core,
    path: str,
    limits: dict[str, int] | None = None,
    noting: dict[str, Any] | None = None,
    **how: Any,
) -> Any:
    """Everything that an archive reports after it was indexed."""
    archive = core.Archive(path, limits=chosen(core, limits), **how)
    members, failure = members_of(archive.index(**(noting or {})))
    ranges = [(member[4], member[3]) for member in members]
    reads = result_of(lambda: archive.read(ranges[::-1]))
    measures = [result_of(partial(archive.measure, *at)) for at in ranges[:6]]
    inflated = archive.inflated
    if archive.framing and failure:
        # How far a decoder gets in a damaged frame depends on the decoder.
        in_tar = [offset + size for offset, size in ranges if offset < 1 << 63]  # not sparse
        assert inflated >= max(in_tar, default=0)
        inflated = -1
    facts = archive.framing, members, failure, reads, measures, inflated
    archive.close()
    return facts


def layer_facts(core: Core, path: str, limits: dict[str, int] | None = None) -> Any:
    """Everything that a layer pass reports."""
    facts = core.layer_pass(path, limits=chosen(core, limits))
    names = ("digest", "size", "compression", "diff_id", "tar_size", "entries")
    return tuple(getattr(facts, name) for name in names)
