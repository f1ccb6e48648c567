//! Decompression of an archive and of its members.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::compression::{Format, FrameStatus, Frames, LONGEST_MAGIC};
use crate::failure::{Failure, Result};
use crate::limits::Limits;
use crate::stop::Stop;
use crate::stream::{FileRange, LimitedStream, PeekStream, Stream, read_at};

/// The formats that are detected, and the limits of decompressed streams.
#[derive(Clone, Copy)]
pub(super) struct Decompression<'a> {
    pub formats: &'a [Format],
    pub limits: Limits,
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
    pub fn open_tar(
        &self,
        file: &Arc<File>,
        path: &Path,
        rounds: usize,
        stop: Stop,
    ) -> Result<TarStream> {
        let io = |error: std::io::Error| Failure::io(path, 0, &error);
        let mut head = vec![0; LONGEST_MAGIC];
        let count = read_at(file, &mut head, 0).map_err(io)?;
        head.truncate(count);
        let stored = file.metadata().map_err(io)?.len();
        let limit = self.limits.size_limit(Some(stored));
        let source = FileRange::new(Arc::clone(file), path, 0, None, stop);
        let mut stream: Box<dyn Stream> = Box::new(source);
        let mut framing = Vec::new();
        let mut innermost = None;
        while framing.len() < rounds {
            let Some(format) = Format::detect(&head, self.formats) else {
                break;
            };
            let frames = Frames::new(stream, format);
            innermost = Some(frames.status());
            let mut plain = PeekStream::new(LimitedStream::new(frames, limit));
            head = plain.peek(LONGEST_MAGIC);
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

    /// Decompress a member of `size` stored bytes once, if it is compressed.
    pub fn open_member<S: Stream>(&self, stream: S, size: u64) -> MemberStream<S> {
        let mut stored = PeekStream::new(stream);
        match Format::detect(&stored.peek(LONGEST_MAGIC), self.formats) {
            None => Err(stored),
            Some(format) => Ok(LimitedStream::new(
                Frames::new(stored, format),
                self.limits.size_limit(Some(size)),
            )),
        }
    }
}
