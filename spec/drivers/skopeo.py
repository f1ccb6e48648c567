"""A driver for skopeo, by its command line alone: ``python3 spec/drivers/skopeo.py``.

What a name means is read from its debug log and from where it says that it failed; an attempt at
a registry is stopped before it connects.
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
    text,
    version_of,
)

_TRYING = re.compile(r'Trying to access "(.*)"', re.DOTALL)
_JUDGED = re.compile(r"IsRunningImageAllowed for image ([a-z-]+):(.*)", re.DOTALL)
_FAILED_AT = re.compile(
    r"(?:initializing source|determining manifest MIME type for)"
    r" (?P<name>(?P<transport>[a-z-]+):(?P<location>.*?)): ",
    re.DOTALL,
)
_SOURCE_FAULT = re.compile(r"Invalid source name (?P<name>.*?): (?P<fault>.*)", re.DOTALL)
_TLS = {"skip_tls_true": ["--src-tls-verify=false"], "skip_tls_false": ["--src-tls-verify=true"]}
_ALL_PARTS = (
    "docker_reference",
    "image_name",
    "policy_configuration_identity",
    "policy_configuration_namespaces",
    "string_within_transport",
    "transport",
)


def _skopeo(case: Case, policy: Path, *words: str, debug: bool = False, **environ: str) -> Said:
    storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{case.graph}"\nrunroot = "{case.runroot}"\n'
    environ["CONTAINERS_STORAGE_CONF"] = str(case.file("storage.conf", storage))
    conf = environ.pop("CONTAINERS_REGISTRIES_CONF", "")
    own = [f"--policy={policy}", f"--tmpdir={case.home}"]
    if conf:
        own.append(f"--registries-conf={conf}")
    return case.run(["skopeo", *(["--debug"] if debug else []), *own, *words], environ)


def _parse_image_name(case: Case, given: Input) -> dict[str, Any]:
    """Copied under a policy that rejects: what is told before that is the meaning of the name."""
    name = text(given, "name")
    policy = case.file("policy.json", REJECT)
    certs = f"--src-cert-dir={case.broken_certificates()}"
    where = f"dir:{case.home}/copy"
    words = ["copy", certs, "--", name, where]
    said = _skopeo(case, policy, *words, debug=True, **case.registries_conf({}))
    error = said.error or ""
    if fault := _SOURCE_FAULT.fullmatch(error):
        raise RefusedError(fault["fault"])
    shown: dict[str, Any] = {}
    if failed := _FAILED_AT.search(error):
        shown["transport"] = failed["transport"]
        shown["image_name"] = failed["name"]
        shown["string_within_transport"] = failed["location"]
    for _, message in said.log:
        if judged := _JUDGED.fullmatch(message):
            shown["transport"] = judged[1]
            shown["policy_configuration_identity"] = judged[2]
        elif trying := _TRYING.fullmatch(message):
            shown["docker_reference"] = trying[1]
    if not shown:
        raise SkippedError(f"skopeo does not show how it reads this: {error}")
    return {"ok": shown, "unshown": [part for part in _ALL_PARTS if part not in shown]}


def _normalized_reference(case: Case, given: Input) -> dict[str, Any]:
    name = text(given, "name")
    policy = case.file("policy.json", ACCEPT)
    certs = f"--cert-dir={case.broken_certificates()}"
    words = ["inspect", "--raw", certs, "--", f"docker://{name}"]
    said = _skopeo(case, policy, *words, debug=True, **case.registries_conf({}))
    for _, message in said.log:
        if trying := _TRYING.fullmatch(message):
            return {"ok": _parts(trying[1])}
    # The vectors tell a name that is none as a failure of taking it apart.
    raise RefusedError("decompose: " + _without_name(said.error or "", f"docker://{name}"))


def _parts(reference: str) -> dict[str, Any]:
    rest, _, digest = reference.partition("@")
    domain, _, path = rest.partition("/")
    path, _, tag = path.partition(":")
    return {
        "reference": reference,
        "domain": domain,
        "path": path,
        "tag": tag or None,
        "digest": digest or None,
    }


def _without_name(error: str, name: str) -> str:
    return re.sub(r'^Error parsing image name ".*?(?<!\\)": ', "", error, flags=re.DOTALL)


def _get_image_digest(case: Case, given: Input) -> dict[str, Any]:
    policy = case.file("policy.json", ACCEPT)
    words = ["inspect", "--raw", "--", given["source"]]
    said = _skopeo(case, policy, *words, **case.registries_conf({}))
    if said.error is not None:
        raise RefusedError(_without_name(said.error, given["source"]))
    try:
        told = json.loads(said.stdout)["config"]["digest"]
    except (ValueError, KeyError, TypeError):
        raise SkippedError("the manifest that skopeo shows names no config") from None
    return {"ok": {"digest": "@" + told.rpartition(":")[2]}}


def _pull(case: Case, given: Input) -> dict[str, Any]:
    source = given["source"]
    if not source.startswith("docker://"):
        raise SkippedError("skopeo chooses no names: only docker:// has the same one in the store")
    if given.get("label") is not None or given.get("pre"):
        raise SkippedError("skopeo copies one image, and has no choice by labels")
    if case.edition == "libpod-1.3":
        given = in_todays_keys(given)
    options = _TLS.get(given.get("docker_options", "nil"), [])[:]
    if given.get("authfile") is not None:
        options.append(f"--src-authfile={case.file('auth.json', given['authfile'])}")
    if creds := given.get("creds"):
        options.append(f"--src-creds={creds['username']}:{creds['password']}")
    if given.get("remove_signatures"):
        options.append("--remove-signatures")
    place = f"containers-storage:[vfs@{case.graph}+{case.runroot}]{source[len('docker://') :]}"
    words = ["copy", *options, "--", source, place]
    policy = case.file("policy.json", given["policy"])
    said = _skopeo(case, policy, *words, **case.registries_conf(given))
    left = {"stored": stored(case)}
    unshown = ["images", "events", "writer", "log"]
    if said.error is not None:
        tokens = {"POLICY": str(policy), "REGISTRIES_CONF": str(case.home / "registries.conf")}
        raise RefusedError(said.error, tokens=tokens, unshown=unshown, **left)
    return {"ok": left, "unshown": unshown}


if __name__ == "__main__":
    raise SystemExit(
        serve(
            "skopeo",
            version_of("skopeo"),
            {
                "get_image_digest": _get_image_digest,
                "normalized_reference": _normalized_reference,
                "parse_image_name": _parse_image_name,
                "pull": _pull,
            },
        )
    )
