"""The parser of the current form of registries.conf."""

from __future__ import annotations

import pytest

from towline.config.registries import Mirror, Registries, Registry
from towline.config.registries_conf import merge, parse
from towline.errors import ConfigurationError


def read(*texts: str) -> Registries:
    files = [
        parse(text.encode(), f"{number}.conf", drop_in=number > 0)
        for number, text in enumerate(texts)
    ]
    return merge(files)


def refusal(text: str, *, drop_in: bool = False) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse(text.encode(), "r.conf", drop_in=drop_in)
    return caught.value


def test_a_whole_file() -> None:
    """All keys are parsed."""
    found = read(
        """
        unqualified-search-registries = ["docker.io/", "localhost:5000"]
        short-name-mode = "enforcing"
        credential-helpers = ["secretservice"]

        [aliases]
        "alpine" = "docker.io/library/alpine"

        [[registry]]
        prefix = "*.example.com"
        blocked = true

        [[registry]]
        prefix = "example.com/foo"
        location = "internal.example/bar/"
        insecure = true
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "m.example/x"
        insecure = true

        [[registry]]
        location = "quay.io"
        [[registry.mirror]]
        location = "m.example/y"
        pull-from-mirror = "tag-only"
        """
    )
    assert found == Registries(
        registries=(
            Registry("*.example.com", "", blocked=True, wildcard=True),
            Registry(
                "example.com/foo",
                "internal.example/bar",
                insecure=True,
                mirrors=(Mirror("m.example/x", insecure=True),),
                mirror_by_digest_only=True,
            ),
            Registry("quay.io", "quay.io", mirrors=(Mirror("m.example/y", False, "tag-only"),)),
        ),
        search=("docker.io", "localhost:5000"),
        aliases=(("alpine", "docker.io/library/alpine"),),
        short_name_mode="enforcing",
        credential_helpers=("secretservice",),
        files=("0.conf",),
    )


def test_an_empty_file_has_the_defaults() -> None:
    """There are no search registries, and credentials are from the auth files."""
    found = read("")
    assert found.search_registries() == ()
    assert found.short_name_mode == "permissive"
    assert found.credential_helpers == ("containers-auth.json",)
    assert found.find("docker.io/library/x") is None


def test_the_old_form_is_converted() -> None:
    """The search list becomes that of the current form; insecure and block become entries."""
    found = read(
        "[registries.search]\nregistries = ['a.b']\n"
        "[registries.insecure]\nregistries = ['c.d']\n"
        "[registries.block]\nregistries = ['c.d', 'e.f/g']\n"
    )
    assert found.search_registries() == ("a.b",)
    assert found.registries == (
        Registry("c.d", "c.d", insecure=True, blocked=True),
        Registry("e.f/g", "e.f/g", blocked=True),
    )


@pytest.mark.clause("CONF-035")
def test_the_first_of_equal_prefixes_in_a_file_is_used() -> None:
    """Two entries for one prefix with different locations are not an error."""
    entry = "[[registry]]\nprefix = 'p.q'\nlocation = '{}'\n"
    found = read(entry.format("a.b") + entry.format("c.d")).find("p.q/x")
    assert found is not None
    assert found.location == "a.b"


@pytest.mark.clause("CONF-034")
def test_later_files_override_earlier_ones() -> None:
    """Entries are replaced whole, the search list if it is set, aliases one by one."""
    found = read(
        "unqualified-search-registries = ['a.b']\nshort-name-mode = 'enforcing'\n"
        "[aliases]\nx = 'a.b/x'\ny = 'a.b/y'\n"
        "[[registry]]\nlocation = 'a.b'\ninsecure = true\n"
        "[[registry.mirror]]\nlocation = 'm.n'\n",
        "[[registry]]\nlocation = 'a.b'\n[aliases]\nx = ''\ny = 'c.d/y'\n",
        "unqualified-search-registries = []\n",
    )
    assert found.search_registries() == ()
    assert found.short_name_mode == "enforcing"
    assert found.registries == (Registry("a.b", "a.b"),)
    assert found.alias("x") is None
    assert found.alias("y") == "c.d/y"
    assert found.files == ("0.conf", "1.conf", "2.conf")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("unqualified-search-registries = ['a.b/c']", "search_entry"),
        ("unqualified-search-registries = ['']", "search_entry"),
        ("unqualified-search-registries = ['a_b']", "search_entry"),
        ("unqualified-search-registries = ['https://a.b']", "scheme"),
        ("unqualified-search-registries = 'a.b'", "wrong_type"),
        ("[[registry]]\nlocation = 'http://a.b'", "scheme"),
        ("[[registry]]\ninsecure = true", "no_location"),
        ("[[registry]]\nurl = 'a.b'", "no_location"),
        ("[[registry]]\nprefix = 'a.b'", "prefix_alone"),
        ("[[registry]]\nprefix = '*.a.b/c'\nlocation = 'x.y'", "wildcard"),
        ("[[registry]]\nprefix = '*.a.b:5000'", "wildcard"),
        ("[[registry]]\nlocation = 'a.b'\npull-from-mirror = 'all'", "pull_from_on_registry"),
        ("[[registry]]\nlocation = 'a.b'\n[[registry.mirror]]\n", "mirror_location"),
        (
            (
                "[[registry]]\nlocation = 'a.b'\n"
                "[[registry.mirror]]\nlocation = 'm.n'\npull-from-mirror = 'x'"
            ),
            "pull_from",
        ),
        (
            (
                "[[registry]]\nlocation = 'a.b'\nmirror-by-digest-only = true\n"
                "[[registry.mirror]]\nlocation = 'm.n'\npull-from-mirror = 'all'"
            ),
            "pull_from_twice",
        ),
        (
            "[[registry]]\nlocation = 'a.b'\ninsecure = true\n[[registry]]\nlocation = 'a.b/'",
            "conflict",
        ),
        ("short-name-mode = 'Enforcing'", "short_name_mode"),
        ("[aliases]\n'x:1' = 'a.b/x'", "alias"),
        ("[aliases]\n'a.b/x' = 'a.b/x'", "alias"),
        ("[aliases]\nx = 'a.b/x:1'", "alias"),
        ("[aliases]\nx = 'ns/x'", "alias"),
        ("[aliases]\nX = 'a.b/x'", "alias"),
        ("[aliases]\nx = 1", "wrong_type"),
        ("[registries.search]\nregistries = ['a.b']\n[[registry]]\nlocation = 'a.b'", "mixed"),
        ("credential-helpers = ['x']\n[registries.search]\nregistries = ['a.b']", "mixed"),
        ("[registries.block]\nregistries = ['']", "no_location"),
        ("nonsense", "not_toml"),
        ("x = " + "[" * 5000, "not_toml"),
    ],
)
def test_errors(text: str, code: str) -> None:
    """The rules of containers-registries.conf, each with its own code."""
    assert refusal(text).code == f"registries_conf.{code}"


@pytest.mark.clause("CONF-033")
def test_a_drop_in_cannot_have_the_old_form() -> None:
    """Only the main file can have it."""
    error = refusal("[registries.search]\nregistries = ['a.b']", drop_in=True)
    assert error.code == "registries_conf.old_drop_in"


def test_the_error_of_invalid_utf8_has_the_line() -> None:
    """The line is counted without the TOML parser."""
    with pytest.raises(ConfigurationError, match="line 2 is not UTF-8"):
        parse(b"# fine\n# caf\xe9\n", "r.conf")


def test_errors_name_file_and_line() -> None:
    """The line is that of the entry, or of the key."""
    text = "short-name-mode = 'permissive'\n\n[[registry]]\nlocation = 'a.b'\n\n[[registry]]\n"
    assert str(refusal(text)).startswith("r.conf, line 6: ")
    assert str(refusal("\nshort-name-mode = 'x'")).startswith("r.conf, line 2: ")


def test_the_error_for_a_file_of_2019_names_the_new_key() -> None:
    """An old file is the most likely reason for a missing location."""
    assert "location" in str(refusal("[[registry]]\nurl = 'a.b'"))
    assert "2019" in str(refusal("[[registry]]\nurl = 'a.b'"))
