"""Auth files: which credentials are used for a name."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from towline.config.auth_json import AuthFile, parse_auth_file
from towline.errors import ConfigurationError
from towline.go import go_base64
from towline.registry.credentials import Credentials
from towline.rules import Rules

NEW, OLD = Rules.CURRENT, Rules.LIBPOD_1_3
BOTH = pytest.mark.parametrize("rules", [NEW, OLD], ids=lambda rules: rules.edition)


def encoded(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def auths(**entries: Any) -> AuthFile:
    return parse_auth_file(json.dumps({"auths": entries}).encode(), "auth.json")


def credentials(file: AuthFile, name: str, rules: Rules) -> Credentials | None:
    """The credentials in the file itself for a repository."""
    entry = file.match(name, rules.config)
    return None if entry is None else file.credentials_of(entry, rules.config)


def user(file: AuthFile, name: str, rules: Rules) -> str | None:
    found = credentials(file, name, rules)
    return None if found is None else found.username


@pytest.mark.parametrize(
    ("name", "new", "old"),
    [
        ("e.x/ns/img", "img", "host"),
        ("e.x/ns/other", "ns", "host"),
        ("e.x/else", "host", "host"),
        ("e.x", "host", "host"),
        ("docker.io/library/x", "hub", "hub"),
        ("q.z/x", "scheme", "scheme"),
        ("cut.z/x", None, "cut"),
        ("none.x/y", None, None),
    ],
)
def test_the_longest_key_is_used(name: str, new: str | None, old: str | None) -> None:
    """Under current keys may be namespaces; under libpod-1.3 they are hosts or URLs."""
    keys = {
        "e.x/ns/img": "img",
        "e.x/ns": "ns",
        "https://q.z/v1/": "scheme",
        "cut.z/path": "cut",
        "https://index.docker.io/v1/": "hub",
    }
    file = auths(**{key: encoded(f"{user_name}:p") for key, user_name in keys.items()})
    with_host = auths(
        **{"e.x": encoded("host:p")},
        **{key: encoded(f"{user_name}:p") for key, user_name in keys.items()},
    )
    assert user(with_host, name, NEW) == new
    assert user(with_host, name, OLD) == old
    if name == "e.x/else":
        assert user(file, name, NEW) is None


@BOTH
def test_a_dockercfg_is_the_map_itself(rules: Rules) -> None:
    """The legacy file has no key `auths`, and its keys are URLs."""
    text = json.dumps({"https://e.x/v1/": encoded("u:p")}).encode()
    file = parse_auth_file(text, ".dockercfg", legacy=True)
    assert user(file, "e.x/ns/img", rules) == "u"


@BOTH
def test_colons_and_null_characters_in_a_password(rules: Rules) -> None:
    """Only the first colon is a separator; null characters at the ends are removed."""
    found = credentials(auths(**{"e.x": encoded("u:p:q\0\0")}), "e.x/x", rules)
    assert found == Credentials("u", "p:q")


@BOTH
@pytest.mark.parametrize("entry", [{}, None, {"auth": ""}, encoded("nocolon"), encoded(":")])
def test_an_entry_without_name_and_password_is_none(entry: Any, rules: Rules) -> None:
    """Such an entry gives no credentials."""
    assert credentials(auths(**{"e.x": entry}), "e.x/x", rules) is None


def test_an_entry_with_only_a_name() -> None:
    """Under libpod-1.3 both name and password are needed."""
    file = auths(**{"e.x": encoded("u:")})
    assert credentials(file, "e.x/x", NEW) == Credentials("u", "")
    assert credentials(file, "e.x/x", OLD) is None


def test_an_identity_token_needs_a_name() -> None:
    """A token alone is ignored; libpod-1.3 ignores every token."""
    alone = auths(**{"e.x": {"identitytoken": "t"}})
    with_name = auths(**{"e.x": {"identitytoken": "t", **encoded("u:p")}})
    assert credentials(alone, "e.x/x", NEW) is None
    assert credentials(with_name, "e.x/x", NEW) == Credentials("u", "p", "t")
    assert credentials(with_name, "e.x/x", OLD) == Credentials("u", "p")


@pytest.mark.clause("AUTH-005")
@pytest.mark.parametrize(
    ("entry", "new"),
    [
        ({"username": "u", "password": "p"}, Credentials("u", "p")),
        ({"username": "u", "password": "p", "auth": ""}, Credentials("u", "p")),
        ({"username": "u", "password": "p", "identitytoken": "t"}, Credentials("u", "p", "t")),
        ({"password": "p"}, Credentials("", "p")),
        ({"username": "u"}, None),
        ({"username": 5, "password": ["p"]}, None),
        ({"username": "other", "password": "q", **encoded("u:p")}, Credentials("u", "p")),
        ({"identitytoken": "t", **encoded(":")}, Credentials("", "", "t")),
        (encoded(":p"), Credentials("", "p")),
    ],
)
def test_entries_with_plain_or_empty_fields(entry: dict[str, Any], new: Credentials | None) -> None:
    """`username` and `password` count without `auth`; libpod-1.3 ignores them."""
    file = auths(**{"e.x": entry})
    assert credentials(file, "e.x/x", NEW) == new
    old = Credentials("u", "p") if entry.get("auth") == encoded("u:p")["auth"] else None
    assert credentials(file, "e.x/x", OLD) == old
    assert "'p'" not in repr(file)


@BOTH
def test_the_helper_of_a_host(rules: Rules) -> None:
    """It is found by host or URL, and is not used for other hosts."""
    text = {"credHelpers": {"e.x": "secret"}, "auths": {"e.x": encoded("u:p")}}
    file = parse_auth_file(json.dumps(text).encode(), "auth.json")
    assert file.helper_for("e.x") == ("e.x", "secret")
    assert file.helper_for("other.x") is None
    hub = parse_auth_file(b'{"credHelpers": {"https://index.docker.io/v1/": "h"}}', "auth.json")
    assert hub.helper_for("docker.io") == ("https://index.docker.io/v1/", "h")
    assert credentials(file, "other.x/x", rules) is None


@BOTH
def test_invalid_base64_is_an_error_only_for_its_entry(rules: Rules) -> None:
    """It does not affect other registries."""
    file = auths(**{"bad.x": {"auth": "YWJj!"}, "e.x": encoded("u:p")})
    assert user(file, "e.x/x", rules) == "u"
    with pytest.raises(ConfigurationError) as caught:
        credentials(file, "bad.x/x", rules)
    assert caught.value.render(OLD.wording) == "illegal base64 data at input byte 4"
    assert "bad.x" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "garbage", "[]", '{"auths": 5}', '{"auths": {"x": 5}}', '{"a": ' * 9000]
)
def test_malformed_files_are_refused(text: str) -> None:
    """A broken file is an error, not an empty file."""
    with pytest.raises(ConfigurationError) as caught:
        parse_auth_file(text.encode(), "auth.json")
    assert caught.value.code == "auth.not_json"


def test_secrets_are_not_shown() -> None:
    """Not in a repr and not in an error."""
    secret = base64.b64encode(b"u:hunter2").decode()
    file = auths(**{"e.x": {"auth": secret, "identitytoken": "tok-en"}})
    output = repr(file) + repr(credentials(file, "e.x", NEW))
    broken = auths(**{"e.x": {"auth": secret[:-1]}})
    with pytest.raises(ConfigurationError) as caught:
        credentials(broken, "e.x", NEW)
    output += str(caught.value) + repr(caught.value) + repr(caught.value.facts)
    for part in ("hunter2", secret[:8], "tok-en"):
        assert part not in output


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("Y", 0),
        ("YQ", 0),
        ("YWJjZ", 4),
        ("YQ=", 3),
        ("=", 0),
        ("Y===", 1),
        ("YQ=x", 2),
        ("YQ==YQ==", 4),
        ("YW!j", 2),
        ("é", 0),
    ],
)
def test_the_offset_of_a_base64_fault(text: str, offset: int) -> None:
    """It is that of podman's error."""
    with pytest.raises(go_base64.Base64Error) as caught:
        go_base64.decode(text)
    assert caught.value.offset == offset


@pytest.mark.parametrize("text", ["", "YWJj", "YWI=", "YQ==", "Y\nQ=\r\n=\n"])
def test_line_ends_in_base64(text: str) -> None:
    """They may be anywhere."""
    assert go_base64.decode(text) == b"abc"[: len(go_base64.decode(text))]
