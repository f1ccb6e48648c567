"""Records the vectors of edition ``current`` from the real tools.

    python spec/drivers/record_current.py [TOOL...]

The questions are those of the recorded edition, with registries.conf in today's keys, and those of
``questions.json``.  The answers are podman's and skopeo's, through the drivers of this folder: what
they decide (names, ids, digests, accepted or refused), never their words.  Needs root, podman,
skopeo and docker-registry; of towline only the servers and the protocol of the suite take part.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tool import in_todays_keys

from towline.conformance.protocol import Answer, Driver
from towline.conformance.runner import Plan, Site, site
from towline.conformance.servers import NAMES
from towline.conformance.tokens import Tokens
from towline.conformance.vectors import Case, load_vectors

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
CURRENT = VECTORS / "current"

#: What is recorded of each operation, and of which tool.
RECORDED = {
    "podman": {
        "get_registries": ("blocked", "insecure", "search"),
        "goal_from_image_reference": ("destinations", "sources"),
        "goal_from_possibly_unqualified_name": ("destinations", "sources"),
        "pull": ("stored",),
    },
    "skopeo": {
        "get_image_digest": ("digest",),
        "normalized_reference": ("digest", "domain", "path", "reference", "tag"),
        "parse_image_name": (
            "docker_reference",
            "image_name",
            "policy_configuration_identity",
            "string_within_transport",
            "transport",
        ),
        "pull": ("stored",),
    },
}
#: What nobody may compare: ids that follow a file's time, a server that answers at random, and a
#: transport that Debian's builds leave out.
UNSTEADY = ("tarball:", "FAKE", "atomic:")


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the input of a case, and why it is asked."""

    operation: str
    input: Mapping[str, Any]
    why: str = ""


def questions() -> Iterator[Question]:
    """Those of the recorded edition in today's keys, then those of ``questions.json``."""
    for case in load_vectors([VECTORS]):
        # Normalising is a step of libpod's own; skopeo does it with another contract (no name is
        # short, and a tag is added), so only the questions where that shows no difference are put.
        if case.edition == "libpod-1.3" and case.operation != "normalized_reference":
            given = {key: value for key, value in case.input.items() if key != "conf"}
            if case.operation != "get_registries":
                given = dict(in_todays_keys(given))
            yield Question(case.operation, given, case.why)
    for told in json.loads((HERE / "questions.json").read_text()):
        for given in told["inputs"]:
            yield Question(told["op"], {**told.get("all", {}), **given}, told["why"])


def record(tool: str, place: Site) -> None:
    """Ask one tool everything that it can answer, and write its files."""
    ports = {f"{name}PORT": host.rpartition(":")[2] for name, host in place.servers.items()}
    tokens = Tokens.of_root(str(place.root), **place.servers, **ports)
    store = Path(tempfile.mkdtemp(prefix="store", dir=place.work))
    cases: dict[str, list[dict[str, Any]]] = {}
    asked = set()
    with Driver((sys.executable, str(HERE / f"{tool}.py")), 120.0) as driver:
        greeting = driver.start("current", place.root, place.servers, store)
        tokens = tokens.having(greeting.tokens)
        for question in questions():
            key = json.dumps([question.operation, question.input], sort_keys=True)
            fields = RECORDED[tool].get(question.operation)
            if fields is None or key in asked or any(word in key for word in UNSTEADY):
                continue
            asked.add(key)
            answer = driver.run(question.operation, tokens.expand(dict(question.input)))
            expect = _expect(answer, fields, tokens.having(answer.tokens))
            if expect is not None and not _hidden(question, expect):
                number = len(cases.setdefault(question.operation, [])) + 1
                name = f"{question.operation.replace('_', '-')}-{tool}-{number:04}"
                case = {"id": name, "input": dict(question.input)}
                cases[question.operation].append(
                    {**case, **({"why": question.why} if question.why else {}), "expect": expect}
                )
    for operation, told in cases.items():
        _write(tool, greeting.version, operation, told)


def _expect(answer: Answer, fields: tuple[str, ...], tokens: Tokens) -> dict[str, Any] | None:
    """What a vector wants; None where the tool showed nothing."""
    if answer.error is not None:
        beside = {
            key: tokens.collapse(answer.beside[key]) for key in fields if key in answer.beside
        }
        return {"error": {"any": True}, **beside}
    if answer.ok is None:
        return None
    shown = {key: tokens.collapse(answer.ok[key]) for key in fields if key in answer.ok}
    return {"ok": shown} if shown else None


def _hidden(question: Question, expect: Mapping[str, Any]) -> bool:
    """Whether a refusal says nothing of the goal: podman tells none before it read the dir."""
    source = question.input.get("source", "")
    return (
        question.operation == "goal_from_image_reference"
        and source.startswith("dir:")
        and "error" in expect
    )


def _write(tool: str, version: str, operation: str, cases: list[dict[str, Any]]) -> None:
    head = {"schema": 1, "op": operation, "edition": "current", "recorded": f"{tool} {version}"}
    lines = ",\n".join("  " + json.dumps(case, ensure_ascii=True) for case in cases)
    text = json.dumps(head, indent=1)[:-2] + f',\n "cases": [\n{lines}\n ]\n}}\n'
    CURRENT.mkdir(exist_ok=True)
    (CURRENT / f"{operation}_{tool}.json").write_text(text)
    print(f"{tool}: {operation}: {len(cases)} cases")


def main() -> int:
    """Record the tools that are named, or both."""
    everywhere = Case("every", "pull", "current", VECTORS, {}, {}, servers=frozenset(NAMES))
    with site(Plan([everywhere], ())) as place:
        for tool in sys.argv[1:] or list(RECORDED):
            record(tool, place)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
