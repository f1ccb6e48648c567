"""skopeo accepts and refuses the same configuration files as the edition ``current``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support import tools
from towline.config import registries_conf
from towline.errors import ConfigurationError
from towline.rules import Rules
from towline.trust.policy_json import parse_policy

REGISTRIES = [
    "",
    "nonsense",
    "unqualified-search-registries = ['a.b', 'c.d:5000/', 'localhost']",
    "unqualified-search-registries = ['a.b/c']",
    "unqualified-search-registries = ['a_b']",
    "unqualified-search-registries = ['a..b']",
    "Unqualified-Search-Registries = ['']",
    "[[registry]]\nlocation = 'a.b/'",
    "[[registry]]\nlocation = 'a b'",
    "[[registry]]\nurl = 'a.b'",
    "[[registry]]\nprefix = 'a.b'",
    "[[registry]]\nprefix = '*.a.b'",
    "[[registry]]\nprefix = '*.a.b/c'\nlocation = 'x.y'",
    "[[registry]]\nprefix = '*.a.b'\ninsecure = true\n[[registry]]\nprefix = '*.a.b'",
    "[[registry]]\nlocation = 'a.b'\n[[registry]]\nlocation = 'a.b'",
    "[[registry]]\nlocation = 'a.b'\n[[registry]]\nlocation = 'a.b'\nblocked = true",
    "[[registry]]\nlocation = 'a.b'\n[[registry.mirror]]\nlocation = ''",
    "[[registry]]\nlocation = 'a.b'\n[registry.mirror]\nlocation = 'c.d'",
    "short-name-mode = 'Enforcing'",
    "short-name-mode = ''",
    "[aliases]\nx = ''\n'ns/x' = 'localhost/x'",
    "[aliases]\nx = 'ns/y'",
    "[aliases]\n'a.b/x' = 'docker.io/x'",
    "[registries.search]\nregistries = ['a.b']\n[registries.block]\nregistries = ['c.d/e']",
    "[registries.search]\nregistries = ['a.b/c']",
    "[registries.block]\nregistries = ['']",
    "[registries.search]\nregistries = []\n[[registry]]\nlocation = 'c.d'",
    "[registries.search]\nregistries = ['a.b']\n[aliases]\n",
    "[registries.search]\nregistries = ['a.b']\n[aliases]\nx = 'a.b/x'",
    "credential-helpers = ['x']\n[registries.search]\nregistries = ['a.b']",
]
ACCEPT = '{"type": "insecureAcceptAnything"}'
SIGNED = '{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/a", "signedIdentity": %s}'
REQUIREMENTS = [
    ACCEPT,
    "null",
    '{"Type": "insecureAcceptAnything"}',
    '{"type": "reject", "type": "insecureAcceptAnything"}',
    '{"type": "insecureAcceptAnything", "x": 1}',
    '{"type": "signedBy", "keyType": "X509Certificates", "keyPath": "/a"}',
    '{"type": "signedBy", "keyType": "GPGKeys", "keyPath": ""}',
    '{"type": "signedBy", "keyType": "GPGKeys", "keyData": ""}',
    '{"type": "signedBy", "keyType": "GPGKeys", "keyData": "!"}',
    '{"type": "signedBy", "keyPath": "/a"}',
    SIGNED % "null",
    SIGNED % '{"type": "exactReference", "dockerReference": "x"}',
    SIGNED % '{"type": "exactReference", "dockerReference": "x:1"}',
    SIGNED % '{"type": "exactRepository", "dockerRepository": "x:1"}',
    SIGNED % '{"type": "remapIdentity", "prefix": "docker.io", "signedPrefix": "a.b/library"}',
    SIGNED % '{"type": "remapIdentity", "prefix": "example", "signedPrefix": "a.b:500"}',
    SIGNED % '{"type": "remapIdentity", "prefix": "a.b/", "signedPrefix": "a.b"}',
    SIGNED % '{"type": "remapIdentity", "prefix": "a.b/c:1", "signedPrefix": "a.b"}',
    '{"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}}',
    '{"type": "sigstoreSigned"}',
    '{"type": "sigstoreSigned", "keyData": "YQ=="}',
]
SCOPES = [
    '"docker": null',
    '"docker": {}',
    '"docker": {}, "docker": {}',
    f'"docker": {{"any scope": [{ACCEPT}]}}',
    f'"dir": {{"/a/../b": [{ACCEPT}]}}',
    f'"dir": {{"/a": [{ACCEPT}]}}',
    f'"oci": {{"/": [{ACCEPT}]}}',
    f'"docker-archive": {{"/a": [{ACCEPT}]}}',
    f'"docker-archive": {{"": [{ACCEPT}]}}',
    f'"containers-storage": {{"[overlay@/a]x": [{ACCEPT}]}}',
    f'"containers-storage": {{"[overlay@a]x": [{ACCEPT}]}}',
    f'"nosuch": {{"x": [{ACCEPT}]}}',
    f'"nosuch": {{"x": [{ACCEPT}], "x": [{ACCEPT}]}}',
]
POLICIES = [
    *("", "{}", "null", "[]", '{"default": null}', '{"default": []}'),
    *(f'{{"default": [{requirement}]}}' for requirement in REQUIREMENTS),
    *(f'{{"default": [{ACCEPT}], "transports": {{{scopes}}}}}' for scopes in SCOPES),
    f'{{"default": [{ACCEPT}]}} x',
]


def skopeo(home: Path, *arguments: str) -> str:
    command = tools.require("skopeo")
    environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    return tools.run(command, *arguments, env=environ, check=False).stderr.decode()


@pytest.mark.parametrize("text", REGISTRIES)
def test_skopeo_agrees_about_registries(tmp_path: Path, text: str) -> None:
    """Both accept the file or both refuse it; the registry is never connected."""
    path = tmp_path / "registries.conf"
    path.write_text(text)
    options = ["--registries-conf", str(path), "inspect", "--raw", "docker://127.0.0.1:1/x"]
    theirs = "loading registries configuration" in skopeo(tmp_path, *options)
    try:
        registries_conf.parse(text.encode(), str(path))
        ours = False
    except ConfigurationError:
        ours = True
    assert ours == theirs


@pytest.mark.parametrize("text", POLICIES)
def test_skopeo_agrees_about_policies(tmp_path: Path, text: str) -> None:
    """Both accept the file or both refuse it."""
    path = tmp_path / "policy.json"
    path.write_text(text)
    image = make_image(tmp_path / "image")
    options = ["--policy", str(path), "copy", f"dir:{image}", f"dir:{tmp_path / 'copy'}"]
    theirs = "invalid policy" in skopeo(tmp_path, *options)
    try:
        parse_policy(text.encode(), str(path), Rules.CURRENT.trust)
        ours = False
    except ConfigurationError:
        ours = True
    assert ours == theirs


def make_image(path: Path) -> Path:
    """The smallest image that skopeo copies, so that it reads the policy."""
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    name = hashlib.sha256(config).hexdigest()
    path.mkdir()
    (path / name).write_bytes(config)
    (path / "version").write_text("Directory Transport Version: 1.1\n")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(config),
            "digest": f"sha256:{name}",
        },
        "layers": [],
    }
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path
