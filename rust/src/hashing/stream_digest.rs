//! The digest and size of one stream.

use crate::digest::{Algorithm, Hasher};
use crate::hashing::background::BackgroundHasher;
use crate::stop::Stop;

/// The minimum stored size of a stream that is hashed in the background.
const BACKGROUND_MIN: u64 = 1 << 20;

/// Computes the SHA-256 and the size of a stream.
pub(crate) struct StreamDigest {
    mode: Mode,
    size: u64,
}

enum Mode {
    /// The calling thread hashes.
    Inline(Box<Hasher>),
    /// Background threads hash.
    Background(CloseOnDrop),
}

/// A background hasher that is closed when dropped.
struct CloseOnDrop(BackgroundHasher);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl StreamDigest {
    /// Create the digest of a stream that is stored in this number of bytes.
    pub fn new(stored: u64) -> Self {
        let mode = if stored < BACKGROUND_MIN {
            Mode::Inline(Box::new(Hasher::new(Algorithm::Sha256)))
        } else {
            Mode::Background(CloseOnDrop(BackgroundHasher::new(None, Algorithm::Sha256)))
        };
        Self { mode, size: 0 }
    }

    pub fn update<B: AsRef<[u8]> + Clone + Send + Sync + 'static>(&mut self, bytes: &B) {
        self.size += bytes.as_ref().len() as u64;
        match &mut self.mode {
            Mode::Inline(hasher) => hasher.update(bytes.as_ref()),
            Mode::Background(hasher) => hasher.0.append_bytes(Box::new(bytes.clone())),
        }
    }

    /// Return the digest and the size.
    pub fn finish(self) -> (String, u64) {
        let hasher = match self.mode {
            Mode::Inline(hasher) => *hasher,
            Mode::Background(hasher) => {
                let hasher = hasher.0.finish(&Stop::default());
                hasher.expect("it is asked for once, and never stopped")
            }
        };
        (hasher.finish(), self.size)
    }
}
