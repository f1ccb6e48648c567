//! The decompressed form of a stream of frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::compression::decoder::Decoder;
use crate::compression::format::{Format, LONGEST_MAGIC};
use crate::failure::{Code, Failure, Result};
use crate::stream::{BufferPool, Slice, Stream, drain};

/// The status of [`Frames`], shared with other threads.
#[derive(Debug, Default)]
pub(crate) struct FrameStatus {
    verified: AtomicU64,
    failed: AtomicBool,
}

impl FrameStatus {
    /// Return the number of bytes produced by complete, correct frames.
    ///
    /// The result is `None` unless a frame of this stream failed; a failure of the source does not
    /// count.
    pub fn verified_at_failure(&self) -> Option<u64> {
        let failed = self.failed.load(Ordering::Acquire);
        failed.then(|| self.verified.load(Ordering::Acquire))
    }
}

/// Decompresses a stream, one frame after another, to its end.
pub(crate) struct Frames<S> {
    source: S,
    format: Format,
    decoder: Option<Decoder>,
    /// Bytes that were read and not yet decoded.
    input: Slice,
    /// The number of bytes read from the source.
    read: u64,
    /// The offset of the current frame.
    frame: u64,
    /// The number of bytes produced.
    produced: u64,
    buffers: BufferPool,
    status: Arc<FrameStatus>,
}

impl<S: Stream> Frames<S> {
    pub fn new(source: S, format: Format) -> Self {
        Self {
            source,
            format,
            decoder: None,
            input: Slice::default(),
            read: 0,
            frame: 0,
            produced: 0,
            buffers: BufferPool::default(),
            status: Arc::default(),
        }
    }

    pub fn status(&self) -> Arc<FrameStatus> {
        Arc::clone(&self.status)
    }

    /// Run one decoding step of the current frame.
    fn step(&mut self, mut decoder: Decoder) -> Result<Slice> {
        if decoder.needs_input() && self.input.is_empty() {
            self.input = self.read_slice()?;
            if self.input.is_empty() {
                return Err(self.truncated());
            }
        }
        let mut out = self.buffers.take();
        let step = match decoder.step(&self.input, &mut out) {
            Ok(step) => step,
            Err(error) => return Err(self.failure(error.code, self.frame, &error.detail)),
        };
        self.input.split_to(step.consumed);
        self.produced += step.produced as u64;
        if step.finished {
            let unused = decoder.into_unused_input();
            if !unused.is_empty() {
                self.input = unused.into();
            }
            self.status.verified.store(self.produced, Ordering::Release);
        } else {
            self.decoder = Some(decoder);
        }
        Ok(self.buffers.share(out, step.produced))
    }

    fn read_slice(&mut self) -> Result<Slice> {
        let slice = self.source.next_slice()?;
        self.read += slice.len() as u64;
        Ok(slice)
    }

    /// Return the offset of the first byte that is not decoded yet.
    fn position(&self) -> u64 {
        self.read - self.input.len() as u64
    }

    /// Read until the input has enough bytes for any magic number, or the source ends.
    fn read_magic(&mut self) -> Result<()> {
        while self.input.len() < LONGEST_MAGIC {
            let slice = self.read_slice()?;
            if slice.is_empty() {
                break;
            }
            self.input = [&self.input[..], &slice[..]].concat().into();
        }
        Ok(())
    }

    /// Begin the next frame; `None` at the end of the source.
    fn open_frame(&mut self) -> Result<Option<Decoder>> {
        if self.format == Format::Xz && self.read > 0 {
            self.skip_xz_padding()?;
        }
        self.read_magic()?;
        self.frame = self.position();
        let Some(first) = self.input.first() else {
            return Ok(None);
        };
        let magic = self.format.magic();
        let head = &self.input[..self.input.len().min(magic.len())];
        // The magic numbers of zstd's skippable frames are 0x184D2A50 to 0x184D2A5F, little-endian.
        let skippable = self.format == Format::Zstd
            && (0x50..=0x5f).contains(first)
            && b"\x2a\x4d\x18".starts_with(&head[1..]);
        if !skippable && !magic.starts_with(head) {
            let detail = format!("bytes after the end of the {} data", self.format.name());
            return Err(self.failure(Code::Corrupt, self.frame, &detail));
        }
        if head.len() < magic.len() {
            return Err(self.truncated());
        }
        match Decoder::new(self.format) {
            Ok(decoder) => Ok(Some(decoder)),
            Err(error) => Err(self.failure(error.code, self.frame, &error.detail)),
        }
    }

    /// Skip the padding between two xz streams: zero bytes, a multiple of four.
    fn skip_xz_padding(&mut self) -> Result<()> {
        let start = self.position();
        loop {
            let zeros = self.input.iter().take_while(|byte| **byte == 0).count();
            self.input.split_to(zeros);
            if !self.input.is_empty() {
                break;
            }
            self.input = self.read_slice()?;
            if self.input.is_empty() {
                break;
            }
        }
        if (self.position() - start) % 4 != 0 {
            let detail = "xz padding is not a multiple of four bytes";
            return Err(self.failure(Code::Corrupt, start, detail));
        }
        Ok(())
    }

    fn truncated(&mut self) -> Failure {
        let detail = format!("{} data is cut short", self.format.name());
        self.failure(Code::Truncated, self.frame, &detail)
    }

    /// Return the failure of a frame, or that of the source, which has precedence.
    fn failure(&mut self, code: Code, offset: u64, detail: &str) -> Failure {
        if let Err(failure) = drain(&mut self.source) {
            return failure;
        }
        self.status.failed.store(true, Ordering::Release);
        let detail = format!("{detail}, in the frame at byte {offset}");
        Failure::new(code, offset, detail)
    }
}

impl<S: Stream> Stream for Frames<S> {
    fn next_slice(&mut self) -> Result<Slice> {
        loop {
            let decoder = match self.decoder.take() {
                Some(decoder) => decoder,
                None => match self.open_frame()? {
                    Some(decoder) => decoder,
                    None => return Ok(Slice::default()),
                },
            };
            let out = self.step(decoder)?;
            if !out.is_empty() {
                return Ok(out);
            }
        }
    }
}
