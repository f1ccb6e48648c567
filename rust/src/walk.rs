//! The tar walk: a strict parser that finds the members of a tar and their offsets.
//!
//! It supports the old format, ustar, GNU long names, sparse files, and the pax records `path`,
//! `linkpath`, `size` and those of sparse files. It ignores global pax headers.
//!
//! * `drive`: walks a tar to the end of its stream;
//! * `maps`: the maps of sparse files;
//! * `members`: the members that were found, and their limits.

use crate::failure::{Code, Failure, Result};
use crate::sparse::{FIRST_EXPANDED, SparseMap};
use crate::tar::{self, BLOCK, LARGEST_OFFSET, Member, Pax};

mod drive;
mod maps;
mod members;

pub(crate) use drive::{WalkResult, walk};
pub(crate) use members::Members;

/// The maximum size of an extended header, which is read into memory.
const LARGEST_EXTENSION: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Reads a header block.
    Header,
    /// Reads the data of an extended header with this offset and type.
    Extension(u64, u8),
    /// Reads a further map of a sparse file in the old GNU format.
    Sparse,
    /// Reads a block of the map before the data of a sparse file.
    Map,
    Data,
    Padding,
    /// Ignores the bytes after the end mark.
    Tail,
}

/// Finds the members of a tar, which is passed to it in slices of any size.
///
/// The tar ends at two zero blocks (the bytes after them are ignored), or at the end of the bytes
/// after a complete member, with or without its padding and one zero block.
pub(crate) struct TarWalk {
    pub members: Members,
    /// The offset of the next byte.
    position: u64,
    buffer: Vec<u8>,
    state: State,
    /// The size of the current element.
    wanted: u64,
    /// The remaining bytes of data or padding.
    left: u64,
    /// The member whose header was read and whose data is not complete yet.
    member: Option<Member>,
    /// The offset of the first header block of the member, including extended headers.
    first_header: Option<u64>,
    /// The map of the sparse file whose header was read, if the members are kept.
    map: Option<SparseMap>,
    /// The offset of the header block of that file.
    map_at: u64,
    pax: Pax,
    long_name: Vec<u8>,
    long_link: Vec<u8>,
    /// The previous block was a zero block.
    after_zero_block: bool,
}

impl TarWalk {
    pub fn new(members: Members) -> Self {
        Self {
            members,
            position: 0,
            buffer: Vec::new(),
            state: State::Header,
            wanted: BLOCK as u64,
            left: 0,
            member: None,
            first_header: None,
            map: None,
            map_at: 0,
            pax: Pax::default(),
            long_name: Vec::new(),
            long_link: Vec::new(),
            after_zero_block: false,
        }
    }

    /// Return the number of next bytes that need not be read.
    pub fn skippable(&self) -> u64 {
        match self.state {
            State::Data | State::Padding => self.left,
            _ => 0,
        }
    }

    /// Return the size of the file whose data begins at the next byte.
    pub fn next_file_size(&self) -> Option<u64> {
        let member = self.member.as_ref()?;
        let is_sparse = member.offset >= FIRST_EXPANDED;
        let is_file = matches!(member.kind, b'0' | b'7') && !is_sparse && member.size > 0;
        (is_file && self.state == State::Data && self.left == member.size).then_some(member.size)
    }

    /// Parse the next bytes.
    pub fn feed(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let count = self.feed_element(data)?;
            data = &data[count..];
        }
        Ok(())
    }

    /// Parse the next bytes up to the end of the current element; return their number.
    pub fn feed_element(&mut self, data: &[u8]) -> Result<usize> {
        let available = data.len() as u64;
        let count = match self.state {
            State::Tail => {
                self.position += available;
                available
            }
            State::Data | State::Padding => {
                let count = self.left.min(available);
                self.skip(count);
                count
            }
            State::Header | State::Extension(..) | State::Sparse | State::Map => {
                let count = (self.wanted - self.buffer.len() as u64).min(available);
                self.position += count;
                self.read_element(&data[..count as usize])?;
                count
            }
        };
        Ok(count as usize)
    }

    /// Skip `count` bytes of data or padding.
    pub fn skip(&mut self, count: u64) {
        self.position += count;
        self.left -= count;
        if self.left > 0 {
            return;
        }
        if self.state == State::Data {
            self.end_data();
        } else {
            self.expect_header();
        }
    }

    /// Check that the tar may end here.
    pub fn finish(&self) -> Result<()> {
        // umoci omits the padding of the last member, and other tools accept its layers.
        let complete = matches!(self.state, State::Header | State::Padding)
            && self.buffer.is_empty()
            && self.first_header.is_none();
        if complete || self.state == State::Tail {
            return Ok(());
        }
        let at = self.position;
        Err(if at < BLOCK as u64 {
            Failure::new(Code::NotTar, 0, format!("{at} bytes are too few for a tar"))
        } else {
            let detail = format!("the tar ends at byte {at}, too early");
            Failure::new(Code::Truncated, at, detail)
        })
    }

    fn expect_header(&mut self) {
        (self.state, self.wanted) = (State::Header, BLOCK as u64);
    }

    fn read_element(&mut self, data: &[u8]) -> Result<()> {
        if self.buffer.is_empty() && data.len() as u64 == self.wanted {
            return self.parse_element(data);
        }
        self.buffer.extend_from_slice(data);
        if (self.buffer.len() as u64) < self.wanted {
            return Ok(());
        }
        let element = std::mem::take(&mut self.buffer);
        self.parse_element(&element)
    }

    fn parse_element(&mut self, data: &[u8]) -> Result<()> {
        match self.state {
            State::Extension(at, kind) => self.parse_extension(at, kind, data),
            State::Sparse => self.parse_sparse_block(data),
            State::Map => self.parse_map_block(data),
            _ => self.parse_header(data),
        }
    }

    fn parse_header(&mut self, block: &[u8]) -> Result<()> {
        let at = self.position - BLOCK as u64;
        if block.iter().all(|byte| *byte == 0) {
            if self.first_header.is_some() {
                let detail = format!("an end mark after an extended header, at byte {at}");
                return Err(Failure::new(Code::Corrupt, at, detail));
            }
            if self.after_zero_block {
                self.state = State::Tail;
            }
            self.after_zero_block = true;
            return Ok(());
        }
        if self.after_zero_block {
            let detail = format!("a single zero block before byte {at}");
            return Err(Failure::new(Code::Corrupt, at, detail));
        }
        if !tar::checksum_is_valid(block) {
            return Err(if at == 0 {
                Failure::new(Code::NotTar, 0, "the first block is not a tar header")
            } else {
                let detail = format!("the block at byte {at} is not a tar header");
                Failure::new(Code::Corrupt, at, detail)
            });
        }
        let size = tar::number(&block[124..136]).ok_or_else(|| invalid_size(at))?;
        self.check_extent(size, at)?;
        match block[156] {
            kind @ (b'x' | b'L' | b'K') => self.open_extension(kind, size, at),
            b'g' => {
                self.open_data(size);
                Ok(())
            }
            kind => self.open_member(block, kind, size, at),
        }
    }

    fn check_extent(&self, size: u64, at: u64) -> Result<()> {
        let valid = size <= LARGEST_OFFSET.saturating_sub(self.position + BLOCK as u64);
        if valid { Ok(()) } else { Err(invalid_size(at)) }
    }

    fn open_extension(&mut self, kind: u8, size: u64, at: u64) -> Result<()> {
        let first_header = *self.first_header.get_or_insert(at);
        if size > LARGEST_EXTENSION {
            let detail = format!("an extended header of {size} bytes at byte {at}");
            return Err(Failure::new(Code::LimitPath, first_header, detail));
        }
        if size == 0 {
            return self.parse_extension(at, kind, b"");
        }
        (self.state, self.wanted) = (State::Extension(at, kind), size);
        Ok(())
    }

    fn parse_extension(&mut self, at: u64, kind: u8, data: &[u8]) -> Result<()> {
        match kind {
            b'L' => self.long_name = tar::until_nul(data).to_vec(),
            b'K' => self.long_link = tar::until_nul(data).to_vec(),
            _ => {
                self.pax = tar::pax_records(data).ok_or_else(|| {
                    let detail = format!("the pax header at byte {at} is damaged");
                    Failure::new(Code::Corrupt, at, detail)
                })?;
            }
        }
        self.open_padding(data.len() as u64);
        Ok(())
    }

    fn open_member(&mut self, block: &[u8], kind: u8, size: u64, at: u64) -> Result<()> {
        let mut pax = std::mem::take(&mut self.pax);
        let (name, linkname) = tar::names(block);
        let long_name = std::mem::take(&mut self.long_name);
        let sparse_name = std::mem::take(&mut pax.sparse.name);
        let name = first_non_empty([long_name, sparse_name, pax.path, name]);
        let linkname =
            first_non_empty([std::mem::take(&mut self.long_link), pax.linkpath, linkname]);
        let mut size = size;
        if !pax.size.is_empty() {
            size = tar::decimal(&pax.size).ok_or_else(|| {
                let detail = format!("the pax header before byte {at} has no valid size");
                Failure::new(Code::Corrupt, at, detail)
            })?;
            self.check_extent(size, at)?;
        }
        let kind = match kind {
            0 if !name.ends_with(b"/") => b'0',
            0 if size == 0 => b'5',
            0 => {
                // Tar implementations differ on whether this member has data.
                let detail = format!("an old directory with data, at byte {at}");
                return Err(Failure::new(Code::Corrupt, at, detail));
            }
            kind => kind,
        };
        // Links, devices, directories and FIFOs have no data; their size field is ignored.
        if (b'1'..=b'6').contains(&kind) {
            size = 0;
        }
        let header = self.first_header.unwrap_or(at);
        self.members.check(&name, &linkname, header, at)?;
        self.first_header = Some(header);
        self.member = Some(Member {
            name,
            linkname,
            kind,
            size,
            offset: self.position,
            header,
        });
        self.open_map(block, kind, &pax.sparse, at)
    }

    fn open_data(&mut self, size: u64) {
        (self.state, self.left, self.wanted) = (State::Data, size, size);
        if size == 0 {
            self.end_data();
        }
    }

    fn end_data(&mut self) {
        if let Some(member) = self.member.take() {
            self.members.push(member);
            self.first_header = None;
        }
        self.open_padding(self.wanted);
    }

    fn open_padding(&mut self, size: u64) {
        let block = BLOCK as u64;
        (self.state, self.left) = (State::Padding, size.next_multiple_of(block) - size);
        if self.left == 0 {
            self.expect_header();
        }
    }
}

fn invalid_size(at: u64) -> Failure {
    let detail = format!("the header at byte {at} has no valid size");
    Failure::new(Code::Corrupt, at, detail)
}

fn first_non_empty<const N: usize>(names: [Vec<u8>; N]) -> Vec<u8> {
    let mut names = names.into_iter();
    names.find(|name| !name.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
