"""The rules for archives and layouts."""

from __future__ import annotations

from typing import Literal

from towline.frozen import frozen

__all__ = ["ArchiveRules"]


@frozen
class ArchiveRules:
    """The settings of one edition for archives and layouts.

    Attributes:
        archive_formats: the compressions that are recognised in an archive (ARCH-003).
        archive_members: find a member of a docker-archive by its literal name and at most one
            symbolic link, or by its resolved path (ARCH-007).
        layout_images: find an image of an OCI layout by name among its OCI manifests, or among
            images of every kind and by containerd's annotation too; a layout with one image for
            several platforms is then that image (LAYOUT-006 to LAYOUT-008).
        ignored_names: the texts in RepoTags that are no names (ARCH-025).
        several_images: refuse a docker-archive that does not have exactly one image, or select one
            (ARCH-012).
    """

    archive_formats: tuple[str, ...]
    archive_members: Literal["literal", "resolved"]
    layout_images: Literal["oci", "any"]
    ignored_names: tuple[str, ...]
    several_images: Literal["refuse", "select"]
