"""The public values: what they accept, how they look, and their errors."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import towline
from towline.frozen import replace

LONGEST = 400  # characters of a repr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"platform": 3}, "platform must be Platform or a text, not int"),
        ({"auth": "user:password"}, "auth must be Credentials, or a tuple of a user name"),
        ({"auth": ("user", 7)}, "auth must be Credentials, or a tuple of a user name"),
        ({"auth": ("a", "the-secret", "c")}, "auth must be Credentials, or a tuple"),
        ({"tls_verify": "false"}, "tls_verify must be bool or None, not str"),
        ({"verify_diff_ids": 1}, "verify_diff_ids must be bool, not int"),
        ({"timeouts": 0}, "timeouts must be Timeouts, not int"),
        ({"locations": {}}, "locations must be Locations, not dict"),
        ({"policy": 7}, "policy must be a path, not int"),
        ({"rules": None}, "rules must be Rules or the name of an edition, not NoneType"),
    ],
)
def test_an_argument_of_another_type(given: dict[str, Any], message: str) -> None:
    """It is refused when the options are made, in one sentence without a secret."""
    with pytest.raises(TypeError) as caught:
        towline.Options(**given)
    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"platform": "linux"}, "option.platform"),
        ({"rules": "2019"}, "option.rules"),
        ({"authfile": ""}, "option.no_path"),
    ],
)
def test_a_value_that_is_invalid(given: dict[str, Any], code: str) -> None:
    """It is a typed error."""
    with pytest.raises(towline.ConfigurationError) as caught:
        towline.Options(**given)
    assert caught.value.code == code
    assert str(caught.value)


def test_plain_values_are_converted() -> None:
    """Texts, paths and tuples."""
    options = towline.Options(
        platform="linux/arm/v7",
        auth=("user", "password"),
        policy="policy.json",
        cert_dir=Path("certs"),
        rules="libpod-1.3",
    )
    assert options.platform == towline.Platform("linux", "arm", "v7")
    assert options.auth == towline.Credentials("user", "password")
    assert (options.policy, options.cert_dir) == (Path("policy.json"), Path("certs"))
    assert options.rules is towline.Rules.LIBPOD_1_3
    assert replace(options, platform=None).platform is None
    assert hash(options) == hash(pickle.loads(pickle.dumps(options)))


def test_keywords_of_a_call_precede_the_options(tmp_path: Path) -> None:
    """Only those that are given."""
    conf = tmp_path / "registries.conf"
    conf.write_text('unqualified-search-registries = ["a.example"]')
    other = tmp_path / "other.conf"
    other.write_text('unqualified-search-registries = ["b.example"]')
    options = towline.Options(registries_conf=conf)
    root = tmp_path / "none"
    assert towline.resolve("x", root, options=options).pairs[0].image == "a.example/x"
    goal = towline.resolve("x", root, options=options, registries_conf=other)
    assert goal.pairs[0].image == "b.example/x"
    assert goal.how.entries[0].path == str(other)


def test_arguments_that_are_easily_confused(tmp_path: Path) -> None:
    """A path instead of a name, and a folder instead of a store."""
    runtime = towline.Runtime(towline.open_store(tmp_path / "images"))
    folder: Any = tmp_path
    for call in (runtime.pull, runtime.resolve, runtime.explain):
        with pytest.raises(TypeError, match="name must be a text, not PosixPath"):
            call(folder)
    with pytest.raises(TypeError, match="store must be a store, as open_store returns it"):
        towline.Runtime(folder)


def test_an_error_that_a_caller_makes_has_a_text() -> None:
    """An unknown code and too few facts are shown as they are."""
    assert str(towline.SourceError("mine.broken", text="the disk is gone")) == "the disk is gone"
    assert str(towline.SourceError("mine.broken")) == "mine.broken"
    assert str(towline.StoreError("store.unknown_image", name="x")).startswith("store.unknown")
    assert repr(towline.SourceError("mine.broken", text="gone")) == "SourceError('gone')"


def test_a_failed_pull_is_an_error_of_its_only_pair() -> None:
    """It has the class and the facts of that error, also after pickling."""
    inner = towline.RegistryError("registry.not_found", status=404, host="a.example")
    assert isinstance(inner, towline.NotFoundError)
    assert inner.errors == ()
    facts: dict[str, Any] = {"name": "x", "images": ["a.example/x"], "errors": [inner]}
    failed = towline.PullFailedError("pull.failed", **facts)
    for error in (failed, pickle.loads(pickle.dumps(failed))):
        assert isinstance(error, towline.NotFoundError)
        assert isinstance(error, towline.PullFailedError)
        assert type(error) is type(failed)
        assert error.facts["status"] == 404
        assert [each.code for each in error.errors] == ["registry.not_found"]
    both = towline.PullFailedError("pull.all_failed", name="x", errors=[inner, inner])
    assert type(both) is towline.PullFailedError
    assert "status" not in both.facts
    assert towline.PullFailedError("pull.no_search_registries", name="x").errors == ()


def test_every_repr_is_short(tmp_path: Path, hello_archive: Path) -> None:
    """A repr has one line, and shows no document and not the environment."""
    store = towline.open_store(tmp_path / "images")
    runtime = towline.Runtime(store, towline.Options(auth=("user", "the-secret")))
    goal = runtime.resolve("docker.io/library/alpine")
    runtime = towline.Runtime(store, towline.Options(policy=policy(tmp_path)))
    result = runtime.pull(f"oci-archive:{hello_archive}")
    values = [
        *(store, runtime, goal, goal.how, goal.pairs[0], result.image, result.image.manifest),
        *(runtime.options, towline.Rules.CURRENT, towline.CancelToken(), store.verify()),
        *(result.image.layers[0], result.image.platform, towline.Timeouts(), store.identity),
    ]
    for value in values:
        assert "\n" not in repr(value)
        assert len(repr(value)) <= LONGEST, repr(value)
        assert "secret" not in repr(value)


def policy(folder: Path) -> Path:
    """A policy that accepts every image."""
    path = folder / "policy.json"
    path.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    return path


WRONG_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"root": 5}, "root must be a path, not int"),
    ({"options": {"a": 1}}, "options must be Options or None, not dict"),
    ({"options": 5, "tls_verify": False}, "options must be Options or None, not int"),
    ({"cancel": True}, "cancel must be CancelToken or None, not bool"),
    ({"label": ["a"]}, "label must be a text or None, not list"),
    ({"on_progress": 5}, "on_progress must be a function, not int"),
    ({"on_event": "a"}, "on_event must be a function, not str"),
    ({"platform": 5}, "platform must be Platform or a text, not int"),
    ({"authfile": 5}, "authfile must be a path, not int"),
    ({"tls_verify": "no"}, "tls_verify must be bool or None, not str"),
]


@pytest.mark.parametrize(("given", "sentence"), WRONG_ARGUMENTS)
def test_a_wrong_argument_is_refused_before_anything_is_done(
    tmp_path: Path, given: dict[str, Any], sentence: str
) -> None:
    """With a sentence that names the argument and not its content."""
    pull: Any = towline.pull
    arguments = {"root": tmp_path / "store", **given}
    with pytest.raises(TypeError) as caught:
        pull("dir:/nowhere", **arguments)
    assert str(caught.value) == sentence


PUBLIC: Any = towline  # type checkers refuse these calls


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: PUBLIC.open_store(5), "root must be a path, not int"),
        (lambda: PUBLIC.resolve(5), "name must be a text, not int"),
        (lambda: PUBLIC.replace(5, a=1), "replace takes a value of towline, not int"),
        (lambda: PUBLIC.Timeouts(connect="a"), "connect must be a number, not str"),
        (lambda: PUBLIC.Timeouts(response=True), "response must be a number, not bool"),
        (lambda: PUBLIC.Credentials(b"me", "the-secret"), "username must be a text"),
        (lambda: PUBLIC.Credentials("me", ["the-secret"]), "password must be a text"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused(call: Callable[[], object], sentence: str) -> None:
    """When it is made, and without its content, which may be a secret."""
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"connect": 0}, "connect must be more than 0 and finite, not 0"),
        ({"connect": -1}, "connect must be more than 0 and finite, not -1"),
        ({"response": float("inf")}, "response must be more than 0 and finite, not inf"),
        ({"stall_window": float("nan")}, "stall_window must be more than 0 and finite, not nan"),
        ({"backoff": -0.5}, "backoff must be at least 0 and finite, not -0.5"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(limits: dict[str, Any], sentence: str) -> None:
    """A delay may be zero, a timeout may not."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        towline.Timeouts(**limits)
    assert towline.Timeouts(backoff=0, longest_delay=0, stall_bytes=0).backoff == 0


def test_values_are_parsed_from_texts() -> None:
    """As options and lookups parse them."""
    text = "sha256:" + "0" * 64
    assert str(towline.Digest.parse(text)) == text
    assert towline.Platform.parse("linux/arm/v7") == towline.Platform("linux", "arm", "v7")
    with pytest.raises(towline.InvalidNameError):
        towline.Digest.parse("sha256:zz")
    with pytest.raises(towline.ConfigurationError):
        towline.Platform.parse("linux")
