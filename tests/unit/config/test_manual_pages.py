"""Examples as in the manual pages of podman's configuration files.

Sources: containers-registries.conf(5), containers-registries.conf.d(5), containers-auth.json(5),
containers-certs.d(5).
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.support.pushing import Puller
from towline.config.credentials import find_credentials
from towline.config.endpoints import endpoints_of
from towline.config.load import find_certificates, load_registries
from towline.errors import ConfigurationError
from towline.name.reference import parse_normalized
from towline.rules import Rules

NEW = Rules.CURRENT


@pytest.fixture
def puller(tmp_path: Path) -> Puller:
    return Puller(tmp_path)


def endpoint_names(puller: Puller, name: str) -> list[str]:
    """The endpoints for a name, in order; `!` precedes those that are not used."""
    found = endpoints_of(load_registries(puller.locations, NEW.config), parse_normalized(name))
    return [f"{'!' if end.problem else ''}{end.reference}" for end in found]


def test_mirrors_for_a_namespace(puller: Puller) -> None:
    """The first example of the page: a prefix, another location, and two mirrors."""
    puller.conf(
        """
        unqualified-search-registries = ["one.example"]
        [[registry]]
        prefix = "one.example/team"
        insecure = false
        blocked = false
        location = "inside.example/kept"
        [[registry.mirror]]
        location = "mirror-0.local/for-team"
        [[registry.mirror]]
        location = "mirror-1.local/others/team"
        insecure = true
        """
    )
    assert endpoint_names(puller, "one.example/team/app:v1") == [
        "mirror-0.local/for-team/app:v1",
        "mirror-1.local/others/team/app:v1",
        "inside.example/kept/app:v1",
    ]
    assert endpoint_names(puller, "one.example/other:v1") == ["one.example/other:v1"]
    found = load_registries(puller.locations, NEW.config)
    assert found.search_registries() == ("one.example",)
    entry = found.find("one.example/team/app")
    assert entry is not None
    assert [mirror.insecure for mirror in entry.mirrors] == [False, True]


def test_pulling_by_digest_and_by_tag(puller: Puller) -> None:
    """`pull-from-mirror` determines for which references each mirror is used."""
    puller.conf(
        """
        [[registry]]
        location = "r.example/base"
        [[registry.mirror]]
        location = "both.example/base"
        [[registry.mirror]]
        location = "digests.example/base"
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "tags.example/base"
        pull-from-mirror = "tag-only"
        """
    )
    digest = f"@sha256:{'1' * 64}"
    hosts = [name.partition("/")[0] for name in endpoint_names(puller, f"r.example/base/x{digest}")]
    assert hosts == ["both.example", "digests.example", "r.example"]
    hosts = [name.partition("/")[0] for name in endpoint_names(puller, "r.example/base/x:1")]
    assert hosts == ["both.example", "tags.example", "r.example"]
    hosts = [
        name.partition("/")[0] for name in endpoint_names(puller, f"r.example/base/x:1{digest}")
    ]
    assert hosts == ["both.example", "digests.example", "r.example"]


def test_a_wildcard(puller: Puller) -> None:
    """It matches hosts below a domain, at any depth; the longest prefix still decides."""
    puller.conf(
        """
        [[registry]]
        prefix = "*.example.com"
        location = "all.local"
        [[registry]]
        prefix = "*.deep.example.com"
        location = "deep.local"
        [[registry]]
        prefix = "one.example.com/x"
        location = "x.local/z"
        [[registry]]
        location = "host.only"
        prefix = "two.example.com/x"
        """
    )
    assert endpoint_names(puller, "a.example.com/y:1") == ["all.local/y:1"]
    assert endpoint_names(puller, "a.deep.example.com/y:1") == ["deep.local/y:1"]
    assert endpoint_names(puller, "example.com/y:1") == ["example.com/y:1"]
    assert endpoint_names(puller, "one.example.com/x:1") == ["x.local/z:1"]
    assert endpoint_names(puller, "two.example.com/x/y:1") == ["host.only/y:1"]
    assert endpoint_names(puller, "two.example.com/x:1") == ["!two.example.com/x:1"]


def test_blocking(puller: Puller) -> None:
    """All names of a host except one namespace."""
    puller.conf(
        """
        [[registry]]
        location = "r.example"
        blocked = true
        [[registry]]
        location = "r.example/good"
        """
    )
    assert endpoint_names(puller, "r.example/x:1") == ["!r.example/x:1"]
    assert endpoint_names(puller, "r.example/good/x:1") == ["r.example/good/x:1"]
    assert endpoint_names(puller, "r.example/goods:1") == ["!r.example/goods:1"]


@pytest.mark.clause("CONF-012")
def test_drop_ins(puller: Puller) -> None:
    """They follow the main file in the order of their names; an empty alias removes an alias."""
    puller.conf(
        """
        unqualified-search-registries = ["main.example"]
        short-name-mode = "enforcing"
        [aliases]
        "fedora" = "registry.example/fedora"
        "gone" = "registry.example/gone"
        [[registry]]
        location = "r.example"
        insecure = true
        """
    )
    puller.write(
        "etc/containers/registries.conf.d/10-first.conf",
        'unqualified-search-registries = ["first.example"]\n[aliases]\n"gone" = ""\n',
    )
    puller.write(
        "etc/containers/registries.conf.d/20-second.conf",
        'unqualified-search-registries = ["second.example"]\n'
        '[[registry]]\nlocation = "r.example"\n',
    )
    puller.write("etc/containers/registries.conf.d/30-not.toml", "this is not read")
    user = puller.write(
        "home/.config/containers/registries.conf.d/00-user.conf", 'short-name-mode = "permissive"'
    )
    found = load_registries(puller.locations, NEW.config)
    assert found.search_registries() == ("second.example",)
    assert found.alias("fedora") == "registry.example/fedora"
    assert found.alias("gone") is None
    assert found.short_name_mode == "permissive"
    assert found.origin("short-name-mode") == str(user)
    entry = found.find("r.example")
    assert entry is not None
    assert not entry.insecure


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ('[[registry]]\nlocation = "https://a.example"', 1, "registries_conf.scheme"),
        ('\n[[registry]]\nprefix = "a.example"', 2, "registries_conf.prefix_alone"),
        ('[[registry]]\nprefix = "*.a.example/x"', 1, "registries_conf.wildcard"),
        ('short-name-mode = "ask"', 1, "registries_conf.short_name_mode"),
        ('\n\n[aliases]\n"x:1" = "a.example/x"', 4, "registries_conf.alias"),
        ('unqualified-search-registries = ["a.example/b"]', 1, "registries_conf.search_entry"),
        ('unqualified-search-registries = "a.example"', 1, "registries_conf.wrong_type"),
    ],
)
def test_errors_have_file_and_line(puller: Puller, text: str, line: int, code: str) -> None:
    """Each kind of malformed file."""
    puller.conf(text)
    with pytest.raises(ConfigurationError) as caught:
        load_registries(puller.locations, NEW.config)
    assert caught.value.code == code
    path = puller.folder / "etc/containers/registries.conf"
    assert f"{path}, line {line}" in str(caught.value)


def test_namespaced_credentials(puller: Puller) -> None:
    """The longest of the keys for repository, namespace and registry is used."""

    def auth(user: str) -> dict[str, str]:
        return {"auth": base64.b64encode(f"{user}:p".encode()).decode()}

    auths = {
        "r.example/ns/user/image": auth("image"),
        "r.example/ns/user": auth("user"),
        "r.example/ns": auth("ns"),
        "r.example": auth("host"),
    }
    puller.write("run/containers/0/auth.json", json.dumps({"auths": auths}))

    def user(name: str) -> str:
        found = find_credentials(puller.locations, NEW.config, name)
        return "" if found is None else found.username

    assert user("r.example/ns/user/image") == "image"
    assert user("r.example/ns/user/other") == "user"
    assert user("r.example/ns/other") == "ns"
    assert user("r.example/x") == "host"
    assert user("s.example/x") == ""


@pytest.mark.clause("TLS-001")
def test_certificates_of_a_host_with_a_port(puller: Puller) -> None:
    """The name of the directory includes the port, as in image names."""
    for name in ("ca.crt", "client.cert", "client.key", "notes.txt"):
        puller.write(f"etc/containers/certs.d/r.example:5000/{name}", "")
    found = find_certificates(puller.locations, NEW.config, "r.example:5000")
    assert found is not None
    assert [Path(path).name for path in found.authorities] == ["ca.crt"]
    assert [tuple(Path(path).name for path in pair) for pair in found.pairs] == [
        ("client.cert", "client.key")
    ]
    assert find_certificates(puller.locations, NEW.config, "r.example") is None
