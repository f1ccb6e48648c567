"""Messages for wrong usage: one sentence, formatted like all other errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["no_such_command", "usage_message"]


def usage_message(error: click.UsageError) -> str:
    """The fault of the command line and the ``--help`` command that explains the usage."""
    fault = _fault(error).replace("\n", "\\n").rstrip(".")
    command = "towline" if error.ctx is None else error.ctx.command_path
    return f'{fault}; see "{command} --help"'


def no_such_command(name: str, commands: Iterable[str], ctx: click.Context) -> click.UsageError:
    """The error for an unknown command; long options such as ``--version`` are suggested too."""
    candidates = (*commands, *_long_options(ctx))
    hint = _equivalent(name, _COMMANDS) or _suggestion(name, candidates)
    return click.UsageError(f"there is no command {name}{hint}", ctx)


#: What podman, skopeo and docker users type; a word that is None has no equivalent yet.
_COMMANDS: Mapping[str, str | None] = {
    "copy": None,
    "delete": None,
    "digest": None,
    "image": "the command after it, such as towline images",
    "list": "towline images",
    "list-tags": None,
    "load": "towline pull docker-archive:FILE or towline pull oci-archive:FILE",
    "login": "an auth file of podman or docker, or --creds",
    "logout": "podman logout",
    "ls": "towline images",
    "prune": "towline gc",
    "push": None,
    "remove": "towline rm",
    "rmi": "towline rm",
    "save": None,
    "search": None,
    "sync": None,
    "tag": None,
}
_OPTIONS: Mapping[str, str | None] = {
    "--all": None,
    "--all-platforms": None,
    "--all-tags": None,
    "--arch": "--platform OS/ARCH",
    "--debug": None,
    "--dest-creds": None,
    "--digestfile": None,
    "--insecure-policy": "--policy FILE, with a policy that accepts the image",
    "--log-level": None,
    "--os": "--platform OS/ARCH",
    "--override-arch": "--platform OS/ARCH",
    "--override-os": "--platform OS/ARCH",
    "--override-variant": "--platform OS/ARCH/VARIANT",
    "--registries.d": None,
    "--retry": None,
    "--retry-delay": None,
    "--retry-times": None,
    "--src-cert-dir": "--cert-dir",
    "--src-creds": "--creds",
    "--src-tls-verify": "--tls-verify",
    "--storage-driver": None,
    "--variant": "--platform OS/ARCH/VARIANT",
}


def _equivalent(name: str, known: Mapping[str, str | None]) -> str:
    """What to use instead of a word of another tool; empty for any other word."""
    if name not in known:
        return ""
    instead = known[name]
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
    hint = _equivalent(name, _OPTIONS) or _suggestion(name, _long_options(ctx))
    if not hint and isinstance(ctx.command, click.Group):  # podman accepts some options there
        hint = " here: put the options of a command after its name"
    return f"there is no option {name}{hint}"


def _long_options(ctx: click.Context) -> list[str]:
    options = [option for param in ctx.command.get_params(ctx) for option in param.opts]
    return [option for option in options if option.startswith("--")]


def _suggestion(name: str, candidates: Iterable[str]) -> str:
    from difflib import get_close_matches  # imported for a wrong name only

    close = get_close_matches(name, list(candidates), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _name(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name
