"""The operations of the spec's examples: one method for each first word of a line."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.support.edition_settings import setting
from tests.support.empty_hosts import empty_registry, refusing_address
from tests.support.frozen_facts import FrozenFacts
from towline.config import registries_conf, registries_conf_2019
from towline.config.credentials import find_credentials
from towline.config.endpoints import endpoints_of
from towline.config.locations import Locations
from towline.config.registries import Registries
from towline.copying.label import check_label
from towline.errors import LabelMissingError, PullFailedError, Step, TowlineError, step
from towline.go.go_quote import quote
from towline.goal import PullGoal, goal_from_image_reference, goal_from_name, pull_ref_pair
from towline.image.instances import choose_instance
from towline.image.manifest import OCI_MANIFEST, RawManifest, parse_manifest, recognise
from towline.image.platform import Platform, parse_platform
from towline.name.digest import parse_digest
from towline.name.parts import decompose
from towline.name.reference import parse_normalized
from towline.registry.challenge import choose_challenge, parse_challenges
from towline.registry.credentials import Credentials
from towline.registry.refusal_reason import refusal_reason
from towline.registry.retry import delay
from towline.rules import Rules
from towline.runtime.options import Options
from towline.runtime.policy import load_policy
from towline.runtime.runtime import Runtime
from towline.source import docker_archive
from towline.store.layout.store import open_store
from towline.timeouts import Timeouts
from towline.transport import image_name, parse_image_name
from towline.transport.containers_storage import parse_store_reference
from towline.transport.docker_archive import DockerArchiveReference
from towline.transport.facts import Alias, ConfigEntry, SearchRegistries
from towline.trust.evaluate import deciding_requirements, evaluate

__all__ = ["Operations"]


def _plain(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


def _pairs(arguments: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for argument in arguments:
        key, _, value = argument.partition("=")
        found[key] = int(value) if value.isdigit() else value
    return found


@dataclass
class Operations:
    """The facts that a block of examples states, and its operations."""

    rules: Rules
    folder: Path
    search: tuple[str, ...] = ()
    conf: str | None = None
    drop_in: str | None = None
    policy_text: str | None = None
    auth_text: str | None = None
    archives: dict[str, list[list[str]]] = field(default_factory=dict)
    layouts: dict[str, str] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    image_ids: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    hosts: dict[str, str] = field(default_factory=dict)
    servers: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> None:
        self.servers.__enter__()

    def __exit__(self, *raised: object) -> None:
        self.servers.close()

    def given(self, text: str, block: list[str]) -> None:
        """Set a fact."""
        if text == "registries.conf:":
            self.conf = "\n".join(block) + "\n"
        elif text == "drop-in:":
            self.drop_in = "\n".join(block) + "\n"
        elif text == "missing policy":
            self.policy_text = None
        elif found := re.fullmatch(r"(policy|auth file): (.*)", text):
            setattr(self, {"policy": "policy_text"}.get(found[1], "auth_text"), found[2])
        elif found := re.fullmatch(r"search registries: (.*)", text):
            self.search = tuple(found[1].split(", "))
        elif found := re.fullmatch(r"docker-archive (.+): (\[.*\])", text):
            items = re.findall(r"\[(.*?)\]", found[2])
            self.archives[found[1]] = [[n for n in item.split(", ") if n] for item in items]
        elif found := re.fullmatch(r"layout (.+?):(?: (.*))?", text):
            self.layouts[found[1]] = found[2] or ""
        elif found := re.fullmatch(r"config (.+) is (.+)", text):
            self.configs[found[1]] = found[2]
        elif found := re.fullmatch(r"stored image (.+)", text):
            self.image_ids.append(found[1])
        elif found := re.fullmatch(r"missing path (.+)", text):
            self.missing.append(found[1])
        elif found := re.fullmatch(r"registry (\S+) (without images|down)", text):
            serving = empty_registry() if found[2] == "without images" else refusing_address()
            self.hosts[found[1]] = self.servers.enter_context(serving)
        else:
            raise ValueError(f"unknown fact: {text!r}")

    def run(self, line: str) -> tuple[str, str]:
        """The result of an operation, and the code of its error, ``""`` if there is none."""
        name, _, rest = line.strip().partition(" ")
        operation: Callable[[str], str] = getattr(self, f"op_{name}")
        try:
            return operation(rest), ""
        except TowlineError as error:
            return self._shown(error.render(self.rules.wording)), error.code

    def _shown(self, text: str) -> str:
        text = text.replace(str(self.folder), "")
        for host, address in self.hosts.items():
            text = text.replace(address, host)
        return text

    @property
    def facts(self) -> FrozenFacts:
        return _Facts(
            registries=self.search,
            archives=self.archives,
            layouts=self.layouts,
            configs=self.configs,
            image_ids=self.image_ids,
            missing_paths=self.missing,
            block=self,
        )

    def registries(self) -> Registries:
        """The registries.conf of the block."""
        data = (self.conf or "").encode()
        with step("reading-registries-conf"):
            if self.rules.config.registries_conf == "libpod-1.3":
                return registries_conf_2019.parse(data, "registries.conf")
            files = [registries_conf.parse(data, "registries.conf")]
            if self.drop_in is not None:
                more = self.drop_in.encode()
                files.append(registries_conf.parse(more, "drop-in.conf", drop_in=True))
            return registries_conf.merge(files)

    # --- names ----------------------------------------------------------------------------------

    def op_decompose(self, text: str) -> str:
        parts = decompose(_plain(text), addresses=self.rules.names.address_hosts)
        name = parts.unnormalized
        fields = {"domain": name.domain, "path": name.path, "tag": name.tag, "digest": name.digest}
        shown = [f"{key} {value}" for key, value in fields.items() if value]
        return ", ".join([*shown, "registry" if parts.has_registry else "no registry"])

    def op_normalize(self, text: str) -> str:
        return str(parse_normalized(_plain(text)))

    def op_familiar(self, text: str) -> str:
        return parse_normalized(text).familiar

    def op_digest(self, text: str) -> str:
        return str(parse_digest(text))

    def op_complete(self, text: str) -> str:
        name, named, registry = text.partition(" with ")
        parts = decompose(name, addresses=self.rules.names.address_hosts)
        return str(
            parts.reference_with_registry(registry) if named else parts.normalized_reference()
        )

    def op_quote(self, text: str) -> str:
        return quote(_plain(text))

    # --- transports -----------------------------------------------------------------------------

    def op_read(self, text: str) -> str:
        return image_name(parse_image_name(text, self.facts, self.rules.names))

    def op_identity(self, text: str) -> str:
        return parse_image_name(text, self.facts, self.rules.names).policy_identity

    def op_scopes(self, text: str) -> str:
        return ", ".join(parse_image_name(text, self.facts, self.rules.names).policy_namespaces)

    def op_store(self, text: str) -> str:
        return parse_store_reference(_plain(text), self.facts).name_and_id

    # --- goals ----------------------------------------------------------------------------------

    def op_pair(self, text: str) -> str:
        source, _, destination = text.partition(" as ")
        facts = self.facts
        reference = parse_image_name(source, facts, self.rules.names)
        pair = pull_ref_pair(reference, _plain(destination), facts)
        return f"{pair.image} as {pair.destination.name_and_id}"

    def op_goal(self, text: str) -> str:
        return _goal(goal_from_name(_plain(text), self.facts, self.rules.names))

    def op_reference(self, text: str) -> str:
        source = parse_image_name(text, self.facts, self.rules.names)
        name = image_name(source)
        with step("deciding-goal", name=name):
            return _goal(goal_from_image_reference(source, name, self.facts, self.rules.names))

    def op_asked(self, text: str) -> str:
        facts = self.facts
        goal_from_name(text, facts, self.rules.names)
        return ", ".join(facts.questions) or "nothing"

    # --- configuration --------------------------------------------------------------------------

    def op_rules(self, text: str) -> str:
        value = setting(self.rules, text)
        return ", ".join(value) if isinstance(value, tuple) else str(value)

    def op_search(self, _: str) -> str:
        return ", ".join(self.registries().search_registries()) or "none"

    def op_find(self, text: str) -> str:
        entry = self.registries().find(text)
        if entry is None:
            return "none"
        shown = [entry.prefix]
        shown += [flag for flag in ("insecure", "blocked") if getattr(entry, flag)]
        if entry.mirrors:
            shown.append("mirrors " + ", ".join(mirror.location for mirror in entry.mirrors))
        return " ".join(shown)

    def op_endpoints(self, text: str) -> str:
        reference = parse_normalized(text)
        lines = []
        for endpoint in endpoints_of(self.registries(), reference):
            shown = ["mirror" if endpoint.mirror else "registry", str(endpoint.reference)]
            if endpoint.insecure:
                shown.append("insecure")
            if endpoint.problem is not None:
                shown.append(f"error: {endpoint.problem.code}")
            lines.append(" ".join(shown))
        return "\n".join(lines)

    def op_credentials(self, text: str) -> str:
        path = self._file("auth.json", self.auth_text)
        found = find_credentials(self._locations, self.rules.config, text, path)
        return "none" if found is None else found.username

    def op_policy(self, _: str) -> str:
        load_policy(self._locations, self.rules, self._file("policy.json", self.policy_text))
        return "read"

    def op_judge(self, text: str) -> str:
        path = self._file("policy.json", self.policy_text)
        policy, origin = load_policy(self._locations, self.rules, path)
        reference = parse_image_name(text, self.facts, self.rules.names)
        evaluate(policy, reference, origin=origin)
        return f"accepted by {deciding_requirements(policy, reference)[0]}"

    @property
    def _locations(self) -> Locations:
        etc, run, var = (str(self.folder / name) for name in ("etc", "run", "var"))
        return Locations(environ={}, etc=etc, run=run, uid=0, var=var)

    def _file(self, name: str, text: str | None) -> Path:
        path = self.folder / name
        if text is not None:
            path.write_text(text, "utf-8")
        return path

    # --- images ---------------------------------------------------------------------------------

    def op_recognise(self, text: str) -> str:
        return recognise(text.encode()) or "unknown"

    def op_manifest(self, text: str) -> str:
        return parse_manifest(RawManifest(text.encode(), OCI_MANIFEST)).media_type

    def op_bytes(self, text: str) -> str:
        return str(RawManifest(text.encode(), OCI_MANIFEST).digest)

    def op_challenge(self, text: str) -> str:
        shown = [
            " ".join([each.scheme, *(f"{key}={value}" for key, value in each.parameters.items())])
            for each in parse_challenges([text])
        ]
        return "; ".join(shown) or "none"

    def op_answer(self, text: str) -> str:
        who, _, header = text.partition(": ")
        credentials = {"password": Credentials("u", ""), "token": Credentials("u", "p", "t")}
        chosen = choose_challenge(parse_challenges([header]), credentials.get(who))
        return "none" if chosen is None else chosen.scheme

    def op_reason(self, text: str) -> str:
        return refusal_reason(text.encode())

    def op_wait(self, text: str) -> str:
        return str(delay(0, text, Timeouts()))

    def op_shown(self, text: str) -> str:
        auths = json.dumps({"auths": {"a.example": {"auth": text}}})
        path = self._file("auth.json", auths)
        found = find_credentials(self._locations, self.rules.config, "a.example/x", path)
        return "none" if found is None else repr(found)

    def op_names(self, text: str) -> str:
        return ", ".join(_names_in(self.folder, text, self.rules)) or "none"

    def op_choose(self, text: str) -> str:
        wanted, _, entries = text.partition(" from ")
        instances = [_Instance.named(entry) for entry in entries.split(", ")]
        chosen = choose_instance(
            instances,
            parse_platform(wanted),
            variants=self.rules.copying.variants,
            list_kind="manifest list",
        )
        return str(chosen.platform or "none")

    def op_label(self, text: str) -> str:
        label, _, labels = text.partition(" in ")
        reading = _Config({key: str(value) for key, value in _pairs(labels.split()).items()})
        try:
            check_label("image", _plain(label), cast(Any, None), cast(Any, reading))
        except LabelMissingError:
            return "has not"
        return "has"

    # --- sentences ------------------------------------------------------------------------------

    def op_text(self, text: str) -> str:
        key, *facts = text.split()
        return self.rules.wording.text(key, **_pairs(facts))

    def op_sentence(self, text: str) -> str:
        code, *facts = text.split()
        return self.rules.wording.error(code, _pairs(facts), ())

    def op_step(self, text: str) -> str:
        name, *facts = text.split()
        steps = [Step(name, _pairs(facts))]
        return self.rules.wording.error("label.missing", {"image": "i", "label": "l"}, steps)

    def op_final(self, text: str) -> str:
        name, *arguments = text.split()
        failed = _pairs(argument for argument in arguments if argument != "searched")
        code = "pull.failed"
        if "searched" in arguments:
            code = "pull.all_failed" if failed else "pull.no_search_registries"
        images, errors = list(failed), list(failed.values())
        raise PullFailedError(code, name=name, images=images, errors=errors)

    # --- whole pulls ----------------------------------------------------------------------------

    def op_pull(self, name: str) -> str:
        written = io.StringIO()
        for host, address in self.hosts.items():
            name = name.replace(host, address)
        options = Options(
            rules=self.rules,
            locations=self._locations,
            registries_conf=self._file("registries.conf", self._insecure_conf()),
            policy=self._file("policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}'),
        )
        runtime = Runtime(open_store(self.folder / "store"), options)
        try:
            result = runtime.pull(name, writer=written)
        except PullFailedError as error:
            end = f"error: {self._shown(str(error)).rstrip()}"
        else:
            end = f"images: {', '.join(result.images)}"
        first, *others = end.split("\n")
        shown = json.dumps(self._shown(written.getvalue()))
        return "\n".join([f"writer: {shown}", first, *(f"  {line}" for line in others)])

    def _insecure_conf(self) -> str:
        if self.rules.config.registries_conf == "libpod-1.3":
            entry = '[[registry]]\nurl = "{}"\ninsecure = true\nunqualified-search = true\n'
            return "".join(map(entry.format, self.hosts.values()))
        entry = '[[registry]]\nlocation = "{}"\ninsecure = true\n'
        search = f"unqualified-search-registries = {json.dumps(list(self.hosts.values()))}\n"
        return search + "".join(map(entry.format, self.hosts.values()))


@dataclass
class _Facts(FrozenFacts):
    block: Operations | None = None

    def alias(self, name: str) -> Alias | None:
        if self.block is None or self.block.conf is None:
            return super().alias(name)
        self.questions.append(f"alias {name}")
        full_name = self.block.registries().alias(name)
        return None if full_name is None else Alias(full_name, ConfigEntry("", None))

    def enforced_by(self) -> str | None:
        if self.block is None or self.block.conf is None:
            return super().enforced_by()
        self.questions.append("enforced_by")
        registries = self.block.registries()
        return registries.files[0] if registries.short_name_mode == "enforcing" else None

    def search_registries(self) -> SearchRegistries:
        if self.block is None or self.block.conf is None:
            return super().search_registries()
        self.questions.append("search_registries")
        return SearchRegistries(self.block.registries().search_registries())


@dataclass(frozen=True)
class _Instance:
    platform: Platform | None

    @staticmethod
    def named(text: str) -> _Instance:
        return _Instance(None if text == "none" else parse_platform(text))


@dataclass(frozen=True)
class _Config:
    """Replaces the reader of an image; its config has these labels."""

    labels: dict[str, str]

    def manifest(self, source: object) -> tuple[None, None]:
        return None, None

    def parsed(self, source: object, raw: object) -> None:
        return None

    def image_config(self, source: object, manifest: object) -> _Config:
        return self


def _names_in(folder: Path, manifest: str, rules: Rules) -> tuple[str, ...]:
    """The image names in a docker-archive with this manifest.json."""
    path = folder / "x.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest.encode())
        archive.addfile(member, io.BytesIO(manifest.encode()))
    reference = DockerArchiveReference(str(path))
    with contextlib.closing(
        docker_archive.open_source(reference, rules.archives, rules.limits)
    ) as source:
        return tuple(name for item in source.items() for name in item.names)


def _goal(goal: PullGoal) -> str:
    lines = [
        f"{pair.image} from {image_name(pair.source)} as {pair.destination.name_and_id}"
        for pair in goal.pairs
    ]
    if goal.pull_all_pairs:
        lines.append("all")
    if goal.used_search_registries:
        lines.append(f"searched {', '.join(goal.searched_registries or ())}".strip())
    return "\n".join(lines)
