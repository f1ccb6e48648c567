//! The long loops of towline.
//!
//! * [`writer`]: a file written, hashed and counted;
//! * [`archive`]: a tar, possibly compressed, its index and its members' bytes;
//! * [`layer`]: everything that can be known of a stored layer, in one pass;
//! * [`digest`]: the digest of a file.
//!
//! Beneath them lie [`stream`]s, pulled a slice at a time: a file, [`round`]s of decompression,
//! budgets ([`limits`]). The same judgements in readable Python are `towline/core/twin`; the two
//! are held equal by tests, so what one judges the other has to judge.
//!
//! Only `python` names `PyO3`; only `python/writer.rs` and `lanes.rs` hold unsafe code.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod archive;
mod budget;
mod copy;
pub mod digest;
mod failure;
mod hashing;
mod inflate;
mod lanes;
pub mod layer;
pub mod limits;
mod per_process;
mod preallocation;
mod receive;
mod round;
mod sha256;
mod stop;
mod stream;
pub mod tar;
mod walk;
pub mod writer;
mod zstd;

#[cfg(feature = "python")]
mod python;
#[cfg(test)]
mod testing;

pub use failure::{Code, Failure, Result};
pub use receive::Received;
pub use round::Format;
pub use stop::{Stop, interruptible};
