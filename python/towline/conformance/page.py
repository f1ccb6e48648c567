"""The HTML page of one or more reports: operations, clauses and failures; it is self-contained."""

from __future__ import annotations

import json
import re
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

from towline.conformance.runner import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.conformance.report import Clause, Report, Result

__all__ = ["page"]

_Tally = dict[str, Counter[Verdict]]

#: The keys of an input that are shown in a headline, and the maximum length of the value.
_SUBJECT_KEYS = ("source", "name", "ref", "registries_conf")
_HEADLINE = 110

_AREA = re.compile(r"[A-Z]+")

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1f2328; --soft: #59636e;
  --line: #d1d9e0; --panel: #f6f8fa; --good: #1a7f37; --bad: #cf222e; --known: #9a6700;
  --good-bar: #4ac26b; --bad-bar: #ff8182; --known-bar: #eac54f; --off-bar: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0d1117; --ink: #e6edf3; --soft: #9198a1; --line: #3d444d; --panel: #151b23;
    --good: #3fb950; --bad: #f85149; --known: #d29922;
    --good-bar: #238636; --bad-bar: #da3633; --known-bar: #9e6a03; --off-bar: #3d444d } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 76rem; margin: 2rem auto 6rem; padding: 0 1.2rem }
h1 { font-size: 1.7rem; margin-bottom: .2rem }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .7rem } h3 { font-size: 1rem; margin: 1.6rem 0 .4rem }
a { color: inherit } nav a { margin-right: 1.1rem } .soft { color: var(--soft) }
code, pre { font: 13px/1.45 ui-monospace, monospace }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1rem;
  margin: 1.4rem 0 }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1.1rem 1rem;
  background: var(--panel) }
.card strong { font-size: 1.1rem }
.bar { display: flex; height: 9px; border-radius: 5px; overflow: hidden; margin: .5rem 0 .6rem;
  background: var(--off-bar) }
.bar i { display: block } .bar .passed { background: var(--good-bar) }
.bar .failed { background: var(--bad-bar) } .bar .expected { background: var(--known-bar) }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: .28rem .8rem .28rem 0; text-align: left;
  vertical-align: top }
thead th { position: sticky; top: 0; background: var(--ground); z-index: 1 }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.good { color: var(--good) } .bad { color: var(--bad); font-weight: 600 }
.known { color: var(--known) } .off { color: var(--soft) }
details { border: 1px solid var(--line); border-radius: 6px; margin: .35rem 0;
  padding: .3rem .8rem }
details details { background: var(--ground) } details[open] { padding-bottom: .7rem }
.area { background: var(--panel) } summary { cursor: pointer }
summary code { font-weight: 600 }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: .8rem }
p.what { margin: .7rem 0 .1rem; color: var(--soft); font-size: 13px }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); margin: 0;
  border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem; max-height: 24rem;
  overflow-y: auto }
"""


def page(reports: Sequence[Report], clauses: Sequence[Clause] = ()) -> str:
    """The page; several reports have one column per implementation."""
    titles = {clause.id: clause.title for clause in clauses}
    parts = [
        _head(reports, clauses),
        '<h2 id="operations">Operations</h2>',
        _matrix("operation", reports, [report.by_operation() for report in reports], {}),
    ]
    if clauses:
        parts += ['<h2 id="clauses">Clauses</h2>', *_areas(reports, clauses, titles)]
    parts += [_failures(number, report, titles) for number, report in enumerate(reports)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Conformance</title>\n<style>{_STYLE}</style>\n{body}\n</html>\n"
    )


def _head(reports: Sequence[Report], clauses: Sequence[Clause]) -> str:
    links = '<a href="#operations">Operations</a>'
    links += '<a href="#clauses">Clauses</a>' if clauses else ""
    for number, report in enumerate(reports):
        if _judged_wrong(report):
            links += f'<a href="#of-{number}">Differences of {_safe(report.implementation)}</a>'
    cards = "".join(_card(report, clauses) for report in reports)
    return f'<h1>Conformance</h1>\n<nav>{links}</nav>\n<div class="cards">{cards}</div>'


def _card(report: Report, clauses: Sequence[Clause]) -> str:
    counts = report.counts()
    bars = "".join(
        f'<i class="{verdict}" style="width:{100 * counts[verdict] / max(1, counts.total()):.2f}%">'
        "</i>"
        for verdict in ("passed", "expected", "failed")
    )
    lines = [
        f"<strong>{_safe(report.implementation)}</strong>",
        f'<div class="bar">{bars}</div>',
        f"<div>{_sentence(report)}</div>",
    ]
    if clauses:
        covered = report.coverage(clauses)
        lines.append(
            f'<div class="soft">{covered["judged"]} of the {covered["with_vectors"]} clauses with'
            f" vectors were tested; the spec has {covered['clauses']}</div>"
        )
    if partly := sum(bool(result.unshown) for result in report.results):
        lines.append(f'<div class="soft">{partly} cases tested in part: fields are not shown</div>')
    return f'<div class="card">{"".join(lines)}</div>'


def _sentence(report: Report) -> str:
    counts = report.counts()
    parts = [f"{counts['passed']} of {counts.total()} passed"]
    if counts["failed"]:
        parts.append(f'<span class="bad">{counts["failed"]} failed</span>')
    if counts["expected"]:
        parts.append(f'<span class="known">{counts["expected"]} failed as expected</span>')
    if counts["skipped"]:
        parts.append(f"{counts['skipped']} skipped")
    return ", ".join(parts) + f", in {report.seconds:.1f} s"


def _areas(
    reports: Sequence[Report], clauses: Sequence[Clause], titles: Mapping[str, str]
) -> list[str]:
    """One matrix per area of the spec; areas with failures are expanded."""
    tallies = [report.by_clause(clauses) for report in reports]
    areas: dict[str, list[Clause]] = {}
    for clause in clauses:
        match = _AREA.match(clause.id)
        areas.setdefault(match[0] if match else clause.id, []).append(clause)
    parts = []
    for area, members in areas.items():
        ids = {clause.id for clause in members}
        selected = [
            {name: counts for name, counts in tally.items() if name in ids} for tally in tallies
        ]
        total: Counter[Verdict] = Counter()
        for tally in selected:
            for counts in tally.values():
                total.update(counts)
        shown = len({name for tally in selected for name in tally})
        wrong = " open" if total["failed"] else ""
        parts.append(
            f'<details class="area"{wrong}><summary><code>{_safe(area)}</code> '
            f'<span class="soft">{shown} of {len(members)} clauses with vectors;</span>'
            f" {_totals(total)}</summary>"
            f"{_matrix('clause', reports, selected, titles) if shown else ''}</details>"
        )
    return parts


def _totals(counts: Counter[Verdict]) -> str:
    if not counts.total() - counts["skipped"]:
        return "not tested"
    parts = [f'<span class="good">{counts["passed"]} passed</span>']
    if counts["failed"]:
        parts.append(f'<span class="bad">{counts["failed"]} failed</span>')
    if counts["expected"]:
        parts.append(f'<span class="known">{counts["expected"]} as expected</span>')
    return ", ".join(parts)


def _matrix(
    noun: str, reports: Sequence[Report], tallies: Sequence[_Tally], titles: Mapping[str, str]
) -> str:
    names = dict.fromkeys(name for counted in tallies for name in counted)
    heads = "".join(f"<th>{_safe(report.implementation)}</th>" for report in reports)
    rows = "".join(
        f"<tr><td><code>{_safe(name)}</code> {_safe(titles.get(name, ''))}</td>"
        + "".join(_cell(counted.get(name)) for counted in tallies)
        + "</tr>\n"
        for name in names
    )
    return (
        f'<div class="scroll"><table><thead><tr><th>{noun}</th>{heads}</tr></thead><tbody>\n'
        f"{rows}</tbody></table></div>"
    )


def _cell(counts: Counter[Verdict] | None) -> str:
    if counts is None:
        return '<td class="off">–</td>'
    judged = counts.total() - counts["skipped"]
    if not judged:
        return f'<td class="off">{counts["skipped"]} skipped</td>'
    kind = "bad" if counts["failed"] else "known" if counts["expected"] else "good"
    more = f", {counts['expected']} expected" if counts["expected"] else ""
    more += f", {counts['skipped']} skipped" if counts["skipped"] else ""
    return f'<td class="{kind}">{counts["passed"]} / {judged}<span class="soft">{more}</span></td>'


def _judged_wrong(report: Report) -> list[Result]:
    return [result for result in report.results if result.verdict in ("failed", "expected")]


def _failures(number: int, report: Report, titles: Mapping[str, str]) -> str:
    wrong = _judged_wrong(report)
    if not wrong:
        return ""
    groups: dict[tuple[bool, str, str], list[Result]] = {}
    for result in wrong:
        known = result.verdict == "expected"
        why = result.reason.partition("\n")[0] if known else ""
        groups.setdefault((known, result.clause, why), []).append(result)
    parts = [f'<h2 id="of-{number}">Differences of {_safe(report.implementation)}</h2>']
    # Unexpected failures come first, and their headlines are always visible.
    for (known, clause, why), results in sorted(groups.items(), key=lambda pair: pair[0][0]):
        failures = "\n".join(map(_failure, results))
        if not known:
            parts.append(f'<h3 class="bad">{len(results)} unexplained</h3>\n{failures}')
            continue
        title = f" {_safe(titles.get(clause, ''))}" if clause else ""
        parts.append(
            f'<details class="area"><summary><span class="known">{len(results)}</span> '
            f"<code>{_safe(clause or 'expected')}</code>{title}"
            f'<div class="soft">{_safe(why)}</div></summary>\n{failures}</details>'
        )
    return "\n".join(parts)


def _failure(result: Result) -> str:
    wrong = ", ".join(difference["where"] for difference in result.differences)
    keys = (key for key in _SUBJECT_KEYS if result.input.get(key))
    subject = next((str(result.input[key]) for key in keys), "")
    note = ": ".join(filter(None, (result.why, subject[:_HEADLINE]))) or wrong
    expected = " (expected)" if result.verdict == "expected" else ""
    parts = ['<p class="what">input</p>', _block(result.input)]
    parts += [
        f'<p class="what"><code>{_safe(difference["where"])}</code></p><div class="pair">'
        f'<div><p class="what">wanted</p>{_block(difference["wanted"])}</div>'
        f'<div><p class="what">got</p>{_block(difference["got"])}</div></div>'
        for difference in result.differences
    ]
    if result.reason:
        parts.append(f'<p class="what">reason</p><pre>{_safe(result.reason)}</pre>')
    if result.unshown:
        parts.append(f'<p class="what">not shown: {_safe(", ".join(result.unshown))}</p>')
    if result.answer is not None and result.verdict == "failed":
        parts += [
            "<details><summary>the whole answer</summary>",
            _block(result.answer),
            "</details>",
        ]
    parts += ['<p class="what">repeat with</p>', f"<pre>{_safe(result.repeat)}</pre>"]
    return (
        f'<details id="{_safe(result.id)}"><summary><code>{_safe(result.id)}</code>'
        f" {_safe(note)}{expected}</summary>\n" + "\n".join(parts) + "\n</details>"
    )


def _block(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
    return f"<pre>{_safe(text)}</pre>"


def _safe(text: str) -> str:
    # Bytes that are not UTF-8 are shown as escapes.
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
