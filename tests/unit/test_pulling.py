"""Pulls of images in memory, one behaviour per test; the state machines test common sequences."""

from __future__ import annotations

import gzip
import io
import logging
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.machines.pulling import CONTENTS, TYPES
from tests.support import image_forms as forms
from tests.support.memory_registries import MemoryRegistries
from tests.support.pull_world import Image, Registry
from tests.support.store_images import state
from towline.cancel import CancelToken
from towline.config.locations import Locations
from towline.errors import (
    PlatformMismatchError,
    PullCancelledError,
    PullFailedError,
    RegistryError,
    TowlineError,
)
from towline.events import Event
from towline.frozen import replace
from towline.image.platform import Platform, host_platform
from towline.registry.credentials import Credentials
from towline.rules import Rules
from towline.runtime.options import Options
from towline.runtime.runtime import Runtime
from towline.source import docker
from towline.source.docker import DockerAccess, DockerSource
from towline.source.protocol import Source
from towline.store.layout.store import LayoutStore, open_store
from towline.transport import ImageReference
from towline.transport.docker import DockerReference

EDITIONS = pytest.mark.parametrize(
    "rules", [Rules.CURRENT, Rules.LIBPOD_1_3], ids=lambda rules: rules.edition
)
ACCEPT = '{"default": [{"type": "insecureAcceptAnything"}]}'


def _image(name: str) -> Image:
    model = forms.PUSHED[name].model
    assert isinstance(model, Image)
    return model


ONE, TWICE = _image("one"), _image("twice")


@dataclass
class World:
    """A store, one registry in memory, and options independent of this machine."""

    folder: Path
    store: LayoutStore
    registry: Registry
    contents: dict[str, bytes] = field(default_factory=lambda: dict(CONTENTS))
    types: dict[str, str] = field(default_factory=lambda: dict(TYPES))

    def options(self, rules: Rules) -> Options:
        """Options with the rules of an edition."""
        etc = str(self.folder / "etc")
        return Options(
            rules=rules,
            policy=self.folder / "policy.json",
            platform=Platform("linux", "amd64"),
            locations=Locations(environ={}, etc=etc, run=str(self.folder)),
        )

    def runtime(self, rules: Rules, **changes: Any) -> Runtime:
        """A runtime that reads the registry, with changes of its options."""
        registries = MemoryRegistries({"a.example": self.registry}, self.contents, self.types)
        return Runtime(
            self.store, replace(self.options(rules), **changes), open_source=registries.open
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A registry that has every image of `PUSHED` under its name."""
    (tmp_path / "policy.json").write_text(ACCEPT)
    registry = Registry("http://a.example")
    for name, form in forms.PUSHED.items():
        registry.images[f"{name}:latest"] = form.model
        for each in (form, *form.instances):
            registry.images[f"{name}@{each.model.digest}"] = each.model
    return World(tmp_path, open_store(tmp_path / "store"), registry)


@pytest.mark.clause("EVENT-003", "TEXT-011")
@EDITIONS
def test_a_pull_needs_no_listener(world: World, rules: Rules) -> None:
    """An image is pulled without an event listener, progress reporter or writer."""
    result = world.runtime(rules).pull("a.example/one")
    assert result.images == ("a.example/one",)
    assert state(world.store) == {ONE.id: ("a.example/one:latest",)}


@pytest.mark.clause("EVENT-001", "EVENT-002")
@EDITIONS
def test_the_event_comes_after_the_image(world: World, rules: Rules) -> None:
    """When the listener is called, the image is in the store."""
    received: list[tuple[Event, int]] = []

    def listen(event: Event) -> None:
        received.append((event, len(world.store.images())))

    world.runtime(rules).pull("a.example/one", on_event=listen)
    name = "" if rules is Rules.LIBPOD_1_3 else "a.example/one"
    assert received == [(Event("image", "pull", name), 1)]


@pytest.mark.clause("PULL-006")
@EDITIONS
def test_cancelling_is_not_a_failure_of_a_pair(
    world: World, rules: Rules, caplog: pytest.LogCaptureFixture
) -> None:
    """No other pair is tried, and nothing more is written or logged."""
    (world.folder / "registries.conf").write_text(
        "[registries.search]\nregistries = ['a.example', 'b.example']\n"
    )
    options = replace(world.options(rules), registries_conf=world.folder / "registries.conf")
    opened: list[str] = []
    cancel = CancelToken()

    def open_source(reference: ImageReference) -> Source | None:
        opened.append(str(reference.docker_reference))
        cancel.cancel()
        cancel.raise_if_cancelled()
        return None

    writer = io.StringIO()
    runtime = Runtime(world.store, options, open_source=open_source)
    with caplog.at_level(logging.DEBUG, "towline"), pytest.raises(PullCancelledError):
        runtime.pull("one", writer=writer, cancel=cancel)
    assert opened == ["a.example/one:latest"]
    assert writer.getvalue().rstrip("\n") == "Trying to pull a.example/one..."
    assert not caplog.records


@pytest.mark.clause("PULL-019", "TEXT-005")
@EDITIONS
def test_a_repeated_layer_is_fetched_once_and_announced_twice(world: World, rules: Rules) -> None:
    """The blob is requested once; the text and the image have it twice."""
    fetched = _pull_counting_reads(world, rules, "twice")
    layer = TWICE.layers[0]
    assert fetched.digests.count(layer) == 1
    assert fetched.text.count(f"Copying blob {layer}\n") == 2
    assert [each.digest_text for each in world.store.images()[0].layers] == [layer, layer]


@pytest.mark.clause("TEXT-006", "PULL-019")
@EDITIONS
def test_a_repeated_layer_that_is_missing_is_not_announced(world: World, rules: Rules) -> None:
    """A blob that cannot be opened is not announced, even if it is listed twice."""
    layer = TWICE.layers[0]
    world.registry.broken[layer] = ""
    writer = io.StringIO()
    with pytest.raises(PullFailedError):
        world.runtime(rules).pull("a.example/twice", writer=writer)
    assert layer not in writer.getvalue()


@dataclass
class _Fetched:
    digests: list[str]
    text: str


def _pull_counting_reads(world: World, rules: Rules, name: str) -> _Fetched:
    digests: list[str] = []

    class Counting(MemoryRegistries):
        def read(self, registry: Registry, digest: str) -> bytes | None:
            digests.append(digest)
            return super().read(registry, digest)

    registries = Counting({"a.example": world.registry}, world.contents, world.types)
    writer = io.StringIO()
    runtime = Runtime(world.store, world.options(rules), open_source=registries.open)
    runtime.pull(f"a.example/{name}", writer=writer)
    return _Fetched(digests, writer.getvalue())


@pytest.mark.clause("PULL-018")
@EDITIONS
def test_other_layers_after_a_failed_layer(world: World, rules: Rules) -> None:
    """The error is that of the lowest layer; libpod-1.3 still fetches the other layers."""
    low, top = ONE.layers
    world.registry.broken[low] = ""
    with pytest.raises(PullFailedError) as caught:
        world.runtime(rules).pull("a.example/one")
    assert caught.value.facts["errors"][0].code == "registry.not_found"
    fetched = (world.folder / "store/blobs" / top.replace(":", "/")).exists()
    assert fetched == (rules is Rules.LIBPOD_1_3)
    assert world.store.images() == ()


@pytest.mark.clause("PULL-024", "PULL-011")
@EDITIONS
@pytest.mark.parametrize("got", ["", "sha256:" + "0" * 64], ids=["gone", "another"])
def test_a_config_that_cannot_be_copied(world: World, rules: Rules, got: str) -> None:
    """The pair fails before the first layer is fetched, and nothing is stored."""
    world.registry.broken[f"sha256:{ONE.id}"] = got
    writer = io.StringIO()
    with pytest.raises(PullFailedError) as caught:
        world.runtime(rules).pull("a.example/one", writer=writer)
    wanted = "verify.config" if got else "registry.not_found"
    assert [error.code for error in caught.value.facts["errors"]] == [wanted]
    assert "Copying" not in writer.getvalue()
    assert world.store.images() == ()


@pytest.mark.clause("PULL-023")
@EDITIONS
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_temporary_files_are_removed(
    world: World, rules: Rules, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are removed after a pull, after a failed pull, and after a label check."""
    archive = world.folder / "x.tar"
    forms.write_archive(archive, [(["x:1"], forms.ARCHIVED["one"])])
    if packed:
        archive.write_bytes(gzip.compress(archive.read_bytes()))
    scratch = world.folder / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    runtime = world.runtime(rules)
    assert runtime.pull(f"docker-archive:{archive}").images == ("localhost/x:1",)
    with pytest.raises(TowlineError):
        runtime.pull(f"docker-archive:{archive}", label="nope")
    cut = archive.read_bytes()[: archive.stat().st_size // 2]
    archive.write_bytes(cut)
    with pytest.raises(TowlineError):
        runtime.pull(f"docker-archive:{archive}")
    assert list(scratch.iterdir()) == []
    assert os.listdir(world.folder / "store/towline/tmp") == []


@pytest.mark.clause("PLAT-006")
def test_nested_lists_are_followed(world: World) -> None:
    """Up to four levels, with a choice in each; the stored digest is that of the outermost list."""
    form = forms.PUSHED["list"]
    outer = form
    for depth in range(1, 4):
        outer = forms.listing(("amd64", outer))
        _serve(world, f"deep{depth}", outer)
        pulled = world.runtime(Rules.CURRENT).pull(f"a.example/deep{depth}").attempts[0]
        assert pulled.stored is not None
        assert pulled.stored.id == ONE.id
        assert world.store.image(outer.model.digest).id == ONE.id
    _serve(world, "toodeep", forms.listing(("amd64", outer)))
    with pytest.raises(PullFailedError) as caught:
        world.runtime(Rules.CURRENT).pull("a.example/toodeep")
    assert caught.value.facts["errors"][0].code == "manifest.nested"


def _serve(world: World, name: str, form: forms.Pushed) -> None:
    world.contents.update(form.everything)
    pending = [form]
    while pending:
        each = pending.pop()
        pending += each.instances
        world.types[each.model.digest] = each.media_type
        world.registry.images[f"{name}@{each.model.digest}"] = each.model
    world.registry.images[f"{name}:latest"] = form.model


@pytest.mark.clause("STORE-011")
@EDITIONS
def test_a_layer_that_is_not_a_tar(world: World, rules: Rules) -> None:
    """libpod-1.3 rejects the image when it is committed; the current edition stores it."""
    form = forms.with_layer(b"no tar at all" * 100)
    _serve(world, "odd", form)
    writer = io.StringIO()
    if rules is Rules.CURRENT:
        assert world.runtime(rules).pull("a.example/odd").images == ("a.example/odd",)
        return
    with pytest.raises(PullFailedError, match="Error committing the finished image: "):
        world.runtime(rules).pull("a.example/odd", writer=writer)
    assert "Storing signatures\n" in writer.getvalue()
    assert world.store.images() == ()


@pytest.mark.clause("PULL-016")
@EDITIONS
def test_an_image_for_windows(world: World, rules: Rules) -> None:
    """libpod-1.3 rejects it before the first layer; the current edition stores it if allowed."""
    _serve(world, "windows", forms.with_layer(b"", os="windows"))
    writer = io.StringIO()
    if rules is Rules.CURRENT:
        runtime = world.runtime(rules, allow_other_platform=True)
        assert runtime.pull("a.example/windows").images
        return
    with pytest.raises(PullFailedError, match='"windows" cannot be used on "linux"'):
        world.runtime(rules).pull("a.example/windows", writer=writer)
    assert "Getting" not in writer.getvalue()


@pytest.mark.clause("PLAT-009")
def test_a_single_image_for_another_platform(world: World) -> None:
    """It is refused if a platform was requested, and else gives one warning."""
    _serve(world, "arm", forms.with_layer(b"", architecture="arm64"))
    assert host_platform().architecture != "arm64"
    writer = io.StringIO()
    with pytest.raises(PlatformMismatchError, match="for linux/arm64, and not for linux/amd64"):
        world.runtime(Rules.CURRENT).pull("a.example/arm", writer=writer)
    assert "Copying blob" not in writer.getvalue()
    assert world.store.images() == ()
    for changes in ({"allow_other_platform": True}, {"platform": None}):
        result = world.runtime(Rules.CURRENT, **changes).pull("a.example/arm")
        (warning,) = result.warnings
        assert warning.code == "platform.other"
        assert result.to_json()["attempts"][0]["warnings"] == [warning.to_json()]


@pytest.mark.clause("PLAT-009")
def test_a_config_may_call_the_platform_otherwise(world: World) -> None:
    """The names of the machine, and values that are not stated, are no other platform."""
    for number, machine in enumerate(("x86_64", "amd64", "")):
        _serve(world, f"n{number}", forms.with_layer(b"", architecture=machine))
        assert world.runtime(Rules.CURRENT).pull(f"a.example/n{number}").warnings == ()


@pytest.mark.clause("PLAT-009")
def test_an_instance_of_a_list_with_the_config_of_another_platform(world: World) -> None:
    """The list says amd64, so the image is what was requested; the config gives a warning."""
    arm = forms.with_layer(b"", architecture="arm64")
    _serve(world, "list", forms.listing(("amd64", arm)))
    result = world.runtime(Rules.CURRENT).pull("a.example/list")
    assert [warning.code for warning in result.warnings] == ["platform.other"]


@pytest.mark.clause("PULL-015")
@EDITIONS
def test_a_list_by_its_own_digest(world: World, rules: Rules) -> None:
    """libpod-1.3 compares the digest with that of the instance, and rejects the image."""
    name = f"a.example/list@{forms.PUSHED['list'].model.digest}"
    if rules is Rules.LIBPOD_1_3:
        with pytest.raises(PullFailedError, match="would not match destination reference"):
            world.runtime(rules).pull(name)
        return
    world.runtime(rules).pull(name)
    assert state(world.store) == {ONE.id: (name,)}


@pytest.mark.clause("PULL-001", "LABEL-005")
@EDITIONS
def test_a_broken_policy_comes_before_the_label_and_any_request(world: World, rules: Rules) -> None:
    """The policy is read before a source is opened."""
    (world.folder / "policy.json").write_text("{")
    opened: list[ImageReference] = []

    def open_source(reference: ImageReference) -> Source | None:
        opened.append(reference)
        return None

    runtime = Runtime(world.store, world.options(rules), open_source=open_source)
    with pytest.raises(TowlineError) as caught:
        runtime.pull("a.example/one", label="nope")
    assert caught.value.code.startswith("policy_json.")
    assert not opened


@pytest.mark.clause("LABEL-003", "PULL-007")
@EDITIONS
def test_which_options_label_check_and_copy_use(
    world: World, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy uses credentials, certificates and TLS options; libpod-1.3's label check none."""
    secret = Credentials("me", "hunter2")
    seen = _accesses(monkeypatch)
    certs = world.folder / "certs"
    certs.mkdir()
    options = replace(world.options(rules), auth=secret, tls_verify=False, cert_dir=certs)
    for label in (None, "Version"):
        with pytest.raises(TowlineError):
            Runtime(world.store, options).pull("a.example/one", label=label)
    copy, check = seen[0], seen[1]
    assert (copy.insecure, copy.login.credentials) == (True, secret)
    if rules is Rules.CURRENT:
        assert (check.insecure, check.login.credentials) == (True, secret)
    else:
        assert (check.insecure, check.login.credentials) == (False, None)


def _accesses(monkeypatch: pytest.MonkeyPatch) -> list[DockerAccess]:
    """Record the access options of each source; no request is made."""
    seen: list[DockerAccess] = []

    def open_source(reference: DockerReference, access: DockerAccess) -> DockerSource:
        seen.append(access)
        raise RegistryError("registry.unreachable", cause="refused", reason="", url="", host="")

    monkeypatch.setattr(docker, "open_source", open_source)
    return seen
