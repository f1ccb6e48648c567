"""A token service for the real registry, which signs tokens with its own key."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support import tools
from tests.support.registry import TokenSettings
from tests.support.scripted_server import Connection, Request, scripted

__all__ = ["TokenIssuer", "issuing"]

SERVICE, ISSUER = "registry.of.tests", "issuer.of.tests"
USER = "u:secret"
IDENTITY_TOKEN = "an-identity-token"
_NUMBERS = count(1)


@dataclass(slots=True)
class TokenIssuer:
    """A running token service: anyone may pull `public/…`, only its user anything else.

    Attributes:
        settings: for the registry that trusts it.
        requests: the requests it has received.
        seconds: how long its tokens are valid.
    """

    key: Path
    certificate: Path
    host: str = ""
    requests: list[Request] = field(default_factory=list)
    seconds: int = 300

    @property
    def settings(self) -> TokenSettings:
        return TokenSettings(f"http://{self.host}/token", SERVICE, ISSUER, self.certificate)

    def __call__(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        parameters = parse_qs(urlsplit(request.target).query or request.body.decode())
        known = False
        if request.method == "POST":
            known = parameters.get("refresh_token") == [IDENTITY_TOKEN]
            if not known:
                connection.reply(401, b"{}")
                return
        elif "authorization" in request.headers:
            wanted = "Basic " + base64.b64encode(USER.encode()).decode()
            known = request.headers["authorization"] == wanted
            if not known:
                connection.reply(401, b"{}")
                return
        body = json.dumps({"token": self._token(parameters.get("scope", []), known)}).encode()
        connection.reply(200, body, Content_Type="application/json")

    def _token(self, scopes: list[str], known: bool) -> str:
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            if known or name.startswith("public/"):
                access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        form = ("-in", self.certificate, "-outform", "DER")
        der = tools.run(tools.require("openssl"), "x509", *form).stdout
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": ISSUER,
            "sub": "u" if known else "",
            "aud": SERVICE,
            "exp": now + self.seconds,
            "nbf": now - 60,
            "iat": now,
            "jti": str(next(_NUMBERS)),
            "access": access,
        }
        signed = (
            f"{_base64url(json.dumps(head).encode())}.{_base64url(json.dumps(claims).encode())}"
        )
        made = subprocess.run(
            [tools.require("openssl"), "dgst", "-sha256", "-sign", self.key],
            input=signed.encode(),
            capture_output=True,
            check=True,
        )
        return f"{signed}.{_base64url(made.stdout)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextlib.contextmanager
def issuing(directory: Path) -> Iterator[TokenIssuer]:
    """Run a token service until the context ends."""
    directory.mkdir(parents=True, exist_ok=True)
    issuer = TokenIssuer(directory / "tokens.key", directory / "tokens.crt")
    new = ("-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=tokens of tests")
    out = ("-keyout", issuer.key, "-out", issuer.certificate)
    tools.run(tools.require("openssl"), "req", "-x509", *new, *out)
    with scripted(issuer) as server:
        issuer.host = server.host
        yield issuer
