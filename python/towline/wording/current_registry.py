"""Today's sentences about registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from towline.go.go_quote import quote

__all__ = ["REGISTRY"]

Template = str | Callable[[Mapping[str, Any]], str]


def _said(facts: Mapping[str, Any]) -> str:
    """What the registry gave as its reason, where it gave one."""
    body = facts["answers"]
    told = [": ".join(filter(None, (said.code, said.message))) for said in body.entries[:3]]
    if not told and (body.details or body.fault):
        told = [body.details or body.text]
    text = ", ".join(filter(None, told))
    return f" (the registry says {quote(text[:200])})" if text else ""


def _unauthorized(facts: Mapping[str, Any]) -> str:
    if facts["credentials"]:
        return (
            f"{facts['host']} does not accept the credentials for {facts['repository']}, or they"
            f" do not allow to pull it{_said(facts)}; log in again, or give others with --creds"
        )
    return (
        f"{facts['host']} does not give {facts['repository']} to everybody: it is private, or it"
        f" does not exist, which the registry does not tell{_said(facts)}; check the name, and"
        " log in or give --creds"
    )


def _forbidden(facts: Mapping[str, Any]) -> str:
    who = "to these credentials" if facts["credentials"] else "without credentials"
    return (
        f"{facts['host']} denies {facts['repository']} {who}: it is not allowed, or it does not"
        f" exist, which the registry does not tell{_said(facts)}"
    )


def _not_found(facts: Mapping[str, Any]) -> str:
    if facts["wanted"] == "manifest":
        kind = "" if ":" in str(facts["reference"]) else "tag "
        return (
            f"{facts['host']} has no {kind}{facts['reference']} of {facts['repository']}"
            f"{_said(facts)}; check the name{' and the tag' if kind else ''}"
        )
    return (
        f"{facts['host']} lacks the {facts['wanted']} {facts['reference']} that the manifest of"
        f" {facts['repository']} names{_said(facts)}; the image must be pushed again"
    )


def _unreachable(facts: Mapping[str, Any]) -> str:
    host, reason = facts["host"], facts["reason"]
    told = {
        "proxy": (
            f"cannot reach {host} through the proxy of the environment; check HTTP_PROXY,"
            " HTTPS_PROXY and NO_PROXY"
        ),
        "refused": f"cannot connect to {host}: {reason}; check its name and port",
        "silent": f"{host} took the request for {facts['url']} and gave no answer in time",
        "timeout": f"cannot connect to {host} in time; it is down, or a firewall is in the way",
        "unresolved": f"cannot find the host {host}; check its name, and the network",
    }
    broken = f"{host} broke the connection before it answered {facts['url']} ({reason})"
    return told.get(facts["cause"], broken)


REGISTRY: Mapping[str, Template] = {
    "registry.bad_answer": "{host} answered {url} with something that is not HTTP: {reason}",
    "registry.blocked": (
        "{name} is blocked: {path} has blocked = true for the prefix {prefix!q}, so it is not asked"
    ),
    "registry.broken": (
        "{host} broke off while it sent {url} ({reason}); what arrived is kept, so pull again"
    ),
    "registry.downgrade": (
        "{host} redirects {url} to {to}, which is not protected by TLS; it is followed only with"
        " --tls-verify=false"
    ),
    "registry.forbidden": _forbidden,
    "registry.foreign_blob": (
        "the layer {digest} lies outside the registry, at {url}, which answered {status} {reason}"
    ),
    "registry.foreign_nowhere": (
        "the layer {digest} lies outside the registry, at no address that can be asked"
    ),
    "registry.location": (
        "{name!q}, which the location for the prefix {prefix!q} in registries.conf leads to, is not"
        " a valid image name"
    ),
    "registry.not_found": _not_found,
    "registry.ping_status": (
        "{url} answered {status} {reason}, as no registry does; check the name of the registry,"
        " and what stands before it"
    ),
    "registry.plain_http": (
        "{host} speaks plain HTTP where TLS was expected; if that is meant, allow it with"
        " --tls-verify=false or as insecure in registries.conf"
    ),
    "registry.rate_limited": lambda facts: (
        f"{facts['host']} takes no more requests for now{_said(facts)}; wait, or log in for a"
        " higher limit"
    ),
    "registry.redirects": "{host} redirected more than {limit} times, at last from {url}",
    "registry.stalled": ("{host} stopped sending {url}; what arrived is kept, so pull again"),
    "registry.tls": (
        "no secure connection to {host}: {reason}; give the certificate of its authority with"
        " --cert-dir or below certs.d, if you trust it"
    ),
    "registry.token_insecure": (
        "{host} wants a token from {url}, which is not protected by TLS; it is asked only with"
        " --tls-verify=false"
    ),
    "registry.token_realm": (
        "{host} names {realm!q} as the place of its tokens, which is no address"
    ),
    "registry.token_refused": lambda facts: (
        f"{facts['url']} gives no token for {facts['host']}"
        + (" to these credentials" if facts["credentials"] else " without credentials")
        + f" ({facts['status']} {facts['reason']}); log in, or give --creds"
    ),
    "registry.token_status": ("{url} answered {status} {reason} when asked for a token for {host}"),
    "registry.token_unusable": ("{url} gave no usable token for {host}: {reason}"),
    "registry.unauthorized": _unauthorized,
    "registry.unexpected_status": lambda facts: (
        f"{facts['host']} answered {facts['status']} {facts['reason']} when asked for"
        f" {facts['reference']} of {facts['repository']}{_said(facts)}"
    ),
    "registry.unreachable": _unreachable,
    "registry.v1": "{host} is a registry of the old v1 kind, which towline does not speak",
    "registry.wrong_size": (
        "{host} sends {got:byte} as {digest}, which the manifest says has {want}; nothing of it"
        " is kept"
    ),
}
