"""The command line of the suite: ``towline conformance``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from towline.conformance.expected import NOTHING, ExpectedFailuresError, read_expected
from towline.conformance.fixtures import SPEC, FixturesError, generate
from towline.conformance.junit import junit
from towline.conformance.page import page
from towline.conformance.protocol import DriverError, Greeting, command_of
from towline.conformance.report import (
    Clause,
    Report,
    ReportError,
    Result,
    read_clauses,
    result_of,
)
from towline.conformance.runner import Outcome, Plan, run
from towline.conformance.servers import NAMES, ServersError
from towline.conformance.vectors import Case, VectorsError, load_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["conformance", "main"]

_BUILT_IN = "towline"
_VECTORS = SPEC / "vectors"
_CLAUSES = SPEC / "clauses.json"
#: The cases in which towline differs on purpose from the programs that were recorded.
_EXPECTED = SPEC / "drivers" / "towline.expected"

_FILE = click.Path(path_type=Path, dir_okay=False)
_PATH = click.Path(path_type=Path, exists=True)
_SHOWN = 10  # failures that are printed in full, and reasons of skipped cases
_WIDTH = 800  # characters of a printed value; reports have the whole value


@click.group(epilog=f"\b\nThe protocol of the drivers:\n{SPEC / 'driver.md'}")
def conformance() -> None:
    """Test an implementation with recorded vectors."""


@conformance.command("run")
@click.option(
    "--vectors",
    multiple=True,
    type=_PATH,
    metavar="DIR...",
    help="Directories of vector files, or single files; repeatable.  Default: all of the suite.",
)
@click.argument("more", nargs=-1, type=_PATH, metavar="[DIR]...")
@click.option(
    "--fixtures",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="A fixture tree, or a directory with make_fixtures.py.  Default: a generated tree.",
)
@click.option(
    "--driver",
    default=_BUILT_IN,
    show_default=True,
    metavar="CMD",
    help="The command line of the driver; 'towline' is the built-in one.",
)
@click.option("--case", "ids", multiple=True, metavar="ID", help="Only these cases (or patterns).")
@click.option("--op", "operations", multiple=True, metavar="OP", help="Only these operations.")
@click.option("--edition", "editions", multiple=True, metavar="NAME", help="Only these editions.")
@click.option(
    "--expected-failures",
    "expected",
    type=_FILE,
    metavar="FILE",
    help="Cases that must fail, one per line; if one of them passes, it counts as failed."
    "  Default: for the built-in driver, the list of the suite; none for other drivers.",
)
@click.option(
    "--explained",
    is_flag=True,
    help="Require for each expected failure the clause and a reason: 'id  # CLAUSE-ID reason'.",
)
@click.option(
    "--clauses",
    type=_FILE,
    metavar="FILE",
    help="The clauses and their vectors.  Default: those of the suite.",
)
@click.option(
    "--server",
    "servers",
    multiple=True,
    metavar="NAME=HOST:PORT",
    help="A running server with the content of the fixtures, such as REG1.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds for one case.",
)
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write a JSON report.")
@click.option("--junit", "junit_file", type=_FILE, metavar="FILE", help="Write JUnit XML.")
@click.option("--html", "html_file", type=_FILE, metavar="FILE", help="Write an HTML page.")
@click.option("--quiet", is_flag=True, help="Print only the counts.")
def run_command(
    vectors: tuple[Path, ...],
    more: tuple[Path, ...],
    fixtures: Path | None,
    driver: str,
    ids: tuple[str, ...],
    operations: tuple[str, ...],
    editions: tuple[str, ...],
    expected: Path | None,
    explained: bool,
    clauses: Path | None,
    servers: tuple[str, ...],
    timeout: float,
    json_file: Path | None,
    junit_file: Path | None,
    html_file: Path | None,
    quiet: bool,
) -> None:
    """Run the vectors; without options, all of them with towline.

    The exit status is 0 only if no case failed.  Skipped cases and expected failures are counted.
    """
    command = command_of(driver)
    if not command:
        raise click.UsageError("--driver names no command")
    running = _servers(servers)
    if more and not vectors:
        raise click.UsageError(f"unexpected argument {more[0]}; pass vectors with --vectors")
    paths = (*vectors, *more)
    listed = expected or (_EXPECTED if driver == _BUILT_IN else None)
    spec_clauses = _clauses(clauses)
    try:
        loaded = load_vectors(paths or (_VECTORS,))
        failures = read_expected(listed) if listed else NOTHING
        # The list of the suite names cases of the suite, which other vectors need not contain.
        if expected or not paths:
            failures.check(loaded)
        if explained:
            failures.check_explained({clause.id for clause in spec_clauses})
    except (VectorsError, ExpectedFailuresError) as error:
        raise click.UsageError(str(error)) from None
    cases = _Choice(ids, operations, editions).of(loaded)
    repeat = _repeat_command(paths, fixtures, driver, expected, servers)
    started = time.monotonic()
    name = driver
    results: list[Result] = []
    try:
        for event in run(Plan(cases, command, fixtures, running, timeout)):
            match event:
                case Greeting():
                    name = f"{event.name} {event.version}".strip()
                case Outcome():
                    results.append(result_of(failures.judged(event), repeat))
                    if not quiet:
                        _show(results)
                        _show_progress(len(results), len(cases))
    except (FixturesError, ServersError, DriverError) as error:
        raise click.ClickException(str(error)) from None
    report = Report(name, tuple(results), time.monotonic() - started)
    if json_file:
        json_file.write_text(_json(report, spec_clauses), "utf-8")
    if junit_file:
        junit_file.write_bytes(junit(report))
    if html_file:
        html_file.write_text(page([report], spec_clauses), "utf-8")
    _summary(report, spec_clauses, listed)
    if report.failed:
        sys.exit(1)


@conformance.command("compare")
@click.argument("reports", nargs=-1, required=True, type=_FILE, metavar="REPORT.json...")
@click.option("--html", "html_file", required=True, type=_FILE, metavar="FILE")
@click.option("--clauses", type=_FILE, metavar="FILE")
def compare_command(reports: tuple[Path, ...], html_file: Path, clauses: Path | None) -> None:
    """Show several JSON reports side by side on one page."""
    try:
        loaded = [Report.read(file) for file in reports]
    except ReportError as error:
        raise click.UsageError(str(error)) from None
    html_file.write_text(page(loaded, _clauses(clauses)), "utf-8")


@conformance.command("list")
@click.option("--vectors", multiple=True, type=_PATH, metavar="DIR")
def list_command(vectors: tuple[Path, ...]) -> None:
    """Print the id, the operation and the purpose of every case."""
    try:
        cases = load_vectors(vectors or (_VECTORS,))
    except VectorsError as error:
        raise click.UsageError(str(error)) from None
    for case in cases:
        click.echo(f"{case.id}\t{case.operation}\t{case.why}")


@conformance.command("fixtures")
@click.argument("destination", type=click.Path(path_type=Path))
def fixtures_command(destination: Path) -> None:
    """Create the fixture tree in a directory that does not exist yet."""
    if destination.exists():
        raise click.UsageError(f"{destination} exists")
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        generate(None, destination.absolute())
    except FixturesError as error:
        raise click.ClickException(str(error)) from None


@dataclass(frozen=True, slots=True)
class _Choice:
    """A filter for cases; an empty field accepts all cases."""

    ids: tuple[str, ...]
    operations: tuple[str, ...]
    editions: tuple[str, ...]

    def of(self, cases: Sequence[Case]) -> list[Case]:
        for pattern in self.ids:
            if not any(fnmatchcase(case.id, pattern) for case in cases):
                raise click.UsageError(f"there is no case {pattern}")
        for kind, wanted, known in (
            ("operation", self.operations, {case.operation for case in cases}),
            ("edition", self.editions, {case.edition for case in cases}),
        ):
            for name in wanted:
                if name not in known:
                    listed = ", ".join(sorted(known))
                    raise click.UsageError(f"there is no {kind} {name}; the vectors have {listed}")
        selected = [case for case in cases if self._has(case)]
        if not selected:
            raise click.UsageError("no case is left to run")
        # The cases of an edition are consecutive, so each edition needs one driver session.
        return sorted(selected, key=lambda case: case.edition)

    def _has(self, case: Case) -> bool:
        return (
            (not self.ids or any(fnmatchcase(case.id, pattern) for pattern in self.ids))
            and (not self.operations or case.operation in self.operations)
            and (not self.editions or case.edition in self.editions)
        )


def _clauses(given: Path | None) -> tuple[Clause, ...]:
    try:
        return read_clauses(given or _CLAUSES)
    except ReportError as error:
        raise click.UsageError(str(error)) from None


def _servers(given: Sequence[str]) -> dict[str, str]:
    servers = {}
    for text in given:
        name, equals, host = text.partition("=")
        if not equals or name not in NAMES:
            raise click.UsageError(
                f"--server {text}: must be NAME=HOST:PORT, with NAME one of {NAMES}"
            )
        servers[name] = host
    return servers


def _repeat_command(
    paths: Sequence[Path],
    fixtures: Path | None,
    driver: str,
    expected: Path | None,
    servers: Sequence[str],
) -> list[str]:
    command = ["towline", "conformance", "run"]
    for path in paths:
        command += ["--vectors", str(path)]
    if fixtures:
        command += ["--fixtures", str(fixtures)]
    if driver != _BUILT_IN:
        command += ["--driver", driver]
    if expected:
        command += ["--expected-failures", str(expected)]
    for server in servers:
        command += ["--server", server]
    return command


def _show(results: Sequence[Result]) -> None:
    result = results[-1]
    if result.verdict != "failed":
        return
    _clear_progress()
    if sum(other.verdict == "failed" for other in results) == _SHOWN + 1:
        click.echo("(only the ids of further failures; --html FILE and --json FILE show all)")
    if sum(other.verdict == "failed" for other in results) > _SHOWN:
        click.echo(f"FAILED {result.id}")
        return
    click.echo(f"FAILED {result.id}  {result.why}".rstrip())
    click.echo(f"  input   {_json_line(result.input)}")
    for difference in result.differences:
        click.echo(f"  {difference['where']}")
        click.echo(f"    wanted {_json_line(difference['wanted'])}")
        click.echo(f"    got    {_json_line(difference['got'])}")
    if result.reason:
        click.echo("  " + result.reason.replace("\n", "\n  "))
    click.echo(f"  repeat  {result.repeat}")


def _show_progress(done: int, cases: int) -> None:
    """Count the cases on a terminal, in a line that is cleared before other output."""
    if done == cases:
        _clear_progress()
    elif done % 50 == 0 and sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {cases} cases")
        sys.stderr.flush()


def _clear_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _summary(report: Report, clauses: Sequence[Clause], listed: Path | None) -> None:
    rows = [*report.by_operation().items(), ("total", report.counts())]
    width = max(len(name) for name, _ in rows)
    click.echo(f"{report.implementation}, {report.seconds:.1f} s")
    covered = report.coverage(clauses)
    click.echo(
        f"{covered['judged']} of {covered['with_vectors']} clauses with vectors were tested"
        f" (the spec has {covered['clauses']}, {covered['musts']} of them MUST)"
    )
    explained = report.by_explanation()
    if explained:
        click.echo(f"expected failures: {listed}")
    for clause, count in explained.items():
        click.echo(f"  {count:4} failed as explained by {clause}")
    for reason, count in list(report.by_skip_reason().items())[:_SHOWN]:
        click.echo(f"  {count:4} skipped: {reason}")
    for name, counts in rows:
        columns = [f"{counts['passed']:5} passed", f"{counts['failed']:4} failed"]
        columns += [f"{counts['skipped']:4} skipped"]
        if counts["expected"]:
            columns.append(f"{counts['expected']:4} failed as expected")
        click.echo(f"{name:{width}}  {'  '.join(columns)}")


def _json(report: Report, clauses: Sequence[Clause]) -> str:
    return json.dumps(report.to_json(clauses), indent=1) + "\n"


def _json_line(value: object) -> str:
    line = json.dumps(value)
    return line if len(line) <= _WIDTH else line[:_WIDTH] + "..."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Args:
        argv: the arguments after ``towline conformance``; None for those of the process.
    """
    try:
        conformance(list(argv) if argv is not None else None, prog_name="towline conformance")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1
    return 0
