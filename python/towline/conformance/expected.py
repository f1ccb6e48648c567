"""Strict files of expected failures: what they name must fail, and what they do not must pass."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from towline.conformance.runner import Outcome
from towline.conformance.vectors import Case

__all__ = ["NOTHING", "Expected", "ExpectedFailures", "ExpectedFailuresError", "read_expected"]

_EXPLAINED = re.compile(r"([A-Z]+-[0-9]+)\s+(\S.*)")


class ExpectedFailuresError(Exception):
    """A file that cannot be read, a line that names no case, or one that explains nothing."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One line of the file.

    Attributes:
        pattern: the id of a case, or a pattern of ids such as ``pull-fake-*``.
        clause: the clause that explains the difference; ``""`` where none is named.
        reason: the words after it; ``""`` where there are none.
    """

    pattern: str
    clause: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExpectedFailures:
    """The lines of a file; the first that fits a case explains it."""

    lines: tuple[Expected, ...]

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome in the light of what was expected; an unexpected pass is a failure."""
        line = self._line(outcome.case)
        if line is None:
            return outcome
        if outcome.verdict == "failed":
            told = "\n".join(filter(None, (line.reason, outcome.reason)))
            return replace(outcome, verdict="expected", reason=told, clause=line.clause)
        if outcome.verdict == "passed":
            return replace(outcome, verdict="failed", reason="passed, and was expected to fail")
        return outcome

    def _line(self, case: Case) -> Expected | None:
        fitting = (line for line in self.lines if fnmatchcase(case.id, line.pattern))
        return next(fitting, None)

    def check(self, cases: Iterable[Case]) -> None:
        """Nothing, where every line names a case.

        Raises:
            ExpectedFailuresError: a line names none.
        """
        ids = [case.id for case in cases]
        for line in self.lines:
            if not any(fnmatchcase(one, line.pattern) for one in ids):
                raise ExpectedFailuresError(f"the expected failure {line.pattern} is no case")

    def check_explained(self, clauses: Collection[str]) -> None:
        """Nothing, where every line says by a known clause, and in words, why the case fails.

        Raises:
            ExpectedFailuresError: a line does not.
        """
        for line in self.lines:
            if not line.clause:
                raise ExpectedFailuresError(
                    f"the expected failure {line.pattern} is not explained: write"
                    f" '{line.pattern}  # CLAUSE-ID words'"
                )
            if line.clause not in clauses:
                raise ExpectedFailuresError(
                    f"the expected failure {line.pattern} is explained by {line.clause},"
                    " which is no clause"
                )


NOTHING = ExpectedFailures(())


def read_expected(file: Path) -> ExpectedFailures:
    """One id or pattern a line; what follows ``#`` says why: a clause and words, or words.

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
