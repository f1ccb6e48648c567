"""Strict files of expected failures: what they name must fail, and what they do not must pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from towline.conformance.runner import Outcome
from towline.conformance.vectors import Case

__all__ = ["NOTHING", "ExpectedFailures", "ExpectedInvalid", "read_expected"]


class ExpectedInvalid(Exception):
    """A file that cannot be read, or a line that names no case."""


@dataclass(frozen=True, slots=True)
class ExpectedFailures:
    """Ids of cases, or patterns of them such as ``pull-fake-*``."""

    patterns: tuple[str, ...]

    def judged(self, outcome: Outcome) -> Outcome:
        """The outcome in the light of what was expected; an unexpected pass is a failure."""
        if not self._names(outcome.case):
            return outcome
        if outcome.verdict == "failed":
            return replace(outcome, verdict="expected")
        if outcome.verdict == "passed":
            return replace(outcome, verdict="failed", reason="passed, and was expected to fail")
        return outcome

    def _names(self, case: Case) -> bool:
        return any(fnmatchcase(case.id, pattern) for pattern in self.patterns)

    def check(self, cases: Iterable[Case]) -> None:
        """Nothing, where every line names a case.

        Raises:
            ExpectedInvalid: a line names none.
        """
        ids = [case.id for case in cases]
        for pattern in self.patterns:
            if not any(fnmatchcase(one, pattern) for one in ids):
                raise ExpectedInvalid(f"the expected failure {pattern} is no case")


NOTHING = ExpectedFailures(())


def read_expected(file: Path) -> ExpectedFailures:
    """One id or pattern a line; what follows ``#`` says why.

    Raises:
        ExpectedInvalid: the file cannot be read.
    """
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExpectedInvalid(f"{file}: {error}") from None
    patterns = (line.partition("#")[0].strip() for line in lines)
    return ExpectedFailures(tuple(pattern for pattern in patterns if pattern))
