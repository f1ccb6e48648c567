"""The two editions of the rules: named decisions, each read at the one place of its choice.

`Rules.CURRENT` is what users expect today; `Rules.LIBPOD_1_3` is podman v1.3.2, decision for
decision and text for text.  No code asks which edition it is in: it asks for a decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from towline.wording import CURRENT, LIBPOD_1_3, Wording

__all__ = ["Rules"]

_SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
_SCHEMA2_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
_OCI = "application/vnd.oci.image.manifest.v1+json"
_OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
_REQUIREMENTS = ("insecureAcceptAnything", "reject", "signedBy", "signedBaseLayer")
_IDENTITIES = (
    "matchExact",
    "matchRepoDigestOrExact",
    "matchRepository",
    "exactReference",
    "exactRepository",
)


@dataclass(frozen=True, slots=True)
class Rules:
    """One edition.

    Attributes:
        wording: the sentences of the edition.
        tag_and_digest: a registry name with both is refused, or the digest decides (TRANS-012).
        registries_conf: which keys of registries.conf have a meaning (CONF-001).
        registries_conf_variables: the environment variables that name another registries.conf, in
            order (CONF-011).
        registries_conf_home: root, too, has a registries.conf at home (CONF-011).
        mirrors: registries.conf can block a registry, move it and name its mirrors (CONF-040 to
            CONF-045).
        aliases: a short name may be an alias, and may have to be unambiguous (CONF-043, CONF-046).
        credentials_store: an auth file may name a helper for all hosts (AUTH-013).
        registries_cached: the file is read once in the life of the process (CONF-009).
        accept: the media types that a registry is asked for, in this order (REG-003).
        indexes: media types under which a list of instances is recognised (REG-005).
        typeless: what a manifest with an unknown media type is: read as schema 1, which then
            refuses it, or recognised by its content (REG-006).
        schema1: images of schema 1 are accepted, or refused as too old (MANIFEST-020).
        unnamed_blob: a config without a digest is one that the registry does not have, or refused
            for its digest (MANIFEST-027).
        archive_images: a docker-archive with several images gives the names of the first only,
            or every image with all its names (GOAL-011), and one of them can be chosen by name or
            number (GOAL-014, TRANS-023).
        archive_formats: the compressions in which an archive is recognised (ARCH-003).
        archive_members: a docker-archive's member is found by its very name, through one symbolic
            link at most, or by its path and through whatever links lead there (ARCH-007).
        layout_images: an image of an OCI layout is found by name among its OCI manifests, or among
            images of every kind, by containerd's annotation too, and a layout of one image for
            several platforms is that image (LAYOUT-006 to LAYOUT-008).
        layout_names: an ``oci:`` or ``tarball:`` source is named by the whole user string, or by
            its annotation and else by its path (GOAL-020).
        label_context: the label check sees only the auth file, or all that the call was given
            (LABEL-003).
        label_failure: a failed label check ends the whole call, or counts like a failed pair
            (LABEL-004).
        single_pull_event: the name in the event of a goal that pulled one pair (EVENT-002).
        missing_policy: no policy.json anywhere is an error, or the built-in policy accepts
            (POLICY-003).
        policy_home: the user's own policy.json is looked for as well (POLICY-002).
        variants: processor variants count in the choice from a list (PLAT-003).
        policy_requirements: the requirements that policy.json may have (POLICY-021).
        policy_identities: the kinds of a ``signedIdentity`` in it (POLICY-030).
        policy_key_paths: ``signedBy`` may name several key files, and none may be empty
            (POLICY-021).
        authfile: an auth file that was given is read before the usual ones, or is the only one,
            and then must exist (AUTH-001).
        auth_keys: the keys of auth files name hosts, or namespaces and repositories as well
            (AUTH-003).
        certs_home: the user's own certs.d is looked for as well (TLS-001).
        scope_wildcards: policy scopes such as ``*.example.com`` match (POLICY-012).
        foreign_os: an image for Windows is refused on other systems (PULL-016).
        list_by_digest: a list pulled by its own digest is accepted (PULL-015).
        layers_must_apply: a layer that is no tar refuses the image (STORE-011).
        layers_after_failure: layers are still fetched when one has failed (PULL-018).
        transport_error: what a transport said of text that is no name either is lost, or told
            (GOAL-002).
        retries: how often a request that failed in a passing way is repeated (REG-020).
        known_documents: manifests, lists and configs that are here are not fetched again, and a
            registry is asked whether a name has moved before it is asked for the manifest
            (REG-052).
        blob_size: a blob is as long as the registry's answer says, or as the manifest says, and
            an answer that differs is refused (REG-027).
        document_limit: bytes of the longest manifest or config that is read (REG-007).
        downgrade: a redirect from HTTPS to plain HTTP is followed (REG-026).
        foreign_urls: the addresses in a layer's descriptor are tried before the registry, or
            after it does not have the layer (REG-028).
        parallel_ranges: the rest of a large blob may come over several connections (REG-029).
        ping_v1: a registry that does not answer as v2 is asked whether it is of v1 (REG-004).
        reauthorize: a refusal may ask for other authentication than the ping, or for a new token,
            once (REG-014).
    """

    edition: str
    wording: Wording
    tag_and_digest: Literal["refuse", "digest"]
    registries_conf: Literal["libpod-1.3", "current"]
    registries_conf_variables: tuple[str, ...]
    registries_conf_home: bool
    mirrors: bool
    aliases: bool
    credentials_store: bool
    registries_cached: bool
    accept: tuple[str, ...]
    indexes: tuple[str, ...]
    typeless: Literal["schema1", "recognise"]
    schema1: Literal["accept", "refuse"]
    unnamed_blob: Literal["absent", "refuse"]
    archive_images: Literal["first", "all"]
    archive_formats: tuple[str, ...]
    archive_members: Literal["literal", "resolved"]
    layout_images: Literal["oci", "any"]
    layout_names: Literal["whole-string", "annotation"]
    label_context: Literal["auth-file", "call"]
    label_failure: Literal["ends", "counts"]
    single_pull_event: Literal["empty", "image"]
    missing_policy: Literal["refuse", "accept"]
    policy_home: bool
    variants: bool
    policy_requirements: tuple[str, ...]
    policy_identities: tuple[str, ...]
    policy_key_paths: bool
    authfile: Literal["first", "only"]
    auth_keys: Literal["host", "namespaces"]
    certs_home: bool
    scope_wildcards: bool
    foreign_os: Literal["refuse-windows", "accept"]
    list_by_digest: bool
    layers_must_apply: bool
    layers_after_failure: bool
    transport_error: Literal["lost", "told"]
    retries: int
    known_documents: bool
    blob_size: Literal["answer", "manifest"]
    document_limit: int
    downgrade: bool
    foreign_urls: Literal["first", "last"]
    parallel_ranges: bool
    ping_v1: bool
    reauthorize: bool

    CURRENT: ClassVar[Rules]
    LIBPOD_1_3: ClassVar[Rules]

    @staticmethod
    def named(edition: str) -> Rules:
        """The edition of that name; KeyError where there is none."""
        return {rules.edition: rules for rules in (Rules.CURRENT, Rules.LIBPOD_1_3)}[edition]


Rules.CURRENT = Rules(
    edition="current",
    wording=CURRENT,
    tag_and_digest="digest",
    registries_conf="current",
    registries_conf_variables=("CONTAINERS_REGISTRIES_CONF", "REGISTRIES_CONFIG_PATH"),
    registries_conf_home=True,
    mirrors=True,
    aliases=True,
    credentials_store=True,
    registries_cached=False,
    accept=(_OCI_INDEX, _OCI, _SCHEMA2_LIST, _SCHEMA2),
    indexes=(_OCI_INDEX, _SCHEMA2_LIST),
    typeless="recognise",
    schema1="refuse",
    unnamed_blob="refuse",
    archive_images="all",
    archive_formats=("gzip", "bzip2", "xz", "zstd"),
    archive_members="resolved",
    layout_images="any",
    layout_names="annotation",
    label_context="call",
    label_failure="counts",
    single_pull_event="image",
    missing_policy="accept",
    policy_home=True,
    variants=True,
    policy_requirements=(*_REQUIREMENTS, "sigstoreSigned"),
    policy_identities=(*_IDENTITIES, "remapIdentity"),
    policy_key_paths=True,
    authfile="only",
    auth_keys="namespaces",
    certs_home=True,
    scope_wildcards=True,
    foreign_os="accept",
    list_by_digest=True,
    layers_must_apply=False,
    layers_after_failure=False,
    transport_error="told",
    retries=3,
    known_documents=True,
    blob_size="manifest",
    document_limit=4 << 20,
    downgrade=False,
    foreign_urls="last",
    parallel_ranges=True,
    ping_v1=False,
    reauthorize=True,
)

Rules.LIBPOD_1_3 = Rules(
    edition="libpod-1.3",
    wording=LIBPOD_1_3,
    tag_and_digest="refuse",
    registries_conf="libpod-1.3",
    registries_conf_variables=("REGISTRIES_CONFIG_PATH",),
    registries_conf_home=False,
    mirrors=False,
    aliases=False,
    credentials_store=False,
    registries_cached=True,
    accept=(_OCI, _SCHEMA2, _SCHEMA1_SIGNED, _SCHEMA1, _SCHEMA2_LIST),
    indexes=(_SCHEMA2_LIST,),
    typeless="schema1",
    schema1="accept",
    unnamed_blob="absent",
    archive_images="first",
    archive_formats=("gzip", "bzip2", "xz"),
    archive_members="literal",
    layout_images="oci",
    layout_names="whole-string",
    label_context="auth-file",
    label_failure="ends",
    single_pull_event="empty",
    missing_policy="refuse",
    policy_home=False,
    variants=False,
    policy_requirements=_REQUIREMENTS,
    policy_identities=_IDENTITIES,
    policy_key_paths=False,
    authfile="first",
    auth_keys="host",
    certs_home=False,
    scope_wildcards=False,
    foreign_os="refuse-windows",
    list_by_digest=False,
    layers_must_apply=True,
    layers_after_failure=True,
    transport_error="lost",
    retries=0,
    known_documents=False,
    blob_size="answer",
    document_limit=16 << 20,
    downgrade=True,
    foreign_urls="first",
    parallel_ranges=False,
    ping_v1=True,
    reauthorize=False,
)
