"""Rules that assign clauses to recorded cases, so that they also apply to further recordings.

A row assigns clauses to the cases of its operations whose input, expected error or reason matches.
All matching rows apply; some rows match only recordings that are not public yet.  A case without a
matching row gets the default clause of its operation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAMES = ("decompose", "normalized_reference", "reference_with_registry")
GOALS = ("goal_from_image_reference", "goal_from_possibly_unqualified_name")
CONF = ("get_registries", "find_registry", "goal_from_possibly_unqualified_name")
ARCHIVES = ("goal_from_image_reference", "get_image_digest", "pull")
ALL = (*NAMES, *CONF, *ARCHIVES, "parse_image_name", "pull_ref_pair")


@dataclass(frozen=True, slots=True)
class Row:
    """One rule; the patterns are regular expressions, and an empty pattern matches every case.

    Attributes:
        ops: the operations.
        clauses: the clauses that the cases test, separated by spaces.
        text: a pattern for the name or source.
        conf: a pattern for registries.conf.
        policy: a pattern for the policy.
        whole: a pattern for the whole input, as JSON.
        error: a pattern for the text of the expected error.
        expect: a pattern for the whole expected answer, as JSON.
        why: a pattern for the reason of the case.
        ok: True for successes only, False for errors only.
    """

    ops: tuple[str, ...]
    clauses: str
    text: str = ""
    conf: str = ""
    policy: str = ""
    whole: str = ""
    error: str = ""
    expect: str = ""
    why: str = ""
    ok: bool | None = None


ROWS = (
    # names
    Row(NAMES, "NAME-001 NAME-030 NAME-031", ok=True),
    Row(NAMES, "NAME-002 NAME-003", error="invalid reference format$"),
    Row(NAMES, "NAME-003", error="at least one component|must be lowercase$"),
    Row(NAMES, "NAME-004", text="[\u212a\u0130]"),
    Row(NAMES, "NAME-004", whole="base64"),
    Row(ALL, "NAME-005", error="more than 255"),
    Row(NAMES, "NAME-005", text="(?:a|b){200}", ok=True),
    Row(ALL, "NAME-020", error="digest algorithm|checksum digest"),
    Row(NAMES, "NAME-021", text="@", error="invalid reference format$"),
    Row(NAMES, "NAME-031", text="^(localhost|LOCALHOST)"),
    Row(("reference_with_registry",), "NAME-035 NAME-010", ok=True),
    Row(("reference_with_registry",), "NAME-035", error="internal error"),
    Row(("reference_with_registry", *GOALS), "NAME-035 NAME-037", error="error normalizing"),
    Row(("normalized_reference",), "NAME-036 NAME-010", ok=True),
    Row(("normalized_reference",), "NAME-036", error="internal error"),
    Row(("reference_with_registry", "normalized_reference"), "ERR-005", error="internal error"),
    Row(ALL, "NAME-011", error="invalid reference format: repository name must be lowercase"),
    Row(ALL, "NAME-012", whole="index\\.docker\\.io", ok=True),
    Row(ALL, "NAME-013", error="cannot specify 64-byte"),
    Row(NAMES, "NAME-013", text="[0-9a-f]{64}$", ok=True),
    Row(("parse_image_name",), "NAME-014 TRANS-011", text="^docker://", ok=True),
    Row(("parse_image_name", "pull_ref_pair"), "NAME-015", expect=":latest", ok=True),
    # transports
    Row(("parse_image_name",), "TRANS-001", error="Invalid image name"),
    Row(("parse_image_name",), "TRANS-002", ok=True),
    Row(("parse_image_name",), "TRANS-010", text="^docker:"),
    Row(("parse_image_name",), "TRANS-013", text="^docker://", ok=True),
    Row(ALL, "TRANS-012", error="Docker references with both"),
    Row(("parse_image_name",), "TRANS-020 TRANS-022", text="^docker-archive:"),
    Row(("parse_image_name",), "TRANS-021", text="^docker-archive:[^:]+:"),
    Row(("parse_image_name",), "TRANS-023", text="^docker-archive:[^:]+:@"),
    Row(("parse_image_name",), "TRANS-031 TRANS-032 TRANS-035 TRANS-041", text="^oci(-archive)?:"),
    Row(("parse_image_name",), "TRANS-033", error="^Invalid image [^n]"),
    Row(("parse_image_name",), "TRANS-040 TRANS-041 TRANS-042", text="^dir:"),
    Row(("parse_image_name",), "TRANS-040", error="lstat"),
    Row(("parse_image_name",), "TRANS-050 TRANS-051", text="^tarball:"),
    Row(("parse_image_name",), "TRANS-060", text="^docker-daemon:"),
    Row(("parse_image_name",), "TRANS-061", error="is reserved"),
    Row(("parse_image_name",), "TRANS-061", text="^docker-daemon:.*/sha256"),
    Row(("parse_image_name",), "TRANS-064", text="^docker-daemon:", ok=True),
    Row(("parse_image_name",), "TRANS-070", text="^atomic:"),
    Row(("parse_image_name",), "TRANS-071", error="invalid image reference"),
    Row(("parse_image_name",), "TRANS-073", text="^atomic:.*:.*@"),
    Row(("parse_image_name",), "TRANS-080", text="^ostree:"),
    Row(("parse_image_name",), "TRANS-090 TRANS-095", text="^containers-storage:"),
    Row(("parse_image_name",), "TRANS-091", text="^containers-storage:\\["),
    Row(("parse_image_name",), "TRANS-097", text="^containers-storage:\\[[a-z]+@"),
    Row(("parse_image_name",), "TRANS-092", text="^containers-storage:.*@"),
    Row(("parse_image_name",), "TRANS-096 STORE-020", text="^containers-storage:", ok=True),
    # pairs
    Row(("pull_ref_pair",), "GOAL-003 GOAL-006", ok=True),
    Row(("pull_ref_pair",), "GOAL-004", whole='"source": "(docker|atomic|docker-daemon):'),
    Row((*GOALS, "pull_ref_pair", "pull"), "GOAL-005", error="error parsing dest reference name"),
    Row(("pull_ref_pair",), "GOAL-003", error="error normalizing"),
    Row(("pull_ref_pair",), "TRANS-092", whole="@"),
    Row(("pull_ref_pair",), "TRANS-093", whole='"dest_name": "\\['),
    Row(("pull_ref_pair",), "TRANS-094", whole='"pre"'),
    Row((*GOALS, "pull_ref_pair"), "TRANS-095 ERR-002", error="error parsing named reference"),
    Row(("pull_ref_pair", *GOALS, "get_image_digest"), "TRANS-001", error="^ParseImageName: Inv"),
    Row(("pull_ref_pair", *GOALS, "get_image_digest"), "TRANS-040", error="^ParseImageName: lst"),
    Row(("pull_ref_pair", *GOALS, "get_image_digest"), "TRANS-010", error="^ParseImageName: doc"),
    Row(("pull_ref_pair", *GOALS, "get_image_digest"), "ERR-001", error="^ParseImageName: "),
    Row(("pull_ref_pair",), "GOAL-005", ok=False),
    # goals of references
    Row(("goal_from_image_reference",), "GOAL-010", text="^(?!docker-arch|oci-arch|dir)"),
    Row(("goal_from_image_reference", "pull"), "GOAL-011", text="^docker-archive:", ok=True),
    Row(ARCHIVES, "GOAL-012 GOAL-022", text="^docker-archive:", expect='"@[0-9a-f]{64}'),
    Row(GOALS, "GOAL-013", text="^docker-archive:", error="error parsing dest|normalizing"),
    Row(("goal_from_image_reference", "pull"), "GOAL-014", text="^docker-archive:[^:]+:"),
    Row(ARCHIVES, "GOAL-018", text="^docker-archive:[^:]+:@"),
    Row(("goal_from_image_reference", "pull"), "GOAL-015", text="^oci-archive:"),
    Row(("goal_from_image_reference",), "GOAL-016", text="^dir:."),
    Row(("goal_from_image_reference", "pull"), "GOAL-017", text="^dir:$"),
    Row(("goal_from_image_reference", "pull"), "GOAL-020", text="^(oci|tarball):"),
    Row(("get_image_digest",), "GOAL-022"),
    Row(GOALS, "GOAL-006", expect='"image"'),
    # goals of names
    Row(("goal_from_possibly_unqualified_name",), "GOAL-030", expect='"used_search[^,]+: false'),
    Row(("goal_from_possibly_unqualified_name",), "GOAL-031", expect='"used_search[^,]+: true'),
    Row(("goal_from_possibly_unqualified_name",), "GOAL-032", expect='"pairs": (null|\\[\\])'),
    Row(("goal_from_possibly_unqualified_name",), "NAME-003 GOAL-030", ok=False),
    Row(("pull",), "GOAL-033", why="configured twice"),
    Row(("goal_from_possibly_unqualified_name", "pull"), "GOAL-034 CONF-040", conf="block"),
    # configuration
    Row((*CONF, "pull"), "CONF-001 CONF-002", conf="(?i)\\[\\[registry"),
    Row(("get_registries", "goal_from_possibly_unqualified_name", "pull"), "CONF-010", ok=True),
    Row(CONF, "CONF-001", conf="unqualified-search-registries|location"),
    Row((*CONF, "pull"), "CONF-004", conf="(?i)\\[registries\\."),
    Row((*CONF, "pull"), "CONF-005", error="mixing sysregistry"),
    Row((*CONF, "pull"), "CONF-006", error="invalid URL"),
    Row((*CONF, "pull"), "CONF-006", conf="/['\"]", ok=True),
    Row((*CONF, "pull"), "CONF-007", conf="mirror"),
    Row((*CONF, "pull"), "CONF-008", error="multiple times"),
    Row((*CONF, "pull"), "CONF-013", error="registries.conf file: |error loading registries"),
    Row((*CONF, "pull"), "CONF-003", error="registries.conf file: $|loading registries: $"),
    Row(CONF, "CONF-011", whole='"registries_conf": null|registries_conf_env|"default_regis'),
    Row((*CONF, "pull"), "CONF-011", error="no such file|is a directory"),
    Row(("find_registry",), "CONF-020"),
    Row(("get_registries",), "CONF-002"),
    Row(("pull",), "CONF-020", why="prefix|entry|namespace"),
    Row(("pull",), "CONF-022", whole="skip_tls"),
    Row(("pull",), "CONF-040", why="mirror|blocked|block list"),
    # archives
    Row(ARCHIVES, "ARCH-001", text="dotslash|missing|no-manifest|empty.tar|rooted"),
    Row(ARCHIVES, "ARCH-007", text="symlink|hardlink|only-by-link|layer-on"),
    Row(ARCHIVES, "ARCH-003", text="\\.(gz|bz2|xz|zst)|bz2|gz-|xz-"),
    Row(ARCHIVES, "ARCH-003", error="decompress|detecting compression"),
    Row(ARCHIVES, "ARCH-004", text="^docker-archive:.*(config|layer)"),
    Row(ARCHIVES, "ARCH-012", error="expected 1 item"),
    Row(ARCHIVES, "ARCH-014", error="(?i)layer count|two different DiffID|layer tarfiles"),
    Row(ARCHIVES, "ARCH-014 ARCH-017", text="layer-same-twice|mismatch|layer-missing"),
    Row(ARCHIVES, "ARCH-016", text="config-(empty-object|null|rootfs-null)"),
    Row(ARCHIVES, "ARCH-010", text="manifest-|config-|index-"),
    Row(ARCHIVES, "ARCH-010", error="Error decoding"),
    Row(ARCHIVES, "ARCH-001", error="Error loading tar component"),
    Row(ARCHIVES, "ARCH-004", error="error retrieving manifest.json"),
    Row(ARCHIVES, "ARCH-015", text="truncated|corrupt|bad-checksum", ok=False),
    Row(("pull",), "ARCH-018", error="blob size mismatch"),
    Row(("pull",), "ARCH-022", text="layer-gz|layer-compressed|one-tag", ok=True),
    Row(("pull",), "ARCH-020", text="^docker-archive:", ok=True),
    Row(ARCHIVES, "TARBALL-001", text="^tarball:"),
    Row(ARCHIVES, "LAYOUT-006", error="no descriptor found"),
    Row(ARCHIVES, "LAYOUT-005", error="more than one image"),
    Row(ARCHIVES, "LAYOUT-003", error="unexpected digest reference"),
    Row(ARCHIVES, "LAYOUT-004", text="trailing|two-values"),
    Row(ARCHIVES, "LAYOUT-002", text="dotslash|layout-missing|nolayout"),
    Row(ARCHIVES, "DIR-001 DIR-002", text="^dir:."),
    Row(ARCHIVES, "LAYOUT-005", text="^oci(-archive)?:", ok=True),
    Row(ARCHIVES, "MANIFEST-006", error="unsupported schema version"),
    Row(("pull",), "MANIFEST-020 MANIFEST-024", text="/schema1", ok=True),
    Row(("pull",), "MANIFEST-027", text="/manifest-(?:null|object)$", error="fetching blob 404"),
    Row(ARCHIVES, "MANIFEST-010", text="config-|version-missing"),
    Row(("get_image_digest",), "MANIFEST-011", error="checksum digest|digest algorithm"),
    Row(ALL, "ERR-003", error="(open|lstat|read) \\S+: "),
    Row(ALL, "ERR-001", expect='"any": true'),
    # steps of pulls
    Row(("pull",), "PULL-001", whole='"mode": "heuristic"'),
    Row(("pull",), "PULL-002", whole='"mode": "reference"'),
    Row(("pull",), "PULL-003", why="first registry|never asked|second registry"),
    Row(("pull",), "PULL-004 PULL-005", expect="Failed.*Failed|many-tags|two:2"),
    Row(("pull",), "PULL-004", text="many-tag|dup-tags|partial-|all-fail|two-tags"),
    Row(("pull",), "PULL-010 ERR-021", error="Error |Source image rejected"),
    Row(("pull",), "PULL-011", error="Error "),
    Row(("pull",), "PULL-012", why="reject policy, manifest list"),
    Row(("pull",), "PULL-015", error="would not match destination"),
    Row(("pull",), "PULL-015", text="@sha256:", ok=True),
    Row(("pull",), "PULL-016", error="image operating system|windows", ok=False),
    Row(("pull",), "PULL-017", why="no layers"),
    Row(("pull",), "PULL-018", error="Error (reading|writing) blob"),
    Row(("pull",), "PULL-019", text="same-twice"),
    Row(("pull",), "PULL-020", text="^(\\$\\{REG|docker://|oci-arch|dir)", ok=True),
    Row(("pull",), "PULL-021", text="FAKE", ok=False),
    # labels
    Row(("pull",), "LABEL-001", whole='"label": "', ok=True),
    Row(("pull",), "LABEL-001 LABEL-002", error="has no label"),
    Row(("pull",), "LABEL-004 ERR-014", whole='"label": "', ok=False),
    Row(("pull",), "LABEL-002 LABEL-003", whole='"label": "', error="^(Err|ping|Down|no image)"),
    Row(("pull",), "LABEL-005", why="label, (no search|reject|registry down)|label asked of"),
    # events, texts
    Row(("pull",), "EVENT-001", ok=True),
    Row(("pull",), "EVENT-001 TEXT-008", expect='"events": \\[\\].*Failed'),
    Row(("pull",), "EVENT-002", ok=True),
    Row(("pull",), "TEXT-001", expect="Trying to pull"),
    Row(("pull",), "TEXT-002", expect="Getting image source signatures"),
    Row(("pull",), "TEXT-002", whole='"remove_signatures": true'),
    Row(("pull",), "TEXT-005 TEXT-006", expect="Copying blob"),
    Row(("pull",), "TEXT-006", error="Error reading blob.*(Invalid status|$)"),
    Row(("pull",), "TEXT-007", error="Digest did not match|Error writing blob"),
    Row(("pull",), "TEXT-009", expect="Storing signatures"),
    Row(("pull",), "TEXT-010", expect="Error pulling image ref"),
    Row(("pull",), "TEXT-011", whole='"writer": false'),
    # policy
    Row(("pull",), "POLICY-001", error="^open \\$\\{POLICY"),
    Row(("pull",), "POLICY-003", whole='"policy": null'),
    Row(("pull",), "POLICY-010", policy="transports", ok=True),
    Row(("pull",), "POLICY-010 POLICY-013", error="rejected by policy"),
    Row(("pull",), "POLICY-011", error='invalid policy.*Unknown key "/'),
    Row(("pull",), "POLICY-014", error="A signature was required"),
    Row(("pull",), "POLICY-016", error="signedBaseLayer"),
    Row(("pull",), "POLICY-020 POLICY-024", error="^invalid policy"),
    Row(("pull",), "POLICY-021", error="requirement type|keyPath|keyType"),
    Row(("pull",), "POLICY-022", policy="null"),
    Row(("pull",), "POLICY-023", why="unknown transport in the policy"),
    Row(("pull",), "POLICY-030", error="reference match type|dockerRef|Invalid format of"),
    # registries
    Row(("pull",), "REG-009 PULL-020", text="^\\$\\{(REG|FAKE)", ok=True),
    Row(("pull",), "REG-001", why="https|insecure"),
    Row(("pull",), "REG-003 REG-005", text="ociindex|multi"),
    Row(("pull",), "REG-006", text="ctype"),
    Row(("pull",), "REG-008", error="does not match (provided|expected)"),
    Row(("pull",), "REG-008", text="any-digest", ok=True),
    Row(("pull",), "REG-011 AUTH-001", whole="FAKE(BASIC|BEARER)\\}/"),
    Row(("pull",), "AUTH-003", whole='"authfile"'),
    Row(("pull",), "AUTH-006", error="username and password"),
    Row(("pull",), "REG-030", error="Error reading manifest"),
    Row(("pull",), "REG-031", error="Error reading manifest \\S+ in \\S+: (?!received|error pars)"),
    Row(("pull",), "REG-032", error="error parsing HTTP|unknown: old style|details"),
    Row(("pull",), "REG-033", error="unexpected HTTP status"),
    Row(("pull",), "REG-034", error="Invalid status code"),
    Row(("pull",), "REG-035 REG-004", error="pinging docker registry"),
    Row(("pull",), "REG-036", error="auth token"),
    Row(("pull",), "PLAT-003", text="multi|list-"),
    # stores
    Row(("pull",), "STORE-002 STORE-004", whole='"pre"', why="same image|again"),
    Row(("pull",), "STORE-003", why="the name moves"),
    Row(("pull",), "STORE-005", text="@sha256:", ok=True),
    Row(("pull",), "STORE-006", why="@HEX of another"),
    Row(("pull",), "STORE-007", expect='"names": (\\[\\]|null)'),
    Row(("pull",), "STORE-011", why="layer is not a tar"),
    # results of pulls
    Row(("pull",), "ERR-010", error="^[0-9]+ errors? occurred"),
    Row(("pull",), "ERR-011", error="^unable to pull image"),
    Row(("pull",), "ERR-012", error="no search registries"),
    Row(("pull",), "ERR-013", error="^error (getting default|determining pull goal)"),
    Row(("pull",), "GOAL-001 GOAL-002", error="^error getting default"),
    Row(("pull",), "ERR-020", why="goal is computed first|malformed|policy missing"),
)

#: Vectors of edition ``current`` have decisions without messages, so these rows match inputs.
CURRENT_ROWS = (
    Row(("goal_from_possibly_unqualified_name", "pull"), "CONF-043", conf="\\[aliases\\]", ok=True),
    Row(("goal_from_possibly_unqualified_name",), "CONF-046", conf="short-name-mode"),
    Row(CONF, "CONF-031", conf="location", ok=True),
    Row(CONF, "CONF-032", why="neither location|without location|disagree", ok=False),
    Row(CONF, "CONF-035", why="two entries of one prefix"),
    Row(CONF, "CONF-036", why="search registry (with a (namespace|scheme|final)|$)", ok=False),
    Row(CONF, "CONF-021", conf="\\*\\.", ok=True),
    Row(("pull",), "CONF-021", conf="\\*\\."),
    Row(("pull",), "CONF-041", conf="blocked = true", ok=False),
    Row(("pull",), "CONF-042", conf="registry.mirror", ok=True),
    Row(("pull",), "CONF-044 CONF-020", conf="prefix = ", ok=True),
    Row(("pull", "goal_from_possibly_unqualified_name"), "TRANS-012", text=":[^/]+@sha", ok=True),
    Row(("pull",), "POLICY-012", policy="\\*\\."),
    Row(("pull",), "POLICY-010", policy="transports"),
    Row(("pull",), "POLICY-013", why="accepted and rejected|reject everything", ok=False),
    Row(("pull",), "POLICY-014", policy="signedBy|sigstoreSigned", ok=False),
    Row(
        ("pull",), "POLICY-020", why="policy: (no |an (empty|unknown key)|not JSON|a key)", ok=False
    ),
    Row(("pull",), "POLICY-021", why="requirement|without a key", ok=False),
    Row(("pull",), "POLICY-011", why="relative scope|not empty|with a scheme", ok=False),
    Row(("pull",), "POLICY-031", policy="sigstoreSigned", ok=False),
    Row(("parse_image_name",), "TRANS-020 TRANS-021", text="^docker-archive:"),
    Row(("goal_from_image_reference",), "GOAL-014", text="^docker-archive:[^:]+:[a-z]", ok=True),
    Row(("goal_from_possibly_unqualified_name",), "GOAL-034", why="a blocked search registry"),
    Row(("goal_from_possibly_unqualified_name",), "GOAL-032", expect='"sources": \\[\\]'),
)

#: The clause of a case that no row matches, by operation.
DEFAULT_CLAUSES = {
    "decompose": "NAME-001",
    "find_registry": "CONF-020",
    "get_image_digest": "GOAL-022",
    "get_registries": "CONF-010",
    "goal_from_image_reference": "GOAL-010",
    "goal_from_possibly_unqualified_name": "GOAL-030",
    "normalized_reference": "NAME-036",
    "parse_image_name": "TRANS-001",
    "pull": "PULL-001",
    "pull_ref_pair": "GOAL-003",
    "reference_with_registry": "NAME-035",
}


def held_by(case: Mapping[str, Any]) -> set[str]:
    """The ids of the clauses that a case tests."""
    given = case["input"]
    expected = case["expect"]
    error = expected.get("error")
    fields = {
        "text": str(given.get("name", given.get("source", given.get("ref", "")))),
        "conf": str(given.get("registries_conf") or given.get("default_registries_conf") or ""),
        "policy": str(given.get("policy") or ""),
        "whole": json.dumps(given, ensure_ascii=False),
        "error": "" if error is None else str(error.get("exact", error.get("prefix", ""))),
        "expect": json.dumps(expected, ensure_ascii=False),
        "why": str(case.get("why", "")),
    }
    clauses: set[str] = set()
    for row in (*ROWS, *(CURRENT_ROWS if case.get("edition") == "current" else ())):
        if case["op"] not in row.ops or row.ok not in (None, error is None):
            continue
        patterns = {field: getattr(row, field) for field in fields if getattr(row, field)}
        if all(re.search(pattern, fields[field]) for field, pattern in patterns.items()):
            clauses.update(row.clauses.split())
    return clauses or {DEFAULT_CLAUSES[case["op"]]}
