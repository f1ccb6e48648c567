"""The public values: what they accept, how they look, and their errors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import towline
from towline.frozen import replace

LONGEST = 400  # characters of a repr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"platform": 3}, "platform must be a text or a Platform, not int"),
        ({"auth": "user:password"}, "auth must be Credentials, or a tuple of a user name"),
        ({"auth": ("user", 7)}, "auth must be Credentials, or a tuple of a user name"),
        ({"auth": ("a", "the-secret", "c")}, "auth must be Credentials, or a tuple"),
        ({"tls_verify": "false"}, "tls_verify must be of the type bool, not str"),
        ({"verify_diff_ids": 1}, "verify_diff_ids must be of the type bool, not int"),
        ({"timeouts": 0}, "timeouts must be of the type Timeouts, not int"),
        ({"locations": {}}, "locations must be of the type Locations, not dict"),
        ({"policy": 7}, "policy must be a path, not int"),
        ({"rules": None}, "rules must be of the type Rules, not NoneType"),
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
    """Also with an unknown code, or with too few facts."""
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
    """And one line; none shows a document or the environment."""
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
