"""Pull container images as libpod does, without a daemon; every digest is checked.

    >>> import towline
    >>> result = towline.pull("docker.io/library/alpine", root="images")  # doctest: +SKIP
    >>> result.image.labels                                                # doctest: +SKIP

Where to begin:

    pull, pull_async    pull an image into a store, and return what was pulled
    resolve             the pairs that a pull would try, without a request
    open_store          a store: iterate over it, or ask it for an image by its name
    Runtime, Options    several pulls into one store, under the same options
    replace             a copy of a value, such as Options, with some changes
    TowlineError        the base class of all errors; its help shows the hierarchy

Everything public is a name of this module; its submodules are not public.  A name is imported when
it is first used, so that ``import towline`` is fast.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_MODULES = {
    "api": ("pull", "pull_async", "resolve"),
    "cancel": ("CancelToken",),
    "config.credentials": ("AuthLookup",),
    "config.endpoints": ("Endpoint",),
    "config.locations": ("Locations",),
    "core.byte_writer": ("ByteWriter",),
    "core.failure": ("CoreError",),
    "errors": (
        "ConfigurationError",
        "InvalidNameError",
        "LabelMissingError",
        "LimitExceededError",
        "NotFoundError",
        "PathError",
        "PlatformMismatchError",
        "PolicyError",
        "PullCancelledError",
        "PullFailedError",
        "RateLimitedError",
        "RegistryError",
        "SourceError",
        "Step",
        "StoreError",
        "TowlineError",
        "UnauthorizedError",
        "UnsupportedError",
        "VerificationError",
    ),
    "events": ("Event",),
    "frozen": ("replace",),
    "goal": ("How", "PullGoal", "PullRefPair"),
    "image.config": ("ImageConfig",),
    "image.descriptor": ("Descriptor",),
    "image.manifest": ("RawManifest",),
    "image.platform": ("Platform",),
    "name.digest": ("Digest",),
    "name.reference": ("Reference",),
    "progress": ("BlobProgress", "TextWriter"),
    "registry.credentials": ("Credentials",),
    "registry.endpoint_log": ("EndpointUse", "RateLimit"),
    "rules.archives": ("ArchiveRules",),
    "rules.config": ("ConfigRules",),
    "rules.copying": ("CopyingRules",),
    "rules.editions": ("Rules",),
    "rules.limits": ("TransferLimits",),
    "rules.names": ("NameRules",),
    "rules.registry": ("RegistryRules",),
    "rules.trust": ("TrustRules",),
    "runtime.explain": ("Candidate", "Explanation"),
    "runtime.options": ("Auth", "Options", "StrPath"),
    "runtime.results": ("Attempt", "PullResult"),
    "runtime.runtime": ("Runtime",),
    "runtime.stores": ("default_root", "open_store"),
    "source.protocol": (
        "Alternatives",
        "Announcement",
        "Announcing",
        "ListsImages",
        "NamesImage",
        "OpenBlob",
        "Source",
    ),
    "store.layout.gc": ("Collected",),
    "store.layout.image": ("StoredImage",),
    "store.layout.locks": ("Holder",),
    "store.layout.store": ("Durability", "LayoutStore", "Removed"),
    "store.layout.verify": ("Verification",),
    "store.protocol": (
        "BlobSink",
        "Destination",
        "Image",
        "ImagePlan",
        "ImageStore",
        "Ingest",
        "LayerPlan",
        "LayerReader",
        "StoredBlob",
    ),
    "timeouts": ("Timeouts",),
    "transport.containers_storage": ("StoreReference",),
    "transport.facts": ("ArchiveImage", "ConfigEntry", "StoreIdentity"),
    "transport.reference": ("ImageReference", "image_name"),
    "wording": ("Wording",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(["__version__", *_MODULE_OF])  # noqa: PLE0605 - __init__.pyi lists them


def __getattr__(name):
    """Import a public name when it is first used."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    """Return the public names."""
    return __all__
