"""After a pull is killed at any moment, the store can be opened, listed and verified."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.images import RealImages
from tests.support.towline_cli import CommandLine

KILLS = 20


@pytest.mark.clause("STORE-008")
def test_twenty_kills_at_random_moments(tmp_path: Path, real_images: RealImages) -> None:
    """After each SIGKILL the store is consistent, and the next pull succeeds."""
    line = CommandLine.below(tmp_path)
    name = real_images.registry_docker.name
    begun = time.monotonic()
    assert line("pull", "--quiet", "--tls-verify=false", name).status == 0
    whole = time.monotonic() - begun
    moments = random.Random(20260101)
    hit = 0
    for number in range(KILLS):
        fresh = CommandLine(line.home, tmp_path / f"store-{number}")
        status = fresh.killed(moments.uniform(0, whole), "pull", "--tls-verify=false", name)
        hit += status < 0
        assert fresh("images").status == 0
        verified = fresh("verify")
        assert verified.status == 0, verified.stderr
        assert fresh("pull", "--quiet", "--tls-verify=false", name).status == 0
        assert [image["names"] for image in fresh("images", "--format=json").json()] == [[name]]
        assert fresh("verify").status == 0
    assert hit > 0, "every pull was over before it could be killed"
