"""Messages for wrong usage: one sentence, formatted like all other errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["no_such_command", "usage_message"]

_LEAST_LIKENESS = 0.7  # of a suggestion; 1 is the same word


def usage_message(error: click.UsageError) -> str:
    """The fault of the command line and the ``--help`` command that explains the usage."""
    fault = _fault(error).replace("\n", "\\n").rstrip(".")
    command = "towline" if error.ctx is None else error.ctx.command_path
    return f'{fault}; see "{command} --help"'


def no_such_command(name: str, commands: Iterable[str], ctx: click.Context) -> click.UsageError:
    """The error for an unknown command; long options such as ``--version`` are suggested too."""
    candidates = (*commands, *_long_options(ctx))
    known = name in _COMMANDS
    hint = _equivalent(_COMMANDS[name]) if known else _suggestion(name, candidates)
    return click.UsageError(f"there is no command {name}{hint}", ctx)


_COPY = "skopeo copy oci:ROOT:NAME, since the store is an OCI layout"
_INSPECT = "towline inspect, after a towline pull"
#: The commands of podman, skopeo, crane and docker, and what to use instead; None: nothing yet.
_COMMANDS: Mapping[str, str | None] = {
    "build": None,
    "catalog": None,
    "config": _INSPECT,
    "copy": "towline pull to fetch an image",
    "cp": "towline pull to fetch an image",
    "delete": "towline rm, which removes images from the store only",
    "df": "towline images",
    "digest": "towline inspect NAME, which prints the digest of a stored image",
    "exists": "towline inspect NAME, which fails without the image",
    "export": _COPY,
    "fetch": "towline pull",
    "get": "towline pull",
    "history": _INSPECT,
    "image": "the command after it, such as towline images",
    "import": "towline pull tarball:FILE",
    "info": "towline --version, or towline resolve NAME for the configuration",
    "list": "towline images",
    "list-tags": None,
    "load": "towline pull docker-archive:FILE or towline pull oci-archive:FILE",
    "login": "an auth file of podman or docker, or --creds",
    "logout": "podman logout",
    "ls": "towline images",
    "manifest": _INSPECT,
    "mount": _COPY,
    "prune": "towline gc",
    "ps": "towline images",
    "push": _COPY,
    "remove": "towline rm",
    "rmi": "towline rm",
    "run": "towline pull, and a tool that runs containers",
    "save": _COPY,
    "search": None,
    "show": "towline inspect",
    "sync": "towline pull, which takes several names",
    "system": "towline gc",
    "tag": None,
    "tags": None,
    "untag": "towline rm",
    "validate": "towline verify",
}
_PLATFORM = ("--platform", " OS/ARCH")
#: Their options: the option to use instead, "" if it is none, and the rest of the hint.
_OPTIONS: Mapping[str, tuple[str, str] | None] = {
    "--all": None,
    "--all-platforms": None,
    "--all-tags": None,
    "--arch": _PLATFORM,
    "--command-timeout": None,
    "--config": ("--authfile", " FILE for credentials"),
    "--debug": None,
    "--dest-creds": None,
    "--dest-dir": ("--root", " DIR"),
    "--digests": ("", "towline images, which prints the digests"),
    "--digestfile": ("--format", " json, which prints the digest"),
    "--force": ("", "the command without it"),
    "--insecure": ("--tls-verify", "=false"),
    "--insecure-policy": ("--policy", " FILE, with a policy that accepts the image"),
    "--json": ("--format", " json"),
    "--log-level": None,
    "--multi-arch": _PLATFORM,
    "--no-creds": ("--authfile", " FILE, with a file without credentials"),
    "--no-trunc": ("--format", " json"),
    "--os": _PLATFORM,
    "--output": ("--root", " DIR"),
    "--override-arch": _PLATFORM,
    "--override-os": _PLATFORM,
    "--override-variant": ("--platform", " OS/ARCH/VARIANT"),
    "--password": ("--creds", " USER, which reads the password from standard input"),
    "--raw": ("", "skopeo inspect --raw oci:ROOT:NAME, since the store is an OCI layout"),
    "--registries.d": None,
    "--retry": None,
    "--retry-delay": None,
    "--retry-times": None,
    "--signature-policy": ("--policy", ""),
    "--src-authfile": ("--authfile", ""),
    "--src-cert-dir": ("--cert-dir", ""),
    "--src-creds": ("--creds", ""),
    "--src-password": ("--creds", " USER, which reads the password from standard input"),
    "--src-tls-verify": ("--tls-verify", ""),
    "--src-username": ("--creds", " USER"),
    "--storage-driver": None,
    "--storage-opt": None,
    "--username": ("--creds", " USER"),
    "--variant": ("--platform", " OS/ARCH/VARIANT"),
    "--verbose": ("--progress", " plain"),
}


def _equivalent(instead: str | None) -> str:
    """The part of a message that says what to use instead of a word of another tool."""
    return ", and nothing like it is available yet" if instead is None else f"; use {instead}"


def _fault(error: click.UsageError) -> str:
    match error:
        case click.NoSuchOption() if error.ctx is not None:
            return _no_such_option(error.option_name, error.ctx)
        case click.MissingParameter() if error.param is not None:
            return f"{_name(error.param)} is missing"
        case click.BadParameter() if error.param is not None:
            return f"{_name(error.param)}: {error.message}"
        case _:
            message = error.format_message()
            return message[:1].lower() + message[1:]


def _no_such_option(name: str, ctx: click.Context) -> str:
    options = _long_options(ctx)
    instead = _OPTIONS.get(name)
    option, rest = instead or ("", "")
    known = name in _OPTIONS and (not option or option in options)  # else of another command
    hint = _equivalent(instead and f"{option}{rest}") if known else _suggestion(name, options)
    if not hint and isinstance(ctx.command, click.Group):  # podman accepts some options there
        hint = " here: put the options of a command after its name"
    return f"there is no option {name}{hint}"


def _long_options(ctx: click.Context) -> list[str]:
    options = [option for param in ctx.command.get_params(ctx) for option in param.opts]
    return [option for option in options if option.startswith("--")]


def _suggestion(name: str, candidates: Iterable[str]) -> str:
    from difflib import get_close_matches  # imported for a wrong name only

    # Without the dashes, which make all short options alike.
    bare = {candidate.lstrip("-"): candidate for candidate in candidates}
    close = get_close_matches(name.lstrip("-"), list(bare), n=1, cutoff=_LEAST_LIKENESS)
    return f" (did you mean {bare[close[0]]}?)" if close else ""


def _name(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name
