"""The report of a run: every case and the counts; it is written and read as JSON."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from towline.conformance.runner import Outcome, Verdict

__all__ = ["VERDICTS", "Clause", "Report", "ReportError", "Result", "read_clauses", "result_of"]

VERDICTS: tuple[Verdict, ...] = ("passed", "failed", "expected", "skipped")
_SCHEMA = 1


class ReportError(Exception):
    """A file is not a report, or not a list of clauses."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of the spec, and the vectors that test it.

    Attributes:
        id: the id, such as ``GOAL-004``.
        title: the title.
        vectors: ids of cases, or patterns of ids.
        level: the level, such as ``MUST``; ``""`` if the file has none.
    """

    id: str
    title: str
    vectors: tuple[str, ...]
    level: str = ""

    def cases_of(self, cases: Iterable[str]) -> set[str]:
        """The given ids that are vectors of the clause."""
        known = set(cases)
        patterns = [pattern for pattern in self.vectors if pattern not in known and "*" in pattern]
        matched = {case for case in known for one in patterns if fnmatchcase(case, one)}
        return known.intersection(self.vectors) | matched


@dataclass(frozen=True, slots=True)
class Result:
    """One case in a report.

    Attributes:
        id: the id of the case.
        operation: the operation of the case.
        edition: the edition of the case.
        why: the purpose of the case.
        verdict: the verdict.
        reason: the reason of a skip or of a driver failure.
        input: the input, with tokens.
        differences: ``{"where", "wanted", "got"}``, with tokens.
        answer: the answer of the driver, with tokens; None if the case passed.
        repeat: the command that repeats the case; ``""`` if it passed.
        seconds: the duration.
        unshown: expected fields that the implementation cannot show.
        clause: the clause that explains an expected failure; ``""`` otherwise.
    """

    id: str
    operation: str
    edition: str
    why: str
    verdict: Verdict
    reason: str
    input: Mapping[str, Any]
    differences: tuple[Mapping[str, Any], ...]
    answer: Mapping[str, Any] | None
    repeat: str
    seconds: float
    unshown: tuple[str, ...] = ()
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run.

    Attributes:
        implementation: name and version of the tested implementation.
        results: every case, in the order of the run.
        seconds: the duration of the run.
    """

    implementation: str
    results: tuple[Result, ...]
    seconds: float

    def counts(self) -> Counter[Verdict]:
        """The number of cases for each verdict."""
        return Counter(result.verdict for result in self.results)

    def by_operation(self) -> dict[str, Counter[Verdict]]:
        """The counts of each operation, in alphabetical order."""
        return tally((result.operation, result) for result in self.results)

    def by_clause(self, clauses: Sequence[Clause]) -> dict[str, Counter[Verdict]]:
        """The counts of each clause with a vector among the cases, in the order of the spec."""
        pairs: list[tuple[str, Result]] = []
        for clause in clauses:
            ids = clause.cases_of(result.id for result in self.results)
            pairs += [(clause.id, result) for result in self.results if result.id in ids]
        return tally(pairs, ordered=False)

    def by_explanation(self) -> dict[str, int]:
        """The number of expected failures that each clause explains, in descending order."""
        explained = Counter(
            result.clause or "none" for result in self.results if result.verdict == "expected"
        )
        return dict(explained.most_common())

    def by_skip_reason(self) -> dict[str, int]:
        """The number of skipped cases for each reason, in descending order."""
        skipped = (result for result in self.results if result.verdict == "skipped")
        reasons = Counter(result.reason.partition("\n")[0] for result in skipped)
        return dict(reasons.most_common())

    def coverage(self, clauses: Sequence[Clause]) -> dict[str, int]:
        """The number of clauses, of MUSTs, of clauses with vectors, and of tested clauses."""
        judged = self.by_clause(clauses)
        return {
            "clauses": len(clauses),
            "musts": sum(clause.level == "MUST" for clause in clauses),
            "with_vectors": sum(bool(clause.vectors) for clause in clauses),
            "judged": sum(counts.total() > counts["skipped"] for counts in judged.values()),
        }

    @property
    def failed(self) -> bool:
        """Whether the run failed: a case failed, or no case was tested."""
        counts = self.counts()
        return bool(counts["failed"]) or not (counts["passed"] or counts["expected"])

    def to_json(self, clauses: Sequence[Clause] = ()) -> dict[str, Any]:
        """The report as a JSON document (``spec/schemas/report.json``)."""
        return {
            "schema": _SCHEMA,
            "implementation": self.implementation,
            "seconds": round(self.seconds, 3),
            "totals": _counted(self.counts()),
            "operations": {name: _counted(counts) for name, counts in self.by_operation().items()},
            "clauses": {name: _counted(counts) for name, counts in self.by_clause(clauses).items()},
            "coverage": self.coverage(clauses),
            "explained": self.by_explanation(),
            "cases": [asdict(result) for result in self.results],
        }

    @staticmethod
    def read(file: Path) -> Report:
        """Read a report written by `to_json`.

        Raises:
            ReportError: the file is not a report.
        """
        try:
            document = json.loads(file.read_bytes())
            if document["schema"] != _SCHEMA:
                raise ReportError(f"{file} has the report schema {document['schema']}")
            results = tuple(
                Result(
                    **{
                        **case,
                        "differences": tuple(case["differences"]),
                        "unshown": tuple(case.get("unshown", ())),
                    }
                )
                for case in document["cases"]
            )
            return Report(document["implementation"], results, document["seconds"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReportError(f"{file} is not a report: {error!r}") from None


def tally(
    pairs: Iterable[tuple[str, Result]], *, ordered: bool = True
) -> dict[str, Counter[Verdict]]:
    """The counts of the verdicts for each name."""
    counts: dict[str, Counter[Verdict]] = {}
    for name, result in pairs:
        counts.setdefault(name, Counter())[result.verdict] += 1
    return dict(sorted(counts.items())) if ordered else counts


def _counted(counts: Counter[Verdict]) -> dict[str, int]:
    return {verdict: counts[verdict] for verdict in VERDICTS}


def result_of(outcome: Outcome, command: Sequence[str]) -> Result:
    """The report entry of an outcome.

    Args:
        outcome: the outcome.
        command: the command line of the run, without a selection of cases.
    """
    case = outcome.case
    passed = outcome.verdict == "passed"
    return Result(
        case.id,
        case.operation,
        case.edition,
        case.why,
        outcome.verdict,
        outcome.reason,
        dict(case.input),
        tuple(asdict(one) for one in outcome.differences),
        None if passed else outcome.answer,
        "" if passed else shlex.join([*command, "--case", case.id]),
        round(outcome.seconds, 4),
        outcome.unshown,
        outcome.clause,
    )


def read_clauses(file: Path) -> tuple[Clause, ...]:
    """Read the clauses of ``spec/clauses.json``, in the order of the file.

    Raises:
        ReportError: the file is not a list of clauses.
    """
    try:
        document = json.loads(file.read_bytes())
        return tuple(
            Clause(
                clause["id"],
                clause.get("title", ""),
                tuple(clause.get("vectors", ())),
                clause.get("level", ""),
            )
            for clause in document["clauses"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{file} is not a list of clauses: {error!r}") from None
