"""The flags that commands share, and the `Options` that they make."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from towline.api import default_root
from towline.config.auth_json import Credentials
from towline.options import Options
from towline.platform import parse_platform
from towline.rules import Rules

__all__ = ["FORMAT", "QUIET", "ROOT", "with_options"]

P = ParamSpec("P")
R = TypeVar("R")

_PATH = click.Path(path_type=Path)


ROOT = click.option(
    "--root",
    type=_PATH,
    default=default_root,
    show_default="$TOWLINE_ROOT, else ~/.local/share/towline",
    help="The store's directory.",
)
FORMAT = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How results are printed.",
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")

_FLAGS = (
    click.option(
        "--rules",
        "edition",
        type=click.Choice(["current", "libpod-1.3"]),
        default="current",
        help="The edition of the conventions: today's, or podman v1.3.2 exactly.",
    ),
    click.option("--registries-conf", type=_PATH, help="Instead of the machine's registries.conf."),
    click.option("--policy", type=_PATH, help="Instead of the machine's policy.json."),
    click.option("--authfile", type=_PATH, help="Instead of the user's auth.json."),
    click.option("--creds", metavar="USER[:PASSWORD]", help="Credentials for the registry."),
    click.option("--cert-dir", type=_PATH, help="Instead of the registry's certs.d folder."),
    click.option(
        "--tls-verify",
        type=click.BOOL,
        help="true: trusted HTTPS only; false: anything; default: as registries.conf says.",
    ),
    click.option(
        "--platform",
        metavar="OS/ARCH[/VARIANT]",
        help="Which image of a multi-platform one; default: this machine's.",
    ),
    click.option("--remove-signatures", is_flag=True, help="Neither read nor keep signatures."),
    click.option("--verify-diff-ids", is_flag=True, help="Decompress each layer and check it too."),
)


def with_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the flags of `Options`, and the options as its argument ``options``."""

    @functools.wraps(command)
    def wrapped(*args: Any, **flags: Any) -> R:
        picked = {name: flags.pop(name) for name in _NAMES}
        return command(*args, options=_options(**picked), **flags)

    for flag in reversed(_FLAGS):
        wrapped = flag(wrapped)
    return wrapped


_NAMES = (
    "edition",
    "registries_conf",
    "policy",
    "authfile",
    "creds",
    "cert_dir",
    "tls_verify",
    "platform",
    "remove_signatures",
    "verify_diff_ids",
)


def _options(edition: str, creds: str | None, platform: str | None, **others: Any) -> Options:
    return Options(
        rules=Rules.named(edition),
        credentials=None if creds is None else _credentials(creds),
        platform=None if platform is None else parse_platform(platform),
        **others,
    )


def _credentials(text: str) -> Credentials:
    username, colon, password = text.partition(":")
    if not colon:
        password = click.prompt(f"Password for {username}", hide_input=True, err=True)
    return Credentials(username, password)
