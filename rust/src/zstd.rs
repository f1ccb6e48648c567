//! One zstd frame, fed to the decoder block by block.
//!
//! The frame's own walk (RFC 8878, section 3.1) finds where it ends and bounds what a step gives.

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use crate::inflate::Damage;

/// The largest window that the zstd tools read without being asked.
const LARGEST_WINDOW: u64 = 128 << 20;
const LARGEST_WINDOW_LOG: u32 = 27;

const LARGEST_BLOCK: usize = 128 << 10;
const SKIPPABLE_HEADER: usize = 8;
const BLOCK_HEADER: usize = 3;
const CHECKSUM: usize = 4;
const RLE: u8 = 1;
const RESERVED: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Magic,
    Skippable,
    /// So much of a skippable frame is left.
    Skip(u64),
    Header,
    Block,
    Checksum,
    Ended,
}

/// A zstd frame, or a skippable one.
pub(crate) struct ZstdFrame {
    context: DCtx<'static>,
    held: Vec<u8>,
    at: usize,
    state: State,
    checked: bool,
}

impl ZstdFrame {
    pub fn new() -> Result<Self, Damage> {
        let lacking = || Damage::corrupt("no memory for a zstd decoder");
        let mut context = DCtx::try_create().ok_or_else(lacking)?;
        context
            .set_parameter(DParameter::WindowLogMax(LARGEST_WINDOW_LOG))
            .map_err(|_| lacking())?;
        Ok(Self {
            context,
            held: Vec::new(),
            at: 0,
            state: State::Magic,
            checked: false,
        })
    }

    pub fn hungry(&self) -> bool {
        self.bytes().len() < self.needed()
    }

    pub fn into_unused(mut self) -> Vec<u8> {
        self.held.split_off(self.at)
    }

    /// Take all of `input`, do one thing; how much came out, and whether the frame has ended.
    ///
    /// The output has one byte more than a block can give, so that the decoder never waits for room.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, bool), Damage> {
        if !input.is_empty() {
            self.held.drain(..self.at);
            self.at = 0;
            self.held.extend_from_slice(input);
        }
        let mut given = 0;
        if !self.hungry() {
            given = self.advance(out)?;
        }
        Ok((given, self.state == State::Ended))
    }

    fn bytes(&self) -> &[u8] {
        &self.held[self.at..]
    }

    /// How many bytes the next step takes, as far as those at hand tell.
    fn needed(&self) -> usize {
        let held = self.bytes();
        match self.state {
            State::Magic => 5,
            State::Skippable => SKIPPABLE_HEADER,
            State::Skip(_) => 1,
            State::Header => header_size(held[4]),
            State::Checksum => CHECKSUM,
            State::Ended => 0,
            State::Block => match block(held) {
                Some((_, RLE, _)) => BLOCK_HEADER + 1,
                // A larger block is refused, a smaller one needed whole.
                Some((_, _, size)) if size <= LARGEST_BLOCK => BLOCK_HEADER + size,
                _ => BLOCK_HEADER,
            },
        }
    }

    fn advance(&mut self, out: &mut [u8]) -> Result<usize, Damage> {
        match self.state {
            State::Magic => {
                self.state = if self.bytes()[0] == 0x28 {
                    State::Header
                } else {
                    State::Skippable
                };
            }
            State::Skippable => {
                let held = self.bytes();
                let size = little_endian(&held[4..SKIPPABLE_HEADER]);
                self.at += SKIPPABLE_HEADER;
                self.skip(size);
            }
            State::Skip(left) => {
                let here = (self.bytes().len() as u64).min(left);
                self.at += here as usize;
                self.skip(left - here);
            }
            State::Header => return self.header(out),
            State::Block => return self.block(out),
            State::Checksum => {
                self.state = State::Ended;
                return self.decode(CHECKSUM, out);
            }
            State::Ended => {}
        }
        Ok(0)
    }

    fn skip(&mut self, left: u64) {
        self.state = if left == 0 {
            State::Ended
        } else {
            State::Skip(left)
        };
    }

    fn header(&mut self, out: &mut [u8]) -> Result<usize, Damage> {
        let size = self.needed();
        let head = &self.bytes()[..size];
        if head[4] & 0x08 != 0 {
            return Err(Damage::corrupt("a zstd frame with a reserved bit"));
        }
        if window_size(head) > LARGEST_WINDOW {
            return Err(Damage::unsupported(format!(
                "a zstd window of more than {LARGEST_WINDOW} bytes"
            )));
        }
        if dictionary(head) != 0 {
            let detail = "zstd data that needs a dictionary".to_owned();
            return Err(Damage::unsupported(detail));
        }
        self.checked = head[4] & 0x04 != 0;
        self.state = State::Block;
        self.decode(size, out)
    }

    fn block(&mut self, out: &mut [u8]) -> Result<usize, Damage> {
        let Some((last, kind, size)) = block(self.bytes()) else {
            return Ok(0);
        };
        if kind == RESERVED || size > LARGEST_BLOCK {
            return Err(Damage::corrupt("a zstd block of no kind"));
        }
        let given = self.decode(self.needed(), out)?;
        if last {
            self.state = if self.checked {
                State::Checksum
            } else {
                State::Ended
            };
        }
        Ok(given)
    }

    /// Give the next `count` bytes to the decoder, and take all that comes of them.
    fn decode(&mut self, count: usize, out: &mut [u8]) -> Result<usize, Damage> {
        let mut input = InBuffer::around(&self.held[self.at..self.at + count]);
        let mut output = OutBuffer::around(out);
        while input.pos() < count {
            let (taken, given) = (input.pos(), output.pos());
            self.context
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| Damage::corrupt("damaged zstd data"))?;
            if (taken, given) == (input.pos(), output.pos()) {
                return Err(Damage::corrupt("damaged zstd data"));
            }
        }
        let given = output.pos();
        self.at += count;
        Ok(given)
    }
}

/// Of a block header: whether it is the last, its kind, its size.
fn block(held: &[u8]) -> Option<(bool, u8, usize)> {
    let header = little_endian(held.get(..BLOCK_HEADER)?);
    Some((
        header & 1 == 1,
        (header >> 1 & 3) as u8,
        (header >> 3) as usize,
    ))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Sizes of the window, dictionary and content size fields.
fn fields(descriptor: u8) -> (usize, usize, usize) {
    let single = usize::from(descriptor >> 5 & 1);
    let content = [single, 2, 4, 8][usize::from(descriptor >> 6)];
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    (1 - single, dictionary, content)
}

/// Bytes of a frame header, its magic included.
fn header_size(descriptor: u8) -> usize {
    let (window, dictionary, content) = fields(descriptor);
    5 + window + dictionary + content
}

/// The dictionary that a frame asks for; 0 for none.
fn dictionary(head: &[u8]) -> u64 {
    let (window, size, _) = fields(head[4]);
    little_endian(&head[5 + window..5 + window + size])
}

/// Bytes of output that the decoder has to keep.
fn window_size(head: &[u8]) -> u64 {
    let (window, dictionary, content) = fields(head[4]);
    if window == 1 {
        let base = 1_u64 << (10 + (head[5] >> 3));
        return base + (base >> 3) * u64::from(head[5] & 7);
    }
    let value = little_endian(&head[5 + dictionary..5 + dictionary + content]);
    if content == 2 { value + 256 } else { value }
}
