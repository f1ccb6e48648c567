"""The state machine of pulls: each step is done by towline and the model and compared."""

from __future__ import annotations

import io
import itertools
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.machines.model import Model
from tests.support import image_forms as forms
from tests.support.pull_world import Outcome, Registry
from tests.support.store_images import state
from towline.config.locations import Locations
from towline.errors import TowlineError
from towline.events import Event
from towline.image.platform import Platform
from towline.rules import Rules
from towline.runtime.options import Options
from towline.runtime.results import PullResult
from towline.runtime.runtime import Runtime
from towline.store.layout.store import open_store

__all__ = ["PullMachine"]

REPOSITORIES = ["foo", "ns/bar"]
TAGS = ["", ":latest", ":v1"]
SEEDED = {"foo:latest": "one", "foo:v1": "twice", "ns/bar:latest": "list", "ns/bar:v1": "two"}
LABELS = [None, None, None, "VERSION", "nope"]
ARCHIVES = ["a.tar", "b.tar"]
NAMES = ["foo", "foo:v1", "ns/bar:latest", "a.example/foo:v1", "localhost/foo"]

repositories = st.sampled_from(REPOSITORIES)
tags = st.sampled_from(TAGS)
labels = st.sampled_from(LABELS)
pushed = st.sampled_from(sorted(forms.PUSHED))
names = st.lists(st.sampled_from(NAMES), max_size=3)
items = st.lists(st.tuples(names, st.sampled_from(sorted(forms.ARCHIVED))), min_size=1, max_size=2)
verdicts = st.sampled_from(["accept", "accept", "accept", "reject"])
CONTENTS = {
    digest: data for form in forms.PUSHED.values() for digest, data in form.everything.items()
}
TYPES = {
    forms.sha256(form.data): form.media_type
    for top in forms.PUSHED.values()
    for form in (top, *top.instances)
}
REQUIREMENTS = {"accept": "insecureAcceptAnything", "reject": "reject"}


class _Log(logging.Handler):
    """Records the log messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class PullMachine(RuleBasedStateMachine):
    """Registries, archives, configuration and a store, and pulls from and into them.

    Attributes:
        hosts: the registries to which images are pushed.
        others: registries to which nothing is pushed.
        breakable: the digests of blobs that may be damaged or removed in a registry.
        exact: whether layers are fetched one after another.
    """

    hosts: ClassVar[Sequence[str]] = ()
    others: ClassVar[Sequence[str]] = ()
    breakable: ClassVar[Sequence[str]] = ()
    exact = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="towline-machine-"))
        self.store = open_store(self.folder / "store")

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    # --- overridden for each kind of registry -------------------------------

    def registry(self, host: str) -> Registry:
        """The initial model of a registry."""
        return Registry(f"http://{host}")

    def do_push(self, host: str, repository: str, tag: str, form: forms.Pushed) -> None:
        """Push an image."""

    def do_forget(self, host: str, repository: str, digest: str) -> None:
        """Delete a manifest and its tags."""

    def do_break(self, host: str, digest: str, *, gone: bool) -> None:
        """Damage or remove a blob."""

    def do_mend(self, host: str, digest: str) -> None:
        """Restore a blob."""

    def runtime(self, options: Options) -> Runtime:
        """A runtime with access to the registries."""
        raise NotImplementedError

    # --- environment --------------------------------------------------------

    @initialize(old=st.booleans())
    def begin(self, old: bool) -> None:
        hosts = [*self.hosts, *self.others]
        self.policy_file = self.folder / "policy.json"
        registries = {host: self.registry(host) for host in hosts}
        self.model = Model(old, str(self.policy_file), registries)
        self.events: list[Event] = []
        system = self.folder / "etc/containers/registries.conf"
        system.parent.mkdir(parents=True)
        system.write_text(f"[registries.insecure]\nregistries = {json.dumps(hosts)}\n")
        self.set_policy({}, "accept")
        self.search(hosts[:2])
        self.start_again()
        for (name, image), host in itertools.product(SEEDED.items(), self.hosts):
            repository, _, tag = name.partition(":")
            self.put(host, repository, tag, forms.PUSHED[image])
        self.archive(ARCHIVES[0], [(["foo:v1", "a.example/foo:v1"], "one")])

    @rule()
    def start_again(self) -> None:
        """Start a new process, which reads registries.conf again."""
        self.model.read = None
        options = Options(
            rules=Rules.LIBPOD_1_3 if self.model.old else Rules.CURRENT,
            registries_conf=self.folder / "registries.conf",
            policy=self.policy_file,
            tls_verify=False,
            platform=Platform("linux", "amd64"),
            locations=Locations(environ={}, etc=str(self.folder / "etc"), run=str(self.folder)),
        )
        self.puller = self.runtime(options)

    @rule(data=st.data(), repository=repositories, tag=tags, name=pushed)
    def push(self, data: st.DataObject, repository: str, tag: str, name: str) -> None:
        host = data.draw(st.sampled_from(self.hosts))
        self.put(host, repository, tag[1:] or "latest", forms.PUSHED[name])

    def put(self, host: str, repository: str, tag: str, form: forms.Pushed) -> None:
        registry = self.model.registries[host]
        for digest in form.everything:
            self.mend(host, digest)
        self.do_push(host, repository, tag, form)
        registry.images[f"{repository}:{tag}"] = form.model
        for each in (form, *form.instances):
            registry.images[f"{repository}@{each.model.digest}"] = each.model

    @rule(data=st.data(), repository=repositories, name=pushed)
    def forget(self, data: st.DataObject, repository: str, name: str) -> None:
        host, digest = data.draw(st.sampled_from(self.hosts)), forms.PUSHED[name].model.digest
        images = self.model.registries[host].images
        self.do_forget(host, repository, digest)
        for key, image in list(images.items()):
            if key.startswith((f"{repository}:", f"{repository}@")) and image.digest == digest:
                del images[key]

    @rule(data=st.data(), gone=st.booleans())
    def break_something(self, data: st.DataObject, gone: bool) -> None:
        host = data.draw(st.sampled_from(self.hosts))
        digests = st.lists(st.sampled_from(self.breakable), min_size=1, max_size=4, unique=True)
        for digest in data.draw(digests):
            lost = gone and digest not in TYPES  # manifests are removed by `forget`
            self.do_break(host, digest, gone=lost)
            served = "" if lost else forms.sha256(forms.broken(CONTENTS[digest]))
            self.model.registries[host].broken[digest] = served

    @precondition(lambda self: any(each.broken for each in self.model.registries.values()))
    @rule(data=st.data())
    def mend_something(self, data: st.DataObject) -> None:
        locations = [(h, d) for h, each in self.model.registries.items() for d in each.broken]
        self.mend(*data.draw(st.sampled_from(locations)))

    def mend(self, host: str, digest: str) -> None:
        if self.model.registries[host].broken.pop(digest, None) is not None:
            self.do_mend(host, digest)

    @rule(file=st.sampled_from(ARCHIVES), listed=items)
    def save(self, file: str, listed: list[tuple[list[str], str]]) -> None:
        self.archive(file, listed)

    def archive(self, file: str, listed: list[tuple[list[str], str]]) -> None:
        path = self.folder / file
        forms.write_archive(path, [(names, forms.ARCHIVED[name]) for names, name in listed])
        entries = [(list(names), forms.ARCHIVED[name].model) for names, name in listed]
        self.model.archives[str(path)] = entries

    @rule(data=st.data(), tables=st.booleans())
    def change_search(self, data: st.DataObject, tables: bool) -> None:
        hosts = st.sampled_from([*self.hosts, *self.others])
        self.search(data.draw(st.lists(hosts, max_size=3)), tables=tables)

    def search(self, hosts: Sequence[str], *, tables: bool = False) -> None:
        self.model.search = list(hosts)
        if tables:
            if self.model.old:  # repeated names count once
                self.model.search = list(dict.fromkeys(hosts))
            text = f"[registries.search]\nregistries = {json.dumps(list(hosts))}\n"
        elif self.model.old:
            text = "".join(f'[[registry]]\nurl = "{h}"\nunqualified-search = true\n' for h in hosts)
        else:
            text = f"unqualified-search-registries = {json.dumps(list(hosts))}\n"
        (self.folder / "registries.conf").write_text(text)

    @rule(data=st.data(), default=verdicts, lost=st.sampled_from([False] * 5 + [True]))
    def change_policy(self, data: st.DataObject, default: str, lost: bool) -> None:
        if lost:
            self.model.policy = None
            self.policy_file.unlink(missing_ok=True)
            return
        host = self.hosts[0]
        scopes = [host, f"{host}/foo", f"{host}/foo:v1", "*.example", ""]
        chosen = st.dictionaries(st.sampled_from(scopes), verdicts, max_size=2)
        self.set_policy(data.draw(chosen), default)

    def set_policy(self, scopes: dict[str, str], default: str) -> None:
        self.model.policy = {**scopes, "default": default}
        docker = {scope: [{"type": REQUIREMENTS[each]}] for scope, each in scopes.items()}
        document = {
            "default": [{"type": REQUIREMENTS[default]}],
            "transports": {"docker": docker} if docker else {},
        }
        self.policy_file.write_text(json.dumps(document))

    # --- pulls --------------------------------------------------------------

    @rule(repository=repositories, tag=tags, label=labels)
    def pull_short(self, repository: str, tag: str, label: str | None) -> None:
        self.pull(repository + tag, label)

    @rule(data=st.data(), repository=repositories, tag=tags, label=labels, typed=st.booleans())
    def pull_full(
        self, data: st.DataObject, repository: str, tag: str, label: str | None, typed: bool
    ) -> None:
        host = data.draw(st.sampled_from([*self.hosts, *self.others]))
        self.pull(f"{'docker://' if typed else ''}{host}/{repository}{tag}", label)

    @rule(
        data=st.data(), repository=repositories, tag=st.sampled_from(["", "", ":v1"]), name=pushed
    )
    def pull_by_digest(self, data: st.DataObject, repository: str, tag: str, name: str) -> None:
        host = data.draw(st.sampled_from([f"{host}/" for host in self.hosts] + [""]))
        self.pull(f"{host}{repository}{tag}@{forms.PUSHED[name].model.digest}", None)

    @rule(data=st.data(), repository=repositories, tag=tags)
    def pull_by_reference(self, data: st.DataObject, repository: str, tag: str) -> None:
        host = data.draw(st.sampled_from(self.hosts))
        text = f"docker://{host}/{repository}{tag}"
        expected = self.model.pull(text, reference=True)
        self.compare(
            expected,
            lambda writer: self.puller.pull_reference(text, writer, on_event=self.events.append),
        )

    @rule(file=st.sampled_from(ARCHIVES), label=labels)
    def pull_archive(self, file: str, label: str | None) -> None:
        self.pull(f"docker-archive:{self.folder / file}", label)

    def pull(self, text: str, label: str | None) -> None:
        expected = self.model.pull(text, label)
        self.compare(
            expected,
            lambda writer: self.puller.pull(text, label, writer, on_event=self.events.append),
        )

    def compare(self, expected: Outcome, pull: Callable[[io.StringIO], PullResult]) -> None:
        writer, log = io.StringIO(), _Log()
        self.events.clear()
        logging.getLogger("towline").addHandler(log)
        result, error = None, None
        try:
            result = pull(writer)
        except TowlineError as caught:
            error = caught
        finally:
            logging.getLogger("towline").removeHandler(log)
        if result is not None:
            assert expected.error is None, expected.error.text
            assert list(result.images) == expected.images
            tried = [
                (
                    each.image,
                    each.stored.id if each.stored else each.error.code if each.error else "",
                )
                for each in result.attempts
            ]
            assert tried == expected.tried
            assert json.loads(json.dumps(result.to_json())) == result.to_json()
        if error is not None:
            assert expected.error is not None, str(error)
            assert error.code == expected.error.code, str(error)
            if self.model.old:
                assert str(error) == expected.error.text, f"{error}\n{expected.error.text}"
            failures = error.facts.get("errors", ())
            if failures:
                codes = [failure.code for failure in failures]
                assert list(zip(error.facts["images"], codes, strict=True)) == expected.tried
        assert [each.name for each in self.events] == expected.events
        assert all((each.type, each.status) == ("image", "pull") for each in self.events)
        event(expected.error.code if expected.error else "pulled")
        for failed in expected.failed:
            event(f"a pair: {failed.code}")
        self.compare_texts(writer.getvalue(), log.messages, expected)
        if not self.exact and not self.model.old and (error or expected.failed):
            self.collect()  # it is not certain which other layers were fetched

    def compare_texts(self, text: str, log: Sequence[str], expected: Outcome) -> None:
        layers = self.exact or self.model.old
        assert _in_order(text, layers) == _in_order(expected.text, layers)
        if self.model.old:
            assert log == expected.log
        else:
            assert len(log) == len(expected.log)

    # --- the store ----------------------------------------------------------

    @precondition(lambda self: self.model.store.images)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        images = self.model.store.images
        known = sorted(itertools.chain(images, *(stored.names for stored in images.values())))
        name = data.draw(st.sampled_from(known))
        self.store.remove(name)
        self.model.store.remove(name)

    @rule()
    def collect(self) -> None:
        self.store.gc()
        self.model.store.gc()

    @invariant()
    def the_store_agrees(self) -> None:
        if not hasattr(self, "model"):
            return
        images = self.model.store.images
        assert state(self.store) == {key: tuple(each.names) for key, each in images.items()}
        for image in self.store.images():
            assert str(image.digest) == images[image.id].digest
        for stored in images.values():
            for name in stored.names:
                assert name in self.store.image(name).names


def _in_order(text: str, layers: bool) -> list[str]:
    """Lines of the progress text; those of layers come in any order (TEXT-005)."""
    ordered: list[str] = []
    for is_layer, lines in itertools.groupby(
        text.splitlines(keepends=True), lambda line: line.startswith("Copying blob ")
    ):
        if not is_layer:
            ordered += lines
        elif layers:
            ordered += sorted(lines)
    return ordered
