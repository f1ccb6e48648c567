"""The comparison of expected and actual answers."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from towline.conformance.compare import differences
from towline.conformance.protocol import Answer


def paths_of_differences(
    expect: dict[str, Any], answer: Answer, operation: str = "pull", **more: bool
) -> list[str]:
    return [one.where for one in differences(operation, expect, answer, **more)]


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        (None, []),
        ([], None),
        (None, ""),
        (1, True),
        (0, False),
        (1, 1.0),
        ("1", 1),
        (["a", "b"], ["b", "a"]),
        ({"a": None}, {}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ("x", "X"),
    ],
)
def test_values_that_differ(wanted: Any, got: Any) -> None:
    """JSON values are compared exactly, at any depth."""
    for want, answer in ((wanted, got), ([wanted], [got]), ({"k": wanted}, {"k": got})):
        assert paths_of_differences({"ok": {"x": want}}, Answer(ok={"x": answer}), "decompose") == [
            "ok.x"
        ]


def test_the_order_of_keys_is_ignored() -> None:
    """JSON objects are compared as mappings."""
    assert (
        paths_of_differences({"ok": {"x": {"a": 1, "b": 2}}}, Answer(ok={"x": {"b": 2, "a": 1}}))
        == []
    )


def test_unexpected_keys_are_not_compared() -> None:
    """Only the keys of the vector are compared."""
    assert paths_of_differences({"ok": {}}, Answer(ok={"x": 1})) == []
    assert paths_of_differences({"ok": {"x": 1}}, Answer(ok={"x": 1, "y": 2})) == []


def test_a_missing_key_differs_from_null() -> None:
    """An expected null must be in the answer."""
    assert paths_of_differences({"ok": {"x": None}}, Answer(ok={})) == ["ok.x"]


def test_success_and_failure_differ() -> None:
    """A result instead of an error, or the reverse, is a difference of the whole answer."""
    assert paths_of_differences({"ok": {}}, Answer(error={"message": ""})) == ["answer"]
    assert paths_of_differences({"error": {"any": True}}, Answer(ok={})) == ["answer"]


def test_a_crash_is_always_a_difference() -> None:
    """A crash differs from a result, and from an expectation of any error."""
    assert paths_of_differences({"error": {"any": True}}, Answer(crashed="Traceback")) == ["answer"]
    assert paths_of_differences({"ok": {}}, Answer(crashed="Traceback")) == ["answer"]


@pytest.mark.parametrize(
    ("wanted", "message", "agrees"),
    [
        ({"exact": "a b"}, "a b", True),
        ({"exact": "a b"}, "a b\n", False),
        ({"exact": "a b"}, "a b: c", False),
        ({"exact": ""}, None, False),
        ({"prefix": "a: "}, "a: b", True),
        ({"prefix": "a: "}, "a: ", True),
        ({"prefix": "a: "}, "b: a: ", False),
        ({"prefix": "a"}, None, False),
        ({"any": True}, "whatever", True),
        ({"any": True}, None, True),
    ],
)
def test_messages(wanted: dict[str, Any], message: Any, agrees: bool) -> None:
    """A message is compared exactly, by its prefix, or not at all."""
    found = paths_of_differences({"error": wanted}, Answer(error={"code": "x", "message": message}))
    assert found == ([] if agrees else ["error.message"])


def test_base64_is_compared_as_bytes() -> None:
    """Base64 of UTF-8 equals the text; bytes that are not UTF-8 are compared as bytes."""
    as_bytes = {"base64": base64.b64encode(b"a\xff").decode()}
    assert paths_of_differences({"ok": {"x": as_bytes}}, Answer(ok={"x": dict(as_bytes)})) == []
    assert paths_of_differences({"ok": {"x": as_bytes}}, Answer(ok={"x": "a\ufffd"})) == ["ok.x"]
    as_text = {"base64": base64.b64encode("ü".encode()).decode()}
    assert paths_of_differences({"ok": {"x": "ü"}}, Answer(ok={"x": as_text})) == []
    assert paths_of_differences({"error": {"exact": "ü"}}, Answer(error={"message": as_text})) == []


def test_typed_requires_an_error_code() -> None:
    """Cases in which the original crashes require an error with a code."""
    expect = {"error": {"any": True}}
    assert paths_of_differences(expect, Answer(error={"message": "x"}), typed=True) == [
        "error.code"
    ]
    assert (
        paths_of_differences(expect, Answer(error={"code": "a.b", "message": "x"}), typed=True)
        == []
    )


RUN = "Copying blob sha256:a\nCopying blob sha256:b\n"
TURNED = "Copying blob sha256:b\nCopying blob sha256:a\n"


@pytest.mark.parametrize(
    ("wanted", "got", "agrees"),
    [
        ("x\n" + RUN + "y\n", "x\n" + TURNED + "y\n", True),
        (RUN + RUN, TURNED + TURNED, True),
        ("x\n" + RUN + "y\n", RUN + "x\ny\n", False),
        (RUN + "x\n" + RUN, TURNED + "x\n" + TURNED, True),
        (RUN, RUN + "Copying blob sha256:b\n", False),  # compared as a multiset
        (RUN, RUN[:-1], False),
        (
            "Trying x...Copying blob a\nCopying blob b\n",
            "Trying x...Copying blob b\nCopying blob a\n",
            False,
        ),
        (
            "Copying blob a\nCopying blob b",
            "Copying blob b\nCopying blob a",
            False,
        ),  # no complete last line
        ("a\nb\n", "b\na\n", False),
        ("Failed\n", "Failed", False),
        ("", "\n", False),
    ],
)
def test_writer(wanted: str, got: str, agrees: bool) -> None:
    """The text is compared exactly; consecutive complete lines about layers have no order."""
    found = paths_of_differences({"ok": {"writer": wanted}}, Answer(ok={"writer": got}))
    assert found == ([] if agrees else ["ok.writer"])


def test_writer_is_special_only_for_pull() -> None:
    """In other operations the field ``writer`` is compared exactly."""
    answer = Answer(ok={"writer": TURNED})
    assert paths_of_differences({"ok": {"writer": RUN}}, answer, "decompose") == ["ok.writer"]


def entry(level: str, message: Any) -> dict[str, Any]:
    return {"level": level, "message": message}


@pytest.mark.parametrize(
    ("got", "where"),
    [
        ([entry("error", "a"), entry("info", "b c")], []),
        ([entry("debug", "x"), entry("error", "a"), entry("trace", ""), entry("info", "b")], []),
        ([entry("error", "b"), entry("info", "a")], ["log[0].message", "log[1].message"]),
        ([entry("error", "a")], ["log"]),
        ([entry("error", "a"), entry("info", "b"), entry("info", "b")], ["log"]),
        ([entry("warning", "a"), entry("info", "b")], ["log[0].level"]),
        ([entry("error", "a"), entry("info", "c")], ["log[1].message"]),
        ("no list", ["log"]),
    ],
)
def test_log(got: Any, where: list[str]) -> None:
    """Entries of level info and above are compared in order; messages as those of errors."""
    expect = {
        "error": {"any": True},
        "log": [entry("error", {"exact": "a"}), entry("info", {"prefix": "b"})],
    }
    assert paths_of_differences(expect, Answer(error={"message": ""}, extra={"log": got})) == where


def image(number: int, *names: str) -> dict[str, Any]:
    return {"id": str(number), "names": list(names), "digest": "sha256:d"}


@pytest.mark.parametrize(
    ("got", "agrees"),
    [
        ([image(1, "new", "old"), image(2)], True),
        ([image(2), image(1, "new", "old")], True),
        ([image(2), image(1, "old", "new")], False),
        ([image(1, "new", "old")], False),
        ([image(1, "new", "old"), image(2), image(2)], False),
        ([{**image(1, "new", "old"), "extra": 1}, image(2)], False),
        ("no list", False),
        (["no image", image(2)], False),
    ],
)
def test_stored(got: Any, agrees: bool) -> None:
    """The images have no order; the names of each image do."""
    expect = {"ok": {"stored": [image(1, "new", "old"), image(2)]}}
    assert paths_of_differences(expect, Answer(ok={"stored": got})) == (
        [] if agrees else ["ok.stored"]
    )


def test_events_are_compared_in_order() -> None:
    """Two events in another order are a difference."""
    one = {"type": "image", "status": "pull", "name": "a"}
    two = {**one, "name": "b"}
    assert paths_of_differences(
        {"ok": {"events": [one, two]}}, Answer(ok={"events": [two, one]})
    ) == ["ok.events"]


def test_fields_next_to_an_error_are_compared() -> None:
    """A failed pull also has ``writer`` and ``stored``."""
    expect = {"error": {"any": True}, "writer": "Failed\n", "stored": []}
    answer = Answer(error={"message": "x"}, extra={"writer": "", "stored": []})
    assert paths_of_differences(expect, answer) == ["writer"]
    assert paths_of_differences(expect, Answer(error={"message": "x"})) == ["writer", "stored"]
    answer = Answer(ok={}, extra={"writer": "Failed"})
    assert paths_of_differences({"ok": {}, "writer": "Failed\n"}, answer) == ["writer"]
