"""Error sentences of the edition ``current`` about registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.go.go_quote import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.wording.template import Template

__all__ = ["REGISTRY"]


_SCHEMES = ("basic", "bearer")  # those that towline supports
_PROBLEMS_MAX = 3  # that are shown


def _reason(facts: Mapping[str, Any]) -> str:
    """The reason in the registry's error response; ``""`` if there is none."""
    body = facts.get("answers")
    return (
        f" (the registry responded {quote(body.reason)})"
        if body is not None and body.reason
        else ""
    )


def _credentials(facts: Mapping[str, Any]) -> str:
    """The credentials that were sent, with their origin."""
    origin = facts.get("origin")
    return f"the credentials from {quote(origin)}" if origin else "the credentials"


def _remedy(facts: Mapping[str, Any]) -> str:
    """How to give credentials, and why those of the usual places are not used."""
    registry = facts.get("registry") or facts["host"]
    if facts["credentials_sent"]:
        return f"log in again (podman login {registry}), or give other credentials"
    schemes = facts.get("schemes", ())
    if schemes and not set(schemes) & set(_SCHEMES):
        return f"it requires authentication by {', '.join(schemes)}, which towline does not support"
    authfile = facts.get("authfile")
    add = f"add credentials to {quote(authfile)}" if authfile else "add credentials to an auth file"
    give = f"log in (podman login {registry}), {add}, or give them as an option"
    problems = [str(problem) for problem in facts.get("problems", ())]
    more = f" (and {len(problems) - _PROBLEMS_MAX} more)" if len(problems) > _PROBLEMS_MAX else ""
    shown = f"{'; '.join(problems[:_PROBLEMS_MAX])}{more}"
    return f"{give}. Credentials were looked for, but {shown}" if problems else give


def _unauthorized(facts: Mapping[str, Any]) -> str:
    if facts["credentials_sent"]:
        return (
            f"{facts['host']} rejects {_credentials(facts)} for {facts['repository']}, or they do"
            f" not allow a pull{_reason(facts)}; {_remedy(facts)}"
        )
    return (
        f"{facts['host']} does not allow access to {facts['repository']} without credentials: it"
        f" is private or does not exist{_reason(facts)}; check the name, and {_remedy(facts)}"
    )


def _forbidden(facts: Mapping[str, Any]) -> str:
    sent = f"with {_credentials(facts)}" if facts["credentials_sent"] else "without credentials"
    return (
        f"{facts['host']} denies access to {facts['repository']} {sent}: it is not allowed"
        f" or does not exist{_reason(facts)}; {_remedy(facts)}"
    )


def _token_refused(facts: Mapping[str, Any]) -> str:
    sent = f"with {_credentials(facts)}" if facts["credentials_sent"] else "without credentials"
    return (
        f"{facts['url']} refuses a token for {facts['host']} {sent} ({facts['status']}"
        f" {facts['reason']}){_reason(facts)}; {_remedy(facts)}"
    )


def _not_found(facts: Mapping[str, Any]) -> str:
    if facts["wanted"] == "manifest":
        kind = "" if ":" in str(facts["reference"]) else "tag "
        return (
            f"{facts['host']} has no {kind}{facts['reference']} of {facts['repository']}"
            f"{_reason(facts)}; check the name{' and the tag' if kind else ''}"
        )
    return (
        f"{facts['host']} lacks the {facts['wanted']} {facts['reference']} that the manifest of"
        f" {facts['repository']} lists{_reason(facts)}; push the image again"
    )


def _tls(facts: Mapping[str, Any]) -> str:
    text = f"cannot connect securely to {facts['host']}: {facts['reason']}"
    if facts["fault"] == "name":
        return (
            f"{text}; use a name that its certificate has as a subject alternative name, or"
            " renew the certificate with this one"
        )
    if facts["fault"] == "time":
        return f"{text}; check the clock of this machine, or renew the certificate"
    if facts["fault"] != "authority":
        return text
    if empty := facts["without_certificates"]:
        return (
            f"{text}; {quote(empty[0])} has no readable certificate, so write it in PEM, with the"
            " line -----BEGIN CERTIFICATE-----"
        )
    if files := facts["authorities"]:
        folder = files[0].rpartition("/")[0]
        return (
            f"{text}; the certificates in {quote(folder)} do not verify it, so add that of its CA"
            " there"
        )
    return (
        f"{text}; if you trust it, add the certificate of its CA to certs.d, or give a directory"
        " with it as the option cert-dir"
    )


def _unreachable(facts: Mapping[str, Any]) -> str:
    host, reason = facts["host"], facts["reason"]
    sentences = {
        "proxy": (
            f"cannot reach {host} through the proxy of the environment: {reason}; check"
            f" {facts['url'].partition(':')[0].upper()}_PROXY and NO_PROXY"
        ),
        "refused": f"cannot connect to {host}: {reason}; check its name and port",
        "silent": f"{host} did not respond to the request for {facts['url']} in time",
        "timeout": f"cannot connect to {host} in time; it is down, or a firewall blocks it",
        "unresolved": f"cannot resolve the host name {host}; check the name and the network",
    }
    broken = f"{host} closed the connection before it responded to {facts['url']} ({reason})"
    return sentences.get(facts["cause"], broken)


REGISTRY: Mapping[str, Template] = {
    "registry.anonymous": (
        "{host} refuses the credentials from {origin!q}, so {repository} is read without"
        " credentials; log in again (podman login {registry}), or remove them"
    ),
    "registry.bad_answer": "{host} sent a response to {url} that is not HTTP: {reason}",
    "registry.blocked": ("{name} is blocked: {path} has blocked = true for the prefix {prefix!q}"),
    "registry.broken": (
        "{host} closed the connection while it sent {url} ({reason}); the received data is kept, so"
        " pull again"
    ),
    "registry.downgrade": (
        "{host} redirects {url} to {to}, which is not protected by TLS; set the option tls-verify"
        " to false to follow it"
    ),
    "registry.encoding": (
        "{host} sent {url} in the content encoding {coding!q}, which was not requested: {reason};"
        " switch it off at the registry or the proxy in front of it"
    ),
    "registry.forbidden": _forbidden,
    "registry.foreign_blob": (
        "the layer {digest} is outside the registry, at {url}, which responded with {status}"
        " {reason}"
    ),
    "registry.foreign_nowhere": (
        "the layer {digest} is outside the registry and has no usable URL"
    ),
    "registry.location": (
        "the location for the prefix {prefix!q} in registries.conf gives {name!q}, which is not a"
        " valid image name"
    ),
    "registry.not_found": _not_found,
    "registry.ping_status": lambda facts: (
        f"{facts['url']} responded with {facts['status']} {facts['reason']}{_reason(facts)}, which"
        " is not a response of a registry; check the name of the registry and the proxies in front"
        " of it"
    ),
    "registry.plain_http": (
        "{host} uses plain HTTP, but TLS was expected; allow it by setting the option tls-verify"
        " to false, or with insecure in registries.conf"
    ),
    "registry.rate_limited": lambda facts: (
        f"{facts['host']} limits the rate of requests{_reason(facts)}; wait, or log in for a"
        " higher limit"
    ),
    "registry.redirects": "{host} redirected more than {limit} times, last from {url}",
    "registry.stalled": "{host} stopped sending {url}; the received data is kept, so pull again",
    "registry.tls": _tls,
    "registry.token_insecure": (
        "{host} requires a token from {url}, which is not protected by TLS; set the option"
        " tls-verify to false to request it"
    ),
    "registry.token_realm": (
        "{host} gives {realm!q} as the realm of its tokens, which is not a URL"
    ),
    "registry.token_refused": _token_refused,
    "registry.token_status": lambda facts: (
        f"{facts['url']} responded with {facts['status']} {facts['reason']} to a request for a"
        f" token for {facts['host']}{_reason(facts)}"
    ),
    "registry.token_unusable": "{url} returned no usable token for {host}: {reason}",
    "registry.unauthorized": _unauthorized,
    "registry.unexpected_status": lambda facts: (
        f"{facts['host']} responded with {facts['status']} {facts['reason']} to a request for"
        f" {facts['reference']} of {facts['repository']}{_reason(facts)}"
    ),
    "registry.unreachable": _unreachable,
    "registry.v1": "{host} is a registry of the old v1 API, which towline does not support",
    "registry.wrong_size": (
        "{host} sends {got:byte} as {digest}, far more than the {want} that the manifest lists; the"
        " data was removed, so push the image again with the right size"
    ),
}
