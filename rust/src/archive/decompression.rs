//! Decompression of an archive and of its members.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::compression::{Format, FrameStatus, Frames};
use crate::failure::{Failure, Result};
use crate::limits::Limits;
use crate::stop::Stop;
use crate::stream::{FileRange, LimitedStream, PeekStream, Stream, read_head};

/// The formats that are detected, and the limits of decompressed streams.
#[derive(Clone, Copy)]
pub(super) struct Decompression<'a> {
    pub formats: &'a [Format],
    pub limits: Limits,
    pub stop: &'a Stop,
}

/// A stream of the whole tar, and its compressions.
pub(super) struct TarStream {
    pub stream: Box<dyn Stream>,
    /// The compressions, outermost first.
    pub framing: Vec<Format>,
    /// The status of the innermost compression.
    pub innermost: Option<Arc<FrameStatus>>,
}

/// The decompressed form of a stream, or the stream itself if it is not compressed.
pub(super) type MemberStream<S> =
    std::result::Result<LimitedStream<Frames<PeekStream<S>>>, PeekStream<S>>;

impl Decompression<'_> {
    /// Open the tar in a file, with up to `rounds` compressions.
    pub fn open_tar(&self, file: &Arc<File>, path: &Path, rounds: usize) -> Result<TarStream> {
        let io = |error: std::io::Error| Failure::io(path, 0, &error);
        let head = |count| read_head(file, count);
        let mut detected = Format::detect(self.formats, head).map_err(io)?;
        let stored = file.metadata().map_err(io)?.len();
        let limit = self.limits.size_limit(Some(stored));
        let source = FileRange::new(Arc::clone(file), path, 0, None, self.stop.clone());
        let mut stream: Box<dyn Stream> = Box::new(source);
        let mut framing = Vec::new();
        let mut innermost = None;
        while let Some(format) = detected.filter(|_| framing.len() < rounds) {
            let frames = self.frames(stream, format);
            innermost = Some(frames.status());
            let mut plain = PeekStream::new(LimitedStream::new(frames, limit));
            detected = Format::of_stream(&mut plain, self.formats);
            framing.push(format);
            stream = Box::new(plain);
        }
        if framing.is_empty() {
            stream = Box::new(LimitedStream::new(stream, self.limits.size_limit(None)));
        }
        Ok(TarStream {
            stream,
            framing,
            innermost,
        })
    }

    fn frames<S: Stream>(&self, stream: S, format: Format) -> Frames<S> {
        Frames::new(stream, format, self.limits.max_frames, self.stop.clone())
    }

    /// Decompress a member of `size` stored bytes once, if it is compressed.
    pub fn open_member<S: Stream>(&self, stream: S, size: u64) -> MemberStream<S> {
        let mut stored = PeekStream::new(stream);
        match Format::of_stream(&mut stored, self.formats) {
            None => Err(stored),
            Some(format) => Ok(LimitedStream::new(
                self.frames(stored, format),
                self.limits.size_limit(Some(size)),
            )),
        }
    }
}
