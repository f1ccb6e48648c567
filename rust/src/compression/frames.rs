//! The decompressed form of a stream of frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::compression::decoder::Decoder;
use crate::compression::format::{Format, LONGEST_MAGIC};
use crate::failure::{Code, Failure, Result};
use crate::stop::Stop;
use crate::stream::{BufferPool, Slice, Stream, drain};

/// The status of [`Frames`], shared with other threads.
#[derive(Debug, Default)]
pub(crate) struct FrameStatus {
    verified: AtomicU64,
    failed: AtomicBool,
    cost: AtomicU64,
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

    /// Return the cost of all frames up to now.
    pub fn cost(&self) -> u64 {
        self.cost.load(Ordering::Acquire)
    }
}

/// The length of the magic number and level of a bzip2 stream.
const BZIP2_HEADER: usize = 4;
/// The rest of an empty bzip2 stream: its end mark, and the checksum of no blocks.
const EMPTY_BZIP2: &[u8] = b"\x17\x72\x45\x38\x50\x90\0\0\0\0";

/// Decompresses a stream, one frame after another, to its end.
pub(crate) struct Frames<S> {
    source: S,
    format: Format,
    /// The maximum cost of all frames together.
    max_cost: u64,
    stop: Stop,
    /// The decoder of the current frame.
    decoder: Option<Decoder>,
    /// The decoder of the previous frame.
    previous: Option<Decoder>,
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
    /// Decompress `source`; `max_frames` is that of [`Limits`](crate::limits::Limits).
    pub fn new(source: S, format: Format, max_frames: u64, stop: Stop) -> Self {
        Self {
            source,
            format,
            max_cost: max_frames,
            stop,
            decoder: None,
            previous: None,
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
            self.previous = Some(decoder);
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

    /// Read until the input has `count` bytes, or the source ends.
    fn read_head(&mut self, count: usize) -> Result<()> {
        while self.input.len() < count {
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
        if self.format == Format::Bzip2 {
            self.skip_empty_bzip2()?;
        }
        self.read_head(LONGEST_MAGIC)?;
        self.frame = self.position();
        let Some(first) = self.input.first() else {
            return Ok(None);
        };
        let magic = self.format.magic();
        let head = &self.input[..self.input.len().min(magic.len())];
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
        self.charge_frame()?;
        let decoder = match self.previous.take() {
            Some(previous) => previous.next_frame(self.format),
            None => Decoder::new(self.format),
        };
        match decoder {
            Ok(decoder) => Ok(Some(decoder)),
            Err(error) => Err(self.failure(error.code, self.frame, &error.detail)),
        }
    }

    /// Count a frame; fail if there are too many.
    fn charge_frame(&self) -> Result<()> {
        let cost = self.next_cost()?;
        self.status.cost.store(cost, Ordering::Release);
        Ok(())
    }

    /// Return the cost with one more frame; fail if it is too much.
    fn next_cost(&self) -> Result<u64> {
        let cost = self.status.cost() + self.format.frame_cost();
        if cost > self.max_cost {
            let detail = format!(
                "too many {} frames, in the frame at byte {}",
                self.format.name(),
                self.frame
            );
            return Err(Failure::new(Code::LimitFrames, self.frame, detail));
        }
        Ok(cost)
    }

    /// Skip empty bzip2 streams, because a decoder for each of them would take 70 µs to make.
    fn skip_empty_bzip2(&mut self) -> Result<()> {
        loop {
            self.read_head(LONGEST_MAGIC)?;
            if !self.input.starts_with(Format::Bzip2.magic()) {
                return Ok(());
            }
            // The limit comes first: reading more may fail for another reason.
            self.frame = self.position();
            self.next_cost()?;
            self.read_head(BZIP2_HEADER + EMPTY_BZIP2.len())?;
            let is_empty = matches!(self.input.get(BZIP2_HEADER - 1), Some(b'1'..=b'9'))
                && self.input[BZIP2_HEADER..].starts_with(EMPTY_BZIP2);
            if !is_empty {
                return Ok(());
            }
            self.stop.check(self.frame)?;
            self.charge_frame()?;
            self.input.split_to(BZIP2_HEADER + EMPTY_BZIP2.len());
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
            self.stop.check(self.position())?;
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
