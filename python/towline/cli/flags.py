"""The flags shared by several commands, and their conversion to `Options`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from towline.image.platform import parse_platform
from towline.registry.credentials import Credentials
from towline.rules import Rules
from towline.runtime.options import Options
from towline.runtime.stores import default_root

__all__ = ["FORMAT", "QUIET", "ROOT", "with_deciding_options", "with_options"]

P = ParamSpec("P")
R = TypeVar("R")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class _GivenPath(click.Path):
    """A path that is not empty; the code that opens it reports all other errors."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":  # as an unset variable
            self.fail("the path is an empty text", param, ctx)
        return super().convert(value, param, ctx)


_PATH = _GivenPath(path_type=Path, readable=False)

ROOT = click.option(
    "--root",
    type=_PATH,
    metavar="DIR",
    default=default_root,
    help="The store's directory; default: $TOWLINE_ROOT, else ~/.local/share/towline.",
)
FORMAT = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Format of the results.",
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")

_FLAGS: Mapping[str, Decorator] = {
    "edition": click.option(
        "--rules",
        "edition",
        type=click.Choice(["current", "libpod-1.3"]),
        default="current",
        help="The edition of the rules: current, or exactly those of podman v1.3.2.",
    ),
    "registries_conf": click.option(
        "--registries-conf",
        type=_PATH,
        metavar="FILE",
        help="File to use instead of the system's registries.conf.",
    ),
    "policy": click.option(
        "--policy",
        type=_PATH,
        metavar="FILE",
        help="File to use instead of the system's policy.json.",
    ),
    "authfile": click.option(
        "--authfile",
        type=_PATH,
        metavar="FILE",
        help="File to use instead of the user's auth.json.",
    ),
    "creds": click.option(
        "--creds", metavar="USER[:PASSWORD]", help="Credentials for the registry."
    ),
    "cert_dir": click.option(
        "--cert-dir",
        type=_PATH,
        metavar="DIR",
        help="Directory to use instead of the registry's certs.d directory.",
    ),
    "tls_verify": click.option(
        "--tls-verify",
        type=click.BOOL,
        metavar="true|false",
        help="true: trusted HTTPS only; false: any connection; default: set by registries.conf.",
    ),
    "platform": click.option(
        "--platform",
        metavar="OS/ARCH[/VARIANT]",
        help="Platform of the image to select from a multi-platform image; default: this host's.",
    ),
    "allow_other_platform": click.option(
        "--allow-other-platform",
        is_flag=True,
        help="Also pull an image of a single platform that is not the --platform.",
    ),
    "remove_signatures": click.option(
        "--remove-signatures", is_flag=True, help="Neither read nor store signatures."
    ),
    "verify_diff_ids": click.option(
        "--verify-diff-ids", is_flag=True, help="Also decompress each layer and verify its diff ID."
    ),
}
# The flags that affect the decisions before an image is opened.
_DECIDING = ("edition", "registries_conf", "authfile", "creds", "platform")


def with_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add the flags of `Options` to a command, which gets the argument ``options``."""
    return _with(tuple(_FLAGS), _credentials, command)


def with_deciding_options(command: Callable[..., R]) -> Callable[..., R]:
    """Like `with_options`, with only the flags that affect what a pull would try.

    A missing password is not requested, since it is not sent to a registry.
    """
    return _with(_DECIDING, lambda text: Credentials(*text.partition(":")[::2]), command)


def _with(
    names: tuple[str, ...], credentials: Callable[[str], Credentials], command: Callable[..., R]
) -> Callable[..., R]:
    @functools.wraps(command)
    def wrapped(*args: Any, **flags: Any) -> R:
        values = {name: flags.pop(name) for name in names}
        return command(*args, options=_options(credentials, **values), **flags)

    flagged: Callable[..., R] = wrapped
    for name in reversed(names):
        flagged = _FLAGS[name](flagged)
    return flagged


def _options(
    credentials: Callable[[str], Credentials],
    edition: str,
    creds: str | None,
    platform: str | None,
    **others: Any,
) -> Options:
    return Options(
        rules=Rules.named(edition),
        auth=None if creds is None else credentials(creds),
        platform=None if platform is None else parse_platform(platform),
        **others,
    )


def _credentials(text: str) -> Credentials:
    username, colon, password = text.partition(":")
    if not colon:
        password = _password(username)
    return Credentials(username, password)


def _password(username: str) -> str:
    if sys.stdin.isatty():
        prompted: str = click.prompt(f"Password for {username}", hide_input=True, err=True)
        return prompted
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise click.UsageError(
            f"--creds {username} has no password, and standard input has none; use"
            " USER:PASSWORD, or write the password to standard input",
            click.get_current_context(),
        )
    return password
