//! The index of a compressed archive: one tar walk, which also fills the member cache.

use std::path::Path;

use crate::archive::decompression::Decompression;
use crate::archive::member_cache::MemberCache;
use crate::archive::pass::{Pass, PassRange};
use crate::compression::{Format, LONGEST_MAGIC};
use crate::failure::{Code, Result};
use crate::stream::{MemoryStream, PeekStream, Slice, Stream, for_each_slice};
use crate::walk::{TarWalk, WalkResult};

/// Walks a pass to its end, as [`walk`](crate::walk::walk) does, and caches member data.
pub(super) struct IndexPass<'a> {
    pub pass: &'a mut Pass,
    pub walker: &'a mut TarWalk,
    pub cache: &'a mut MemberCache,
    pub path: &'a Path,
    pub decompression: Decompression<'a>,
}

impl IndexPass<'_> {
    pub fn run(mut self) -> WalkResult {
        loop {
            match self.step() {
                Ok(None) => {}
                Ok(Some(result)) => return result,
                Err(failure) => return WalkResult::StreamFailure(failure),
            }
        }
    }

    /// Parse the next element of the tar; return the result of the walk if it has ended.
    fn step(&mut self) -> Result<Option<WalkResult>> {
        let slice = self.pass.peek()?;
        let at_end = slice.is_empty();
        let parsed = if at_end {
            self.walker.finish().map(|()| 0)
        } else {
            self.walker.feed_element(slice)
        };
        match parsed {
            Err(failure) => {
                if !failure.is_limit() {
                    self.pass.drain()?;
                }
                return Ok(Some(WalkResult::TarFailure(failure)));
            }
            Ok(_) if at_end => return Ok(Some(WalkResult::Complete)),
            Ok(count) => self.pass.take(count as u64)?,
        };
        if self.cache.wants_data() {
            if let Some(size) = self.walker.next_file_size() {
                let offset = self.pass.position;
                self.cache_member(offset, size);
                self.walker.skip(self.pass.position - offset);
            }
        }
        Ok(None)
    }

    /// Cache the data of the file that begins at the next byte.
    ///
    /// A failure of the pass is ignored here, because the next step returns it again.
    fn cache_member(&mut self, offset: u64, size: u64) {
        let range = PassRange {
            pass: &mut *self.pass,
            path: self.path,
            offset,
            left: size,
        };
        let mut stream = PeekStream::new(range);
        let head = stream.peek(LONGEST_MAGIC);
        self.cache.add_head(offset, &head);
        let formats = self.decompression.formats;
        let compressed =
            self.cache.wants_sizes() && Format::of_stream(&mut stream, formats).is_some();
        let mut source: Box<dyn Stream + '_> = Box::new(stream);
        if self.cache.make_room(size) {
            let mut bytes = Vec::with_capacity(size as usize);
            if for_each_slice(&mut source, |slice| bytes.extend_from_slice(slice)).is_err() {
                return;
            }
            let bytes = Slice::from(bytes);
            self.cache.add_content(offset, bytes.clone());
            source = Box::new(MemoryStream::new(bytes));
        }
        if !compressed {
            return;
        }
        let found = decompressed_size(source, size, self.decompression, self.cache);
        if let Some(found) = found.filter(|_| !self.pass.failed()) {
            self.cache.add_size((offset, size), found);
        }
    }
}

/// Return the size of a decompressed member or its failure; `None` if the cache's limit of bytes or
/// frames is used up.
fn decompressed_size<S: Stream>(
    stream: S,
    size: u64,
    mut decompression: Decompression<'_>,
    cache: &mut MemberCache,
) -> Option<Result<u64>> {
    let max_frames = decompression.limits.max_frames;
    decompression.limits.max_frames = cache.frames_left;
    let mut plain = decompression.open_member(stream, size).ok()?;
    let mut total = 0;
    let result = loop {
        match plain.next_slice() {
            Err(failure) => break Err(failure),
            Ok(slice) if slice.is_empty() => break Ok(total),
            Ok(slice) => {
                total += slice.len() as u64;
                cache.bytes_left = cache.bytes_left.saturating_sub(slice.len() as u64);
                if cache.bytes_left == 0 {
                    return None;
                }
            }
        }
    };
    let whole = cache.frames_left == max_frames;
    cache.frames_left -= plain.source().status().cost();
    match result {
        Err(failure) if failure.code == Code::LimitFrames && !whole => None,
        result => Some(result),
    }
}
