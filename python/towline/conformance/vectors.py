"""Vector files: each has the cases of one operation in one edition."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from towline.conformance.tokens import mentioned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Case", "VectorsError", "load_vectors"]


class VectorsError(Exception):
    """A file is not a vector file."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        id: the id, unique within the edition.
        operation: the operation that is tested.
        edition: the edition of the rules.
        file: the file of the case.
        input: the input, with tokens.
        expect: the expected answer, with tokens.
        why: the purpose of the case; ``""`` if it is obvious.
        original: the behaviour of the original if it must not be copied; ``""`` otherwise.
        servers: the servers that the case may contact.
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


def load_vectors(paths: Iterable[Path]) -> list[Case]:
    """All cases of the given files, and of the ``.json`` files below the given directories.

    Raises:
        VectorsError: a file cannot be read or is invalid, two different cases have the same
            id, or there is no case.
    """
    cases: dict[tuple[str, str], Case] = {}
    for file, named in _files(paths).items():
        for case in _read(file, named):
            other = cases.setdefault((case.edition, case.id), case)
            # Directories may overlap, such as a sample and its source.
            if replace(other, file=file) != case:
                raise VectorsError(f"{case.id} is a different case in {other.file} and in {file}")
    if not cases:
        raise VectorsError("there is no vector file in the given paths")
    return list(cases.values())


def _files(paths: Iterable[Path]) -> dict[Path, bool]:
    """Every file once, and whether its own path was given."""
    files: dict[Path, bool] = {}
    for path in paths:
        if path.is_dir():
            files |= {file.resolve(): False for file in sorted(path.rglob("*.json"))}
        elif path.exists():
            files[path.resolve()] = True
        else:
            raise VectorsError(f"{path} does not exist")
    return files


def _read(file: Path, named: bool) -> list[Case]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise VectorsError(f"{file}: {error}") from None
    match document:
        case {"schema": 1, "op": str(operation), "edition": str(edition), "cases": list(cases)}:
            return [_case(case, operation, edition, file) for case in cases]
        case _ if named or (isinstance(document, dict) and "cases" in document):
            raise VectorsError(f"{file} is not a vector file of schema 1")
        case _:
            return []  # another JSON file in the directory


def _case(document: Any, operation: str, edition: str, file: Path) -> Case:
    match document:
        case {"id": str(name), "input": dict(arguments), "expect": dict(expect)}:
            pass
        case _:
            raise VectorsError(f"{file}: a case without id, input or expect: {document!r:.200}")
    _check(expect, f"{file}: {name}")
    return Case(
        name,
        operation,
        edition,
        file,
        arguments,
        expect,
        why=document.get("why", ""),
        original=document.get("original", ""),
        servers=frozenset(document.get("servers", ())) | mentioned(arguments) | mentioned(expect),
    )


def _check(expect: Mapping[str, Any], where: str) -> None:
    # A misspelled expectation would compare nothing.
    result = expect.get("ok", expect)
    if ("ok" in expect) == ("error" in expect) or not isinstance(result, dict):
        raise VectorsError(f"{where}: expect has neither ok nor error")
    texts = [expect["error"]] if "error" in expect else []
    texts += [entry.get("message") for entry in result.get("log") or ()]
    for text in texts:
        match text:
            case {"exact": str() | dict()} | {"prefix": str()} | {"any": True} if len(text) == 1:
                pass
            case _:
                raise VectorsError(f"{where}: not exact, prefix or any: {text!r:.200}")
