"""The rules for names and goals."""

from __future__ import annotations

from typing import Literal

from towline.frozen import frozen

__all__ = ["NameRules"]


@frozen
class NameRules:
    """The settings of one edition for names and goals.

    Attributes:
        tag_and_digest: refuse a registry name with both, or use the digest (TRANS-012).
        address_hosts: a registry may be an IPv6 address in brackets (NAME-007).
        transport_error: for text that is not a valid name either, report the error of the name
            ("lost") or of the transport ("reported") (GOAL-002).
        aliases: a short name may be an alias, and may have to be unambiguous (CONF-043, CONF-046).
        layout_numbers: ``@N`` selects an image of a layout or an oci-archive by its number
            (TRANS-036).
        layout_names: name an ``oci:`` or ``tarball:`` source by the whole user string, or by its
            annotation or else its path, with a single word as the tag (GOAL-020).
        scope_wildcards: policy scopes such as ``*.example.com`` match (POLICY-012).
        archive_images: pull the first image of a docker-archive by all its names, or every image
            by all its names (GOAL-011); in the latter case one image can be selected by name or
            number (GOAL-014, TRANS-023).
    """

    tag_and_digest: Literal["refuse", "digest"]
    address_hosts: bool
    transport_error: Literal["lost", "reported"]
    aliases: bool
    layout_names: Literal["whole-string", "annotation"]
    layout_numbers: bool
    scope_wildcards: bool
    archive_images: Literal["first", "all"]
