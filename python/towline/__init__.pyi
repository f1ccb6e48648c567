"""The types of the public names, which `__init__.py` imports when they are first used."""

from towline.api import pull, pull_async, resolve
from towline.cancel import CancelToken
from towline.config.credentials import AuthLookup
from towline.config.endpoints import Endpoint
from towline.config.locations import Locations
from towline.core.byte_writer import ByteWriter
from towline.core.failure import CoreError
from towline.errors import (
    ConfigurationError,
    InvalidNameError,
    LabelMissingError,
    LimitExceededError,
    NotFoundError,
    PathError,
    PlatformMismatchError,
    PolicyError,
    PullCancelledError,
    PullFailedError,
    RateLimitedError,
    RegistryError,
    SourceError,
    Step,
    StoreError,
    TowlineError,
    UnauthorizedError,
    UnsupportedError,
    VerificationError,
)
from towline.events import Event
from towline.frozen import replace
from towline.goal import How, PullGoal, PullRefPair
from towline.image.config import ImageConfig
from towline.image.descriptor import Descriptor
from towline.image.manifest import RawManifest
from towline.image.platform import Platform
from towline.name.digest import Digest
from towline.name.reference import Reference
from towline.progress import BlobProgress, TextWriter
from towline.registry.credentials import Credentials
from towline.registry.endpoint_log import EndpointUse, RateLimit
from towline.rules.archives import ArchiveRules
from towline.rules.config import ConfigRules
from towline.rules.copying import CopyingRules
from towline.rules.editions import Rules
from towline.rules.limits import TransferLimits
from towline.rules.names import NameRules
from towline.rules.registry import RegistryRules
from towline.rules.trust import TrustRules
from towline.runtime.explain import Candidate, Explanation
from towline.runtime.options import Auth, Options, StrPath
from towline.runtime.results import Attempt, PullResult
from towline.runtime.runtime import Runtime
from towline.runtime.stores import default_root, open_store
from towline.source.protocol import (
    Alternatives,
    Announcement,
    Announcing,
    ListsImages,
    NamesImage,
    OpenBlob,
    Source,
)
from towline.store.layout.gc import Collected
from towline.store.layout.image import StoredImage
from towline.store.layout.locks import Holder
from towline.store.layout.store import Durability, LayoutStore, Removed
from towline.store.layout.verify import Verification
from towline.store.protocol import (
    BlobSink,
    Destination,
    Image,
    ImagePlan,
    ImageStore,
    Ingest,
    LayerPlan,
    LayerReader,
    StoredBlob,
)
from towline.timeouts import Timeouts
from towline.transport.containers_storage import StoreReference
from towline.transport.facts import ArchiveImage, ConfigEntry, StoreIdentity
from towline.transport.reference import ImageReference, image_name
from towline.wording import Wording

__all__ = [
    "Alternatives",
    "Announcement",
    "Announcing",
    "ArchiveImage",
    "ArchiveRules",
    "Attempt",
    "Auth",
    "AuthLookup",
    "BlobProgress",
    "BlobSink",
    "ByteWriter",
    "CancelToken",
    "Candidate",
    "Collected",
    "ConfigEntry",
    "ConfigRules",
    "ConfigurationError",
    "CopyingRules",
    "CoreError",
    "Credentials",
    "Descriptor",
    "Destination",
    "Digest",
    "Durability",
    "Endpoint",
    "EndpointUse",
    "Event",
    "Explanation",
    "Holder",
    "How",
    "Image",
    "ImageConfig",
    "ImagePlan",
    "ImageReference",
    "ImageStore",
    "Ingest",
    "InvalidNameError",
    "LabelMissingError",
    "LayerPlan",
    "LayerReader",
    "LayoutStore",
    "LimitExceededError",
    "ListsImages",
    "Locations",
    "NameRules",
    "NamesImage",
    "NotFoundError",
    "OpenBlob",
    "Options",
    "PathError",
    "Platform",
    "PlatformMismatchError",
    "PolicyError",
    "PullCancelledError",
    "PullFailedError",
    "PullGoal",
    "PullRefPair",
    "PullResult",
    "RateLimit",
    "RateLimitedError",
    "RawManifest",
    "Reference",
    "RegistryError",
    "RegistryRules",
    "Removed",
    "Rules",
    "Runtime",
    "Source",
    "SourceError",
    "Step",
    "StoreError",
    "StoreIdentity",
    "StoreReference",
    "StoredBlob",
    "StoredImage",
    "StrPath",
    "TextWriter",
    "Timeouts",
    "TowlineError",
    "TransferLimits",
    "TrustRules",
    "UnauthorizedError",
    "UnsupportedError",
    "Verification",
    "VerificationError",
    "Wording",
    "__version__",
    "default_root",
    "image_name",
    "open_store",
    "pull",
    "pull_async",
    "replace",
    "resolve",
]

__version__: str

def __dir__() -> list[str]: ...
