//! The content of sparse files with their holes filled.

use std::collections::VecDeque;

use crate::failure;
use crate::sparse::{Segment, SparseMap};
use crate::stream::{SLICE, Slice, Stream};

/// The first offset at which the content of a sparse file can be read; no tar is so long.
pub(crate) const FIRST_EXPANDED: u64 = 1 << 63;

/// Two sparse files have different offsets, even if the first one is empty.
const DISTANCE: u64 = 512;

/// The sparse files of an archive. Their contents have offsets after the end of any tar.
#[derive(Default)]
pub(crate) struct SparseFiles(Vec<SparseFile>);

struct SparseFile {
    /// The offset of the content with its holes.
    start: u64,
    /// The offset of the stored data in the tar.
    data: u64,
    map: SparseMap,
}

/// A range of a sparse file: the range of its data in the tar, and its parts.
pub(crate) struct ExpandedRange {
    pub data: (u64, u64),
    parts: VecDeque<Part>,
}

/// A number of bytes that are zero or stored.
enum Part {
    Hole(u64),
    Data(u64),
}

impl SparseFiles {
    /// Add a file whose data begins at `data`; return the offset of its content. `None` if there is
    /// no offset left.
    pub fn add(&mut self, data: u64, map: SparseMap) -> Option<u64> {
        let start = match self.0.last() {
            None => FIRST_EXPANDED,
            Some(last) => last
                .start
                .checked_add(last.map.size)?
                .checked_add(DISTANCE)?,
        };
        start.checked_add(map.size)?;
        self.0.push(SparseFile { start, data, map });
        Some(start)
    }

    /// Return the end of the stored data of the file at this offset; `None` if there is no such file.
    pub fn end_of_data(&self, offset: u64) -> Option<u64> {
        let file = self.file(offset)?;
        Some(file.data + file.map.stored)
    }

    /// Return a range of a sparse file, or the end of that file if the range is beyond it. `None` if
    /// no sparse file has this offset.
    pub fn range(&self, offset: u64, size: u64) -> Option<Result<ExpandedRange, u64>> {
        let file = self.file(offset)?;
        let start = offset - file.start;
        let end = start.saturating_add(size);
        if end > file.map.size {
            return Some(Err(file.start + file.map.size));
        }
        Some(Ok(file.parts(start, end)))
    }

    fn file(&self, offset: u64) -> Option<&SparseFile> {
        let after = self.0.partition_point(|file| file.start <= offset);
        self.0.get(after.checked_sub(1)?)
    }
}

impl SparseFile {
    fn parts(&self, start: u64, end: u64) -> ExpandedRange {
        let mut parts = VecDeque::new();
        let (mut position, mut stored) = (start, self.data);
        let mut data = (self.data, 0);
        for &Segment { offset, size } in &self.map.segments {
            let (low, high) = (offset.max(start), (offset + size).min(end));
            if low < high {
                if data.1 == 0 {
                    data.0 = stored + (low - offset);
                }
                data.1 += high - low;
                if low > position {
                    parts.push_back(Part::Hole(low - position));
                }
                parts.push_back(Part::Data(high - low));
                position = high;
            }
            stored += size;
        }
        if position < end {
            parts.push_back(Part::Hole(end - position));
        }
        ExpandedRange { data, parts }
    }
}

/// A stream of a range of a sparse file; its source is a stream of the data of the range.
pub(crate) struct ExpandedStream<S> {
    source: S,
    parts: VecDeque<Part>,
    /// The next bytes of the source.
    stored: Slice,
    zeros: Slice,
}

impl<S: Stream> ExpandedStream<S> {
    pub fn new(source: S, range: ExpandedRange) -> Self {
        Self {
            source,
            parts: range.parts,
            stored: Slice::default(),
            zeros: vec![0; SLICE].into(),
        }
    }
}

impl<S: Stream> Stream for ExpandedStream<S> {
    fn next_slice(&mut self) -> failure::Result<Slice> {
        let Some(part) = self.parts.front_mut() else {
            return Ok(Slice::default());
        };
        let (left, slice) = match part {
            Part::Hole(left) => {
                let count = clamped(*left);
                (left, self.zeros.clone().split_to(count))
            }
            Part::Data(left) => {
                if self.stored.is_empty() {
                    self.stored = self.source.next_slice()?;
                }
                let count = clamped(*left);
                (left, self.stored.split_to(count))
            }
        };
        *left -= slice.len() as u64;
        if *left == 0 {
            self.parts.pop_front();
        }
        Ok(slice)
    }
}

fn clamped(size: u64) -> usize {
    usize::try_from(size).map_or(SLICE, |size| size.min(SLICE))
}
