"""The two editions of the rules, as named settings.

`Rules.CURRENT` follows the present tools; `Rules.LIBPOD_1_3` reproduces podman v1.3.2, messages
included.  Code never compares editions; it reads a single setting.
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
    """The settings of one edition.

    Attributes:
        wording: the messages of the edition.
        tag_and_digest: refuse a registry name with both, or use the digest (TRANS-012).
        registries_conf: the version of registries.conf whose keys are read (CONF-001).
        registries_conf_variables: the environment variables that name another registries.conf, in
            order (CONF-011).
        registries_conf_home: read registries.conf in the home directory of root too (CONF-011).
        mirrors: registries.conf can block a registry, relocate it and list mirrors (CONF-040 to
            CONF-045).
        aliases: a short name may be an alias, and may have to be unambiguous (CONF-043, CONF-046).
        credentials_store: an auth file may name one helper for all hosts (AUTH-013).
        registries_cached: registries.conf is read once per process (CONF-009).
        accept: the media types of the Accept header, in this order (REG-003).
        indexes: the media types that are treated as a manifest list or index (REG-005).
        typeless: parse a manifest of unknown media type as schema 1, which then refuses it, or
            recognise it by its content (REG-006).
        schema1: accept images of schema 1, or refuse them (MANIFEST-020).
        unnamed_blob: a config without a digest is an absent blob, or an invalid digest
            (MANIFEST-027).
        archive_images: pull the first image of a docker-archive by all its names, or every image
            by all its names (GOAL-011); in the latter case one image can be selected by name or
            number (GOAL-014, TRANS-023).
        archive_formats: the compressions that are recognised in an archive (ARCH-003).
        archive_members: find a member of a docker-archive by its literal name and at most one
            symbolic link, or by its resolved path (ARCH-007).
        layout_images: find an image of an OCI layout by name among its OCI manifests, or among
            images of every kind and by containerd's annotation too; a layout with one image for
            several platforms is then that image (LAYOUT-006 to LAYOUT-008).
        layout_names: name an ``oci:`` or ``tarball:`` source by the whole user string, or by its
            annotation or else its path (GOAL-020).
        label_context: the label check uses the auth file only, or all options of the call
            (LABEL-003).
        label_failure: a failed label check ends the call, or counts as a failed pair (LABEL-004).
        single_pull_event: the name in the event of a goal that pulled one pair (EVENT-002).
        missing_policy: without a policy.json, refuse, or use the built-in policy, which accepts
            (POLICY-003).
        policy_home: read policy.json in the home directory too (POLICY-002).
        variants: select an instance of a list by processor variant too (PLAT-003).
        policy_requirements: the requirement types that policy.json may have (POLICY-021).
        policy_identities: the types of ``signedIdentity`` that it may have (POLICY-030).
        policy_key_paths: ``signedBy`` may list several key files, and none may be empty
            (POLICY-021).
        authfile: read a given auth file before the default ones, or as the only one, which must
            exist (AUTH-001).
        auth_keys: the keys of auth files are hosts, or also namespaces and repositories
            (AUTH-003).
        certs_home: read certs.d in the home directory too (TLS-001).
        scope_wildcards: policy scopes such as ``*.example.com`` match (POLICY-012).
        foreign_os: refuse an image for Windows on other systems, or accept it (PULL-016).
        list_by_digest: accept a list that was pulled by its own digest (PULL-015).
        layers_must_apply: refuse an image with a layer that is not a tar (STORE-011).
        layers_after_failure: fetch the other layers after one has failed (PULL-018).
        transport_error: for text that is not a valid name either, report the error of the name
            ("lost") or of the transport ("reported") (GOAL-002).
        retries: how often a request is repeated after a transient failure (REG-020).
        known_documents: do not fetch manifests, lists and configs that are in the store, and send
            a HEAD request before the GET request for a manifest (REG-052).
        blob_size: the size of a blob is that of the registry's response, or that of the manifest;
            in the latter case a response with another size is refused (REG-027).
        document_limit: maximum size of a manifest or config, in bytes (REG-007).
        downgrade: follow a redirect from HTTPS to plain HTTP (REG-026).
        foreign_urls: try the URLs in a layer's descriptor before the registry, or after the
            registry does not have the layer (REG-028).
        parallel_ranges: fetch the rest of a large blob over several connections (REG-029).
        ping_v1: ping the v1 API of a registry that does not have the v2 API (REG-004).
        reauthorize: after a 401 response, authenticate once more with its challenge or a new
            token (REG-014).
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
    transport_error: Literal["lost", "reported"]
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
        """Return the edition with this name; KeyError if there is none."""
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
    transport_error="reported",
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
