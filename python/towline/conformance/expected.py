"""Files of expected failures: the cases in the file must fail, and all others must pass."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from towline.conformance.runner import Outcome
    from towline.conformance.vectors import Case

__all__ = ["NOTHING", "Expected", "ExpectedFailures", "ExpectedFailuresError", "read_expected"]

_EXPLAINED = re.compile(r"([A-Z]+-[0-9]+)\s+(\S.*)")


class ExpectedFailuresError(Exception):
    """The file cannot be read, or a line has no case or no explanation."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One line of the file.

    Attributes:
        pattern: the id of a case, or a pattern of ids such as ``pull-fake-*``.
        clause: the clause that explains the difference; ``""`` if there is none.
        reason: the text after the clause; ``""`` if there is none.
    """

    pattern: str
    clause: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedFailures:
    """The lines of a file; the first line that matches a case applies to it."""

    lines: tuple[Expected, ...]

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome, changed by the expected failures; an unexpected pass is a failure."""
        line = self._line(outcome.case)
        if line is None:
            return outcome
        if outcome.verdict == "failed":
            reason = "\n".join(filter(None, (line.reason, outcome.reason)))
            return replace(outcome, verdict="expected", reason=reason, clause=line.clause)
        if outcome.verdict == "passed":
            return replace(outcome, verdict="failed", reason="passed, but was expected to fail")
        return outcome

    def _line(self, case: Case) -> Expected | None:
        matching = (line for line in self.lines if fnmatchcase(case.id, line.pattern))
        return next(matching, None)

    def check(self, cases: Iterable[Case]) -> None:
        """Check that every line matches a case.

        Raises:
            ExpectedFailuresError: a line matches no case.
        """
        ids = [case.id for case in cases]
        for line in self.lines:
            if not any(fnmatchcase(one, line.pattern) for one in ids):
                raise ExpectedFailuresError(f"the expected failure {line.pattern} matches no case")

    def check_explained(self, clauses: Collection[str]) -> None:
        """Check that every line has a known clause and a reason.

        Raises:
            ExpectedFailuresError: a line has not.
        """
        for line in self.lines:
            if not line.clause:
                raise ExpectedFailuresError(
                    f"the expected failure {line.pattern} is not explained; write"
                    f" '{line.pattern}  # CLAUSE-ID reason'"
                )
            if line.clause not in clauses:
                raise ExpectedFailuresError(
                    f"the expected failure {line.pattern} is explained by {line.clause},"
                    " which is not a clause"
                )


NOTHING = ExpectedFailures(())


def read_expected(file: Path) -> ExpectedFailures:
    """Read a file: an id or pattern per line; after ``#`` an optional clause and a reason.

    Raises:
        ExpectedFailuresError: the file cannot be read.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExpectedFailuresError(f"{file}: {error}") from None
    return ExpectedFailures(tuple(line for line in map(_line, lines) if line.pattern))


def _line(text: str) -> Expected:
    pattern, _, reason = (part.strip() for part in text.partition("#"))
    if explained := _EXPLAINED.fullmatch(reason):
        return Expected(pattern, explained[1], explained[2])
    return Expected(pattern, "", reason)
