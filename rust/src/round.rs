//! One round of decompression: frames, one after another, until the input ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::failure::{Code, Failure, Result};
use crate::inflate::Decoder;
use crate::stream::{Buffers, Slice, Stream, drain};

/// As many bytes as the longest magic has.
pub(crate) const LONGEST_MAGIC: usize = 6;

/// A compression, known by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Format {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

impl Format {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd];

    /// The format of that name, or [`Code::Unsupported`].
    pub fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let detail = format!("no compression format '{name}'");
            Failure::new(Code::Unsupported, 0, detail)
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => b"\x1f\x8b\x08",
            Self::Bzip2 => b"BZh",
            Self::Xz => b"\xfd7zXZ\x00",
            Self::Zstd => b"\x28\xb5\x2f\xfd",
        }
    }

    /// The compression that these first bytes speak of.
    pub(crate) fn detect(head: &[u8], formats: &[Self]) -> Option<Self> {
        formats
            .iter()
            .copied()
            .find(|format| head.starts_with(format.magic()))
    }
}

/// What others may know of a round while it runs.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    vouched: AtomicU64,
    failed: AtomicBool,
}

impl Standing {
    /// Bytes given by frames that were complete and right, if the damage was found in this round
    /// and not in an outer one.
    pub fn vouched_at_failure(&self) -> Option<u64> {
        let failed = self.failed.load(Ordering::Acquire);
        failed.then(|| self.vouched.load(Ordering::Acquire))
    }
}

/// The decompressed form of a stream.
pub(crate) struct Round<S> {
    source: S,
    format: Format,
    decoder: Option<Decoder>,
    /// Read, and not yet given to a decoder.
    input: Slice,
    /// Bytes pulled from the source.
    taken: u64,
    /// Where the present frame begins.
    frame: u64,
    given: u64,
    buffers: Buffers,
    standing: Arc<Standing>,
}

impl<S: Stream> Round<S> {
    pub fn new(source: S, format: Format) -> Self {
        Self {
            source,
            format,
            decoder: None,
            input: Slice::default(),
            taken: 0,
            frame: 0,
            given: 0,
            buffers: Buffers::default(),
            standing: Arc::default(),
        }
    }

    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    /// One step of the present frame.
    fn step(&mut self, mut decoder: Decoder) -> Result<Slice> {
        if decoder.hungry() && self.input.is_empty() {
            self.input = self.more()?;
            if self.input.is_empty() {
                return Err(self.cut_short());
            }
        }
        let mut out = self.buffers.take();
        let step = match decoder.step(&self.input, &mut out) {
            Ok(step) => step,
            Err(damage) => return Err(self.failure(damage.code, self.frame, &damage.detail)),
        };
        self.input.split_to(step.used);
        self.given += step.given as u64;
        if step.ended {
            let unused = decoder.unused();
            if !unused.is_empty() {
                self.input = unused.into();
            }
            self.standing.vouched.store(self.given, Ordering::Release);
        } else {
            self.decoder = Some(decoder);
        }
        Ok(self.buffers.lend(out, step.given))
    }

    fn more(&mut self) -> Result<Slice> {
        let piece = self.source.pull()?;
        self.taken += piece.len() as u64;
        Ok(piece)
    }

    /// Where the unread input begins.
    fn position(&self) -> u64 {
        self.taken - self.input.len() as u64
    }

    /// Have unread input, enough for any magic if there is so much.
    fn look(&mut self) -> Result<()> {
        while self.input.len() < LONGEST_MAGIC {
            let piece = self.more()?;
            if piece.is_empty() {
                break;
            }
            self.input = [&self.input[..], &piece[..]].concat().into();
        }
        Ok(())
    }

    fn open_frame(&mut self) -> Result<Option<Decoder>> {
        if self.format == Format::Xz && self.taken > 0 {
            self.skip_padding()?;
        }
        self.look()?;
        self.frame = self.position();
        let Some(first) = self.input.first() else {
            return Ok(None);
        };
        let magic = self.format.magic();
        let seen = &self.input[..self.input.len().min(magic.len())];
        // zstd has frames to be skipped: 0x184D2A50 to 0x184D2A5F, little-endian
        let skippable = self.format == Format::Zstd
            && (0x50..=0x5f).contains(first)
            && b"\x2a\x4d\x18".starts_with(&seen[1..]);
        if !skippable && !magic.starts_with(seen) {
            let detail = format!("bytes after the end of the {} data", self.format.name());
            return Err(self.failure(Code::Corrupt, self.frame, &detail));
        }
        if seen.len() < magic.len() {
            return Err(self.cut_short());
        }
        match Decoder::new(self.format) {
            Ok(decoder) => Ok(Some(decoder)),
            Err(damage) => Err(self.failure(damage.code, self.frame, &damage.detail)),
        }
    }

    /// Between xz streams stand zero bytes, a multiple of four.
    fn skip_padding(&mut self) -> Result<()> {
        let start = self.position();
        loop {
            let zeros = self.input.iter().take_while(|byte| **byte == 0).count();
            self.input.split_to(zeros);
            if !self.input.is_empty() {
                break;
            }
            self.input = self.more()?;
            if self.input.is_empty() {
                break;
            }
        }
        if !(self.position() - start).is_multiple_of(4) {
            let detail = "xz padding is not a multiple of four bytes";
            return Err(self.failure(Code::Corrupt, start, detail));
        }
        Ok(())
    }

    fn cut_short(&mut self) -> Failure {
        let detail = format!("{} data is cut short", self.format.name());
        self.failure(Code::Truncated, self.frame, &detail)
    }

    /// Damage of this round, unless the source is damaged as well.
    fn failure(&mut self, code: Code, offset: u64, detail: &str) -> Failure {
        if let Err(outer) = drain(&mut self.source) {
            return outer;
        }
        self.standing.failed.store(true, Ordering::Release);
        let detail = format!("{detail}, in the frame at byte {offset}");
        Failure::new(code, offset, detail)
    }
}

impl<S: Stream> Stream for Round<S> {
    fn pull(&mut self) -> Result<Slice> {
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
