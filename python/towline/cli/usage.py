"""Wrong usage in one sentence, in the voice of all other errors, with the way to the help."""

from __future__ import annotations

from collections.abc import Iterable

import click

__all__ = ["no_such_command", "usage_told"]


def usage_told(error: click.UsageError) -> str:
    """What is wrong with the command line, and which ``--help`` says how it is right."""
    told = _told(error).replace("\n", "\\n").rstrip(".")
    command = "towline" if error.ctx is None else error.ctx.command_path
    return f'{told}; see "{command} --help"'


def no_such_command(name: str, commands: Iterable[str], ctx: click.Context) -> click.UsageError:
    """The error of a command that does not exist; some look for ``version`` or ``help``."""
    known = (*commands, *_long_options(ctx))
    return click.UsageError(f"there is no command {name}{_meant(name, known)}", ctx)


def _told(error: click.UsageError) -> str:
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
    meant = _meant(name, _long_options(ctx))
    if not meant and isinstance(ctx.command, click.Group):  # podman takes some of them there
        meant = " here: what is for a command stands behind its name"
    return f"there is no option {name}{meant}"


def _long_options(ctx: click.Context) -> list[str]:
    options = [option for param in ctx.command.get_params(ctx) for option in param.opts]
    return [option for option in options if option.startswith("--")]


def _meant(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only for who mistyped

    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _name(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name
