"""The commands ``pull`` and ``resolve``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

import towline
from towline.cli.flags import FORMAT, QUIET, ROOT, with_deciding_options, with_options
from towline.cli.progress_view import progress_view
from towline.cli.show import print_error, print_json, print_lines, print_warning
from towline.errors import TowlineError
from towline.runtime.stores import existing_store

if TYPE_CHECKING:
    from pathlib import Path

    from towline.runtime.options import Options
    from towline.runtime.results import PullResult

__all__ = ["pull", "resolve"]


@click.command(short_help="Pull images into the store.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--label", metavar="KEY", help="Refuse images without this label.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "plain", "json", "none"]),
    default="auto",
    help="Format of the progress on stderr.",
)
@QUIET
@FORMAT
@ROOT
@with_options
def pull(
    names: tuple[str, ...],
    label: str | None,
    progress: str,
    quiet: bool,
    output: str,
    root: Path,
    options: Options,
) -> int:
    """Pull images into the store, and print the names of the pulled images.

    A NAME is a short name (alpine), a full one (docker.io/library/alpine:3.20), or a source with
    its transport (docker-archive:image.tar, oci:layout, dir:path, docker://host/name).
    """
    status = 0
    results: list[PullResult] = []
    with progress_view("none" if quiet else progress) as view:
        runtime = towline.Runtime(towline.open_store(root), options)
        for name in names:
            try:
                result = runtime.pull(name, label, view.writer, on_progress=view.report)
            except TowlineError as error:
                view.prepare_output()
                if error.code == "cancelled.by_caller":
                    raise
                print_error(str(error))
                status = 1
                continue
            view.prepare_output()
            results.append(result)
            if output == "text":
                _print_pulled(result)
    if output == "json":
        print_json([result.to_json() for result in results])
    return status


def _print_pulled(result: PullResult) -> None:
    print_lines(result.images)
    sys.stdout.flush()
    for attempt in result.attempts:
        if attempt.error is not None:
            print_warning(f"{attempt.image} was not pulled: {attempt.error}")
            continue
        for use in attempt.endpoints:
            for error in use.errors:
                print_warning(f"{use.location} failed: {error}")
    if result.policy == "built-in":
        print_warning("no policy.json was found, so no signature was required")


@click.command(short_help="Show what a pull would try, and why.")
@click.argument("name")
@click.option("--explain-auth", is_flag=True, help="Show where credentials are looked up instead.")
@FORMAT
@ROOT
@with_deciding_options
def resolve(name: str, explain_auth: bool, output: str, root: Path, options: Options) -> int:
    """Print what a pull of NAME would try, in order, and which files decide it.

    No request is sent, and no store is created.  With --explain-auth, credential helpers are run.
    """
    from towline.cli.explanations import goal_lines

    runtime = towline.Runtime(existing_store(root), options)
    if explain_auth:
        return _explain_auth(runtime, name, output)
    explained = runtime.explain(name)
    if output == "json":
        print_json(explained.to_json())
    else:
        print_lines(goal_lines(name, explained))
    return 0


def _explain_auth(runtime: towline.Runtime, name: str, output: str) -> int:
    from towline.cli.explanations import auth_lines

    looks = runtime.explain_auth(name)
    if output == "json":
        print_json(
            [
                {"location": location, "looks": [look.to_json() for look in found]}
                for location, found in looks
            ]
        )
    elif looks:
        print_lines([line for location, found in looks for line in auth_lines(location, found)])
    else:
        print_lines(["no registry is used, so no credentials are looked up"])
    return 0
