"""Real images in every form that towline reads, created on this machine by common tools."""

from __future__ import annotations

import dataclasses
import fcntl
import itertools
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import skopeo, tools
from tests.support.registry import RegistryServer, RegistrySettings, serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "hello.tar"

#: The name of the main image in every archive.
NAME = "localhost/real:1.0"
#: Its second name, in the archive of podman.
SECOND_NAME = "localhost/real:again"
#: The second image in archives of several images.
OTHER_NAME = "localhost/small-amd64:1.0"
LABELS = {"org.opencontainers.image.title": "real", "Example.Mixed-Case": "kept as written"}
PLATFORMS = (("amd64", ""), ("arm64", "v8"), ("arm", "v7"))

_EPOCH = "1767225600"  # 2026-01-01: the time of every file and image


@dataclass(frozen=True, slots=True)
class RealImage:
    """One image, written by a real tool.

    Attributes:
        transport: `docker-archive`, `oci`, `oci-archive`, `dir`, `tarball` or `docker`.
        path: the file or folder; None in a registry.
        name: the text after the path, or the whole name in a registry; may be empty.
    """

    transport: str
    path: Path | None
    name: str = ""

    @property
    def location(self) -> str:
        """The image as `transport:rest`, which both towline and skopeo accept."""
        if self.path is None:
            return f"{self.transport}://{self.name}"
        return f"{self.transport}:{self.path}{':' if self.name else ''}{self.name}"

    @property
    def file(self) -> Path:
        """The path of an image that is not in a registry."""
        assert self.path is not None, f"{self.location} is in a registry"
        return self.path


@dataclass(frozen=True, slots=True)
class RealImages:
    """The main image in every form, and a small image per platform.

    The main image has three layers: a program; some hundred files of this machine's Python;
    changes to these files with whiteouts, links and unusual names.

    Attributes:
        docker_archive: by skopeo, named `NAME`.
        docker_archive_unnamed: the same without a name.
        docker_archive_gzip: `docker_archive`, compressed as a whole.
        docker_archive_podman: by podman, with two names.
        docker_archive_several: by podman: this image and the small one, each with a name.
        oci_archive: by skopeo, named `NAME`, layers in gzip.
        oci_archive_unnamed: the same without a name.
        oci_archive_podman: by podman.
        oci_layout: by skopeo, two images in one layout, this one named `NAME`.
        oci_layout_zstd: by skopeo, layers in zstd.
        oci_layout_umoci: by umoci, a different image with two layers, named `v1`.
        dir_oci: by skopeo, an OCI manifest, uncompressed layers.
        dir_docker: by skopeo, a schema 2 manifest, layers in gzip.
        tarball: by tar, the files of a layer as one tar in gzip.
        registry_docker: in the registry with a schema 2 manifest.
        registry_oci: in the registry with an OCI manifest.
        registry_list: in the registry, a Docker manifest list of the small image.
        registry_index: in the registry, an OCI index of the small image.
        registry: the server that has the last four.
    """

    docker_archive: RealImage
    docker_archive_unnamed: RealImage
    docker_archive_gzip: RealImage
    docker_archive_podman: RealImage
    docker_archive_several: RealImage
    oci_archive: RealImage
    oci_archive_unnamed: RealImage
    oci_archive_podman: RealImage
    oci_layout: RealImage
    oci_layout_zstd: RealImage
    oci_layout_umoci: RealImage
    dir_oci: RealImage
    dir_docker: RealImage
    tarball: RealImage
    registry_docker: RealImage
    registry_oci: RealImage
    registry_list: RealImage
    registry_index: RealImage
    registry: RegistryServer


#: The names of the images in `RealImages`, for test parameters.
EVERY_FORM = tuple(
    field.name for field in dataclasses.fields(RealImages) if field.name != "registry"
)


def made_once(directory: Path) -> Path:
    """Create the images below `directory`, unless another process of this run has done so."""
    made, done = directory / "images", directory / "done"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(made, ignore_errors=True)
            with serve(
                directory / "registry-for-pushes", RegistrySettings(storage=made / "registry")
            ) as registry:
                _make_all(made, registry)
            done.touch()
    return made


def found(made: Path, registry: RegistryServer) -> RealImages:
    """The images that `made_once` created; `registry` serves their storage."""
    return RealImages(
        docker_archive=RealImage("docker-archive", made / "docker.tar"),
        docker_archive_unnamed=RealImage("docker-archive", made / "docker-unnamed.tar"),
        docker_archive_gzip=RealImage("docker-archive", made / "docker.tar.gz"),
        docker_archive_podman=RealImage("docker-archive", made / "podman-docker.tar"),
        docker_archive_several=RealImage("docker-archive", made / "several.tar", NAME),
        oci_archive=RealImage("oci-archive", made / "oci.tar"),
        oci_archive_unnamed=RealImage("oci-archive", made / "oci-unnamed.tar"),
        oci_archive_podman=RealImage("oci-archive", made / "podman-oci.tar"),
        oci_layout=RealImage("oci", made / "layout", NAME),
        oci_layout_zstd=RealImage("oci", made / "layout-zstd", NAME),
        oci_layout_umoci=RealImage("oci", made / "umoci", "v1"),
        dir_oci=RealImage("dir", made / "dir-oci"),
        dir_docker=RealImage("dir", made / "dir-docker"),
        tarball=RealImage("tarball", made / "files.tar.gz"),
        registry_docker=RealImage("docker", None, registry.name("real/docker:1.0")),
        registry_oci=RealImage("docker", None, registry.name("real/oci:1.0")),
        registry_list=RealImage("docker", None, registry.name("real/list:1.0")),
        registry_index=RealImage("docker", None, registry.name("real/index:1.0")),
        registry=registry,
    )


def _make_all(made: Path, registry: RegistryServer) -> None:
    # Podman rejects a run root of more than 50 characters, so this is not below the run's folder.
    with tempfile.TemporaryDirectory(prefix="towline-", dir="/tmp") as directory:
        _Workshop(Path(directory), made).make_all(registry)


class _Workshop:
    """A private store of buildah and podman (vfs: it needs no mounts), and the exports from it."""

    def __init__(self, directory: Path, made: Path) -> None:
        self.directory, self.made = directory, made
        self.policy = skopeo.write_policy(directory / "policy.json")
        self.root, self.runroot = directory / "root", directory / "run"
        configuration = directory / "storage.conf"  # replaces the machine's, including its options
        configuration.write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{self.root}"\nrunroot = "{self.runroot}"\n'
        )
        self.env = {"CONTAINERS_STORAGE_CONF": str(configuration)}
        self.store = (
            *("--storage-driver", "vfs"),
            *("--root", str(self.root)),
            *("--runroot", str(self.runroot)),
        )

    def make_all(self, registry: RegistryServer) -> None:
        self._build_main_image()
        for architecture, variant in PLATFORMS:
            self._build_small_image(architecture, variant)
        self._copy_out()
        self._save_with_podman()
        self._make_with_umoci()
        self._push(registry)

    def _build_main_image(self) -> None:
        container = self._buildah("from", f"oci-archive:{EXAMPLE}")
        files = self._files_of_this_machine()
        self._buildah("copy", "--quiet", container, files, "/srv/python")
        self._buildah("run", "--isolation", "chroot", container, "/hello")
        self._commit(container, "localhost/real-base:1.0")

        container = self._buildah("from", "localhost/real-base:1.0")
        self._change_files(container)
        labels = [f"--label={key}={value}" for key, value in LABELS.items()]
        self._buildah(
            "config", "--env=REAL=1", "--cmd=--verbose", "--port=80/tcp", *labels, container
        )
        self._commit(container, NAME)

    def _files_of_this_machine(self) -> Path:
        """Copy some hundred real files, text and machine code, in folders."""
        library, copies = Path(sysconfig.get_path("stdlib")), self.directory / "python"
        patterns = {"*.py": 200, "encodings/*.py": 80, "email/**/*.py": 80, "lib-dynload/*.so": 20}
        chosen = itertools.chain.from_iterable(
            sorted(library.glob(pattern))[:most] for pattern, most in patterns.items()
        )
        for file in chosen:
            copy = copies / file.relative_to(library)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
        return copies

    def _change_files(self, container: str) -> None:
        # In one shell, because for a user who is not root the mount exists only in a namespace.
        shell = ["sh", "-euc", _CHANGES, "sh", container, "buildah", *self.store]
        if os.geteuid() != 0:
            shell = ["buildah", "unshare", *shell]
        tools.run(*shell, env=self.env)

    def _build_small_image(self, architecture: str, variant: str) -> None:
        container = self._buildah("from", "scratch")
        platform = [f"--arch={architecture}", "--os=linux"]
        if variant:
            platform.append(f"--variant={variant}")
        self._buildah("config", *platform, container)
        greeting = self.directory / f"greeting-{architecture}"
        greeting.write_text(f"for {architecture}\n")
        self._buildah("copy", "--quiet", container, greeting, "/greeting")
        self._commit(container, f"localhost/small-{architecture}:1.0")

    def _copy_out(self) -> None:
        made = self.made
        self._copy(NAME, f"docker-archive:{made}/docker.tar:{NAME}")
        self._copy(NAME, f"docker-archive:{made}/docker-unnamed.tar")
        tools.run("gzip", "--keep", made / "docker.tar")
        self._copy(NAME, f"oci-archive:{made}/oci.tar:{NAME}")
        self._copy(NAME, f"oci-archive:{made}/oci-unnamed.tar")
        self._copy(OTHER_NAME, f"oci:{made}/layout:{OTHER_NAME}")
        self._copy(NAME, f"oci:{made}/layout:{NAME}")
        self._copy(NAME, f"oci:{made}/layout-zstd:{NAME}", "--dest-compress-format=zstd")
        self._copy(NAME, f"dir:{made}/dir-oci", "--dest-decompress")
        self._copy(NAME, f"dir:{made}/dir-docker", "--format=v2s2", "--dest-compress")
        tools.run("tar", "-czf", made / "files.tar.gz", "-C", self.directory / "python", ".")

    def _save_with_podman(self) -> None:
        self._podman("tag", NAME, SECOND_NAME)
        self._podman("save", "-q", "-o", self.made / "podman-docker.tar", NAME, SECOND_NAME)
        self._podman("untag", NAME, SECOND_NAME)
        self._podman("save", "-q", "-m", "-o", self.made / "several.tar", NAME, OTHER_NAME)
        archive = self.made / "podman-oci.tar"
        self._podman("save", "-q", "--format=oci-archive", "-o", archive, NAME)

    def _make_with_umoci(self) -> None:
        umoci, layout = tools.require("umoci"), self.made / "umoci"
        image = f"{layout}:base"
        tools.run(umoci, "init", "--layout", layout)
        tools.run(umoci, "new", "--image", image)
        rootless = [] if os.geteuid() == 0 else ["--rootless"]
        source = self.directory / "python" / "email"
        tools.run(umoci, "insert", *rootless, "--image", image, "--tag", "v1", source, "/email")
        image = f"{layout}:v1"
        tools.run(umoci, "insert", *rootless, "--image", image, self.policy, "/etc/policy.json")
        tools.run(umoci, "config", "--image", image, "--config.label", "maker=umoci")

    def _push(self, registry: RegistryServer) -> None:
        self._copy(NAME, registry.location("real/docker:1.0"), "--format=v2s2")
        self._copy(NAME, registry.location("real/oci:1.0"), "--format=oci")
        self._buildah("manifest", "create", "small")
        for architecture, _ in PLATFORMS:
            self._buildah("manifest", "add", "small", f"localhost/small-{architecture}:1.0")
        for form, target in (("v2s2", "real/list:1.0"), ("oci", "real/index:1.0")):
            options = ["--quiet", "--all", "--tls-verify=false", f"--format={form}"]
            self._buildah("manifest", "push", *options, "small", registry.location(target))

    def _copy(self, name: str, destination: str, *options: str) -> None:
        source = f"containers-storage:[vfs@{self.root}+{self.runroot}]{name}"
        skopeo.copy(source, destination, *options, policy=self.policy)

    def _commit(self, container: str, name: str) -> None:
        options = ("--quiet", "--rm", "--format=oci", f"--timestamp={_EPOCH}")
        policy = f"--signature-policy={self.policy}"
        self._buildah("commit", *options, policy, container, name)

    def _buildah(self, command: str, *arguments: str | Path) -> str:
        return self._in_store("buildah", [command, *arguments])

    def _podman(self, command: str, *arguments: str | Path) -> str:
        return self._in_store("podman", [command, *arguments])

    def _in_store(self, tool: str, arguments: Sequence[str | Path]) -> str:
        done = tools.run(tools.require(tool), *self.store, *arguments, env=self.env)
        return done.stdout.decode().strip()


# The changes of the third layer: files are changed, removed (a whiteout), replaced as a folder (an
# opaque whiteout), linked by hard and symbolic links, given unusual and long names, and emptied.
_CHANGES = """
container=$1; shift
root=$("$@" mount "$container")
cd "$root/srv/python"
echo '# changed' >>this.py
rm antigravity.py
rm -r email && mkdir email && echo new >email/only.txt
ln calendar.py hard-link.py
ln -s calendar.py symbolic-link.py
ln -s /nowhere/at/all dangling
chmod 4755 bisect.py
: >empty
echo odd >'name with space and ünïcode'
long=$(printf 'a-folder-with-a-long-name/%.0s' 1 2 3 4 5 6)
mkdir -p "$long" && echo deep >"$long/file"
find . -newermt @1767225600 -exec touch -h -d @1767225600 {} +
cd /
"$@" umount "$container" >/dev/null
"""


def served(made: Path, directory: Path) -> Iterator[RealImages]:
    """Serve the images' registry from `directory`, and yield all images; for a fixture."""
    with serve(directory, RegistrySettings(storage=made / "registry")) as registry:
        yield found(made, registry)
