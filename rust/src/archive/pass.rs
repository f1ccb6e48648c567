//! One sequential pass over a compressed tar, and the ranges that are read from it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::compression::FrameStatus;
use crate::failure::{Code, Failure, Result};
use crate::stream::{Slice, Stream};

/// A sequential pass over a compressed tar. It cannot continue after a failure.
pub(super) struct Pass {
    stream: Box<dyn Stream>,
    innermost: Option<Arc<FrameStatus>>,
    pub position: u64,
    /// The bytes after `position` that were read and not yet taken.
    next: Slice,
    failure: Option<Failure>,
    /// The number of decompressed bytes of all passes.
    inflated: Arc<AtomicU64>,
}

impl Pass {
    pub fn new(
        stream: Box<dyn Stream>,
        innermost: Option<Arc<FrameStatus>>,
        inflated: Arc<AtomicU64>,
    ) -> Self {
        Self {
            stream,
            innermost,
            position: 0,
            next: Slice::default(),
            failure: None,
            inflated,
        }
    }

    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Return the number of bytes of complete frames if the innermost compression failed, else 0.
    pub fn verified(&self) -> u64 {
        let status = self.innermost.as_ref();
        status
            .and_then(|status| status.verified_at_failure())
            .unwrap_or(0)
    }

    /// Return the next bytes without advancing; they are empty at the end.
    pub fn peek(&mut self) -> Result<&Slice> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.next.is_empty() {
            self.next = self
                .stream
                .next_slice()
                .inspect_err(|failure| self.failure = Some(failure.clone()))?;
            self.inflated
                .fetch_add(self.next.len() as u64, Ordering::Relaxed);
        }
        Ok(&self.next)
    }

    /// Take up to `max_size` next bytes; they are empty at the end.
    pub fn take(&mut self, max_size: u64) -> Result<Slice> {
        let size = max_size.min(self.peek()?.len() as u64);
        self.position += size;
        Ok(self.next.split_to(size as usize))
    }

    /// Read to the end and discard the bytes.
    pub fn drain(&mut self) -> Result<()> {
        while !self.take(u64::MAX)?.is_empty() {}
        Ok(())
    }
}

/// A range of a pass, at or after its position.
pub(super) struct PassRange<'a> {
    pub pass: &'a mut Pass,
    pub path: &'a Path,
    pub offset: u64,
    pub left: u64,
}

impl Stream for PassRange<'_> {
    fn next_slice(&mut self) -> Result<Slice> {
        if self.left == 0 {
            return Ok(Slice::default());
        }
        while self.pass.position < self.offset {
            let distance = self.offset - self.pass.position;
            if self.pass.take(distance)?.is_empty() {
                return Err(too_short(self.path, self.pass.position));
            }
        }
        let slice = self.pass.take(self.left)?;
        if slice.is_empty() {
            return Err(too_short(self.path, self.pass.position));
        }
        self.offset += slice.len() as u64;
        self.left -= slice.len() as u64;
        Ok(slice)
    }
}

/// Return the failure of a range beyond the end of a tar.
pub(super) fn too_short(path: &Path, size: u64) -> Failure {
    let detail = format!("the tar in {} ends at byte {size}", path.display());
    Failure::new(Code::Truncated, size, detail)
}
