"""A driver for podman that uses only its command line: ``python3 spec/drivers/podman.py``.

Attempts are read from podman's debug log, and every attempt is stopped before it connects.  Stored
images are read from the files of the store, and errors from podman's messages.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tool import (
    ACCEPT,
    REJECT,
    Case,
    Input,
    RefusedError,
    SkippedError,
    ToolOutput,
    serve,
    stored,
    version_of,
    with_current_keys,
)

_CANDIDATE = re.compile(r"Attempting to pull candidate (.+) for .+", re.DOTALL)
_COPYING = re.compile(r"Copying source image (.*) to destination image \[[^\]]*\](.*)", re.DOTALL)
_PARSED = re.compile(r'parsed reference into "\[[^\]]*\](.*)"', re.DOTALL)
_RESOLVING = re.compile(r'Resolving "(.*)" using unqualified-search registries')
_NO_REGISTRIES = "no unqualified-search registries are defined"
_TLS = {"skip_tls_true": ["--tls-verify=false"], "skip_tls_false": ["--tls-verify=true"]}


def _podman(case: Case, *arguments: str, environ: dict[str, str] | None = None) -> ToolOutput:
    paths = [f"--root={case.graph}", f"--runroot={case.runroot}", f"--tmpdir={case.home}/tmp"]
    fixed = ["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=file"]
    return case.run(["podman", *paths, *fixed, *arguments], environ)


def _get_registries(case: Case, given: Input) -> dict[str, Any]:
    output = _podman(case, "info", "--format=json", environ=case.registries_conf(given))
    if output.error is not None:
        raise RefusedError(output.error)
    registries = json.loads(output.stdout)["registries"]
    search = registries.pop("search", None)

    def marked(key: str) -> list[str] | None:
        return [one["Location"] for one in registries.values() if one[key]] or None

    return {"ok": {"search": search, "insecure": marked("Insecure"), "blocked": marked("Blocked")}}


def _goal_of_name(case: Case, given: Input) -> dict[str, Any]:
    options = [f"--cert-dir={case.broken_certificates()}"]
    return _goal(case, given["name"], options, case.registries_conf(given))


def _goal_of_reference(case: Case, given: Input) -> dict[str, Any]:
    options = [f"--cert-dir={case.broken_certificates()}"]
    return _goal(case, given["source"], options, case.registries_conf({}))


def _goal(case: Case, source: str, options: list[str], environ: dict[str, str]) -> dict[str, Any]:
    """The pairs in podman's log; those of an archive are logged before the policy rejects it."""
    options = [*options, f"--signature-policy={case.file('policy.json', REJECT)}"]
    output = _podman(case, "--log-level=debug", "pull", *options, "--", source, environ=environ)
    log = [message for _, message in output.log]
    copies = [found for message in log if (found := _COPYING.fullmatch(message))]
    if not copies and _NO_REGISTRIES in (output.error or ""):
        # podman fails if the goal of the vectors is empty; in both cases nothing is tried.
        empty = {"pairs": [], "sources": [], "destinations": [], "used_search_registries": True}
        return {"ok": empty, "unshown": ["pull_all_pairs", "searched_registries"]}
    if not copies:
        raise RefusedError(output.error or "nothing is tried")
    candidates = [found[1] for message in log if (found := _CANDIDATE.fullmatch(message))]
    transport = "docker" if candidates else source.partition(":")[0]
    pairs = [{"image": copy[2], "src": f"{transport}:{copy[1]}", "dst": copy[2]} for copy in copies]
    if transport == "docker-archive":
        first = next(index for index, message in enumerate(log) if _COPYING.fullmatch(message))
        parsed = [found[1] for message in log[:first] if (found := _PARSED.fullmatch(message))]
        pairs = [{**pairs[0], "image": name, "dst": name} for name in parsed]
    return {
        "ok": {
            "pairs": pairs,
            "sources": [pair["src"] for pair in pairs],
            "destinations": [pair["dst"] for pair in pairs],
            "used_search_registries": any(_RESOLVING.match(message) for message in log),
        },
        "unshown": ["pull_all_pairs", "searched_registries"],
    }


def _get_image_digest(case: Case, given: Input) -> dict[str, Any]:
    policy = case.file("policy.json", ACCEPT)
    environ = case.registries_conf({})
    arguments = ["pull", "--quiet", f"--signature-policy={policy}", "--", given["source"]]
    output = _podman(case, *arguments, environ=environ)
    if output.error is not None:
        raise RefusedError(output.error)
    return {"ok": {"digest": "@" + output.stdout.split("\n")[0]}}


def _pull(case: Case, given: Input) -> dict[str, Any]:
    if given.get("label") is not None:
        raise SkippedError("podman pull cannot select by label")
    if given.get("remove_signatures"):
        raise SkippedError("podman pull cannot remove signatures")
    if case.edition == "libpod-1.3":
        given = with_current_keys(given)
    environ = case.registries_conf(given)
    options = _TLS.get(given.get("docker_options", "nil"), [])[:]
    if given.get("authfile") is not None:
        options.append(f"--authfile={case.file('auth.json', given['authfile'])}")
    if creds := given.get("creds"):
        options.append(f"--creds={creds['username']}:{creds['password']}")
    policy = case.file("policy.json", given["policy"])
    options += [f"--signature-policy={policy}", "--os=linux", "--arch=amd64"]
    if not given.get("writer", True):
        options.append("--quiet")
    for name in given.get("pre", ()):
        _podman(case, "pull", *options, "--", name, environ=environ)
    before = len(_events(case))
    output = _podman(case, "pull", *options, "--", given["source"], environ=environ)
    fields = {
        "writer": output.lines,
        "log": [{"level": level, "message": message} for level, message in output.log],
        "events": _events(case)[before:],
        "stored": stored(case),
    }
    tokens = {"POLICY": str(policy), "REGISTRIES_CONF": str(case.home / "registries.conf")}
    # podman prints ids instead of names, and its text and log differ from 2019 (README.md).
    unshown = ["images"] + (["writer", "log"] if case.edition == "libpod-1.3" else [])
    if output.error is not None:
        raise RefusedError(output.error, tokens=tokens, unshown=unshown, **fields)
    return {"ok": fields, "tokens": tokens, "unshown": unshown}


def _events(case: Case) -> list[dict[str, str]]:
    file = next(iter(Path(case.home, "tmp").rglob("events.log")), None)
    if file is None:
        return []
    events = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        {"type": one["Type"], "status": one["Status"], "name": one.get("Name", "")}
        for one in events
        if one["Type"] == "image"  # the first call also has an event of type system
    ]


if __name__ == "__main__":
    raise SystemExit(
        serve(
            "podman",
            version_of("podman"),
            {
                "get_image_digest": _get_image_digest,
                "get_registries": _get_registries,
                "goal_from_image_reference": _goal_of_reference,
                "goal_from_possibly_unqualified_name": _goal_of_name,
                "pull": _pull,
            },
        )
    )
