"""Images with the config of a trusted image: complete pulls from every kind of source.

The attacker's image has the public config of a trusted image, and so its ID, and other layers; or
its archive requests the trusted ID.  In every order of pulls, the trusted name resolves to the
trusted image: in towline, in index.json, and in skopeo.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.support import skopeo
from tests.support.pushing import Puller, SmallImage, push
from tests.support.registry import RegistryServer
from tests.support.store_images import Made, layer, make, write_dir
from towline.errors import PullFailedError, TowlineError
from towline.name.digest import sha256_of
from towline.rules import Rules

pytestmark = pytest.mark.clause("STORE-024", "STORE-004", "STORE-006")

_, DIFF_ID = layer(b"trusted")
GOOD = make(b"trusted")
EVIL = make(b"enemy", diff_ids=[DIFF_ID])
EDITIONS = [Rules.CURRENT, Rules.LIBPOD_1_3]
WAYS = ["tag", "digest", "verified", "docker-archive", "oci-archive", "dir"]


def small(made: Made) -> SmallImage:
    """The image in the form that `push` takes."""
    plan = made.plan
    layers = tuple(made.blobs[each.descriptor.digest_text] for each in plan.layers)
    return SmallImage(plan.manifest.data, plan.config, layers)


@pytest.fixture
def puller(tmp_path: Path, registry: RegistryServer) -> Puller:
    """A new store, and two repositories."""
    push(registry, "trusted/app:1", small(GOOD))
    push(registry, "evil/app:1", small(EVIL))
    puller = Puller(tmp_path / "machine")
    puller.write("etc/containers/policy.json", json.dumps(skopeo.POLICY))
    return puller


def archive(path: Path, config: bytes, content: bytes, *tags: str) -> Path:
    """A docker-archive of one layer."""
    plain = gzip.decompress(layer(content)[0])
    items = [{"Config": "config.json", "RepoTags": list(tags), "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as file:
        for name, data in (
            ("config.json", config),
            ("layer.tar", plain),
            ("manifest.json", json.dumps(items).encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


def layout(path: Path, made: Made, name: str) -> Path:
    """An oci-archive of one image."""
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True)
    manifest = made.plan.manifest
    for data in (manifest.data, made.plan.config, *made.blobs.values()):
        (blobs / sha256_of(data).hex).write_bytes(data)
    entry = {
        "mediaType": manifest.media_type,
        "digest": str(manifest.digest),
        "size": len(manifest.data),
        "annotations": {"org.opencontainers.image.ref.name": name},
    }
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with tarfile.open(f"{path}.tar", "w") as file:
        file.add(path, ".")
    return Path(f"{path}.tar")


def pull_trusted(puller: Puller, registry: RegistryServer, way: str, rules: Rules) -> str:
    """Pull the trusted image; return its newest name."""
    work = puller.folder
    verified = way == "verified"
    runtime = puller.runtime(rules=rules, verify_diff_ids=verified, tls_verify=False)
    name = registry.name("trusted/app:1")
    match way:
        case "digest":
            name = f"{registry.name('trusted/app')}@{GOOD.plan.manifest.digest}"
        case "docker-archive":
            path = work / "good.tar"
            if not path.exists():
                archive(path, GOOD.plan.config, b"trusted", "localhost/trusted:1")
            name = f"docker-archive:{path}"
        case "oci-archive":
            path = work / "good-oci.tar"
            if not path.exists():
                layout(work / "good-oci", GOOD, "localhost/trusted:1")
            name = f"oci-archive:{path}"
        case "dir":
            if not (work / "good-dir").exists():
                write_dir(work / "good-dir", GOOD)
            name = f"dir:{work}/good-dir"
        case _:
            pass  # by tag
    (attempt,) = runtime.pull(name).attempts
    assert attempt.stored is not None
    assert attempt.stored.raw_config == GOOD.plan.config
    (newest, *_) = attempt.stored.names
    return newest


def attack(puller: Puller, registry: RegistryServer, rules: Rules, number: int) -> None:
    """Pull the attacker's images, under the attacker's names."""
    work = puller.folder
    work.mkdir(exist_ok=True)
    runtime = puller.runtime(rules=rules, tls_verify=False)
    runtime.pull(registry.name("evil/app:1"))
    runtime.pull(f"{registry.name('evil/app')}@{EVIL.plan.manifest.digest}")
    path = layout(work / f"evil-oci-{number}", EVIL, f"localhost/evil-{number}:1")
    runtime.pull(f"oci-archive:{path}")
    config = GOOD.plan.config.replace(b"amd64", b"amd64\\n")  # a nearly equal config
    wanted = f"@{GOOD.plan.id}"
    path = archive(
        work / f"evil-{number}.tar", config, b"trusted", wanted, f"localhost/e{number}:1"
    )
    try:
        runtime.pull(f"docker-archive:{path}")
    except PullFailedError as failed:  # libpod-1.3 pulls one image, and its ID may be in use
        codes = {error.code for error in failed.facts["errors"] if isinstance(error, TowlineError)}
        assert codes == {"store.id_in_use"}


def assert_trusted(puller: Puller, name: str, way: str) -> None:
    """Assert that the name, the digest, the ID and skopeo resolve to the trusted image."""
    store = puller.store
    tar = str(DIFF_ID)
    blobs = {tar} if way == "docker-archive" else set(GOOD.blobs)
    image = store.image(name)
    for found in (image, store.image(str(image.digest)), store.image(image.id)):
        assert found.raw_config == GOOD.plan.config
        assert store.image(name).id == GOOD.plan.id
    assert {each.digest_text for each in image.layers} == blobs
    index = json.loads((puller.folder / "store/index.json").read_bytes())
    (entry,) = (
        entry
        for entry in index["manifests"]
        if entry["annotations"].get("org.opencontainers.image.ref.name") == name
    )
    assert entry["digest"] == str(image.digest)
    if way != "docker-archive":  # skopeo 1.9.3 does not find schema 2 by name (STORE-009)
        raw = skopeo.raw_manifest(f"oci:{puller.folder}/store:{name}")
        assert raw == GOOD.plan.manifest.data


@pytest.mark.parametrize("rules", EDITIONS, ids=lambda rules: rules.wording.name)
@pytest.mark.parametrize("when", ["before", "after", "around"])
@pytest.mark.parametrize("way", WAYS)
def test_a_trusted_name_resolves_to_the_trusted_image(
    puller: Puller, registry: RegistryServer, way: str, when: str, rules: Rules
) -> None:
    """The attacks are before, after, and between two pulls of the trusted image."""
    if when != "after":
        attack(puller, registry, rules, 1)
    name = pull_trusted(puller, registry, way, rules)
    assert_trusted(puller, name, way)
    if when != "before":
        attack(puller, registry, rules, 2)
        assert_trusted(puller, name, way)
    if when == "around":
        assert pull_trusted(puller, registry, way, rules) == name
    assert_trusted(puller, name, way)
    evil = puller.store.image(registry.name("evil/app:1"))
    assert evil.manifest == EVIL.plan.manifest
    assert evil.id != GOOD.plan.id
    puller.store.remove(registry.name("evil/app:1"))
    puller.store.gc()
    assert_trusted(puller, name, way)
