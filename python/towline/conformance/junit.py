"""The JUnit XML form of a report, for continuous integration."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

if TYPE_CHECKING:
    from towline.conformance.report import Report, Result

__all__ = ["junit"]

# Characters that XML 1.0 does not allow, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> bytes:
    """The XML document, with one test suite per operation."""
    root = Element("testsuites", name=_clean(report.implementation))
    for operation, counts in report.by_operation().items():
        suite = SubElement(
            root,
            "testsuite",
            name=_clean(operation),
            tests=str(counts.total()),
            failures=str(counts["failed"]),
            errors="0",
            skipped=str(counts["skipped"] + counts["expected"]),
        )
        for result in report.results:
            if result.operation == operation:
                _case(suite, result)
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _case(suite: Element, result: Result) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_clean(f"{result.edition}.{result.operation}"),
        name=_clean(result.id),
        time=f"{result.seconds:.4f}",
    )
    match result.verdict:
        case "failed":
            failure = SubElement(case, "failure", message=_clean(_headline(result)))
            failure.text = _clean(_details(result))
        case "skipped":
            SubElement(case, "skipped", message=_clean(result.reason))
        case "expected":
            why = f"{result.clause} {result.reason}".strip()
            SubElement(case, "skipped", message=_clean(f"expected failure {why}".strip()))
        case "passed":
            pass


def _headline(result: Result) -> str:
    wrong = ", ".join(difference["where"] for difference in result.differences)
    return result.reason.partition("\n")[0] or f"differences: {wrong}"


def _details(result: Result) -> str:
    details = {
        "input": result.input,
        "differences": result.differences,
        "reason": result.reason,
        "repeat": result.repeat,
    }
    return json.dumps(details, indent=1, ensure_ascii=False)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
