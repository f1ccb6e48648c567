"""Pull from a registry with a password and its own CA: python private_registry.py ROOT NAME CERTS.

CERTS is a directory with the certificate of the CA as ca.crt.  The user and the password are in the
variables REGISTRY_USER and REGISTRY_PASSWORD.
"""

from __future__ import annotations

import os
import sys

import towline


def main(root: str, name: str, certs: str) -> None:
    options = towline.Options(
        auth=(os.environ["REGISTRY_USER"], os.environ["REGISTRY_PASSWORD"]),
        cert_dir=certs,
        tls_verify=True,
    )
    print(options)  # the password is not shown
    runtime = towline.Runtime(towline.open_store(root), options)
    print(runtime.pull(name).image.digest)


if __name__ == "__main__":
    main(*sys.argv[1:])
