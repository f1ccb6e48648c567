"""Use a store as a collection: python store.py ROOT NAME."""

from __future__ import annotations

import sys

import towline


def main(root: str, name: str) -> None:
    with towline.open_store(root) as store:
        if name not in store:
            towline.Runtime(store).pull(name)
        print(f"{len(store)} images")
        for image in store:
            print(f"{image.id[:12]} {image.digest} {', '.join(image.names) or '<none>'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
