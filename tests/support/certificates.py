"""Certificates for HTTPS registries on loopback, created with openssl."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from tests.support import tools

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, both PEM files."""

    certificate: Path
    key: Path


def authority(directory: Path, name: str = "towline test authority") -> KeyPair:
    """Create a certificate authority; `certificate` is its root certificate."""
    made = _pair(directory, "ca")
    openssl = tools.require("openssl")
    out = ("-out", made.certificate, "-keyout", made.key)
    tools.run(openssl, "req", "-x509", *_KEY, "-subj", f"/CN={name}", "-days", "30", *out)
    return made


def issue(
    signer: KeyPair, directory: Path, stem: str = "server", alternative: str = "IP:127.0.0.1"
) -> KeyPair:
    """Create a certificate signed by `signer`, for a server or a client.

    `alternative` is the subject alternative name as openssl writes it: `IP:127.0.0.1`,
    `DNS:localhost`.
    """
    lines = f"subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n"
    return issue_with(lines, signer, directory, stem)


def issue_with(extensions: str, signer: KeyPair | None, directory: Path, stem: str) -> KeyPair:
    """Create a certificate with exactly these extensions, signed by `signer` or by itself."""
    made = _pair(directory, stem)
    openssl, request = tools.require("openssl"), directory / f"{stem}.csr"
    out = ("-out", request, "-keyout", made.key)
    tools.run(openssl, "req", *_KEY, "-subj", f"/CN={stem}", *out)
    file = directory / f"{stem}.ext"
    file.write_text(extensions)
    signing: tuple[str | Path, ...] = ("-signkey", made.key)
    if signer is not None:
        signing = ("-CA", signer.certificate, "-CAkey", signer.key, "-CAcreateserial")
    written = ("-days", "30", "-extfile", file, "-out", made.certificate)
    tools.run(openssl, "x509", "-req", "-in", request, *signing, *written)
    return made


def server_context(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A TLS context for a server on loopback, and the root certificate that clients must trust."""
    signer = authority(directory / "ca")
    pair = issue(signer, directory / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, signer.certificate


def _pair(directory: Path, stem: str) -> KeyPair:
    directory.mkdir(parents=True, exist_ok=True)
    return KeyPair(directory / f"{stem}.crt", directory / f"{stem}.key")
