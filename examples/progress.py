"""Print the progress of a pull: python progress.py NAME ROOT."""

from __future__ import annotations

import sys

import towline


def show(blob: towline.BlobProgress) -> None:
    print(f"{blob.digest[:19]} {blob.state} {blob.held}/{blob.total}")


def main(name: str, root: str) -> None:
    result = towline.pull(name, root, on_progress=show)
    print(f"pulled {result.images[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
