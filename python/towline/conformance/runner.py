"""Runs cases with a driver, one after another, and compares each answer."""

from __future__ import annotations

import contextlib
import tempfile
import time
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from towline.conformance.compare import Difference, differences, unshown
from towline.conformance.fixtures import fixture_root, work_directory
from towline.conformance.protocol import Answer, Driver, DriverError, Greeting
from towline.conformance.servers import (
    NO_REGISTRY,
    ServerFiles,
    missing_servers,
    needed_servers,
    serving,
)
from towline.conformance.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from towline.conformance.vectors import Case

__all__ = ["Outcome", "Plan", "Session", "Verdict", "run", "site"]

#: ``expected`` is a failure that is listed in the file of expected failures.
Verdict = Literal["passed", "failed", "expected", "skipped"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of a run.

    Attributes:
        cases: the cases, in the order of the run.
        command: the command line of the driver.
        fixtures: a generated tree or a directory with the generator; None for the suite's.
        servers: running servers, name to ``127.0.0.1:PORT``.
        seconds: the timeout for one case.
    """

    cases: Sequence[Case]
    command: Sequence[str]
    fixtures: Path | None = None
    servers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one case.

    Attributes:
        case: the case.
        verdict: the verdict.
        reason: the reason of a skip or of a driver failure; ``""`` otherwise.
        differences: the differences, with tokens; empty if the case passed.
        answer: the answer of the driver, with tokens; None if there is none.
        seconds: the duration.
        unshown: expected fields that the implementation cannot show.
        clause: the clause that explains an expected failure; ``""`` otherwise.
    """

    case: Case
    verdict: Verdict
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    answer: Mapping[str, Any] | None = None
    seconds: float = 0.0
    unshown: tuple[str, ...] = ()
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """The resources of a run.

    Attributes:
        root: the fixture tree.
        work: the work directory.
        servers: the running servers, name to ``127.0.0.1:PORT``.
        missing: the servers that cannot be started on this host; their cases are skipped.
    """

    root: Path
    work: Path
    servers: Mapping[str, str]
    missing: frozenset[str] = frozenset()


@contextlib.contextmanager
def site(plan: Plan) -> Iterator[Site]:
    """The resources that the plan's cases need, until the context ends.

    Raises:
        FixturesError: there is no fixture tree.
        ServersError: a server does not start.
    """
    needed = needed_servers({server for case in plan.cases for server in case.servers})
    missing = missing_servers(needed, plan.servers)
    with work_directory() as work:
        root = fixture_root(plan.fixtures, work)
        (work / "servers").mkdir()
        files = ServerFiles(root, plan.fixtures, work / "servers")
        with serving(needed - missing, files, plan.servers) as servers:
            yield Site(root, work, servers, missing)


def run(plan: Plan) -> Iterator[Greeting | Outcome]:
    """The outcomes in the order of the cases; the greeting precedes those of an edition.

    Raises:
        FixturesError: there is no fixture tree.
        ServersError: a server does not start.
        DriverError: the driver does not start.
    """
    with site(plan) as run_site:
        for edition, cases in groupby(plan.cases, key=lambda case: case.edition):
            with Session(run_site, plan.command, plan.seconds, edition) as session:
                yield session.greeting
                for case in cases:
                    yield session.judge(case)


class Session:
    """A driver process for one edition; after a failure it is started again."""

    def __init__(self, site: Site, command: Sequence[str], seconds: float, edition: str) -> None:
        """Start the driver.

        Raises:
            DriverError: it does not start.
        """
        self._site = site
        self._command = command
        self._seconds = seconds
        self._edition = edition
        self._driver: Driver | None = None
        self.greeting = self._start()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def judge(self, case: Case) -> Outcome:
        """Run one case."""
        started = time.monotonic()
        try:
            outcome = self._judge(case)
        except DriverError as error:
            self._end()
            outcome = Outcome(case, "failed", str(error))
        return replace(outcome, seconds=time.monotonic() - started)

    def _judge(self, case: Case) -> Outcome:
        if self.greeting.skipped is not None:
            return Outcome(case, "skipped", self.greeting.skipped)
        if case.operation not in self.greeting.operations:
            return Outcome(case, "skipped", f"{case.operation} is not offered")
        if needed_servers(case.servers) & self._site.missing:
            return Outcome(case, "skipped", NO_REGISTRY)
        if self._driver is None:
            self.greeting = self._start()
        assert self._driver is not None
        tokens = self._tokens()
        answer = self._driver.run(case.operation, tokens.expand(dict(case.input)))
        if answer.skipped is not None:
            return Outcome(case, "skipped", answer.skipped)
        tokens = tokens.with_more(answer.tokens)
        hidden = unshown(case.expect, answer)
        if answer.ok is not None and hidden and set(case.expect.get("ok", ())) == set(hidden):
            return Outcome(case, "skipped", f"not shown: {', '.join(hidden)}")
        found = differences(
            case.operation, tokens.expand(dict(case.expect)), answer, typed=bool(case.original)
        )
        shown = tuple(
            Difference(one.where, tokens.collapse(one.wanted), tokens.collapse(one.got))
            for one in found
        )
        return Outcome(
            case,
            "failed" if found else "passed",
            differences=shown,
            answer=tokens.collapse(_answer_json(answer)),
            unshown=hidden,
        )

    def _start(self) -> Greeting:
        store = Path(tempfile.mkdtemp(prefix="store", dir=self._site.work))
        driver = Driver(self._command, self._seconds)
        try:
            greeting = driver.start(self._edition, self._site.root, self._site.servers, store)
        except DriverError:
            driver.close()
            raise
        self._driver = driver
        return greeting

    def _end(self) -> None:
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def _tokens(self) -> Tokens:
        servers = self._site.servers
        ports = {f"{name}PORT": host.rpartition(":")[2] for name, host in servers.items()}
        return Tokens.of_root(str(self._site.root), **servers, **ports).with_more(
            self.greeting.tokens
        )


def _answer_json(answer: Answer) -> dict[str, Any]:
    if answer.ok is not None:
        return {"ok": dict(answer.ok)}
    if answer.error is not None:
        return {"error": dict(answer.error), **answer.extra}
    return {"crashed": answer.crashed}
