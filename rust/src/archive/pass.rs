//! A pass over a compressed tar, which goes forward only, and the ranges that are read of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::failure::{Code, Failure, Result};
use crate::round::Standing;
use crate::stream::{Slice, Stream};

/// A sequential pass over a compressed tar, and where it stands. Where it fails it is over.
pub(super) struct Pass {
    stream: Box<dyn Stream>,
    innermost: Option<Arc<Standing>>,
    pub position: u64,
    held: Slice,
    failure: Option<Failure>,
    /// What all passes have given.
    inflated: Arc<AtomicU64>,
}

impl Pass {
    pub fn new(
        stream: Box<dyn Stream>,
        innermost: Option<Arc<Standing>>,
        inflated: Arc<AtomicU64>,
    ) -> Self {
        Self {
            stream,
            innermost,
            position: 0,
            held: Slice::default(),
            failure: None,
            inflated,
        }
    }

    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Bytes of frames that were whole, if the damage is in the innermost compression.
    pub fn vouched(&self) -> u64 {
        let round = self.innermost.as_ref();
        round
            .and_then(|round| round.vouched_at_failure())
            .unwrap_or(0)
    }

    /// The next bytes, without going forward; none at the end.
    pub fn peek(&mut self) -> Result<&Slice> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.held.is_empty() {
            self.held = self
                .stream
                .pull()
                .inspect_err(|failure| self.failure = Some(failure.clone()))?;
            self.inflated
                .fetch_add(self.held.len() as u64, Ordering::Relaxed);
        }
        Ok(&self.held)
    }

    /// Up to `most` next bytes; none at the end.
    pub fn take(&mut self, most: u64) -> Result<Slice> {
        let most = most.min(self.peek()?.len() as u64);
        self.position += most;
        Ok(self.held.split_to(most as usize))
    }

    /// Go to the end, to learn whether there is one.
    pub fn drain(&mut self) -> Result<()> {
        while !self.take(u64::MAX)?.is_empty() {}
        Ok(())
    }
}

/// A range of a pass that is not past it.
pub(super) struct Window<'a> {
    pub pass: &'a mut Pass,
    pub path: &'a Path,
    pub offset: u64,
    pub left: u64,
}

impl Stream for Window<'_> {
    fn pull(&mut self) -> Result<Slice> {
        if self.left == 0 {
            return Ok(Slice::default());
        }
        while self.pass.position < self.offset {
            let behind = self.offset - self.pass.position;
            if self.pass.take(behind)?.is_empty() {
                return Err(too_short(self.path, self.pass.position));
            }
        }
        let piece = self.pass.take(self.left)?;
        if piece.is_empty() {
            return Err(too_short(self.path, self.pass.position));
        }
        self.offset += piece.len() as u64;
        self.left -= piece.len() as u64;
        Ok(piece)
    }
}

/// The failure of a range beyond the end of a tar.
pub(super) fn too_short(path: &Path, size: u64) -> Failure {
    let detail = format!("the tar in {} ends at byte {size}", path.display());
    Failure::new(Code::Truncated, size, detail)
}
