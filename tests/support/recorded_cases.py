"""The recorded cases, and a parametrisation by operation."""

from __future__ import annotations

import pytest

from towline.conformance.fixtures import SPEC
from towline.conformance.runner import Outcome
from towline.conformance.vectors import Case, load_vectors

VECTORS = SPEC / "vectors"
ALL = load_vectors([VECTORS])
LIBPOD = [case for case in ALL if case.edition == "libpod-1.3"]
CURRENT = [case for case in ALL if case.edition == "current"]


def each(operation: str) -> pytest.MarkDecorator:
    """Parametrise a test with the cases of an operation."""
    cases = [case for case in LIBPOD if case.operation == operation]
    return pytest.mark.parametrize("case", cases, ids=[case.id for case in cases])


def assert_passed(outcome: Outcome) -> None:
    """Fail with a full description of the case if it did not pass."""
    if outcome.verdict != "passed":
        lines = [f"{outcome.case.id} {outcome.verdict} {outcome.reason}", outcome.case.why]
        lines += [f"input {dict(outcome.case.input)}"]
        for one in outcome.differences:
            lines += [one.where, f"  wanted {one.wanted!r}", f"  got    {one.got!r}"]
        pytest.fail("\n".join(lines), pytrace=False)


def case(
    operation: str = "decompose",
    expect: dict[str, object] | None = None,
    **arguments: object,
) -> Case:
    """A case that is in no vector file."""
    return Case("made-up", operation, "libpod-1.3", VECTORS, arguments, expect or {"ok": {}})
