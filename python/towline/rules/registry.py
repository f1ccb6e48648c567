"""The rules for the protocol of registries."""

from __future__ import annotations

from typing import Literal

from towline.frozen import frozen

__all__ = ["RegistryRules"]


@frozen
class RegistryRules:
    """The settings of one edition for the protocol of registries.

    Attributes:
        accept: the media types of the Accept header, in this order (REG-003).
        unnamed_blob: a config without a digest is an absent blob, or an invalid digest
            (MANIFEST-027).
        downgrade: follow a redirect from HTTPS to plain HTTP (REG-026).
        foreign_urls: try the URLs in a layer's descriptor before the registry, or after the
            registry does not have the layer (REG-028).
        parallel_ranges: fetch the rest of a large blob over several connections (REG-029).
        ping_v1: ping the v1 API of a registry that does not have the v2 API (REG-004).
        anonymous_retry: if credentials from an auth file or a helper are refused, send the request
            once without them (AUTH-016).
        reauthorize: after a 401 response, authenticate once more with its challenge or a new
            token (REG-014).
    """

    accept: tuple[str, ...]
    unnamed_blob: Literal["absent", "refuse"]
    downgrade: bool
    foreign_urls: Literal["first", "last"]
    parallel_ranges: bool
    ping_v1: bool
    anonymous_retry: bool
    reauthorize: bool
