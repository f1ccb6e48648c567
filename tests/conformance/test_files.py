"""The vector files and schemas in ``spec/``."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.recorded_cases import ALL, VECTORS
from towline.conformance.fixtures import SPEC
from towline.conformance.servers import NAMES
from towline.conformance.tokens import mentioned
from towline.conformance.vectors import VectorsError, load_vectors

FILES = sorted(VECTORS.rglob("*.json"))
SCHEMAS = sorted((SPEC / "schemas").glob("*.json"))
TOKENS = {"ROOT", "ROOT_ANCESTORS", "GRAPHROOT", "RUNROOT", "REGISTRIES_CONF", "POLICY"}
TOKENS |= {"DEFAULT_REGISTRIES_CONF", "AUTHFILE", *NAMES, *(f"{name}PORT" for name in NAMES)}


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SPEC / "schemas" / f"{name}.json").read_text()))


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.name)
def test_schema_is_valid(file: Path) -> None:
    """Each schema is valid JSON Schema."""
    Draft202012Validator.check_schema(json.loads(file.read_text()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_vector_file_matches_the_schema(file: Path) -> None:
    """Each vector file is valid, and has no unknown keys."""
    errors = schema("vectors").iter_errors(json.loads(file.read_text()))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_ids_are_unique_and_start_with_the_operation() -> None:
    """Each id occurs once and has the form OPERATION[-SOURCE]-NUMBER."""
    assert [id for id, count in Counter(case.id for case in ALL).items() if count > 1] == []
    for case in ALL:
        assert re.fullmatch(
            rf"{case.operation.replace('_', '-')}(-fake|-podman|-skopeo)?-\d{{4}}", case.id
        )


def test_tokens_are_known() -> None:
    """All tokens in cases are tokens that the runner replaces."""
    for case in ALL:
        assert mentioned([dict(case.input), dict(case.expect)]) <= TOKENS, case.id


def test_cases_of_a_file_have_different_inputs() -> None:
    """Only cases of different tools may have the same input."""
    inputs = Counter(
        json.dumps([case.operation, case.file.name, case.input], sort_keys=True) for case in ALL
    )
    assert [key for key, count in inputs.items() if count > 1] == []


def test_every_operation_has_successes_and_failures() -> None:
    """Without expected failures, an implementation that accepts every input would pass."""
    for operation in {case.operation for case in ALL} - {"find_registry"}:
        kinds = {next(iter(case.expect)) for case in ALL if case.operation == operation}
        assert kinds >= {"ok", "error"}, operation


def test_recorded_files_are_as_recorded() -> None:
    """Recorded vectors are not edited; new recordings are in new files."""
    want = json.loads((Path(__file__).parent / "recorded.json").read_text())
    got = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in FILES}
    assert {name: got.get(name) for name in want} == want


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "Expecting"),
        ('{"schema": 2, "op": "x", "edition": "current", "cases": []}', "not a vector file"),
        ('{"schema": 1, "op": "x", "edition": "current", "cases": [{}]}', "without id"),
        ({"expect": {}}, "neither ok nor error"),
        ({"expect": {"ok": {}, "error": {"any": True}}}, "neither ok nor error"),
        ({"expect": {"error": {"exactly": "x"}}}, "not exact, prefix or any"),
        ({"expect": {"error": {"any": False}}}, "not exact, prefix or any"),
        ({"expect": {"error": {"exact": "x", "prefix": "x"}}}, "not exact, prefix or any"),
        ({"expect": {"ok": {"log": [{"level": "error", "message": "x"}]}}}, "not exact"),
    ],
)
def test_an_invalid_vector_file_is_rejected(tmp_path: Path, content: Any, fault: str) -> None:
    """An invalid file stops the run, since a misspelled expectation would compare nothing."""
    if not isinstance(content, str):
        case = {"id": "a-1", "input": {}, **content}
        content = json.dumps({"schema": 1, "op": "x", "edition": "current", "cases": [case]})
    file = tmp_path / "broken.json"
    file.write_text(content)
    with pytest.raises(VectorsError, match=fault):
        load_vectors([file])


def test_an_id_identifies_one_case(tmp_path: Path) -> None:
    """Different cases with the same id are an error; equal cases are read once."""
    head = {"schema": 1, "op": "x", "edition": "current"}
    for name in ("one", "same", "other"):
        case = {"id": "a-1", "input": {"name": name == "other"}, "expect": {"ok": {}}}
        (tmp_path / f"{name}.json").write_text(json.dumps({**head, "cases": [case]}))
    assert len(load_vectors([tmp_path / "one.json", tmp_path / "same.json"])) == 1
    with pytest.raises(VectorsError, match="a-1 is a different case in"):
        load_vectors([tmp_path])


def test_each_edition_has_its_own_ids(tmp_path: Path) -> None:
    """Cases of two editions may have the same id."""
    case = {"id": "a-1", "input": {}, "expect": {"ok": {}}}
    for edition in ("current", "libpod-1.3"):
        document = {"schema": 1, "op": "x", "edition": edition, "cases": [case]}
        (tmp_path / f"{edition}.json").write_text(json.dumps(document))
    assert len(load_vectors([tmp_path])) == 2


def test_files_below_a_directory_are_read_once(tmp_path: Path) -> None:
    """Subdirectories are included; a file that is given twice is read once."""
    case = {"id": "a-1", "input": {}, "expect": {"ok": {}}}
    content = json.dumps({"schema": 1, "op": "x", "edition": "current", "cases": [case]})
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.json").write_text(content)
    (tmp_path / "notes.json").write_text('{"not": "vectors"}')
    found = load_vectors([tmp_path, tmp_path / "deep", tmp_path / "deep" / "a.json"])
    assert [case.id for case in found] == ["a-1"]


def test_a_path_without_vectors_is_rejected(tmp_path: Path) -> None:
    """A run without cases must not look like success."""
    with pytest.raises(VectorsError, match="no vector file"):
        load_vectors([tmp_path])
    with pytest.raises(VectorsError, match="does not exist"):
        load_vectors([tmp_path / "nowhere"])
