//! Sparse files: their maps, and their content with the holes filled.
//!
//! The map of a file lists the segments that are stored, one after another, in the tar. GNU tar has
//! four formats: the map is in the header and in blocks after it (the old format), in pax records
//! (0.0 and 0.1), or before the data (1.0).
//!
//! `expanded` has the content of sparse files, which can be read at offsets after the tar.

use crate::tar::{decimal, number};

mod expanded;

pub(crate) use expanded::{ExpandedStream, FIRST_EXPANDED, SparseFiles};

/// What each segment counts in addition to the names in an index.
pub(crate) const SEGMENT_COST: u64 = 16;

/// The segments in a header block, and in each block after it.
pub(crate) const IN_HEADER: usize = 386;
pub(crate) const SEGMENTS_IN_HEADER: usize = 4;
pub(crate) const SEGMENTS_IN_BLOCK: usize = 21;
const FIELD: usize = 12;

/// The maximum number of digits of a number in a map.
const LONGEST_NUMBER: usize = 19;

/// A stored part of a sparse file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub offset: u64,
    pub size: u64,
}

/// The map of a sparse file.
#[derive(Debug, Default)]
pub(crate) struct SparseMap {
    /// The size of the file with its holes.
    pub size: u64,
    pub segments: Vec<Segment>,
    /// The sum of the sizes of the segments.
    pub stored: u64,
    /// The digits of a number that is not complete.
    digits: Vec<u8>,
    /// The remaining segments of a map before the data, after its first number.
    left: Option<u64>,
    /// The offset of a segment whose size is not read yet.
    offset: Option<u64>,
}

impl SparseMap {
    pub fn new(size: u64) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }

    /// Append a segment; `None` if it is before the end of the previous one or outside the file.
    fn push(&mut self, offset: u64, size: u64) -> Option<()> {
        let start = self
            .segments
            .last()
            .map_or(0, |last| last.offset + last.size);
        let end = offset.checked_add(size)?;
        if offset < start || end > self.size {
            return None;
        }
        self.stored += size;
        self.segments.push(Segment { offset, size });
        Some(())
    }

    /// Read up to `count` segments of the old format; `None` if they are malformed.
    pub fn read_fields(&mut self, fields: &[u8], count: usize) -> Option<()> {
        for segment in fields.chunks_exact(2 * FIELD).take(count) {
            if segment[0] == 0 {
                break;
            }
            self.push(number(&segment[..FIELD])?, number(&segment[FIELD..])?)?;
        }
        Some(())
    }

    /// Read the map of a pax record: numbers with commas between them.
    pub fn read_list(&mut self, list: &[u8]) -> Option<()> {
        if list.is_empty() {
            return Some(());
        }
        let mut numbers = list.split(|byte| *byte == b',');
        while let Some(offset) = numbers.next() {
            self.push(decimal(offset)?, decimal(numbers.next()?)?)?;
        }
        Some(())
    }

    /// Read a block of the map before the data; return whether the map ends in it.
    ///
    /// The map is the number of segments, and the offset and size of each, in lines.
    pub fn read_block(&mut self, block: &[u8]) -> Option<bool> {
        for byte in block {
            if *byte != b'\n' {
                if self.digits.len() == LONGEST_NUMBER {
                    return None;
                }
                self.digits.push(*byte);
                continue;
            }
            let value = decimal(&std::mem::take(&mut self.digits))?;
            match (self.left, self.offset.take()) {
                (None, _) => self.left = Some(value),
                (Some(_), None) => self.offset = Some(value),
                (Some(left), Some(offset)) => {
                    self.push(offset, value)?;
                    self.left = Some(left - 1);
                }
            }
            if self.left == Some(0) {
                return Some(true);
            }
        }
        Some(false)
    }
}
