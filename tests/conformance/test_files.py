"""The vector files and schemas of ``spec/`` themselves."""

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
def test_schema_is_a_schema(file: Path) -> None:
    """Each schema is valid JSON Schema of the draft that it names."""
    Draft202012Validator.check_schema(json.loads(file.read_text()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_vector_file_is_of_the_schema(file: Path) -> None:
    """Each vector file is as the schema says, to the last key."""
    errors = schema("vectors").iter_errors(json.loads(file.read_text()))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_ids_are_unique_and_name_their_operation() -> None:
    """Every id stands once and begins with its operation, so that it is found without a search."""
    assert [id for id, count in Counter(case.id for case in ALL).items() if count > 1] == []
    for case in ALL:
        assert re.fullmatch(
            rf"{case.operation.replace('_', '-')}(-fake|-podman|-skopeo)?-\d{{4}}", case.id
        )


def test_tokens_are_known() -> None:
    """No case mentions a token that no runner would replace."""
    for case in ALL:
        assert mentioned([dict(case.input), dict(case.expect)]) <= TOKENS, case.id


def test_no_two_cases_ask_the_same() -> None:
    """Two cases of one file with the same input would be one; two tools may be asked the same."""
    asked = Counter(
        json.dumps([case.operation, case.file.name, case.input], sort_keys=True) for case in ALL
    )
    assert [question for question, count in asked.items() if count > 1] == []


def test_every_operation_has_successes_and_failures() -> None:
    """A suite without a refused input would pass whoever accepts everything."""
    for operation in {case.operation for case in ALL} - {"find_registry"}:
        kinds = {next(iter(case.expect)) for case in ALL if case.operation == operation}
        assert kinds >= {"ok", "error"}, operation


def test_recorded_files_are_as_recorded() -> None:
    """Recorded vectors are evidence: nobody edits them, and new ones come in new files."""
    want = json.loads((Path(__file__).parent / "recorded.json").read_text())
    got = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in FILES}
    assert {name: got.get(name) for name in want} == want


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ("{", "Expecting"),
        ('{"schema": 2, "op": "x", "edition": "current", "cases": []}', "no vector file"),
        ('{"schema": 1, "op": "x", "edition": "current", "cases": [{}]}', "without id"),
        ({"expect": {}}, "neither ok nor error"),
        ({"expect": {"ok": {}, "error": {"any": True}}}, "neither ok nor error"),
        ({"expect": {"error": {"exactly": "x"}}}, "not exact, prefix or any"),
        ({"expect": {"error": {"any": False}}}, "not exact, prefix or any"),
        ({"expect": {"error": {"exact": "x", "prefix": "x"}}}, "not exact, prefix or any"),
        ({"expect": {"ok": {"log": [{"level": "error", "message": "x"}]}}}, "not exact"),
    ],
)
def test_a_broken_vector_file_is_refused(tmp_path: Path, told: Any, fault: str) -> None:
    """A wish that is spelt wrongly would be a wish for nothing, so it stops the run."""
    if not isinstance(told, str):
        case = {"id": "a-1", "input": {}, **told}
        told = json.dumps({"schema": 1, "op": "x", "edition": "current", "cases": [case]})
    file = tmp_path / "broken.json"
    file.write_text(told)
    with pytest.raises(VectorsError, match=fault):
        load_vectors([file])


def test_an_id_means_one_case(tmp_path: Path) -> None:
    """Otherwise --case would mean two; a case that stands twice is read once."""
    told = {"schema": 1, "op": "x", "edition": "current"}
    for name in ("one", "same", "other"):
        case = {"id": "a-1", "input": {"name": name == "other"}, "expect": {"ok": {}}}
        (tmp_path / f"{name}.json").write_text(json.dumps({**told, "cases": [case]}))
    assert len(load_vectors([tmp_path / "one.json", tmp_path / "same.json"])) == 1
    with pytest.raises(VectorsError, match="a-1 is one case in"):
        load_vectors([tmp_path])


def test_each_edition_has_its_own_ids(tmp_path: Path) -> None:
    """The same question may be answered in two editions."""
    case = {"id": "a-1", "input": {}, "expect": {"ok": {}}}
    for edition in ("current", "libpod-1.3"):
        told = {"schema": 1, "op": "x", "edition": edition, "cases": [case]}
        (tmp_path / f"{edition}.json").write_text(json.dumps(told))
    assert len(load_vectors([tmp_path])) == 2


def test_files_are_found_below_a_folder_and_once_only(tmp_path: Path) -> None:
    """A folder means everything below it; a file named twice is read once."""
    case = {"id": "a-1", "input": {}, "expect": {"ok": {}}}
    told = json.dumps({"schema": 1, "op": "x", "edition": "current", "cases": [case]})
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.json").write_text(told)
    (tmp_path / "notes.json").write_text('{"not": "vectors"}')
    found = load_vectors([tmp_path, tmp_path / "deep", tmp_path / "deep" / "a.json"])
    assert [case.id for case in found] == ["a-1"]


def test_a_place_without_vectors_is_refused(tmp_path: Path) -> None:
    """Nothing to judge by must not look like success."""
    with pytest.raises(VectorsError, match="no vector file"):
        load_vectors([tmp_path])
    with pytest.raises(VectorsError, match="does not exist"):
        load_vectors([tmp_path / "nowhere"])
