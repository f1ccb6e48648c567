"""Reports as one self-contained HTML page: operations and clauses by implementations, failures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from towline.conformance.report import Clause, Report, Result
from towline.conformance.runner import Verdict

__all__ = ["page"]

_Tally = dict[str, Counter[Verdict]]

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --good: #1a7f37; --bad: #cf222e; --off: #8888 }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
table { border-collapse: collapse }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem; text-align: left;
  vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.good { color: var(--good) } .bad { color: var(--bad); font-weight: 600 } .off { color: var(--off) }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .3rem .8rem }
summary { cursor: pointer } summary code { font-weight: 600 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; border-radius: 6px;
  padding: .5rem .8rem; margin: .3rem 0 .8rem }
"""


def page(reports: Sequence[Report], clauses: Sequence[Clause] = ()) -> str:
    """The page; with several reports, one column for each implementation."""
    parts = [
        _head(reports),
        "<h2>Operations</h2>",
        _matrix("operation", reports, lambda report: report.by_operation(), {}),
    ]
    if clauses:
        titles = {clause.id: clause.title for clause in clauses}
        parts += [
            "<h2>Clauses</h2>",
            _matrix("clause", reports, lambda report: report.by_clause(clauses), titles),
        ]
    parts += [_failures(report) for report in reports]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Conformance</title>\n<style>{_STYLE}</style>\n{body}\n</html>\n"
    )


def _head(reports: Sequence[Report]) -> str:
    rows = "".join(
        f"<li><strong>{_safe(report.implementation)}</strong>: {_sentence(report)}</li>"
        for report in reports
    )
    return f"<h1>Conformance</h1>\n<ul>{rows}</ul>"


def _sentence(report: Report) -> str:
    counts = report.counts()
    told = [f"{counts['passed']} of {counts.total()} passed"]
    if counts["failed"]:
        told.append(f'<span class="bad">{counts["failed"]} failed</span>')
    if counts["expected"]:
        told.append(f"{counts['expected']} failed as expected")
    if counts["skipped"]:
        told.append(f"{counts['skipped']} skipped")
    return ", ".join(told) + f", in {report.seconds:.1f} s"


def _matrix(
    noun: str,
    reports: Sequence[Report],
    tally: Callable[[Report], _Tally],
    titles: dict[str, str],
) -> str:
    tallies = [tally(report) for report in reports]
    names = dict.fromkeys(name for counted in tallies for name in counted)
    heads = "".join(f"<th>{_safe(report.implementation)}</th>" for report in reports)
    rows = "".join(
        f"<tr><td><code>{_safe(name)}</code> {_safe(titles.get(name, ''))}</td>"
        + "".join(_cell(counted.get(name)) for counted in tallies)
        + "</tr>\n"
        for name in names
    )
    return f"<table><thead><tr><th>{noun}</th>{heads}</tr></thead><tbody>\n{rows}</tbody></table>"


def _cell(counts: Counter[Verdict] | None) -> str:
    if counts is None:
        return '<td class="n off">–</td>'
    judged = counts.total() - counts["skipped"]
    if not judged:
        return f'<td class="n off">{counts["skipped"]} skipped</td>'
    kind = "bad" if counts["failed"] else "good"
    more = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    more += f", {counts['expected']} expected" if counts["expected"] else ""
    return f'<td class="n {kind}">{counts["passed"]} / {judged}{more}</td>'


def _failures(report: Report) -> str:
    failed = [result for result in report.results if result.verdict in ("failed", "expected")]
    if not failed:
        return ""
    told = "\n".join(map(_failure, failed))
    return f"<h2>Failures of {_safe(report.implementation)}</h2>\n{told}"


def _failure(result: Result) -> str:
    wrong = ", ".join(difference["where"] for difference in result.differences)
    note = result.why or result.reason.partition("\n")[0] or wrong
    expected = " (expected)" if result.verdict == "expected" else ""
    parts = ["<p>Input</p>", _block(result.input)]
    for difference in result.differences:
        parts += [
            f"<p><code>{_safe(difference['where'])}</code>: wanted</p>",
            _block(difference["wanted"]),
            "<p>got</p>",
            _block(difference["got"]),
        ]
    if result.reason:
        parts.append(f"<pre>{_safe(result.reason)}</pre>")
    if result.answer is not None:
        parts += [
            "<details><summary>the whole answer</summary>",
            _block(result.answer),
            "</details>",
        ]
    parts += ["<p>Repeat it with</p>", f"<pre>{_safe(result.repeat)}</pre>"]
    return (
        f'<details id="{_safe(result.id)}"><summary><code>{_safe(result.id)}</code>'
        f" {_safe(note)}{expected}</summary>\n" + "\n".join(parts) + "\n</details>"
    )


def _block(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
    return f"<pre>{_safe(text)}</pre>"


def _safe(text: str) -> str:
    # Bytes that are not UTF-8 are shown as what they are.
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
