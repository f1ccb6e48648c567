"""The parser of registries.conf in the form of podman v1.3.2."""

from __future__ import annotations

import pytest

from towline.config.registries import Mirror, Registry
from towline.config.registries_conf_2019 import parse
from towline.errors import ConfigurationError
from towline.wording import LIBPOD_1_3


def search(text: str) -> tuple[str, ...]:
    return parse(text.encode(), "r.conf").search_registries()


def refusal(text: str | bytes) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "r.conf")
    return caught.value


def test_old_lists_become_entries_in_the_order_search_block_insecure() -> None:
    """A name in several lists is one entry with several settings."""
    found = parse(
        b"[registries.insecure]\nregistries = ['b', 'c']\n"
        b"[registries.block]\nregistries = ['d', 'a/']\n"
        b"[registries.search]\nregistries = ['a', 'b']\n",
        "r.conf",
    )
    assert found.registries == (
        Registry("a", "a", search=True, blocked=True),
        Registry("b", "b", search=True, insecure=True),
        Registry("d", "d", blocked=True),
        Registry("c", "c", insecure=True),
    )
    assert found.search_registries() == ("a", "b")
    assert found.insecure_registries() == ("b", "c")
    assert found.blocked_registries() == ("a", "d")


def test_new_entries_have_url_prefix_and_mirrors() -> None:
    """Trailing slashes of the url are removed; it is the default prefix; mirrors are unchanged."""
    found = parse(
        b"[[registry]]\nurl = 'a.b//'\nunqualified-search = true\n"
        b"[[registry]]\nurl = 'i.n/bar'\nprefix = 'e.x/foo/'\n"
        b"[[registry.mirror]]\nurl = 'm.n/'\ninsecure = true\n",
        "r.conf",
    )
    assert found.registries == (
        Registry("a.b", "a.b", search=True),
        Registry("e.x/foo", "i.n/bar", mirrors=(Mirror("m.n/", insecure=True),)),
    )


def test_the_same_url_twice_is_searched_twice() -> None:
    """Only conflicting settings are errors."""
    entry = "[[registry]]\nurl = 'a.b'\nunqualified-search = true\n"
    assert search(entry * 2) == ("a.b", "a.b")


@pytest.mark.parametrize(
    "text",
    [
        "unqualified-search-registries = ['a.b']",
        "[registries.search]\nregistries = []",
        "foo = 1\n[x.y]\nz = 1.5",
        "[[registry]]\nurl = 'a.b'\nsearch = true",
        "",
    ],
)
def test_unknown_keys_are_ignored(text: str) -> None:
    """Keys that were added later, and any others."""
    assert search(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "[Registries.SEARCH]\nRegistries = ['a.b']",
        "[regi\u017ftries.search]\nregistries = ['a.b']".replace(
            "regi\u017ftries", '"regi\u017ftries"'
        ),
        "\t[registries.search]\t# c\n\tregistries\t=\t[ # c\n'a.b',\n]",
        "[registries.search]\r\nregistries = ['a.b']\r\n",
        "[registries.search]\rregistries = ['a.b']\r",
        "# \x01 \x7f\n[registries.search]\nregistries = ['''a.b''']",
        "x = '#'\n[registries.search]\nregistries = [\"a.b\"] # '",
    ],
)
def test_the_toml_of_2013_is_read(text: str) -> None:
    """Keys ignore case, comments may contain any bytes, and a carriage return ends a line."""
    assert search(text) == ("a.b",)


def test_a_comment_need_not_be_utf8() -> None:
    """Invalid UTF-8 in a comment is ignored."""
    assert search("# caf") == parse(b"# caf\xe9\n", "r.conf").search_registries() == ()


@pytest.mark.parametrize(
    "text",
    [
        "registries.search.registries = ['a.b']",
        "registries = {search = {registries = ['a.b']}}",
        "registry = [{url = 'a.b'}]",
        "x = ['a', 1]",
        "x = [1, 1.5]",
        "x = [[1], ['a'], 1]",
        "x = 0x10",
        "x = [nan]",
        "\ufeffx = 1",
        "x = 'a",
        "x = [1",
        'x = "\\q"',
        "[a]\n[a]",
        "x = 1\nx = 2",
        "x = " + "[" * 5000,
        "x = " + "9" * 5000,
    ],
)
def test_later_toml_and_broken_toml_are_refused(text: str) -> None:
    """No dotted keys, no inline tables, no lists of several types, no byte order mark."""
    assert refusal(text).code == "registries_conf.not_toml"


def test_dots_and_braces_in_strings_and_headers_are_valid() -> None:
    """Only keys and values outside strings are checked for later syntax."""
    text = 'x = \'{a.b = 1}\'\n\'a.b\' = 1.5\n[x.y]\ny = [\n1.5,\n2.5]\nz = """\na.b = {}\n"""\n'
    assert search("[other]\n" + text.replace("[x.y]", "[other.y]")) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[registry]]\nunqualified-search = true", "invalid URL: cannot be empty"),
        ("[[registry]]\nlocation = 'a.b'", "invalid URL: cannot be empty"),
        ("[registries.search]\nregistries = ['///']", "invalid URL: cannot be empty"),
        (
            "[registries.search]\nregistries = ['https://a.b/']",
            "invalid URL 'https://a.b/': URI schemes are not supported",
        ),
        (
            "[[registry]]\nurl = 'a.b'\nprefix = 'http://x'",
            "invalid URL 'http://x': URI schemes are not supported",
        ),
        ("[[registry]]\nurl = 'a.b'\n[[registry.mirror]]\n", "invalid URL: cannot be empty"),
        (
            "[registries.block]\nregistries = ['x']\n[[registry]]\nurl = ''",
            "mixing sysregistry v1/v2 is not supported",
        ),
        (
            "[registries.block]\nregistries = ['']\n[[registry]]\nurl = 'a'",
            "invalid URL: cannot be empty",
        ),
        (
            "[[registry]]\nurl = 'a'\nblocked = true\ninsecure = true\n[[registry]]\nurl = 'a/'",
            "registry 'a' is defined multiple times with conflicting 'insecure' setting",
        ),
        (
            "[[registry]]\nurl = 'a'\n[[registry]]\nurl = 'a'\nblocked = true",
            "registry 'a' is defined multiple times with conflicting 'blocked' setting",
        ),
        (
            (
                "[[registry]]\nurl = 'a'\n[[registry]]\nurl = 'a'\nblocked = true\n"
                "[[registry]]\nurl = ''"
            ),
            "invalid URL: cannot be empty",
        ),
    ],
)
def test_errors_and_their_messages(text: str, message: str) -> None:
    """Errors of an entry's url precede those of its prefix and mirrors; conflicts come last."""
    assert refusal(text).render(LIBPOD_1_3) == message


def test_upper_case_schemes_are_accepted() -> None:
    """Only lower-case schemes are errors."""
    assert search("[registries.search]\nregistries = ['HTTPS://a.b']") == ("HTTPS://a.b",)


@pytest.mark.parametrize(
    "text",
    [
        "registries = ['a']",
        "[[registries.search]]\nregistries = ['a']",
        "[registries.search]\nregistries = 'a'",
        "[registries.search]\nregistries = [1]",
        "[registry]\nurl = 'a'",
        "registry = ['a']",
        "[[registry]]\nurl = 5",
        "[[registry]]\nurl = 'a'\ninsecure = 'true'",
        "[[registry]]\nurl = 'a'\nblocked = 1",
        "[[registry]]\nurl = 'a'\n[registry.mirror]\nurl = 'b'",
    ],
)
def test_a_value_of_another_type_is_refused(text: str) -> None:
    """No value is converted."""
    assert refusal(text).code == "registries_conf.wrong_type"
