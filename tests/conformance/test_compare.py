"""What counts as the answer that was wanted."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from towline.conformance.compare import differences
from towline.conformance.protocol import Answer


def wrong(
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
    """JSON values are compared whole and exactly, wherever they are nested."""
    for want, answer in ((wanted, got), ([wanted], [got]), ({"k": wanted}, {"k": got})):
        assert wrong({"ok": {"x": want}}, Answer(ok={"x": answer}), "decompose") == ["ok.x"]


def test_the_order_of_keys_does_not_matter() -> None:
    """A JSON object has no order."""
    assert wrong({"ok": {"x": {"a": 1, "b": 2}}}, Answer(ok={"x": {"b": 2, "a": 1}})) == []


def test_keys_that_are_not_wanted_are_not_compared() -> None:
    """What varies in the original is left out of its vectors."""
    assert wrong({"ok": {}}, Answer(ok={"x": 1})) == []
    assert wrong({"ok": {"x": 1}}, Answer(ok={"x": 1, "y": 2})) == []


def test_a_key_that_is_missing_is_not_null() -> None:
    """Saying nothing is not saying null."""
    assert wrong({"ok": {"x": None}}, Answer(ok={})) == ["ok.x"]


def test_success_and_failure_are_told_apart() -> None:
    """Even where nothing else is asked."""
    assert wrong({"ok": {}}, Answer(error={"message": ""})) == ["answer"]
    assert wrong({"error": {"any": True}}, Answer(ok={})) == ["answer"]


def test_a_crash_is_never_right() -> None:
    """Not even where any error would do."""
    assert wrong({"error": {"any": True}}, Answer(crashed="Traceback")) == ["answer"]
    assert wrong({"ok": {}}, Answer(crashed="Traceback")) == ["answer"]


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
    """A message is wanted whole, by its beginning, or not at all."""
    found = wrong({"error": wanted}, Answer(error={"code": "x", "message": message}))
    assert found == ([] if agrees else ["error.message"])


def test_bytes_are_equal_however_they_are_told() -> None:
    """Base64 of UTF-8 is that text; bytes that are not UTF-8 are compared as bytes."""
    as_bytes = {"base64": base64.b64encode(b"a\xff").decode()}
    assert wrong({"ok": {"x": as_bytes}}, Answer(ok={"x": dict(as_bytes)})) == []
    assert wrong({"ok": {"x": as_bytes}}, Answer(ok={"x": "a\ufffd"})) == ["ok.x"]
    as_text = {"base64": base64.b64encode("ü".encode()).decode()}
    assert wrong({"ok": {"x": "ü"}}, Answer(ok={"x": as_text})) == []
    assert wrong({"error": {"exact": "ü"}}, Answer(error={"message": as_text})) == []


def test_where_the_original_crashes_a_code_is_wanted() -> None:
    """A typed error is one that says what it is."""
    expect = {"error": {"any": True}}
    assert wrong(expect, Answer(error={"message": "x"}), typed=True) == ["error.code"]
    assert wrong(expect, Answer(error={"code": "a.b", "message": "x"}), typed=True) == []


RUN = "Copying blob sha256:a\nCopying blob sha256:b\n"
TURNED = "Copying blob sha256:b\nCopying blob sha256:a\n"


@pytest.mark.parametrize(
    ("wanted", "got", "agrees"),
    [
        ("x\n" + RUN + "y\n", "x\n" + TURNED + "y\n", True),
        (RUN + RUN, TURNED + TURNED, True),
        ("x\n" + RUN + "y\n", RUN + "x\ny\n", False),
        (RUN + "x\n" + RUN, TURNED + "x\n" + TURNED, True),
        (RUN, RUN + "Copying blob sha256:b\n", False),  # a multiset, no set
        (RUN, RUN[:-1], False),
        (
            "Trying x...Copying blob a\nCopying blob b\n",
            "Trying x...Copying blob b\nCopying blob a\n",
            False,
        ),
        ("Copying blob a\nCopying blob b", "Copying blob b\nCopying blob a", False),  # not whole
        ("a\nb\n", "b\na\n", False),
        ("Failed\n", "Failed", False),
        ("", "\n", False),
    ],
)
def test_writer(wanted: str, got: str, agrees: bool) -> None:
    """The text is exact, but a run of whole lines of layers has no order."""
    found = wrong({"ok": {"writer": wanted}}, Answer(ok={"writer": got}))
    assert found == ([] if agrees else ["ok.writer"])


def test_only_a_pull_has_a_writer() -> None:
    """In other operations a field of that name would be a text like any other."""
    answer = Answer(ok={"writer": TURNED})
    assert wrong({"ok": {"writer": RUN}}, answer, "decompose") == ["ok.writer"]


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
    """Entries from info upwards are compared in order, each message as an error's is."""
    expect = {
        "error": {"any": True},
        "log": [entry("error", {"exact": "a"}), entry("info", {"prefix": "b"})],
    }
    assert wrong(expect, Answer(error={"message": ""}, beside={"log": got})) == where


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
    """Images have no order; the names of each have."""
    expect = {"ok": {"stored": [image(1, "new", "old"), image(2)]}}
    assert wrong(expect, Answer(ok={"stored": got})) == ([] if agrees else ["ok.stored"])


def test_events_are_compared_in_order() -> None:
    """They are a list."""
    one = {"type": "image", "status": "pull", "name": "a"}
    two = {**one, "name": "b"}
    assert wrong({"ok": {"events": [one, two]}}, Answer(ok={"events": [two, one]})) == ["ok.events"]


def test_what_stands_beside_an_error_is_compared() -> None:
    """A pull that fails has said something, and left a store behind."""
    expect = {"error": {"any": True}, "writer": "Failed\n", "stored": []}
    answer = Answer(error={"message": "x"}, beside={"writer": "", "stored": []})
    assert wrong(expect, answer) == ["writer"]
    assert wrong(expect, Answer(error={"message": "x"})) == ["writer", "stored"]
    beside = Answer(ok={}, beside={"writer": "Failed"})
    assert wrong({"ok": {}, "writer": "Failed\n"}, beside) == ["writer"]
