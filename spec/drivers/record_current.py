"""Records the vectors of edition ``current`` from the real tools.

    python spec/drivers/record_current.py [TOOL...]

The inputs are those of edition ``libpod-1.3``, with registries.conf in current keys, and those of
``questions.json``.  The answers are those of podman and skopeo, through the drivers in this
directory: their decisions (names, ids, digests, success or failure) without their messages.
Requires root, podman, skopeo and docker-registry; of towline only the suite is used.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tool import with_current_keys

from towline.conformance.protocol import Answer, Driver
from towline.conformance.runner import Plan, Site, site
from towline.conformance.servers import NAMES, NO_REGISTRY
from towline.conformance.tokens import Tokens
from towline.conformance.vectors import Case, load_vectors

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
CURRENT = VECTORS / "current"

#: The recorded fields, by tool and operation.
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
#: Inputs without a stable answer: ids that depend on the time of a file, a server with random
#: responses, and a transport that Debian's builds do not support.
UNSTABLE = ("tarball:", "FAKE", "atomic:")


@dataclass(frozen=True, slots=True)
class Question:
    """The input of a case and its purpose."""

    operation: str
    input: Mapping[str, Any]
    why: str = ""


def questions() -> Iterator[Question]:
    """The inputs of edition ``libpod-1.3`` in current keys, then those of ``questions.json``."""
    for case in load_vectors([VECTORS]):
        # skopeo normalizes differently from libpod (no name is short, and a tag is added), so
        # the inputs of that operation are in questions.json.
        if case.edition == "libpod-1.3" and case.operation != "normalized_reference":
            given = {key: value for key, value in case.input.items() if key != "conf"}
            if case.operation != "get_registries":
                given = dict(with_current_keys(given))
            yield Question(case.operation, given, case.why)
    for group in json.loads((HERE / "questions.json").read_text()):
        for given in group["inputs"]:
            yield Question(group["op"], {**group.get("all", {}), **given}, group["why"])


def record(tool: str, resources: Site) -> None:
    """Run all inputs that one tool supports, and write the vector files."""
    servers = resources.servers
    ports = {f"{name}PORT": host.rpartition(":")[2] for name, host in servers.items()}
    tokens = Tokens.of_root(str(resources.root), **servers, **ports)
    store = Path(tempfile.mkdtemp(prefix="store", dir=resources.work))
    cases: dict[str, list[dict[str, Any]]] = {}
    seen = set()
    with Driver((sys.executable, str(HERE / f"{tool}.py")), 120.0) as driver:
        greeting = driver.start("current", resources.root, servers, store)
        tokens = tokens.with_more(greeting.tokens)
        for question in questions():
            key = json.dumps([question.operation, question.input], sort_keys=True)
            fields = RECORDED[tool].get(question.operation)
            if fields is None or key in seen or any(text in key for text in UNSTABLE):
                continue
            seen.add(key)
            answer = driver.run(question.operation, tokens.expand(dict(question.input)))
            expect = _expect(answer, fields, tokens.with_more(answer.tokens))
            if expect is not None and not _hidden(question, expect):
                number = len(cases.setdefault(question.operation, [])) + 1
                name = f"{question.operation.replace('_', '-')}-{tool}-{number:04}"
                case = {"id": name, "input": dict(question.input)}
                cases[question.operation].append(
                    {**case, **({"why": question.why} if question.why else {}), "expect": expect}
                )
    for operation, recorded in cases.items():
        _write(tool, greeting.version, operation, recorded)


def _expect(answer: Answer, fields: tuple[str, ...], tokens: Tokens) -> dict[str, Any] | None:
    """The ``expect`` of a vector; None if the tool showed no recorded field."""
    if answer.error is not None:
        extra = {key: tokens.collapse(answer.extra[key]) for key in fields if key in answer.extra}
        return {"error": {"any": True}, **extra}
    if answer.ok is None:
        return None
    shown = {key: tokens.collapse(answer.ok[key]) for key in fields if key in answer.ok}
    return {"ok": shown} if shown else None


def _hidden(question: Question, expect: Mapping[str, Any]) -> bool:
    """Whether an error does not concern the goal: podman logs no goal before it reads a dir."""
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
    """Record the given tools, or both."""
    all_servers = Case("all", "pull", "current", VECTORS, {}, {}, servers=frozenset(NAMES))
    with site(Plan([all_servers], ())) as resources:
        if resources.missing:
            raise SystemExit(NO_REGISTRY)
        for tool in sys.argv[1:] or list(RECORDED):
            record(tool, resources)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
