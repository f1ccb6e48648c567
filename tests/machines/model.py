"""A model of a pull, according to goals.md and pulling.md.  `old` is libpod-1.3."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.support.pull_world import (
    FailedError,
    Image,
    Outcome,
    Pair,
    Registry,
    Store,
    has_registry,
    split,
)


@dataclass
class Model:
    old: bool
    policy_file: str
    registries: dict[str, Registry]
    archives: dict[str, list[tuple[list[str], Image]]] = field(default_factory=dict)
    search: list[str] = field(default_factory=list)  # as the file has it now
    read: list[str] | None = None  # as this process has read it from the file
    policy: dict[str, str] | None = field(default_factory=lambda: {"default": "accept"})
    store: Store = field(default_factory=Store)

    def pull(self, typed: str, label: str | None = None, *, reference: bool = False) -> Outcome:
        out = Outcome()
        try:
            pairs, every, searched = self.goal(typed, reference=reference)
            if self.policy is None:  # PULL-001: after the goal, before any request
                raise FailedError("path.unusable", path=self.policy_file)
            for pair in pairs:
                if self.attempt(pair, label, out) and not every:  # PULL-003
                    out.events.append("" if self.old else pair.shown)  # EVENT-002
                    return out
            if not out.images:
                raise self.end(searched, out.failed)
            out.events.append(out.images[0])  # PULL-004, EVENT-001
        except FailedError as failed:
            out.error = failed
        return out

    def end(self, searched: list[str] | None, failed: list[FailedError]) -> FailedError:
        if searched is None:  # ERR-011
            return FailedError("pull.failed", first=failed[0].text)
        if not searched:  # ERR-012
            return FailedError("pull.no_search_registries")
        count = "1 error" if len(failed) == 1 else f"{len(failed)} errors"  # ERR-010
        listed = "".join(f"\t* {each.text}\n" for each in failed)
        return FailedError("pull.all_failed", count=count, list=listed)

    def goal(self, typed: str, *, reference: bool) -> tuple[list[Pair], bool, list[str] | None]:
        if typed.startswith("docker-archive:"):
            return self.archive_goal(typed, typed.partition(":")[2])
        if typed.startswith("docker://"):  # GOAL-010, PULL-002
            pair = self.pair(typed, typed.removeprefix("docker://"))
            return [replace(pair, shown=pair.source) if reference else pair], False, None
        if has_registry(typed):  # GOAL-030
            return [self.pair(typed, typed)], False, None
        if not self.old or self.read is None:  # CONF-009: libpod-1.3 reads the file once
            self.read = list(self.search)
        names = [f"{registry}/{typed}" for registry in self.read]
        return [self.pair(name, name) for name in names], False, self.read  # GOAL-031

    def pair(self, shown: str, name: str) -> Pair:
        repository, tag, digest = split(name)
        if self.old and tag and digest:  # TRANS-012; else the digest decides
            raise FailedError("reference.tag_and_digest", "name", name=name)
        suffix = f"@{digest}" if digest else f":{tag or 'latest'}"  # NAME-015
        full, registry = repository + suffix, self.registries[name.partition("/")[0]]  # GOAL-004
        store = Store() if self.old else self.store  # REG-052
        return Pair(shown, f"docker://{full}", full, (), registry, repository, suffix, store)

    def archive_goal(self, typed: str, path: str) -> tuple[list[Pair], bool, list[str] | None]:
        if path not in self.archives:
            raise FailedError("path.unusable", "file", typed=typed, path=path)
        listed, pairs = self.archives[path], []
        if self.old and len(listed) > 1 and not listed[0][0]:  # GOAL-022, ARCH-012
            raise FailedError("archive.item_count", "goal", typed=typed, count=len(listed))
        for names, image in listed[:1] if self.old else listed:  # GOAL-011
            items = tuple(item for _, item in listed) if self.old else (image,)
            for name in names:
                shown = name if has_registry(name) else f"localhost/{name}"
                repository, tag, _ = split(shown)  # GOAL-003
                pairs.append(Pair(shown, typed, f"{repository}:{tag or 'latest'}", items))
            pairs += [] if names else [Pair(f"@{image.id}", typed, None, items)]  # GOAL-012
        return pairs, len(listed) > 1 or bool(listed[0][0]), None

    def attempt(self, pair: Pair, label: str | None, out: Outcome) -> bool:
        if not pair.items:  # TEXT-001
            out.text += f"Trying to pull {pair.shown}..." + ("" if self.old else "\n")
        checking = label is not None
        try:
            if label is not None:
                self.check_label(pair, label)
            checking = False
            image = self.copy(pair, out)
        except FailedError as failed:
            if self.old and checking:  # LABEL-002, LABEL-004
                failed.text = failed.bare
                raise
            out.failed.append(failed)  # PULL-005, TEXT-008, TEXT-010
            out.tried.append((pair.shown, failed.code))
            within = pair.source.partition(":")[2]
            out.log.append(f"Error pulling image ref {within}: {failed.text}")
            out.text += "Failed\n"
            return False
        out.images.append(pair.shown)
        out.tried.append((pair.shown, image.id))
        return True

    def check_label(self, pair: Pair, label: str) -> None:
        image = pair.image()
        pair.check_config(image)
        if label.lower() not in [key.lower() for key in image.labels]:  # LABEL-001
            raise pair.failed("label.missing", label=label)

    def copy(self, pair: Pair, out: Outcome) -> Image:  # PULL-010
        image = pair.image()
        self.judge(pair)
        pair.check_config(image)
        if self.old and pair.asked[:1] == "@" and pair.asked != f"@{image.digest}":
            raise pair.failed("verify.destination")  # PULL-015
        out.text += "Getting image source signatures\n"  # TEXT-002
        self.fetch(pair, image, out)
        out.text += f"Copying config sha256:{image.id}\n"  # TEXT-009
        out.text += "Writing manifest to image destination\nStoring signatures\n"
        self.store.put(image, pair.stored, pair.found.digest if pair.found else "")
        return image

    def judge(self, pair: Pair) -> None:  # POLICY-010
        host = pair.repository.partition("/")[0]
        scopes = [pair.repository + pair.asked, pair.repository, host]
        if not self.old:  # POLICY-012
            scopes.append("*." + host.partition(":")[0].partition(".")[2])
        policy, scopes = self.policy or {}, [] if pair.items else [*scopes, ""]
        if next(policy[each] for each in [*scopes, "default"] if each in policy) == "reject":
            raise pair.failed("policy.rejected", "policy")

    def fetch(self, pair: Pair, image: Image, out: Outcome) -> None:
        failures: list[FailedError] = []
        for digest in dict.fromkeys(image.layers):
            missing, got = digest not in self.store.blobs, pair.registry.broken.get(digest)
            if missing and failures and not self.old:  # PULL-018
                continue
            if missing and got == "":
                failures.append(pair.failed("blob.gone", "blob", digest=digest))
                continue  # TEXT-006
            out.text += f"Copying blob {digest}\n" * image.layers.count(digest)  # TEXT-005
            if missing and got is not None:
                failures.append(pair.failed("verify.digest", "writing", want=digest, got=got))
            else:
                self.store.blobs.add(digest)
        if failures:
            raise failures[0]
