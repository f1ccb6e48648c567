"""Any bytes in a configuration file give a value, or an error with a message."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.config import registries_conf, registries_conf_2019
from towline.config.auth_json import parse_auth_file
from towline.errors import ConfigurationError
from towline.rules import Rules
from towline.trust.policy_json import parse_policy
from towline.wording import CURRENT, LIBPOD_1_3

TOML = [
    *('"', "'", '"""', "'''", "[", "]", "[[", "]]", "{", "}", "=", ",", ".", "#", "\n", "\r"),
    *("\\", "\ufeff", "\x00", " ", "1", "1.5", "true", "0x1", "nan", "é", "1979-05-27", "\u017f"),
    *("registry", "registries", "search", "insecure", "block", "url", "prefix", "location"),
    *("mirror", "[[registry]]\n", "location = 'a.b'\n", "url = 'a.b'\n", "blocked = true\n"),
    *("[[registry.mirror]]\n", "[aliases]\n", "x = 'a.b/x'\n", "short-name-mode", "*.a.b"),
    *("[registries.search]\n", "registries = ['a.b']\n", "pull-from-mirror = 'all'\n"),
]
JSON = [
    *("{", "}", "[", "]", ":", ",", '"', "null", "true", "1", "1e999", "\\", "\\ud800", " ", "é"),
    *('"default"', '"transports"', '"type"', '"docker"', '"dir"', '""', '"/a"', '"auths"'),
    *('"reject"', '"signedBy"', '"sigstoreSigned"', '"keyPath"', '"keyData"', '"fulcio"', '"pki"'),
    *('"signedIdentity"', '"matchExact"', '"exactReference"', '"dockerReference"', '"YQ=="'),
    *('{"default": [{"type": "reject"}]}', '"credHelpers"', '"auth"', '"a.b"', '"keyPaths"'),
]


def texts(tokens: list[str]) -> st.SearchStrategy[bytes]:
    """Arbitrary bytes, and sequences of tokens of the format."""
    joined = st.lists(st.sampled_from(tokens), max_size=25).map("".join)
    return st.one_of(st.binary(max_size=200), joined.map(lambda text: text.encode()))


def check(read: Callable[[], object]) -> None:
    refusal = None
    try:
        read()
    except ConfigurationError as error:
        refusal = error
    assert refusal is None or (refusal.render(CURRENT) and refusal.render(LIBPOD_1_3))


@given(texts(TOML))
def test_any_registries_conf(data: bytes) -> None:
    """In the form of 2019 and in the current form, as main file and as drop-in."""
    check(lambda: registries_conf_2019.parse(data, "r.conf"))
    check(lambda: registries_conf.merge([registries_conf.parse(data, "r.conf")]))
    check(lambda: registries_conf.parse(data, "r.conf", drop_in=True))


@given(texts(JSON))
def test_any_policy(data: bytes) -> None:
    """In both editions."""
    check(lambda: parse_policy(data, "p.json", Rules.CURRENT.trust))
    check(lambda: parse_policy(data, "p.json", Rules.LIBPOD_1_3.trust))


@given(texts(JSON), st.booleans())
def test_any_auth_file(data: bytes, legacy: bool) -> None:
    """Parsing it and looking up a name."""
    rules = Rules.LIBPOD_1_3.config

    def look_up() -> object:
        file = parse_auth_file(data, "a.json", legacy=legacy)
        entry = file.match("a.b", rules)
        return None if entry is None else file.credentials_of(entry, rules)

    check(look_up)


@pytest.mark.parametrize(
    "data",
    [b'"""' * 30_000, b'"\\' * 50_000, b"." * 100_000, b"'''\n" * 25_000, b"a = [" * 9_000],
    ids=["quotes", "escapes", "dots", "lines", "lists"],
)
def test_long_input_is_parsed_in_linear_time(data: bytes) -> None:
    """Within the time limit of a test."""
    check(lambda: registries_conf_2019.parse(data, "r.conf"))
