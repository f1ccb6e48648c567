"""Pull container images as libpod does, without a daemon; every digest is checked.

>>> import towline
>>> result = towline.pull("docker.io/library/alpine", root="images")  # doctest: +SKIP
>>> image = towline.open_store("images").image(result.images[0])      # doctest: +SKIP
"""

from __future__ import annotations

from towline.api import open_store, pull, resolve
from towline.cancel import CancelToken
from towline.errors import TowlineError
from towline.events import Event
from towline.goal import PullGoal, PullRefPair
from towline.image.platform import Platform
from towline.progress import BlobProgress
from towline.registry.credentials import Credentials
from towline.registry.endpoint_log import EndpointUse, RateLimit
from towline.rules import Rules
from towline.runtime.options import Options
from towline.runtime.results import Attempt, PullResult
from towline.runtime.runtime import Runtime
from towline.store.protocol import Image, ImageStore

__all__ = [
    "Attempt",
    "BlobProgress",
    "CancelToken",
    "Credentials",
    "EndpointUse",
    "Event",
    "Image",
    "ImageStore",
    "Options",
    "Platform",
    "PullGoal",
    "PullRefPair",
    "PullResult",
    "RateLimit",
    "Rules",
    "Runtime",
    "TowlineError",
    "open_store",
    "pull",
    "resolve",
]
