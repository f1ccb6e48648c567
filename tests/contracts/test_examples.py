"""Every program in examples/ does what its docstring says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.certificates import authority, issue
from tests.support.images import RealImages
from tests.support.pushing import push, small_image
from tests.support.registry import NewRegistry, RegistryServer, RegistrySettings

EXAMPLES = Path(__file__).parents[2] / "examples"
HELLO = f"oci-archive:{EXAMPLES / 'hello.tar'}"
HTPASSWD = "u:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


class Examples:
    """Runs examples with their own configuration and store."""

    def __init__(self, folder: Path) -> None:
        self.root = str(folder / "images")
        self.home = folder / "home"
        containers = self.home / ".config/containers"
        containers.mkdir(parents=True)
        (containers / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.conf = containers / "registries.conf"

    def __call__(self, name: str, *arguments: str, status: int = 0, **variables: str) -> str:
        """Run an example; return what it prints."""
        variables |= {"HOME": str(self.home), "PATH": os.environ["PATH"]}
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
        ended = subprocess.run(
            command, env=variables, capture_output=True, text=True, check=False, timeout=100
        )
        assert ended.returncode == status, ended.stderr
        return ended.stdout


@pytest.fixture
def run(tmp_path: Path) -> Examples:
    return Examples(tmp_path)


def test_every_example_is_run() -> None:
    """Each program has a test below."""
    source = Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f'run("{path.stem}"' in source.replace("run(\n        ", "run("), path.name


def test_layers_progress_and_store(run: Examples) -> None:
    """The values of an image, the states of its blobs, and the store as a collection."""
    shown = run("list_layers", HELLO, run.root)
    assert "localhost/hello:latest for linux/amd64, created 2026-01-01" in shown
    assert "383 bytes" in shown
    assert "'org.opencontainers.image.title': 'hello'" in shown
    assert "present" in run("progress", HELLO, run.root)
    assert "done" in run("progress", HELLO, f"{run.root}-2")
    assert "1 images\n" in run("store", run.root, "hello")


def test_concurrent_pulls(run: Examples) -> None:
    """Failures do not end the other pulls; cancelled pulls end."""
    lines = run("many_pulls", run.root, *[HELLO] * 9, "oci-archive:/nothing").splitlines()
    assert len([line for line in lines if "has the ID 0ed662918a91" in line]) == 9
    assert "no such file" in lines[-1]
    assert run("cancel", run.root, HELLO).split("\n") == [
        "pulled",
        "ended with CancelledError",
        "ended with CancelledError",
        "",
    ]


def test_errors_by_class(run: Examples, registry: RegistryServer) -> None:
    """A missing image, a server that does not respond, and a success."""
    run.conf.write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
    missing = registry.name("nothing-here:1")
    assert "does not have the image" in run("errors", run.root, missing, status=1)
    assert "RegistryError (registry.unreachable)" in run(
        "errors", run.root, "127.0.0.1:1/x", status=1
    )
    assert "nothing was tried" in run("errors", run.root, "A/B", status=1)
    assert run("errors", run.root, HELLO) == "pulled\n"


def test_labels(run: Examples) -> None:
    """An image without the label is refused."""
    assert "has no label" in run("label_check", run.root, HELLO, "nothing", status=1)
    label = "org.opencontainers.image.title"
    assert f"{label}=hello" in run("label_check", run.root, HELLO, label)


def test_a_platform(run: Examples, real_images: RealImages) -> None:
    """One instance of an index; an error without one."""
    server = real_images.registry
    run.conf.write_text(f'[[registry]]\nlocation = "{server.host}"\ninsecure = true\n')
    name = real_images.registry_index.name
    assert run("choose_platform", run.root, name, "linux/arm64").startswith("linux/arm64")
    assert "s390x" in run("choose_platform", run.root, name, "linux/s390x", status=1)


def test_an_image_in_memory(run: Examples) -> None:
    """It is verified like any other."""
    shown = run("custom_source", run.root)
    assert shown == "('memory.example/hello:1',) ('blobs', 'diff-ids')\n"


def test_a_private_registry(run: Examples, tmp_path: Path, new_registry: NewRegistry) -> None:
    """HTTPS with an own authority, and a password that is not printed."""
    image = small_image("private")
    storage = tmp_path / "storage"
    push(new_registry(RegistrySettings(storage=storage)), "private/x:1", image)
    signer = authority(tmp_path)
    pair = issue(signer, tmp_path)
    certs = tmp_path / "certs"
    certs.mkdir()
    (certs / "ca.crt").write_bytes(signer.certificate.read_bytes())
    users = tmp_path / "htpasswd"
    users.write_text(HTPASSWD)
    server = new_registry(
        RegistrySettings(
            storage=storage, htpasswd=users, certificate=pair.certificate, key=pair.key
        )
    )
    shown = run(
        "private_registry",
        run.root,
        server.name("private/x:1"),
        str(certs),
        REGISTRY_USER="u",
        REGISTRY_PASSWORD="secret",
    )
    assert "sha256:" in shown
    assert "auth=Credentials(username='u')" in shown
