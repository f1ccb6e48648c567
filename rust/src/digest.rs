//! Digests in the form `algorithm:hex`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha384, Sha512};

use crate::failure::{Code, Failure, Result};
use crate::regular_file;
use crate::sha256::Sha256;
use crate::stop::Stop;
use crate::stream::{FileRange, Stream};

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// Return the algorithm with this name, or [`Code::Unsupported`].
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "sha256" => Ok(Self::Sha256),
            "sha384" => Ok(Self::Sha384),
            "sha512" => Ok(Self::Sha512),
            _ => Err(Failure::new(
                Code::Unsupported,
                0,
                format!("no digest algorithm '{name}'"),
            )),
        }
    }
}

/// The state of a hash computation.
#[derive(Clone, Debug)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// Do the same as `a.update(x)` and `b.update(y)`.
    pub fn update_pair(a: &mut Self, x: &[u8], b: &mut Self, y: &[u8]) {
        match (a, b) {
            (Self::Sha256(a), Self::Sha256(b)) => Sha256::update_pair(a, x, b, y),
            (a, b) => {
                a.update(x);
                b.update(y);
            }
        }
    }

    pub fn finish(self) -> String {
        match self {
            Self::Sha256(hash) => format_digest("sha256", &hash.finish()),
            Self::Sha384(hash) => format_digest("sha384", &hash.finalize()),
            Self::Sha512(hash) => format_digest("sha512", &hash.finalize()),
        }
    }
}

fn format_digest(algorithm: &str, hash: &[u8]) -> String {
    let mut text = format!("{algorithm}:");
    for byte in hash {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Compute the digest and size of a file.
pub fn hash_file(path: &Path, algorithm: Algorithm, stop: Stop) -> Result<(String, u64)> {
    let file = regular_file::open(path)?;
    let mut stream = FileRange::new(Arc::new(file), path, 0, None, stop);
    let mut hasher = Hasher::new(algorithm);
    let mut size = 0;
    loop {
        let slice = stream.next_slice()?;
        if slice.is_empty() {
            return Ok((hasher.finish(), size));
        }
        hasher.update(&slice);
        size += slice.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn known_digests() {
        let directory = TempDir::new("digest");
        let path = directory.file("abc", b"abc");
        let (sha256, size) = hash_file(&path, Algorithm::Sha256, Stop::default()).unwrap();
        assert_eq!(
            sha256,
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(size, 3);
        let (sha512, _) = hash_file(&path, Algorithm::Sha512, Stop::default()).unwrap();
        assert!(sha512.starts_with("sha512:ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn unknown_algorithms_and_files() {
        assert_eq!(Algorithm::named("md5").unwrap_err().code, Code::Unsupported);
        let failure = hash_file(
            Path::new("/no/such/file"),
            Algorithm::Sha256,
            Stop::default(),
        )
        .unwrap_err();
        assert_eq!(failure.detail, "/no/such/file: No such file or directory");
    }
}
