"""The commands ``images``, ``inspect``, ``verify``, ``rm`` and ``gc``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from towline.cli.flags import FORMAT, ROOT
from towline.cli.show import (
    print_error,
    print_json,
    print_lines,
    print_warning,
    printed_log,
    size_text,
)
from towline.errors import StoreError, TowlineError
from towline.go import json_depth
from towline.go.go_quote import quote
from towline.runtime.stores import open_store
from towline.store.layout.gc import Collected
from towline.store.layout.store import LayoutStore
from towline.store.layout.verify import Verification
from towline.wording.counting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from towline.store.protocol import Image

__all__ = ["gc", "images", "inspect", "remove", "verify"]

_ID_SHOWN = 12


def _existing(root: Path) -> LayoutStore | None:
    """The store; None and a warning if there is none, since --root may be wrong."""
    try:
        return open_store(root, create=False)
    except StoreError as error:
        if error.code != "store.missing":
            raise
        print_warning(str(error))
        return None


@click.command()
@click.option("-q", "--quiet", is_flag=True, help="Print the IDs only.")
@FORMAT
@ROOT
def images(quiet: bool, output: str, root: Path) -> int:
    """List the images in the store, the newest first."""
    store = _existing(root)
    stored = () if store is None else store.images()
    if quiet and output == "text":
        print_lines([image.id for image in stored])
        return 0
    rows = [_described_or_fault(each) for image in stored for each in image.by_manifest()]
    if output == "json":
        print_json([description for description, _ in rows])
    else:
        _print_table([description for description, _ in rows])
    sys.stdout.flush()
    faults = [fault for _, fault in rows if fault is not None]
    for fault in faults:
        print_error(str(fault))
    return 1 if faults else 0


def _described_or_fault(image: Image) -> tuple[dict[str, Any], TowlineError | None]:
    """The description of an image; only the data of its record if the manifest is unreadable."""
    try:
        return _described(image), None
    except TowlineError as fault:
        return _record_fields(image) | {"fault": fault.to_json()}, fault


def _print_table(described: Sequence[dict[str, Any]]) -> None:
    rows = [("NAME", "IMAGE ID", "DIGEST", "SIZE")]
    for image in described:
        layers = image.get("layers")
        size = "?" if layers is None else size_text(sum(max(one["size"], 0) for one in layers))
        digest = image["digest"].partition(":")[2]
        short = image["id"][:_ID_SHOWN], digest[:_ID_SHOWN]
        rows.extend((name, *short, size) for name in image["names"] or ("<none>",))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print_lines(
        [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    )


@click.command(short_help="Describe an image as JSON.")
@click.argument("name")
@ROOT
def inspect(name: str, root: Path) -> int:
    """Describe an image of the store as JSON: names, digests, layers and config.

    NAME is a name, an ID or the start of one, or a digest.
    """
    image = open_store(root, create=False).image(name)
    print_json(_described(image) | {"config": _config_json(image.raw_config)})
    return 0


def _config_json(data: bytes) -> Any:
    """The config as a JSON value; a config that is not valid JSON as a string."""
    try:
        return json_depth.loads(data or b"null", _refused)
    except ValueError:
        return data.decode("utf-8", "backslashreplace")


def _refused(constant: str) -> NoReturn:
    raise ValueError(constant)


def _record_fields(image: Image) -> dict[str, Any]:
    return {"id": image.id, "digest": str(image.digest), "names": list(image.names)}


def _described(image: Image) -> dict[str, Any]:
    return _record_fields(image) | {
        "media_type": image.manifest.media_type,
        "layers": [
            {"digest": layer.digest_text, "size": layer.size, "media_type": layer.media_type}
            for layer in image.layers
        ],
    }


@click.command(short_help="Verify the digests of stored blobs.")
@click.argument("name", required=False)
@FORMAT
@ROOT
def verify(name: str | None, output: str, root: Path) -> int:
    """Verify the digest of every stored blob of NAME, or of all images."""
    store = _existing(root) if name is None else open_store(root, create=False)
    if store is None and output == "text":  # the warning says so, and nothing was verified
        return 0
    report = Verification(0, 0, 0, 0, ()) if store is None else store.verify(name)
    if output == "json":
        print_json(
            {
                "images": report.images,
                "blobs": report.blobs,
                "bytes": report.bytes,
                "diff_ids": report.diff_ids,
                "faults": [fault.to_json() for fault in report.faults],
            }
        )
    else:
        for fault in report.faults:
            print_error(str(fault))
        if report.clean:
            checked = counted(report.images, "image"), counted(report.blobs, "blob")
            summary = ", ".join((*checked, size_text(report.bytes)))
            print_lines([f"{summary}: all digests are correct"])
    return 0 if report.clean else 1


@click.command("rm", short_help="Remove names, and images without names.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@ROOT
def remove(names: tuple[str, ...], root: Path) -> int:
    """Remove names from the store, and images that lose their last name.

    The blobs are deleted by "towline gc".
    """
    store = open_store(root, create=False)
    status = 0
    for name in names:
        try:
            with printed_log():
                removed = store.remove(name)
        except TowlineError as error:
            print_error(str(error))
            status = 1
            continue
        print_lines([f"untagged {untagged}" for untagged in removed.names])
        if removed.image:
            print_lines([f"removed {removed.id}"])
    return status


@click.command(short_help="Delete blobs that no image uses.")
@ROOT
def gc(root: Path) -> int:
    """Delete the blobs that no image uses, and partial blobs of interrupted pulls."""
    store = _existing(root)
    with printed_log():
        collected = Collected(0, 0, 0) if store is None else store.gc()
    for name in collected.names:
        print_warning(f"the image of the name {name} is unknown, so the name was removed")
    if collected.kept_blobs:
        kept = counted(collected.kept_blobs, "blob")
        print_warning(
            f"kept {kept} that towline did not store, since another tool may be copying an image"
        )
    for path in collected.damaged_indexes:
        print_warning(
            f"{quote(path)} is a damaged index.json, so its blobs are kept; remove the file to free"
            " them"
        )
    blobs = counted(collected.blobs, "blob")
    partials = counted(collected.partials, "partial blob")
    print_lines([f"removed {blobs} and {partials}, {size_text(collected.bytes)}"])
    for failure in collected.failures:
        print_error(str(failure))
    return 1 if collected.failures else 0
