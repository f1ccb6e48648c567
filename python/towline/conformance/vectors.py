"""Vector files: cases of one operation in one edition, from any folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from towline.conformance.tokens import mentioned

__all__ = ["Case", "VectorsError", "load_vectors"]


class VectorsError(Exception):
    """A file that is not a vector file."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        id: unique among those of its edition.
        operation: what is asked of the implementation.
        edition: the edition of the rules by which it is judged.
        file: where the case stands.
        input: with tokens.
        expect: with tokens.
        why: what the case is there for; ``""`` where that is plain.
        original: what the original does where nobody should do the same; ``""`` elsewhere.
        servers: the servers that it may contact.
    """

    id: str
    operation: str
    edition: str
    file: Path
    input: Mapping[str, Any]
    expect: Mapping[str, Any]
    why: str = ""
    original: str = ""
    servers: frozenset[str] = frozenset()


def load_vectors(places: Iterable[Path]) -> list[Case]:
    """All cases of the given files, and of the ``.json`` files in the given folders and below.

    Raises:
        VectorsError: a file that cannot be read or is of another shape, two cases with one
            id, or no case at all.
    """
    cases: dict[tuple[str, str], Case] = {}
    for file, named in _files(places).items():
        for case in _read(file, named):
            other = cases.setdefault((case.edition, case.id), case)
            # Folders may overlap: a sample, and the whole that it was taken from.
            if replace(other, file=file) != case:
                raise VectorsError(f"{case.id} is one case in {other.file}, another in {file}")
    if not cases:
        raise VectorsError("there is no vector file in the given places")
    return list(cases.values())


def _files(places: Iterable[Path]) -> dict[Path, bool]:
    """Every file once, and whether it was named itself."""
    files: dict[Path, bool] = {}
    for place in places:
        if place.is_dir():
            files |= {file.resolve(): False for file in sorted(place.rglob("*.json"))}
        elif place.exists():
            files[place.resolve()] = True
        else:
            raise VectorsError(f"{place} does not exist")
    return files


def _read(file: Path, named: bool) -> list[Case]:
    try:
        told = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise VectorsError(f"{file}: {error}") from None
    match told:
        case {"schema": 1, "op": str(operation), "edition": str(edition), "cases": list(cases)}:
            return [_case(case, operation, edition, file) for case in cases]
        case _ if named or (isinstance(told, dict) and "cases" in told):
            raise VectorsError(f"{file} is no vector file of schema 1")
        case _:
            return []  # something else that lies in the same folder


def _case(told: Any, operation: str, edition: str, file: Path) -> Case:
    match told:
        case {"id": str(name), "input": dict(arguments), "expect": dict(expect)}:
            pass
        case _:
            raise VectorsError(f"{file}: a case without id, input or expect: {told!r:.200}")
    _check(expect, f"{file}: {name}")
    return Case(
        name,
        operation,
        edition,
        file,
        arguments,
        expect,
        why=told.get("why", ""),
        original=told.get("original", ""),
        servers=frozenset(told.get("servers", ())) | mentioned(arguments) | mentioned(expect),
    )


def _check(expect: Mapping[str, Any], where: str) -> None:
    # A wish that is spelt wrongly would be a wish for nothing.
    result = expect.get("ok", expect)
    if ("ok" in expect) == ("error" in expect) or not isinstance(result, dict):
        raise VectorsError(f"{where}: expect is neither ok nor error")
    texts = [expect["error"]] if "error" in expect else []
    texts += [entry.get("message") for entry in result.get("log") or ()]
    for text in texts:
        match text:
            case {"exact": str() | dict()} | {"prefix": str()} | {"any": True} if len(text) == 1:
                pass
            case _:
                raise VectorsError(f"{where}: not exact, prefix or any: {text!r:.200}")
