//! The tar walk: headers read strictly, members with exact offsets.
//!
//! Read are the old format, ustar, GNU long names and sparse members, and the pax records `path`,
//! `linkpath` and `size`. Global pax headers are passed over.

use crate::failure::{Code, Failure, Result};
use crate::limits::Limits;
use crate::stream::{Stream, drain};
use crate::tar::{self, BLOCK, LARGEST_OFFSET, Member, Pax};

/// An extended header is held in memory, so it has a bound of its own.
const LARGEST_EXTENSION: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Collects a block.
    Header,
    /// Collects the data of the extension whose header block and type these are.
    Extension(u64, u8),
    /// Collects a further map of a GNU sparse member.
    Sparse,
    Data,
    Padding,
    /// Behind the end mark.
    Tail,
}

/// Finds the members of a tar that is fed to it in pieces of any size.
///
/// The tar ends at two zero blocks (what follows does not matter), or where the bytes end after a
/// whole member, with or without its padding and one zero block.
pub(crate) struct TarWalk {
    limits: Limits,
    pub members: Vec<Member>,
    /// Bytes fed.
    position: u64,
    held: Vec<u8>,
    state: State,
    /// How much is collected before it is looked at; in data, the size of all of it.
    want: u64,
    /// Data or padding still to pass over.
    left: u64,
    /// Whose data that is.
    member: Option<Member>,
    /// Header block of the first extension before a member.
    first: Option<u64>,
    pax: Pax,
    long_name: Vec<u8>,
    long_link: Vec<u8>,
    /// The block before was a zero block.
    zero: bool,
}

impl TarWalk {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            members: Vec::new(),
            position: 0,
            held: Vec::new(),
            state: State::Header,
            want: BLOCK as u64,
            left: 0,
            member: None,
            first: None,
            pax: Pax::default(),
            long_name: Vec::new(),
            long_link: Vec::new(),
            zero: false,
        }
    }

    /// How many of the next bytes do not matter.
    pub fn skippable(&self) -> u64 {
        match self.state {
            State::Data | State::Padding => self.left,
            _ => 0,
        }
    }

    /// The size of the file whose data comes next, where its first byte does.
    pub fn file_ahead(&self) -> Option<u64> {
        let member = self.member.as_ref()?;
        let file = matches!(member.kind, b'0' | b'7') && member.size > 0;
        (file && self.state == State::Data && self.left == member.size).then_some(member.size)
    }

    /// Take the next bytes.
    pub fn feed(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let count = self.take(data)?;
            data = &data[count..];
        }
        Ok(())
    }

    /// Take the next bytes, as far as they are of one kind; how many those were.
    pub fn take(&mut self, data: &[u8]) -> Result<usize> {
        let here = data.len() as u64;
        let count = match self.state {
            State::Tail => {
                self.position += here;
                here
            }
            State::Data | State::Padding => {
                let count = self.left.min(here);
                self.skip(count);
                count
            }
            State::Header | State::Extension(..) | State::Sparse => {
                let count = (self.want - self.held.len() as u64).min(here);
                self.position += count;
                self.collect(&data[..count as usize])?;
                count
            }
        };
        Ok(count as usize)
    }

    /// Pass over `count` of the bytes that do not matter.
    pub fn skip(&mut self, count: u64) {
        self.position += count;
        self.left -= count;
        if self.left > 0 {
            return;
        }
        if self.state == State::Data {
            self.data_ended();
        } else {
            self.await_header();
        }
    }

    /// Judge the end of the bytes.
    pub fn finish(&self) -> Result<()> {
        // umoci leaves out the padding of the last member, and its layers are read everywhere.
        let between = matches!(self.state, State::Header | State::Padding)
            && self.held.is_empty()
            && self.first.is_none();
        if between || self.state == State::Tail {
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

    fn await_header(&mut self) {
        (self.state, self.want) = (State::Header, BLOCK as u64);
    }

    fn collect(&mut self, data: &[u8]) -> Result<()> {
        if self.held.is_empty() && data.len() as u64 == self.want {
            return self.collected(data);
        }
        self.held.extend_from_slice(data);
        if (self.held.len() as u64) < self.want {
            return Ok(());
        }
        let whole = std::mem::take(&mut self.held);
        self.collected(&whole)
    }

    fn collected(&mut self, data: &[u8]) -> Result<()> {
        match self.state {
            State::Extension(at, kind) => self.extended(at, kind, data),
            State::Sparse => self.sparse(data),
            _ => self.header(data),
        }
    }

    fn header(&mut self, block: &[u8]) -> Result<()> {
        let at = self.position - BLOCK as u64;
        if block.iter().all(|byte| *byte == 0) {
            if self.first.is_some() {
                let detail = format!("an end mark after an extended header, at byte {at}");
                return Err(Failure::new(Code::Corrupt, at, detail));
            }
            if self.zero {
                self.state = State::Tail;
            }
            self.zero = true;
            return Ok(());
        }
        if self.zero {
            let detail = format!("a single zero block before byte {at}");
            return Err(Failure::new(Code::Corrupt, at, detail));
        }
        if !tar::checksum_holds(block) {
            return Err(if at == 0 {
                Failure::new(Code::NotTar, 0, "the first block is not a tar header")
            } else {
                let detail = format!("the block at byte {at} is not a tar header");
                Failure::new(Code::Corrupt, at, detail)
            });
        }
        let size = tar::number(&block[124..136]).ok_or_else(|| no_size(at))?;
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
        let fits = size <= LARGEST_OFFSET.saturating_sub(self.position + BLOCK as u64);
        if fits { Ok(()) } else { Err(no_size(at)) }
    }

    fn open_extension(&mut self, kind: u8, size: u64, at: u64) -> Result<()> {
        let first = *self.first.get_or_insert(at);
        if size > LARGEST_EXTENSION {
            let detail = format!("an extended header of {size} bytes at byte {at}");
            return Err(Failure::new(Code::LimitPath, first, detail));
        }
        if size == 0 {
            return self.extended(at, kind, b"");
        }
        (self.state, self.want) = (State::Extension(at, kind), size);
        Ok(())
    }

    fn extended(&mut self, at: u64, kind: u8, data: &[u8]) -> Result<()> {
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
        let pax = std::mem::take(&mut self.pax);
        let (name, linkname) = tar::names(block);
        let name = first_filled([std::mem::take(&mut self.long_name), pax.path, name]);
        let linkname = first_filled([std::mem::take(&mut self.long_link), pax.linkpath, linkname]);
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
                // Readers differ on whether this data is there.
                let detail = format!("an old directory with data, at byte {at}");
                return Err(Failure::new(Code::Corrupt, at, detail));
            }
            kind => kind,
        };
        // Links, devices, directories and fifos have no data, whatever their size field says.
        if (b'1'..=b'6').contains(&kind) {
            size = 0;
        }
        let header = self.first.unwrap_or(at);
        let limits = self.limits;
        if self.members.len() as u64 >= limits.max_entries {
            let detail = format!("more than the {} members allowed", limits.max_entries);
            return Err(Failure::new(Code::LimitEntries, header, detail));
        }
        if name.len().max(linkname.len()) as u64 > limits.max_path {
            let detail = format!("a path longer than {} bytes, at byte {at}", limits.max_path);
            return Err(Failure::new(Code::LimitPath, header, detail));
        }
        self.first = Some(header);
        self.member = Some(Member {
            name,
            linkname,
            kind,
            size,
            offset: self.position,
            header,
        });
        if kind == b'S' && block[482] != 0 {
            (self.state, self.want) = (State::Sparse, BLOCK as u64);
        } else {
            self.open_data(size);
        }
        Ok(())
    }

    /// The data begins after the last map.
    fn sparse(&mut self, block: &[u8]) -> Result<()> {
        if block[504] != 0 {
            return Ok(());
        }
        let mut size = 0;
        if let Some(member) = &mut self.member {
            member.offset = self.position;
            size = member.size;
        }
        self.check_extent(size, self.position - BLOCK as u64)?;
        self.open_data(size);
        Ok(())
    }

    fn open_data(&mut self, size: u64) {
        (self.state, self.left, self.want) = (State::Data, size, size);
        if size == 0 {
            self.data_ended();
        }
    }

    fn data_ended(&mut self) {
        if let Some(member) = self.member.take() {
            self.members.push(member);
            self.first = None;
        }
        self.open_padding(self.want);
    }

    fn open_padding(&mut self, size: u64) {
        let block = BLOCK as u64;
        (self.state, self.left) = (State::Padding, size.next_multiple_of(block) - size);
        if self.left == 0 {
            self.await_header();
        }
    }
}

fn no_size(at: u64) -> Failure {
    let detail = format!("the header at byte {at} has no valid size");
    Failure::new(Code::Corrupt, at, detail)
}

fn first_filled(names: [Vec<u8>; 3]) -> Vec<u8> {
    let mut names = names.into_iter();
    names.find(|name| !name.is_empty()).unwrap_or_default()
}

/// What a walk came to.
pub(crate) enum Verdict {
    Whole,
    /// The tar is wrong, in a stream that is right.
    Tar(Failure),
    /// The stream is wrong, or more than was allowed.
    Stream(Failure),
}

/// Walk a tar to the end of its stream.
///
/// Damage of the stream has precedence over damage of the tar in it.
pub(crate) fn walk(stream: &mut dyn Stream, walker: &mut TarWalk) -> Verdict {
    match walked(stream, walker) {
        Err(failure) => Verdict::Stream(failure),
        Ok(Some(failure)) => Verdict::Tar(failure),
        Ok(None) => Verdict::Whole,
    }
}

fn walked(stream: &mut dyn Stream, walker: &mut TarWalk) -> Result<Option<Failure>> {
    loop {
        let piece = stream.pull()?;
        let judged = if piece.is_empty() {
            walker.finish()
        } else {
            walker.feed(&piece)
        };
        if let Err(failure) = judged {
            if !failure.is_limit() {
                stream.skip(u64::MAX)?;
                drain(stream)?;
            }
            return Ok(Some(failure));
        }
        if piece.is_empty() {
            return Ok(None);
        }
        let skippable = walker.skippable();
        if skippable > 0 {
            let skipped = stream.skip(skippable)?;
            if skipped > 0 {
                walker.skip(skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests;
