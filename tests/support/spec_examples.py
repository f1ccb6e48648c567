"""Run the examples of the spec: parse a block, and compare the result of each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.spec_operations import Operations
from towline.rules import Rules

__all__ = ["mismatches"]

HEX = "0123456789abcdef" * 4
_CODE = re.compile(r"error: ([a-z_0-9]+\.[a-z_0-9]+)")


def mismatches(lines: Sequence[str], edition: str, folder: Path) -> list[str]:
    """The lines of a block of examples that fail in an edition, with a description."""
    operations = Operations(Rules.named(edition), folder)
    found = []
    with operations:
        for line, block in _statements(lines):
            if line.startswith("given "):
                operations.given(_expanded(line.removeprefix("given ")), block)
                continue
            operation, arrow, first = (_expanded(line) + " ").partition(" => ")
            if not arrow:
                found.append(f"{line}: there is no => in it")
                continue
            wanted = "\n".join([part for part in (first.strip(), *map(_expanded, block)) if part])
            got, code = operations.run(operation)
            if not _matches(wanted, got, code):
                found.append(
                    f"{line}\n    wanted {wanted!r}\n    got    {got!r} ({code or 'no error'})"
                )
    return found


def _statements(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each line with the indented lines below it, without their first two spaces."""
    index = 0
    while index < len(lines):
        head = lines[index]
        index += 1
        block = []
        while index < len(lines) and lines[index].startswith("  "):
            block.append(lines[index][2:])
            index += 1
        yield head, block


def _expanded(text: str) -> str:
    text = re.sub(r"\b([a-z])\*(\d+)", lambda match: match[1] * int(match[2]), text)
    return re.sub(r"\b(HEX)+\b", lambda match: HEX * (len(match[0]) // 3), text)


def _matches(wanted: str, got: str, code: str) -> bool:
    if named := _CODE.fullmatch(wanted):
        return code == named[1]
    if got == wanted:
        return True
    if wanted.startswith('"'):
        wanted = str(json.loads(wanted))
    pattern = ".*".join(map(re.escape, wanted.split("…")))
    return re.fullmatch(pattern, got.rstrip("\n") if wanted[-1:] != "\n" else got) is not None
