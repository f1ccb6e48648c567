"""The wheel and the sdist of this checkout, and a virtual environment with the wheel."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tests.support import tools

__all__ = ["Distribution", "Installed", "built_once", "install"]

_ROOT = Path(__file__).parents[2]
_DEPENDENCIES = ("click", "rich", "urllib3", "zstandard")


@dataclass(frozen=True)
class Distribution:
    """The files that are published."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel, and a directory in which its programs run."""

    environment: Path
    directory: Path

    @property
    def spec(self) -> Path:
        """The data of the installed suite."""
        return next(self.environment.glob("lib/python3.*/site-packages/towline/conformance/spec"))

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``towline`` with almost no environment."""
        environ = {"PATH": os.environ["PATH"]}
        if core := os.environ.get("TOWLINE_CORE"):
            environ["TOWLINE_CORE"] = core
        return subprocess.run(
            [self.environment / "bin" / "towline", *arguments],
            cwd=self.directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def built_once(directory: Path) -> Distribution:
    """Build below `directory`, unless another process of this run has done so.

    The extension is not compiled again: cargo takes it from ``rust/target``, where `make build`
    compiled it.
    """
    tools.require("cargo")
    made, done = directory / "made", directory / "done"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(made, ignore_errors=True)
            _maturin("build", "--release", "--interpreter", sys.executable, "--out", made)
            _maturin("sdist", "--out", made)
            done.touch()
    return Distribution(next(made.glob("*.whl")), next(made.glob("*.tar.gz")))


def _maturin(command: str, *arguments: str | Path) -> None:
    manifest = _ROOT / "rust" / "Cargo.toml"
    tools.run(
        *(sys.executable, "-m", "maturin", command, "--manifest-path", manifest, *arguments),
        env={"CARGO_NET_OFFLINE": "true"},
        cwd=_ROOT,
    )


def install(wheel: Path, environment: Path) -> None:
    """Make a virtual environment with the wheel; its dependencies are those of this process."""
    tools.run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    tools.run(
        *(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"),
        *("--python", python, "install", "--quiet", "--no-index", "--no-deps", "--no-compile"),
        wheel,
    )
    # A directory of a .pth file is not searched for further .pth files, such as that of this
    # checkout's editable install.
    modules = (import_module(name).__file__ for name in _DEPENDENCIES)
    folders = {str(Path(file).parents[1]) for file in modules if file is not None}
    site_packages = next(environment.glob("lib/python3.*/site-packages"))
    (site_packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in folders))
