"""Files of certs.d that cannot be used."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config.certs_d import certificates_of
from towline.errors import ConfigurationError, TowlineError
from towline.registry import tls
from towline.registry.certificates import Certificates

STEMS = ["a", "b"]
FILES = [stem + suffix for stem, suffix in itertools.product(STEMS, (".crt", ".cert", ".key"))]


@pytest.mark.clause("TLS-003", "TLS-008")
@given(st.sets(st.sampled_from(FILES)))
def test_unpaired_files_are_told_and_the_others_used(names: set[str]) -> None:
    """Without a callback the first of them is an error."""
    warnings: list[TowlineError] = []
    found = certificates_of("/certs", sorted(names), warnings.append)
    unpaired = {
        name
        for name in names
        for stem, suffix in [name.split(".")]
        if suffix != "crt" and len({f"{stem}.cert", f"{stem}.key"} & names) == 1
    }
    assert {Path(error.facts["path"]).name for error in warnings} == unpaired
    assert found.authorities == tuple(f"/certs/{n}" for n in sorted(names) if n.endswith(".crt"))
    assert len(found.pairs) == sum({f"{s}.cert", f"{s}.key"} <= names for s in STEMS)
    if unpaired:
        with pytest.raises(ConfigurationError):
            certificates_of("/certs", sorted(names))


@pytest.mark.clause("TLS-008")
def test_an_unusable_certificate_gives_a_warning(tmp_path: Path) -> None:
    """A file of text, a folder and a missing file give warnings, or an error without a callback."""
    text, folder, missing = (str(tmp_path / name) for name in ("text.crt", "folder.crt", "no.crt"))
    Path(text).write_text("no certificate")
    Path(folder).mkdir()
    warnings: list[TowlineError] = []
    pair = (text, str(tmp_path / "text.key"))
    found = Certificates((text, folder, missing), (pair,), warnings.append)
    tls.context(found, verify=True, own_host=True)
    assert [error.code for error in warnings] == ["certs.unusable"] * 4
    with pytest.raises(ConfigurationError):
        tls.context(Certificates((), (pair,)), verify=True, own_host=True)
