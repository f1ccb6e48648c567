"""Short names: how registries.conf completes them, and the reasons in the output of `resolve`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.pushing import Puller
from tests.support.towline_cli import CommandLine
from towline.errors import ConfigurationError, InvalidNameError, PullFailedError
from towline.frozen import replace
from towline.rules import Rules
from towline.transport import image_name

SEARCH = 'unqualified-search-registries = ["a.example", "b.example"]\n'


@pytest.fixture
def puller(tmp_path: Path) -> Puller:
    return Puller(tmp_path)


def images(puller: Puller, name: str) -> list[str]:
    """The candidates for a name."""
    return [pair.image for pair in puller.runtime().resolve(name).pairs]


@pytest.mark.clause("CONF-043")
def test_aliases(puller: Puller) -> None:
    """An alias precedes the search registries, and tag and digest remain."""
    puller.conf(SEARCH + '[aliases]\nfoo = "c.example/team/foo"\n"x/y" = "docker.io/library/z"\n')
    digest = f"sha256:{'0' * 64}"
    assert images(puller, "foo:1") == ["c.example/team/foo:1"]
    assert images(puller, f"foo@{digest}") == [f"c.example/team/foo@{digest}"]
    assert images(puller, "x/y") == ["docker.io/library/z"]
    assert images(puller, "y") == ["a.example/y", "b.example/y"]
    assert images(puller, "d.example/foo") == ["d.example/foo"]
    (pair,) = puller.runtime().resolve("foo:1").pairs
    assert image_name(pair.source) == "docker://c.example/team/foo:1"
    assert pair.destination.name_and_id == "c.example/team/foo:1"


@pytest.mark.clause("CONF-048")
@pytest.mark.parametrize("key", ["unqualified-search-registries", "Credential-Helpers"])
@pytest.mark.parametrize(
    ("header", "table"),
    [
        ('[[registry]]\nlocation = "a.example"', "registry"),
        (
            '[[registry]]\nlocation = "a.example"\n[[registry.mirror]]\nlocation = "b.example"',
            "registry.mirror",
        ),
        ("[engine]", "engine"),
        ("[engine.runtime]", "engine.runtime"),
    ],
)
def test_a_key_in_the_wrong_table_is_reported(
    puller: Puller, header: str, table: str, key: str
) -> None:
    """It has no effect, so the failed pull of a short name has a warning that names the table."""
    puller.conf(f'{header}\n{key} = ["c.example"]\n')
    with pytest.raises(PullFailedError) as caught:
        puller.runtime().pull("foo")
    (warning,) = caught.value.facts["warnings"]
    assert warning.code == "registries_conf.misplaced"
    assert (warning.facts["key"].lower(), warning.facts["table"]) == (key.lower(), table)
    assert "registries.conf" in str(warning)


@pytest.mark.clause("CONF-048")
def test_a_search_list_among_aliases_is_an_error(puller: Puller) -> None:
    """The error says where it belongs, and not only that it is no name."""
    puller.conf('[aliases]\nfoo = "c.example/foo"\n' + SEARCH)
    with pytest.raises(ConfigurationError, match="move it above the first table"):
        puller.runtime().pull("bar")


@pytest.mark.clause("CONF-043")
@pytest.mark.parametrize(
    ("uid", "environ", "path"),
    [
        (0, {}, "var/cache/containers/short-name-aliases.conf"),
        (1000, {}, "home/.cache/containers/short-name-aliases.conf"),
        (1000, {"XDG_CACHE_HOME": "{}/cache"}, "cache/containers/short-name-aliases.conf"),
    ],
)
def test_the_alias_cache_of_podman(
    tmp_path: Path, uid: int, environ: dict[str, str], path: str
) -> None:
    """It precedes registries.conf, and an empty value in it disables an alias."""
    puller = Puller(tmp_path, {key: value.format(tmp_path) for key, value in environ.items()})
    puller.conf(SEARCH + '[aliases]\nfoo = "c.example/foo"\nbar = "c.example/bar"\n')
    alias_cache = puller.write(path, '[aliases]\nfoo = "d.example/foo"\nbar = ""\n')
    before = alias_cache.read_bytes()
    runtime = puller.runtime(locations=replace(puller.locations, uid=uid))
    assert [pair.image for pair in runtime.resolve("foo").pairs] == ["d.example/foo"]
    assert len(runtime.resolve("bar").pairs) == 2
    assert runtime.resolve("foo").how.entries[0].path == str(alias_cache)
    assert alias_cache.read_bytes() == before
    alias_cache.write_text("[aliases\n")
    with pytest.raises(ConfigurationError) as caught:
        runtime.resolve("foo")
    assert str(alias_cache) in str(caught.value)


@pytest.mark.clause("CONF-046")
def test_enforcing_refuses_ambiguous_names(puller: Puller) -> None:
    """The error lists the candidates, and an alias line that resolves the name."""
    puller.conf(SEARCH + 'short-name-mode = "enforcing"\n')
    with pytest.raises(InvalidNameError) as caught:
        puller.runtime().resolve("foo:1")
    output = str(caught.value)
    assert caught.value.code == "name.ambiguous"
    for part in (
        "a.example/foo:1",
        "b.example/foo:1",
        '"foo" = "a.example/foo"',
        str(puller.folder / "etc/containers/registries.conf"),
    ):
        assert part in output
    line = caught.value.facts["line"]
    puller.conf(SEARCH + f'short-name-mode = "enforcing"\n[aliases]\n{line}\n')
    assert images(puller, "foo:1") == ["a.example/foo:1"]


@pytest.mark.clause("CONF-046")
@pytest.mark.parametrize("mode", ["permissive", "disabled"])
def test_other_modes_try_all(puller: Puller, mode: str) -> None:
    """There is no prompt, so the candidates are tried in order."""
    puller.conf(SEARCH + f'short-name-mode = "{mode}"\n')
    assert images(puller, "foo") == ["a.example/foo", "b.example/foo"]


@pytest.mark.clause("CONF-046")
def test_one_candidate_needs_no_choice(puller: Puller) -> None:
    """Enforcing accepts it, also if it is listed twice."""
    puller.conf(
        'unqualified-search-registries = ["a.example", "a.example"]\nshort-name-mode = "enforcing"'
    )
    assert images(puller, "foo") == ["a.example/foo", "a.example/foo"]


def test_libpod_ignores_aliases(puller: Puller) -> None:
    """Under libpod-1.3 only the search registries of the old form are used."""
    puller.conf('[registries.search]\nregistries = ["a.example"]\n[aliases]\nfoo = "c.example/foo"')
    goal = puller.runtime(rules=Rules.LIBPOD_1_3).resolve("foo")
    assert [pair.image for pair in goal.pairs] == ["a.example/foo"]


CONF = """unqualified-search-registries = ["a.example", "b.example"]
[aliases]
foo = "a.example/team/foo"
[[registry]]
prefix = "a.example/team"
location = "elsewhere.example/t"
[[registry.mirror]]
location = "mirror.example"
insecure = true
[[registry]]
location = "b.example"
blocked = true
"""


def test_resolve_prints_reasons(tmp_path: Path) -> None:
    """`resolve` prints the file and table that decided and the endpoints, and creates no store."""
    line = CommandLine.below(tmp_path)
    line.registries_conf.write_text(CONF)
    path = str(line.registries_conf)
    output = line("resolve", "foo:1").stdout
    for part in (
        "1. docker://a.example/team/foo:1",
        f'[[registry]] prefix = "a.example/team" in {path}',
        "mirror mirror.example/foo:1, insecure",
        "registry elsewhere.example/t/foo:1",
        f'[aliases] "foo" in {path}',
    ):
        assert part in output
    document = line("resolve", "--format", "json", "foo:1").json()
    assert document["how"] == "alias"
    assert document["decisions"] == [{"table": '[aliases] "foo"', "path": path}]
    (pair,) = document["pairs"]
    assert [end["location"] for end in pair["endpoints"]] == [
        "mirror.example/foo",
        "elsewhere.example/t/foo",
    ]
    searched = line("resolve", "--format", "json", "bar").json()
    assert searched["how"] == "search"
    assert searched["decisions"][0] == {"table": "unqualified-search-registries", "path": path}
    assert searched["decisions"][1] == {"table": "short-name-mode", "path": None}
    (blocked,) = searched["pairs"][1]["endpoints"]
    assert blocked["problem"]["code"] == "registry.blocked"
    assert "not used" in line("resolve", "bar").stdout
    assert line("resolve", "--format", "json", "dir:/tmp").json()["how"] == "transport"
    assert line("resolve", "--format", "json", "docker://c.example/x").json()["how"] == "transport"
    assert line("resolve", "--format", "json", "c.example/x").json()["how"] == "full-name"
    assert not line.root.exists()


def test_explain_auth(tmp_path: Path) -> None:
    """`--explain-auth` prints file, key and user for each endpoint, but no secret."""
    line = CommandLine.below(tmp_path)
    line.registries_conf.write_text(CONF)
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {"mirror.example": {"auth": "bWU6c2VjcmV0"}}}))
    ended = line("resolve", "--explain-auth", "--authfile", auth, "foo")
    assert ended.status == 0, ended.stderr
    assert ended.lines == [
        "mirror.example/foo:",
        f"  {auth} under 'mirror.example' has the user 'me'",
        "  these credentials are used",
        "elsewhere.example/t/foo:",
        f"  {auth} has no entry for it",
        "  so requests have no credentials",
    ]
    words = ("--format", "json", "--explain-auth", "--creds", "me:secret", "a.example/team/x")
    ended = line("resolve", *words)
    assert "secret" not in ended.stdout + ended.stderr
    first, second = ended.json()
    assert first["looks"][-1]["outcome"] == "no-file"
    assert second["location"] == "elsewhere.example/t/x"
    assert second["looks"][-1]["outcome"] == "no-file"
    (only,) = line("resolve", *words[:-1], "c.example/x").json()
    assert only["looks"][0]["path"] == "--creds"
    assert not line.root.exists()
