"""The two editions of the rules.

`Rules.CURRENT` follows the present tools; `Rules.LIBPOD_1_3` reproduces podman v1.3.2, messages
included.  Code never compares editions; it reads a single setting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from towline.frozen import frozen
from towline.rules.archives import ArchiveRules
from towline.rules.config import ConfigRules
from towline.rules.copying import CopyingRules
from towline.rules.limits import TransferLimits
from towline.rules.media_types import (
    DOCKER_LIST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    DOCKER_SCHEMA2,
    OCI_INDEX,
    OCI_MANIFEST,
)
from towline.rules.names import NameRules
from towline.rules.registry import RegistryRules
from towline.rules.trust import TrustRules
from towline.wording import CURRENT, LIBPOD_1_3, Wording

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Rules"]

_REQUIREMENTS = ("insecureAcceptAnything", "reject", "signedBy", "signedBaseLayer")
_IDENTITIES = (
    "matchExact",
    "matchRepoDigestOrExact",
    "matchRepository",
    "exactReference",
    "exactRepository",
)


@frozen
class Rules:
    """The settings of one edition, in one slice for each part of towline.

    Attributes:
        edition: the name of the edition.
        wording: the messages of the edition.
        names: read by ``transport`` and ``goal``.
        config: read by ``config``.
        trust: read by ``trust``.
        registry: read by ``registry``, and by the modules of ``source`` for registries.
        archives: read by the other modules of ``source``.
        copying: read by ``copying`` and ``runtime``.
        limits: read by any package.
    """

    edition: str
    wording: Wording
    names: NameRules
    config: ConfigRules
    trust: TrustRules
    registry: RegistryRules
    archives: ArchiveRules
    copying: CopyingRules
    limits: TransferLimits

    CURRENT: ClassVar[Rules]
    LIBPOD_1_3: ClassVar[Rules]

    @staticmethod
    def named(edition: str) -> Rules:
        """Return the edition with this name; KeyError if there is none."""
        return {rules.edition: rules for rules in (Rules.CURRENT, Rules.LIBPOD_1_3)}[edition]

    def __repr__(self) -> str:
        """``Rules.named(...)``, and what differs from that edition."""
        base = Rules.LIBPOD_1_3 if self.edition == Rules.LIBPOD_1_3.edition else Rules.CURRENT
        changes = "".join(
            f", {name}={getattr(self, name)!r}"
            for name in self.__match_args__
            if getattr(self, name) != getattr(base, name)
        )
        named = f"Rules.named({base.edition!r})"
        return f"replace({named}{changes})" if changes else named

    def __reduce__(self) -> tuple[Callable[..., Rules], tuple[Any, ...]]:
        """Pickle an edition as its name, so that it stays one object; others by value."""
        if self is Rules.CURRENT or self is Rules.LIBPOD_1_3:
            return Rules.named, (self.edition,)
        return Rules, tuple(getattr(self, name) for name in self.__match_args__)


Rules.CURRENT = Rules(
    edition="current",
    wording=CURRENT,
    names=NameRules(
        tag_and_digest="digest",
        address_hosts=True,
        transport_error="reported",
        aliases=True,
        layout_names="annotation",
        layout_numbers=True,
        scope_wildcards=True,
        archive_images="all",
    ),
    config=ConfigRules(
        registries_conf="current",
        registries_conf_variables=("CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"),
        registries_conf_home=True,
        mirrors=True,
        broken_auth="warn",
        plain_passwords=True,
        credentials_store=True,
        registries_cached=False,
        missing_policy="accept",
        policy_home=True,
        authfile="only",
        auth_keys="namespaces",
        certificates="usable",
        certs_home=True,
    ),
    trust=TrustRules(
        policy_requirements=(*_REQUIREMENTS, "sigstoreSigned"),
        policy_identities=(*_IDENTITIES, "remapIdentity"),
        policy_key_paths=True,
    ),
    registry=RegistryRules(
        accept=(OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_SCHEMA2),
        unnamed_blob="refuse",
        downgrade=False,
        foreign_urls="last",
        parallel_ranges=True,
        ping_v1=False,
        anonymous_retry=True,
        reauthorize=True,
    ),
    archives=ArchiveRules(
        archive_formats=("gzip", "bzip2", "xz", "zstd"),
        archive_members="resolved",
        layout_images="any",
        ignored_names=("", "<none>", "<none>:<none>"),
        several_images="select",
    ),
    copying=CopyingRules(
        typeless="recognise",
        indexes=(OCI_INDEX, DOCKER_LIST),
        schema1="refuse",
        variants=True,
        foreign_platform="compare",
        list_by_digest=True,
        artifacts="keep",
        listed_size="advice",
        layers_must_apply=False,
        layers_after_failure=False,
        known_documents=True,
        label_context="call",
        label_failure="counts",
        single_pull_event="image",
    ),
    limits=TransferLimits(
        retries=3,
        document_size=4 << 20,
    ),
)

Rules.LIBPOD_1_3 = Rules(
    edition="libpod-1.3",
    wording=LIBPOD_1_3,
    names=NameRules(
        tag_and_digest="refuse",
        address_hosts=False,
        transport_error="lost",
        aliases=False,
        layout_names="whole-string",
        layout_numbers=False,
        scope_wildcards=False,
        archive_images="first",
    ),
    config=ConfigRules(
        registries_conf="libpod-1.3",
        registries_conf_variables=("REGISTRIES_CONFIG_PATH",),
        registries_conf_home=False,
        mirrors=False,
        broken_auth="refuse",
        plain_passwords=False,
        credentials_store=False,
        registries_cached=True,
        missing_policy="refuse",
        policy_home=False,
        authfile="first",
        auth_keys="host",
        certificates="all",
        certs_home=False,
    ),
    trust=TrustRules(
        policy_requirements=_REQUIREMENTS,
        policy_identities=_IDENTITIES,
        policy_key_paths=False,
    ),
    registry=RegistryRules(
        accept=(OCI_MANIFEST, DOCKER_SCHEMA2, DOCKER_SCHEMA1_SIGNED, DOCKER_SCHEMA1, DOCKER_LIST),
        unnamed_blob="absent",
        downgrade=True,
        foreign_urls="first",
        parallel_ranges=False,
        ping_v1=True,
        anonymous_retry=False,
        reauthorize=False,
    ),
    archives=ArchiveRules(
        archive_formats=("gzip", "bzip2", "xz"),
        archive_members="literal",
        layout_images="oci",
        ignored_names=(),
        several_images="refuse",
    ),
    copying=CopyingRules(
        typeless="schema1",
        indexes=(DOCKER_LIST,),
        schema1="accept",
        variants=False,
        foreign_platform="refuse-windows",
        list_by_digest=False,
        artifacts="refuse",
        listed_size="exact",
        layers_must_apply=True,
        layers_after_failure=True,
        known_documents=False,
        label_context="auth-file",
        label_failure="ends",
        single_pull_event="empty",
    ),
    limits=TransferLimits(
        retries=0,
        document_size=16 << 20,
    ),
)
