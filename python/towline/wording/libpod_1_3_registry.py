"""Error sentences of podman v1.3.2 about registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.go.go_quote import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.wording.template import Template

__all__ = ["REGISTRY"]


_REGISTRY_MESSAGES = {
    "BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UPLOAD_INVALID": "blob upload invalid",
    "BLOB_UPLOAD_UNKNOWN": "blob upload unknown to registry",
    "DENIED": "requested access to the resource is denied",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "MANIFEST_BLOB_UNKNOWN": "blob unknown to registry",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "MANIFEST_UNVERIFIED": "manifest failed signature verification",
    "NAME_INVALID": "invalid repository name",
    "NAME_UNKNOWN": "repository name not known to registry",
    "SIZE_INVALID": "provided length did not match content length",
    "TAG_INVALID": "manifest tag did not match URI",
    "TOOMANYREQUESTS": "too many requests",
    "UNAUTHORIZED": "authentication required",
    "UNAVAILABLE": "service unavailable",
    "UNKNOWN": "unknown error",
    "UNSUPPORTED": "The operation is unsupported.",
}


def _entry_text(entry: Any) -> str:
    code = entry.code if entry.code in _REGISTRY_MESSAGES else "UNKNOWN"
    name = code.lower().replace("_", " ")
    if not entry.detail and entry.message in ("", _REGISTRY_MESSAGES[code]):
        return name
    return f"{name}: {entry.message}"


def _refused(facts: Mapping[str, Any]) -> str:
    status, body = facts["status"], facts["answers"]
    if facts["wanted"] != "manifest":
        return f"Invalid status code returned when fetching blob {status} ({facts['reason']})"
    if not 400 <= status < 500:
        return f"received unexpected HTTP status: {facts['status_line']}"
    if body.details:
        return f"unknown: {body.details}"
    entries = [_entry_text(entry) for entry in body.entries]
    if len(entries) > 1:
        return "errors:\n" + "".join(f"{entry}\n" for entry in entries)
    if entries:
        return entries[0]
    if status == 401:
        return "unauthorized: authentication required"
    fault = body.fault or "no error details found in HTTP response body"
    return f"error parsing HTTP {status} response body: {fault}: {quote(body.text)}"


def _token_refused(facts: Mapping[str, Any]) -> str:
    if facts["status"] == 401:
        return "unable to retrieve auth token: invalid username/password"
    return (
        "Requesting bearer token: invalid status code from registry"
        f" {facts['status']} ({facts['reason']})"
    )


REGISTRY: Mapping[str, Template] = {
    "registry.bad_answer": "Get {url}: {reason}",
    "registry.blocked": "registry {prefix} is blocked in {path}",
    "registry.broken": "{reason}",
    "registry.downgrade": "Get {url}: redirected to {to}",
    "registry.encoding": "Get {url}: content encoding {coding}: {reason}",
    "registry.forbidden": _refused,
    "registry.foreign_blob": "error fetching external blob from {url!q}: {status} ({reason})",
    "registry.foreign_nowhere": "error fetching external blob {digest}",
    "registry.location": "error rewriting reference: invalid reference format",
    "registry.not_found": _refused,
    "registry.ping_status": ("error pinging registry {host}, response code {status} ({reason})"),
    "registry.plain_http": "Get {url}: http: server gave HTTP response to HTTPS client",
    "registry.rate_limited": _refused,
    "registry.redirects": "Get {url}: stopped after {limit} redirects",
    "registry.stalled": "Get {url}: timed out",
    "registry.tls": "Get {url}: {reason}",
    "registry.token_insecure": "Get {url}: token service without TLS",
    "registry.token_realm": "missing realm in bearer auth challenge",
    "registry.token_refused": _token_refused,
    "registry.token_status": _token_refused,
    "registry.token_unusable": "{reason}",
    "registry.unauthorized": _refused,
    "registry.unexpected_status": _refused,
    "registry.unreachable": "Get {url}: {reason}",
    "registry.v1": "can't talk to a V1 docker registry",
    "registry.wrong_size": "blob size mismatch",
}
