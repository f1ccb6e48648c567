"""Print the layers of an image: python list_layers.py NAME ROOT."""

from __future__ import annotations

import sys

import towline


def main(name: str, root: str) -> None:
    image = towline.pull(name, root).image
    print(f"{', '.join(image.names)} for {image.platform}, created {image.created}")
    for layer in image.layers:
        print(f"{layer.digest} {layer.size} bytes")
    print(f"labels: {dict(image.labels)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
