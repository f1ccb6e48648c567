"""The values of the model of pulling: failures, images, registries, a store.

The model does not import towline.  The sentences are those of libpod-1.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "FailedError",
    "Image",
    "ImageList",
    "Outcome",
    "Pair",
    "Registry",
    "Store",
    "Stored",
    "has_registry",
    "split",
]

#: The prefix of an error, by the step that failed (ERR-021).
WHERE = {
    "": "",
    "goal": 'error determining pull goal for image "{typed}": ',
    "file": 'error determining pull goal for image "{typed}": error opening file "{path}": ',
    "name": "error getting default registries to try: unable to parse '{name}': ",
    "manifest": "Error determining manifest MIME type for {source}: ",
    "choice": "Error choosing an image from manifest list {source}: ",
    "policy": "Source image rejected: ",
    "image": "Error initializing image from source {source}: ",
    "config": "Error parsing image configuration: ",
    "blob": "Error reading blob {digest}: ",
    "writing": "Error writing blob: error setting up to decompress blob: ",
}
FETCHING = "Error reading manifest {asked} in {repository}: "
SENTENCES = {
    "archive.item_count": "Unexpected tar manifest.json: expected 1 item, got {count}",
    "blob.gone": "Invalid status code returned when fetching blob 404 (Not Found)",
    "label.missing": "{shown} has no label {label}",
    # libpod-1.3 continues with "looking for beginning of value"; towline has the offset instead
    "manifest.not_json": "invalid character 'b' at byte 0",
    "path.unusable": "open {path}: no such file or directory",
    "platform.none": "no image found in manifest list for architecture amd64, OS linux",
    "policy.rejected": "Running image {source} is rejected by policy.",
    "pull.all_failed": "{count} occurred:\n{list}\n",
    "pull.failed": "unable to pull image: {first}",
    "pull.no_search_registries": "image name provided is a short name and no search registries"
    " are defined in the registries config file.",
    "reference.tag_and_digest": "Docker references with both a tag and digest are currently not"
    " supported",
    "registry.not_found": FETCHING + "manifest unknown: manifest unknown",
    "registry.unexpected_status": FETCHING
    + "received unexpected HTTP status: 500 Internal Server Error",
    "registry.unreachable": "pinging docker registry returned: Get {url}/v2/: connection refused",
    "verify.config": "Download config.json digest {got} does not match expected {want}",
    "verify.destination": "Digest of source image's manifest would not match destination reference",
    "verify.digest": "Digest did not match, expected {want}, got {got}",
    "verify.manifest": "Manifest does not match provided manifest digest {want}",
}


class FailedError(Exception):
    """A failure: `text` is the message of libpod-1.3, `bare` the same without the step."""

    def __init__(self, code: str, where: str = "", **facts: object) -> None:
        super().__init__(code)
        self.code = "registry.not_found" if code == "blob.gone" else code
        self.bare = SENTENCES[code].format(**facts)
        self.text = WHERE[where].format(**facts) + self.bare


def has_registry(name: str) -> bool:
    """Whether the first part of a name is a registry (NAME-030)."""
    first, slash, _ = name.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def split(name: str) -> tuple[str, str, str]:
    """Repository, tag and digest of a name with a registry."""
    name, _, digest = name.partition("@")
    folder, _, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{folder}/{last}", tag, digest


@dataclass(frozen=True)
class Image:
    """One image in one form; a list may contain it."""

    digest: str  # of its manifest
    id: str  # the hex of its config's digest
    layers: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @property
    def documents(self) -> tuple[str, str]:
        """The digests of its manifest and of its config."""
        return self.digest, f"sha256:{self.id}"


@dataclass(frozen=True)
class ImageList:
    """A manifest list; `image` is the instance for this platform, None if there is none."""

    digest: str
    image: Image | None


@dataclass
class Registry:
    """A registry; its images are keyed by `repository:tag` and `repository@digest`."""

    url: str = ""
    images: dict[str, Image | ImageList] = field(default_factory=dict)
    fault: str = ""  # the error code of every request
    broken: dict[str, str] = field(default_factory=dict)  # digest of the wrong bytes, "" if missing


@dataclass
class Stored:
    """An image in the store: its names, newest first, and its manifest digest."""

    names: list[str]
    digest: str
    blobs: set[str] = field(default_factory=set)


@dataclass
class Store:
    """A store: images by ID, and blobs."""

    images: dict[str, Stored] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)

    def put(self, image: Image, name: str | None, through: str = "") -> None:
        """Store an image; a name is moved to it and becomes its first (STORE-002 to STORE-004)."""
        for stored in self.images.values():
            stored.names = [other for other in stored.names if other != name]
        kept = self.images.setdefault(image.id, Stored([], image.digest))
        kept.names[:0] = [name] if name else []
        kept.blobs.update(image.layers, image.documents, [through] if through else [])
        self.blobs |= kept.blobs

    def remove(self, name: str) -> None:
        """Remove a name; removing the last name or the ID removes the image (STORE-016)."""
        for key, stored in list(self.images.items()):
            if name in stored.names and len(stored.names) > 1:
                stored.names.remove(name)
            elif name == key or name in stored.names:
                del self.images[key]

    def holds(self, name: str | None) -> bool:
        """Whether an image has this name or a blob with this digest."""
        return any(name in (*each.names, *each.blobs) for each in self.images.values())

    def gc(self) -> None:
        """Remove the blobs that no image needs (STORE-017)."""
        self.blobs = {blob for stored in self.images.values() for blob in stored.blobs}


@dataclass(frozen=True)
class Pair:
    """A source and its name in the store; `items` are the images that an archive lists for it."""

    shown: str
    source: str
    stored: str | None = None  # the name in the store
    items: tuple[Image, ...] = ()
    registry: Registry = field(default_factory=Registry)
    repository: str = ""
    asked: str = ""  # :tag or @digest
    here: Store = field(default_factory=Store)  # the store before the pull

    def failed(self, code: str, where: str = "", **facts: object) -> FailedError:
        """A failure of this pair."""
        own: dict[str, object] = {"source": self.source, "shown": self.shown}
        own |= {"repository": self.repository, "asked": self.asked[1:], "url": self.registry.url}
        return FailedError(code, where, **own | facts)

    @property
    def found(self) -> Image | ImageList | None:
        """The image or list that the registry has under the name."""
        return self.registry.images.get(self.repository.partition("/")[2] + self.asked)

    def announced(self) -> bool:
        """Whether a HEAD response confirms the stored manifest of this name (REG-052)."""
        known = self.found is not None and self.found.digest in self.here.blobs
        return known and self.here.holds(self.asked[1:] if self.asked[0] == "@" else self.stored)

    def image(self) -> Image:
        """The image of this pair; errors are raised in the order of ERR-020."""
        if self.items:
            if len(self.items) > 1:  # ARCH-012
                raise self.failed("archive.item_count", "manifest", count=len(self.items))
            return self.items[0]
        if self.registry.fault:
            raise self.failed(self.registry.fault, "manifest")
        found, announced = self.found, self.announced()
        if found is None:
            raise self.failed("registry.not_found", "manifest")
        if self.asked[0] == "@" and not announced:
            self.check(found.digest, "verify.manifest", "manifest")
        if isinstance(found, Image):
            return found
        if not announced:
            self.check(found.digest, "manifest.not_json", "choice")  # PLAT-003
        if found.image is None:
            raise self.failed("platform.none", "choice")
        if found.image.digest in self.here.blobs:
            return found.image
        path = self.repository.partition("/")[2]
        if f"{path}@{found.image.digest}" not in self.registry.images:
            raise self.failed("registry.not_found", "choice", asked=found.image.digest)
        self.check(found.image.digest, "verify.manifest", "choice")
        return found.image

    def check_config(self, image: Image) -> None:
        """Check that the manifest and the config can be read."""
        manifest, config = image.documents
        if not (isinstance(self.found, ImageList) or self.announced()):
            self.check(manifest, "manifest.not_json", "image")
        if config not in self.here.blobs:
            self.check(config, "verify.config", "config")

    def check(self, digest: str, code: str, where: str) -> None:
        """Check that the registry has the right bytes for a digest."""
        got = self.registry.broken.get(digest)
        if got is not None:
            raise self.failed(code if got else "blob.gone", where, want=digest, got=got)


@dataclass
class Outcome:
    """The observable results of a pull."""

    images: list[str] = field(default_factory=list)
    text: str = ""
    events: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    tried: list[tuple[str, str]] = field(default_factory=list)  # image, ID or code
    failed: list[FailedError] = field(default_factory=list)
    error: FailedError | None = None
