"""The built-in driver of the conformance suite."""

from __future__ import annotations

from pathlib import Path

from towline.conformance.driver.configuration import configured
from towline.conformance.driver.session import Session
from towline.rules import Rules
from towline.transport.facts import StoreIdentity


def test_no_configuration_of_the_host_is_used(tmp_path: Path) -> None:
    """All files of a case, also the cache of aliases, are below the directory of the session."""
    identity = StoreIdentity("vfs", "/graph", "/run")
    session = Session(Rules.CURRENT, tmp_path / "root", tmp_path / "files", identity)
    session.files.mkdir()
    locations = configured(session, {"registries_conf": ""})
    for directory in (locations.etc, locations.run, locations.var):
        assert Path(directory).is_relative_to(session.files)
    assert (locations.home, locations.uid) == ("", 0)
