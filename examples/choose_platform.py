"""Pull one platform of a multi-platform image: python choose_platform.py ROOT NAME PLATFORM."""

from __future__ import annotations

import sys

import towline


def main(root: str, name: str, platform: str) -> int:
    try:
        image = towline.pull(name, root, platform=platform).image
    except towline.PlatformMismatchError as error:
        print(error)
        return 1
    print(f"{image.platform}: {image.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
