"""Certificates that Go accepts, whatever Python's defaults are (TLS-004, TLS-005)."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import certificates, tools
from tests.support.certificates import KeyPair
from tests.support.docker_images import MANIFEST, Registry, source
from tests.support.scripted_server import scripted
from towline.errors import RegistryError
from towline.registry.certificates import Certificates
from towline.registry.tls import context, files_without_certificates
from towline.rules import Rules

CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
LEAF = "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
#: Extensions of a private CA, most of them against RFC 5280.
AUTHORITIES = {
    "complete": CA,
    "no key usage": "basicConstraints=critical,CA:TRUE\n",
    "not critical": "basicConstraints=CA:TRUE\nkeyUsage=keyCertSign\n",
    "no key identifiers": CA + "subjectKeyIdentifier=none\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


def error_of(
    server_pair: KeyPair, trusted: tuple[Path, ...], chain: tuple[Path, ...] = ()
) -> RegistryError | None:
    """Pull from a server with this certificate; returns the error, if any."""
    served = server_pair.certificate.with_suffix(".chain")
    served.write_bytes(b"".join(path.read_bytes() for path in (server_pair.certificate, *chain)))
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(served, server_pair.key)
    own = Certificates(authorities=tuple(map(str, trusted))) if trusted else None
    with (
        scripted(Registry(), server_context) as server,
        source(server.host, insecure=False, certificates=own) as image,
    ):
        try:
            assert image.manifest().data == MANIFEST
        except RegistryError as error:
            return error
    return None


@pytest.mark.clause("TLS-004")
@pytest.mark.parametrize("kind", AUTHORITIES)
def test_a_private_authority_needs_few_extensions(kind: str, folder: Path) -> None:
    """Python 3.13 refuses most of them by default."""
    signer = certificates.issue_with(AUTHORITIES[kind], None, folder / kind, "root")
    leaf = certificates.issue_with(LEAF, signer, folder / kind, "leaf")
    assert error_of(leaf, (signer.certificate,)) is None
    assert error_of(leaf, ()) is not None


@pytest.mark.clause("TLS-004")
@pytest.mark.parametrize("anchor", ["root", "middle", "leaf"])
def test_any_certificate_of_the_chain_may_be_the_trust_anchor(anchor: str, folder: Path) -> None:
    """An intermediate or the certificate of the server is enough; another one is not."""
    pairs = {"root": certificates.issue_with(CA, None, folder / anchor, "root")}
    pairs["middle"] = certificates.issue_with(CA, pairs["root"], folder / anchor, "middle")
    pairs["leaf"] = certificates.issue_with(LEAF, pairs["middle"], folder / anchor, "leaf")
    chain = (pairs["middle"].certificate,)
    assert error_of(pairs["leaf"], (pairs[anchor].certificate,), chain) is None
    other = certificates.issue_with(LEAF, pairs["middle"], folder / anchor, "other")
    refused = error_of(pairs["leaf"], (other.certificate,), chain)
    assert refused is not None
    assert refused.facts["fault"] == "authority"


@pytest.mark.clause("TLS-004")
def test_a_common_name_is_not_a_host_name(folder: Path) -> None:
    """A certificate without a subject alternative name is for no host."""
    pair = certificates.issue_with("basicConstraints=CA:FALSE\n", None, folder, "127.0.0.1")
    refused = error_of(pair, (pair.certificate,))
    assert refused is not None
    assert refused.facts["fault"] == "name"
    assert "subject alternative name" in str(refused)
    assert context(None, verify=True, own_host=True).hostname_checks_common_name is False


@pytest.mark.clause("TLS-005")
def test_the_advice_fits_the_failure(folder: Path, tmp_path: Path) -> None:
    """No advice names certs.d if its certificates were used and are not the problem."""
    signer = certificates.authority(folder / "advice")
    leaf = certificates.issue(signer, folder / "advice")
    wrong_name = certificates.issue(signer, folder / "advice", "name", "DNS:other.example")
    empty = tmp_path / "empty.crt"
    empty.write_text("")
    other = certificates.authority(tmp_path / "other")
    expected = {
        "add the certificate of its CA to certs.d": error_of(leaf, ()),
        "do not verify it": error_of(leaf, (other.certificate,)),
        "has no readable certificate": error_of(leaf, (other.certificate, empty)),
        "use a name": error_of(wrong_name, (signer.certificate,)),
    }
    for text, error in expected.items():
        assert error is not None
        assert text in str(error)
        assert ("certs.d," in str(error)) == text.endswith("certs.d")
        assert "Get https://" in error.render(Rules.LIBPOD_1_3.wording)
    assert error_of(leaf, (empty, signer.certificate)) is None


def _with_crlf(pem: bytes, der: bytes) -> bytes:
    return pem.replace(b"\n", b"\r\n")


def _with_text(pem: bytes, der: bytes) -> bytes:
    return b"Subject: my CA\xff\n" + pem + b"\ntext after it\n"


def _after_a_broken_block(pem: bytes, der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + pem


def _with_a_key(pem: bytes, der: bytes) -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + pem


def _as_der(pem: bytes, der: bytes) -> bytes:
    return der


FORMS = (_with_crlf, _with_text, _after_a_broken_block, _with_a_key, _as_der)


@pytest.mark.clause("TLS-006")
@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_certificates_may_have_other_text(
    form: Callable[[bytes, bytes], bytes], folder: Path, tmp_path: Path
) -> None:
    """Line ends of Windows, text, keys and broken blocks are ignored."""
    signer = certificates.authority(folder / "forms")
    leaf = certificates.issue(signer, folder / "forms")
    pem = signer.certificate.read_bytes()
    file = tmp_path / "ca.crt"
    file.write_bytes(form(pem, ssl.PEM_cert_to_DER_cert(pem.decode())))
    assert error_of(leaf, (file,)) is None


BLOCKS = st.sampled_from(
    [
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----END CERTIFICATE-----\n",
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        b"AAAA\n",
        b"0\x03abc",
        b"\xff\n",
    ]
)


@pytest.fixture(scope="module")
def authority(folder: Path) -> tuple[bytes, Path]:
    return certificates.authority(folder / "law").certificate.read_bytes(), folder / "law.crt"


@pytest.mark.clause("TLS-006")
@given(before=st.lists(BLOCKS | st.binary(max_size=20)), after=st.lists(BLOCKS))
def test_a_certificate_is_found_in_any_text(
    before: list[bytes], after: list[bytes], authority: tuple[bytes, Path]
) -> None:
    """Whatever surrounds it, a whole block is trusted, and no text is an error."""
    pem, file = authority
    own = Certificates(authorities=(str(file),))
    text = b"".join(before)
    if text.rpartition(b"-----BEGIN CERTIFICATE-----")[1] and (
        b"-----END" not in text.rpartition(b"-----BEGIN CERTIFICATE-----")[2]
    ):
        text += b"-----END CERTIFICATE-----\n"
    file.write_bytes(text + b"\n" + pem + b"".join(after))
    assert files_without_certificates(own) == ()


@pytest.mark.clause("TLS-006")
def test_folders_and_fifos_are_ignored(tmp_path: Path) -> None:
    """They do not block, and are named if the certificate of the server is not trusted."""
    fifo, made = tmp_path / "fifo.crt", tmp_path / "folder.crt"
    tools.run("mkfifo", fifo)
    made.mkdir()
    paths = tuple(map(str, (fifo, made, tmp_path / "missing.crt")))
    own = Certificates(authorities=paths)
    assert files_without_certificates(own) == paths
    context(own, verify=True, own_host=True)


@pytest.mark.clause("TLS-007")
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_variables_for_the_certificates_of_the_system(
    variable: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files in SSL_CERT_DIR need no hashed names."""
    signer = certificates.authority(folder / variable)
    leaf = certificates.issue(signer, folder / variable)
    assert error_of(leaf, ()) is not None
    value = signer.certificate if variable == "SSL_CERT_FILE" else signer.certificate.parent
    monkeypatch.setenv(variable, str(value))
    assert error_of(leaf, ()) is None
