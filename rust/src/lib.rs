//! The Rust core of towline: the operations on the bytes of blobs, layers and archives.
//!
//! The public modules, one for each operation:
//! * [`writer`]: writes a blob and computes its digest;
//! * [`layer`]: computes the digests and sizes of a layer and walks its tar, in one pass;
//! * [`archive`]: the index of a tar archive, and the data of its members;
//! * [`digest`]: computes the digest of a file.
//!
//! The modules that they use:
//! * `stream`: the `Stream` trait, which is the interface between the others, and its basic
//!   implementations;
//! * `compression`: gzip, bzip2, xz and zstd; `compression/frames` decompresses a stream;
//! * [`tar`], `sparse` and `walk`: parsing of header blocks, sparse files, and the tar walk;
//! * `hashing`: background hashing; it uses `sha256` and `sha256_pair` through [`digest`], and
//!   `in_flight` limits the bytes that wait;
//! * `file_copy`, `receive` and `preallocation`: the file operations of the writer;
//! * `regular_file`: opens the files of blobs;
//! * [`limits`], `stop`, `failure` and `per_process`: limits, cancellation, the error type, and
//!   global values.
//!
//! The flow of data: a file or socket → `stream` → `compression` → `walk` and `hashing`.
//!
//! `python` is the Python extension module, with one submodule for each class or function.
//! `towline/core/twin` is the same core in Python; tests check that both give the same results.
//!
//! Only `python` uses `PyO3`; only `python/writer.rs` and `sha256_pair.rs` contain unsafe code.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod archive;
mod compression;
pub mod digest;
mod failure;
mod file_copy;
mod hashing;
mod in_flight;
pub mod layer;
pub mod limits;
mod per_process;
mod preallocation;
mod receive;
mod regular_file;
mod sha256;
mod sha256_pair;
mod sparse;
mod stop;
mod stream;
pub mod tar;
mod walk;
pub mod writer;

#[cfg(feature = "python")]
mod python;
#[cfg(test)]
mod testing;

pub use compression::Format;
pub use failure::{Code, Failure, Result};
pub use receive::Received;
pub use stop::{Stop, interruptible};
