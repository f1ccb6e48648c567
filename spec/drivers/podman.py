"""A driver for podman, by its command line alone: ``python3 spec/drivers/podman.py``.

What podman tries is read from its debug log, where every attempt is stopped before it connects;
what it stored, from the record of its store; what it refused, from its own words.
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
    Said,
    SkippedError,
    in_todays_keys,
    serve,
    stored,
    version_of,
)

_CANDIDATE = re.compile(r"Attempting to pull candidate (.+) for .+", re.DOTALL)
_COPYING = re.compile(r"Copying source image (.*) to destination image \[[^\]]*\](.*)", re.DOTALL)
_PARSED = re.compile(r'parsed reference into "\[[^\]]*\](.*)"', re.DOTALL)
_RESOLVING = re.compile(r'Resolving "(.*)" using unqualified-search registries')
_NO_REGISTRIES = "no unqualified-search registries are defined"
_TLS = {"skip_tls_true": ["--tls-verify=false"], "skip_tls_false": ["--tls-verify=true"]}


def _podman(case: Case, *words: str, environ: dict[str, str] | None = None) -> Said:
    own = [f"--root={case.graph}", f"--runroot={case.runroot}", f"--tmpdir={case.home}/tmp"]
    fixed = ["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=file"]
    return case.run(["podman", *own, *fixed, *words], environ)


def _get_registries(case: Case, given: Input) -> dict[str, Any]:
    said = _podman(case, "info", "--format=json", environ=case.registries_conf(given))
    if said.error is not None:
        raise RefusedError(said.error)
    told = json.loads(said.stdout)["registries"]
    search = told.pop("search", None)

    def having(key: str) -> list[str] | None:
        return [one["Location"] for one in told.values() if one[key]] or None

    return {"ok": {"search": search, "insecure": having("Insecure"), "blocked": having("Blocked")}}


def _goal_of_name(case: Case, given: Input) -> dict[str, Any]:
    words = [f"--cert-dir={case.broken_certificates()}"]
    return _goal(case, given["name"], words, case.registries_conf(given))


def _goal_of_reference(case: Case, given: Input) -> dict[str, Any]:
    words = [f"--cert-dir={case.broken_certificates()}"]
    return _goal(case, given["source"], words, case.registries_conf({}))


def _goal(case: Case, source: str, words: list[str], environ: dict[str, str]) -> dict[str, Any]:
    """The pairs that podman says it tries; an archive's are known before the policy stops it."""
    words = [*words, f"--signature-policy={case.file('policy.json', REJECT)}"]
    said = _podman(case, "--log-level=debug", "pull", *words, "--", source, environ=environ)
    log = [message for _, message in said.log]
    copies = [found for message in log if (found := _COPYING.fullmatch(message))]
    if not copies and _NO_REGISTRIES in (said.error or ""):
        # podman refuses where the goal of the vectors is an empty one; in both nothing is tried.
        empty = {"pairs": [], "sources": [], "destinations": [], "used_search_registries": True}
        return {"ok": empty, "unshown": ["pull_all_pairs", "searched_registries"]}
    if not copies:
        raise RefusedError(said.error or "nothing is tried")
    candidates = [found[1] for message in log if (found := _CANDIDATE.fullmatch(message))]
    transport = "docker" if candidates else source.partition(":")[0]
    pairs = [{"image": copy[2], "src": f"{transport}:{copy[1]}", "dst": copy[2]} for copy in copies]
    if transport == "docker-archive":
        first = next(place for place, message in enumerate(log) if _COPYING.fullmatch(message))
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
    words = ["pull", "--quiet", f"--signature-policy={policy}", "--", given["source"]]
    said = _podman(case, *words, environ=environ)
    if said.error is not None:
        raise RefusedError(said.error)
    return {"ok": {"digest": "@" + said.stdout.split("\n")[0]}}


def _pull(case: Case, given: Input) -> dict[str, Any]:
    if given.get("label") is not None:
        raise SkippedError("podman pull has no choice by labels")
    if given.get("remove_signatures"):
        raise SkippedError("podman pull cannot leave signatures out")
    if case.edition == "libpod-1.3":
        given = in_todays_keys(given)
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
    said = _podman(case, "pull", *options, "--", given["source"], environ=environ)
    left = {
        "writer": said.lines,
        "log": [{"level": level, "message": told} for level, told in said.log],
        "events": _events(case)[before:],
        "stored": stored(case),
    }
    tokens = {"POLICY": str(policy), "REGISTRIES_CONF": str(case.home / "registries.conf")}
    # It prints ids instead of names; and its text and log are not those of 2019 (README.md).
    unshown = ["images"] + (["writer", "log"] if case.edition == "libpod-1.3" else [])
    if said.error is not None:
        raise RefusedError(said.error, tokens=tokens, unshown=unshown, **left)
    return {"ok": left, "tokens": tokens, "unshown": unshown}


def _events(case: Case) -> list[dict[str, str]]:
    file = next(iter(Path(case.home, "tmp").rglob("events.log")), None)
    if file is None:
        return []
    told = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        {"type": one["Type"], "status": one["Status"], "name": one.get("Name", "")}
        for one in told
        if one["Type"] == "image"  # the first call also tells that the system was refreshed
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
