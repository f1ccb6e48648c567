"""A driver for skopeo that uses only its command line: ``python3 spec/drivers/skopeo.py``.

The parsed name is read from skopeo's debug log and error messages; an attempt at a registry is
stopped before it connects.
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
    text,
    version_of,
    with_current_keys,
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


def _skopeo(
    case: Case, policy: Path, *arguments: str, debug: bool = False, **environ: str
) -> ToolOutput:
    storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{case.graph}"\nrunroot = "{case.runroot}"\n'
    environ["CONTAINERS_STORAGE_CONF"] = str(case.file("storage.conf", storage))
    conf = environ.pop("CONTAINERS_REGISTRIES_CONF", "")
    options = [f"--policy={policy}", f"--tmpdir={case.home}"]
    if conf:
        options.append(f"--registries-conf={conf}")
    if debug:
        options.insert(0, "--debug")
    return case.run(["skopeo", *options, *arguments], environ)


def _parse_image_name(case: Case, given: Input) -> dict[str, Any]:
    """Copy under a policy that rejects; the parsed name is in the output before the rejection."""
    name = text(given, "name")
    policy = case.file("policy.json", REJECT)
    certs = f"--src-cert-dir={case.broken_certificates()}"
    destination = f"dir:{case.home}/copy"
    arguments = ["copy", certs, "--", name, destination]
    output = _skopeo(case, policy, *arguments, debug=True, **case.registries_conf({}))
    error = output.error or ""
    if fault := _SOURCE_FAULT.fullmatch(error):
        raise RefusedError(fault["fault"])
    shown: dict[str, Any] = {}
    if failed := _FAILED_AT.search(error):
        shown["transport"] = failed["transport"]
        shown["image_name"] = failed["name"]
        shown["string_within_transport"] = failed["location"]
    for _, message in output.log:
        if judged := _JUDGED.fullmatch(message):
            shown["transport"] = judged[1]
            shown["policy_configuration_identity"] = judged[2]
        elif trying := _TRYING.fullmatch(message):
            shown["docker_reference"] = trying[1]
    if not shown:
        raise SkippedError(f"skopeo does not show how it parses this name: {error}")
    return {"ok": shown, "unshown": [part for part in _ALL_PARTS if part not in shown]}


def _normalized_reference(case: Case, given: Input) -> dict[str, Any]:
    name = text(given, "name")
    policy = case.file("policy.json", ACCEPT)
    certs = f"--cert-dir={case.broken_certificates()}"
    arguments = ["inspect", "--raw", certs, "--", f"docker://{name}"]
    output = _skopeo(case, policy, *arguments, debug=True, **case.registries_conf({}))
    for _, message in output.log:
        if trying := _TRYING.fullmatch(message):
            return {"ok": _parts(trying[1])}
    # In the vectors an invalid name is an error of decompose.
    raise RefusedError("decompose: " + _without_name(output.error or "", f"docker://{name}"))


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
    arguments = ["inspect", "--raw", "--", given["source"]]
    output = _skopeo(case, policy, *arguments, **case.registries_conf({}))
    if output.error is not None:
        raise RefusedError(_without_name(output.error, given["source"]))
    try:
        digest = json.loads(output.stdout)["config"]["digest"]
    except (ValueError, KeyError, TypeError):
        raise SkippedError("the manifest that skopeo prints has no config") from None
    return {"ok": {"digest": "@" + digest.rpartition(":")[2]}}


def _pull(case: Case, given: Input) -> dict[str, Any]:
    source = given["source"]
    if not source.startswith("docker://"):
        raise SkippedError("skopeo selects no names: only docker:// has the same name in the store")
    if given.get("label") is not None or given.get("pre"):
        raise SkippedError("skopeo copies one image, and cannot select by label")
    if case.edition == "libpod-1.3":
        given = with_current_keys(given)
    options = _TLS.get(given.get("docker_options", "nil"), [])[:]
    if given.get("authfile") is not None:
        options.append(f"--src-authfile={case.file('auth.json', given['authfile'])}")
    if creds := given.get("creds"):
        options.append(f"--src-creds={creds['username']}:{creds['password']}")
    if given.get("remove_signatures"):
        options.append("--remove-signatures")
    destination = (
        f"containers-storage:[vfs@{case.graph}+{case.runroot}]{source[len('docker://') :]}"
    )
    arguments = ["copy", *options, "--", source, destination]
    policy = case.file("policy.json", given["policy"])
    output = _skopeo(case, policy, *arguments, **case.registries_conf(given))
    fields = {"stored": stored(case)}
    unshown = ["images", "events", "writer", "log"]
    if output.error is not None:
        tokens = {"POLICY": str(policy), "REGISTRIES_CONF": str(case.home / "registries.conf")}
        raise RefusedError(output.error, tokens=tokens, unshown=unshown, **fields)
    return {"ok": fields, "unshown": unshown}


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
