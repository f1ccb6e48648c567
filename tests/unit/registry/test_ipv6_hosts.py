"""Registries whose host is an IPv6 address in brackets, in every place that names a host."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import certificates
from tests.support.docker_images import DIGEST, MANIFEST, Registry, source
from tests.support.pushing import Puller
from tests.support.scripted_server import Connection, Request, scripted
from towline.errors import InvalidNameError, PullFailedError
from towline.name.parts import decompose
from towline.name.reference import parse_normalized, parse_reference

HEX = "a" * 64


@pytest.mark.clause("NAME-007")
@pytest.mark.parametrize(
    ("name", "domain", "path", "tag"),
    [
        ("[::1]:5000/x", "[::1]:5000", "x", None),
        ("[2001:db8::1]/ns/x:tag", "[2001:db8::1]", "ns/x", "tag"),
        (f"[2001:DB8::1]:5000/x:tag@sha256:{HEX}", "[2001:DB8::1]:5000", "x", "tag"),
        ("[::]/x", "[::]", "x", None),
    ],
)
def test_names_with_an_address(name: str, domain: str, path: str, tag: str | None) -> None:
    """They are full names, and are printed with brackets."""
    for parsed in (parse_reference(name), parse_normalized(name)):
        assert (parsed.domain, parsed.path, parsed.tag) == (domain, path, tag)
        assert str(parsed) == name
    assert decompose(name).has_registry


@pytest.mark.clause("NAME-007")
@pytest.mark.parametrize(
    "name",
    [
        *("::1/x", "[::1/x", "::1]/x", "[]/x", "[:::]/x", "[1]/x", "[::g]/x", "[::1]x/y"),
        *(
            "[::1]:/x",
            "[::1]:p/x",
            "[::1%eth0]/x",
            "[127.0.0.1]/x",
            "[::1].example/x",
            "[::1]:5000",
        ),
        "[1:2:3:4:5:6:7:8:9]/x",
    ],
)
def test_what_is_no_address(name: str) -> None:
    """Only a whole address may be in brackets."""
    for parse in (parse_reference, parse_normalized):
        with pytest.raises(InvalidNameError) as caught:
            parse(name)
        assert str(caught.value)


@pytest.mark.clause("NAME-007")
@given(
    address=st.integers(0, 2**128 - 1).map(IPv6Address),
    exploded=st.booleans(),
    port=st.none() | st.integers(1, 65535),
)
def test_every_address_is_a_registry(
    address: IPv6Address, exploded: bool, port: int | None
) -> None:
    """In any form of the address; without brackets, and in `libpod-1.3`, it is not a name."""
    text = address.exploded if exploded else str(address)
    domain = f"[{text}]" + ("" if port is None else f":{port}")
    if "." in text:  # the form of a mapped IPv4 address, which the grammar does not have
        return
    assert parse_normalized(f"{domain}/x:1").domain == domain
    for name, addresses in ((f"{domain}/x", False), (f"{text}/x", True)):
        with pytest.raises(InvalidNameError):
            parse_normalized(name, addresses=addresses)


def guarded(request: Request, connection: Connection) -> None:
    """A registry that requires credentials."""
    if "authorization" in request.headers:
        Registry()(request, connection)
    else:
        connection.reply(401, WWW_Authenticate="Basic realm=x")


@pytest.mark.clause("NAME-007")
def test_a_pull_from_an_address(tmp_path: Path) -> None:
    """Credentials, certs.d, the prefix of registries.conf and a policy scope have brackets too."""
    signer = certificates.authority(tmp_path / "ca")
    pair = certificates.issue(signer, tmp_path / "server", alternative="IP:::1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    puller = Puller(tmp_path / "machine")
    with scripted(guarded, context, address="::1") as server:
        host = server.host
        puller.write(f"etc/containers/certs.d/{host}/ca.crt", signer.certificate.read_text())
        auths = {"auths": {host: {"auth": b64encode(b"me:word").decode()}}}
        puller.write("home/.config/containers/auth.json", json.dumps(auths))
        accept = [{"type": "insecureAcceptAnything"}]
        policy: dict[str, Any] = {
            "default": [{"type": "reject"}],
            "transports": {"docker": {f"{host}/r": accept}},
        }
        puller.write("etc/containers/policy.json", json.dumps(policy))
        puller.write(
            "etc/containers/registries.conf",
            f'[[registry]]\nprefix = "a.example"\nlocation = "{host}"\n'
            f'[[registry]]\nlocation = "{host}/blocked"\nblocked = true\n',
        )
        result = puller.runtime().pull(f"{host}/r@{DIGEST}")
        assert result.attempts[0].image == f"{host}/r@{DIGEST}"
        puller.runtime().pull(f"docker://{host}/r:latest")
        policy["default"] = accept
        puller.write("etc/containers/policy.json", json.dumps(policy))
        puller.runtime().pull("a.example/r")
        with pytest.raises(PullFailedError) as caught:
            puller.runtime().pull(f"{host}/blocked/x")
        assert host in str(caught.value)
    assert {each.headers["host"] for each in server.requests} == {host}


@pytest.mark.clause("NAME-007")
def test_a_location_may_be_an_address() -> None:
    """Plain HTTP, without anything else configured."""
    with scripted(Registry(), address="::1") as server, source(server.host) as image:
        assert image.manifest().data == MANIFEST
        assert repr(image) == f"DockerSource('{server.host}/r:latest')"
