"""Pull an image only if it has a label: python label_check.py ROOT NAME LABEL."""

from __future__ import annotations

import sys

import towline


def main(root: str, name: str, label: str) -> int:
    try:
        result = towline.pull(name, root, label=label)
    except towline.LabelMissingError as error:
        print(error)
        return 1
    print(f"{result.images[0]} has {label}={result.image.labels[label]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
