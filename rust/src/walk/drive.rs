//! Walks a tar to the end of its stream.

use crate::failure::{Failure, Result};
use crate::stream::{Stream, drain};
use crate::walk::TarWalk;

/// The result of a walk.
pub(crate) enum WalkResult {
    Complete,
    /// The tar is damaged or exceeds a limit; reading the stream did not fail.
    TarFailure(Failure),
    /// The stream is damaged, exceeds a limit or cannot be read.
    StreamFailure(Failure),
}

/// Walk a tar to the end of its stream.
///
/// A failure of the stream has precedence over damage of the tar.
pub(crate) fn walk(stream: &mut dyn Stream, walker: &mut TarWalk) -> WalkResult {
    match walk_stream(stream, walker) {
        Err(failure) => WalkResult::StreamFailure(failure),
        Ok(Some(failure)) => WalkResult::TarFailure(failure),
        Ok(None) => WalkResult::Complete,
    }
}

fn walk_stream(stream: &mut dyn Stream, walker: &mut TarWalk) -> Result<Option<Failure>> {
    loop {
        let slice = stream.next_slice()?;
        let result = if slice.is_empty() {
            walker.finish()
        } else {
            walker.feed(&slice)
        };
        if let Err(failure) = result {
            if !failure.is_limit() {
                stream.skip(u64::MAX)?;
                drain(stream)?;
            }
            return Ok(Some(failure));
        }
        if slice.is_empty() {
            return Ok(None);
        }
        let skippable = walker.skippable();
        if skippable > 0 {
            let skipped = stream.skip(skippable)?;
            if skipped > 0 {
                walker.skip(skipped);
            }
        }
    }
}
