//! A stream of the file of a writer, read while it is written.

use std::sync::Arc;

use crate::failure::Result;
use crate::hashing::SegmentReader;
use crate::stream::{SLICE, Slice, Stream};
use crate::writer::state::WriterState;

/// Reads the file of a writer while it grows to `size`, in slices of the same size as
/// [`FileRange`](crate::stream::FileRange).
pub(crate) struct Follower {
    state: Arc<WriterState>,
    position: u64,
    size: u64,
}

impl Follower {
    pub(super) fn new(state: Arc<WriterState>, size: u64) -> Self {
        state.add_follower();
        Self {
            state,
            position: 0,
            size,
        }
    }
}

impl Stream for Follower {
    fn next_slice(&mut self) -> Result<Slice> {
        self.state.stop.check(self.position)?;
        // An aborted writer has no use for the result, and an incomplete layer has none.
        let incomplete = self.state.has_ended() && self.state.offset() < self.size;
        if incomplete || self.state.is_closed() {
            return Err(self.state.closed_error());
        }
        let wanted = (self.size - self.position).min(SLICE as u64);
        while self.state.offset() < self.position + wanted {
            self.state.check()?;
            if self.state.has_ended() {
                return Err(self.state.closed_error());
            }
            self.state.wait_for_size(self.position + wanted);
        }
        let mut bytes = vec![0; wanted as usize];
        self.state.read_segment(&mut bytes, self.position)?;
        self.position += wanted;
        Ok(bytes.into())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.state.remove_follower();
    }
}
