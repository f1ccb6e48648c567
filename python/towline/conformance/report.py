"""What a run found, as a value: counts, and every case; written as JSON and read again."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from towline.conformance.runner import Outcome, Verdict

__all__ = ["VERDICTS", "Clause", "Report", "ReportError", "Result", "read_clauses", "result_of"]

VERDICTS: tuple[Verdict, ...] = ("passed", "failed", "expected", "skipped")
_SCHEMA = 1


class ReportError(Exception):
    """A file that is not a report, or not a list of clauses."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of the spec, and the vectors that hold it.

    Attributes:
        id: such as ``GOAL-004``.
        title: its first line.
        vectors: ids of cases, or patterns of them.
        level: such as ``MUST``; ``""`` where the file says none.
    """

    id: str
    title: str
    vectors: tuple[str, ...]
    level: str = ""

    def held_by(self, cases: Iterable[str]) -> set[str]:
        """Those of the cases that are its vectors."""
        known = set(cases)
        patterns = [pattern for pattern in self.vectors if pattern not in known and "*" in pattern]
        matched = {case for case in known for one in patterns if fnmatchcase(case, one)}
        return known.intersection(self.vectors) | matched


@dataclass(frozen=True, slots=True)
class Result:
    """One case in a report.

    Attributes:
        id: of the case.
        operation: of the case.
        edition: of the case.
        why: what the case is there for.
        verdict: how it ended.
        reason: why it was skipped, or how the driver broke down.
        input: with tokens.
        differences: ``{"where", "wanted", "got"}``, with tokens.
        answer: the driver's, with tokens; None where the case passed.
        repeat: the command that repeats it; ``""`` where it passed.
        seconds: how long it took.
        unshown: what the vector wants and the implementation cannot show.
        clause: what explains an expected failure; ``""`` elsewhere.
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
        implementation: name and version of what was judged.
        results: every case, in the order of running.
        seconds: how long the run took.
    """

    implementation: str
    results: tuple[Result, ...]
    seconds: float

    def counts(self) -> Counter[Verdict]:
        """How many cases ended how."""
        return Counter(result.verdict for result in self.results)

    def by_operation(self) -> dict[str, Counter[Verdict]]:
        """The same for each operation, in alphabetical order."""
        return tally((result.operation, result) for result in self.results)

    def by_clause(self, clauses: Sequence[Clause]) -> dict[str, Counter[Verdict]]:
        """The same for each clause that has a vector among the cases, in the order of the spec."""
        held: list[tuple[str, Result]] = []
        for clause in clauses:
            ids = clause.held_by(result.id for result in self.results)
            held += [(clause.id, result) for result in self.results if result.id in ids]
        return tally(held, ordered=False)

    def by_explanation(self) -> dict[str, int]:
        """How many expected failures each clause explains, the most frequent first."""
        explained = Counter(
            result.clause or "none" for result in self.results if result.verdict == "expected"
        )
        return dict(explained.most_common())

    def coverage(self, clauses: Sequence[Clause]) -> dict[str, int]:
        """How many clauses there are, how many are a MUST, have vectors, and were judged."""
        judged = self.by_clause(clauses)
        return {
            "clauses": len(clauses),
            "musts": sum(clause.level == "MUST" for clause in clauses),
            "with_vectors": sum(bool(clause.vectors) for clause in clauses),
            "judged": sum(counts.total() > counts["skipped"] for counts in judged.values()),
        }

    @property
    def failed(self) -> bool:
        """Whether the run counts as failed: something failed, or nothing was judged at all."""
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
        """A report that `to_json` wrote.

        Raises:
            ReportError: it is none.
        """
        try:
            told = json.loads(file.read_bytes())
            if told["schema"] != _SCHEMA:
                raise ReportError(f"{file}: a report of schema {told['schema']}")
            results = tuple(
                Result(
                    **{
                        **case,
                        "differences": tuple(case["differences"]),
                        "unshown": tuple(case.get("unshown", ())),
                    }
                )
                for case in told["cases"]
            )
            return Report(told["implementation"], results, told["seconds"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReportError(f"{file} is no report: {error!r}") from None


def tally(
    pairs: Iterable[tuple[str, Result]], *, ordered: bool = True
) -> dict[str, Counter[Verdict]]:
    """Verdicts counted under each name."""
    counts: dict[str, Counter[Verdict]] = {}
    for name, result in pairs:
        counts.setdefault(name, Counter())[result.verdict] += 1
    return dict(sorted(counts.items())) if ordered else counts


def _counted(counts: Counter[Verdict]) -> dict[str, int]:
    return {verdict: counts[verdict] for verdict in VERDICTS}


def result_of(outcome: Outcome, command: Sequence[str]) -> Result:
    """An outcome as it stands in a report.

    Args:
        outcome: the outcome.
        command: the command line of the run, without a choice of cases.
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
    """The clauses of ``spec/clauses.json``, in its order.

    Raises:
        ReportError: the file is something else.
    """
    try:
        told = json.loads(file.read_bytes())
        return tuple(
            Clause(
                clause["id"],
                clause.get("title", ""),
                tuple(clause.get("vectors", ())),
                clause.get("level", ""),
            )
            for clause in told["clauses"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{file} is no list of clauses: {error!r}") from None
