//! The decoder of one zstd frame.
//!
//! This module parses the headers of the frame and its blocks (RFC 8878, section 3.1) and passes
//! one block at a time to the zstd library. It so finds the end of the frame, and limits the output
//! of each step.

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use crate::compression::format::DecodeError;

/// The largest window that the zstd tools accept by default.
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
    /// The number of remaining bytes of a skippable frame.
    Skip(u64),
    Header,
    Block,
    Checksum,
    Ended,
}

/// Decodes a zstd frame or a skippable frame.
pub(crate) struct ZstdFrame {
    context: DCtx<'static>,
    /// The input; the bytes before `start` are decoded.
    buffer: Vec<u8>,
    start: usize,
    state: State,
    has_checksum: bool,
}

impl ZstdFrame {
    pub fn new() -> Result<Self, DecodeError> {
        let no_memory = || DecodeError::corrupt("no memory for a zstd decoder");
        let mut context = DCtx::try_create().ok_or_else(no_memory)?;
        context
            .set_parameter(DParameter::WindowLogMax(LARGEST_WINDOW_LOG))
            .map_err(|_| no_memory())?;
        Ok(Self {
            context,
            buffer: Vec::new(),
            start: 0,
            state: State::Magic,
            has_checksum: false,
        })
    }

    pub fn needs_input(&self) -> bool {
        self.input().len() < self.needed()
    }

    pub fn into_unused_input(mut self) -> Vec<u8> {
        self.buffer.split_off(self.start)
    }

    /// Consume all of `input` and decode one element of the frame.
    ///
    /// Return the number of bytes produced, and whether the frame is complete. The output has one
    /// byte more than the largest block, so that the decoder never runs out of space.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, bool), DecodeError> {
        if !input.is_empty() {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.extend_from_slice(input);
        }
        let mut produced = 0;
        if !self.needs_input() {
            produced = self.advance(out)?;
        }
        Ok((produced, self.state == State::Ended))
    }

    /// Return the input that is not decoded yet.
    fn input(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Return the number of bytes that the next step needs, as far as it is known from the input.
    fn needed(&self) -> usize {
        let input = self.input();
        match self.state {
            State::Magic => 5,
            State::Skippable => SKIPPABLE_HEADER,
            State::Skip(_) => 1,
            State::Header => header_size(input[4]),
            State::Checksum => CHECKSUM,
            State::Ended => 0,
            State::Block => match parse_block_header(input) {
                Some((_, RLE, _)) => BLOCK_HEADER + 1,
                // A larger block is an error, so its content is not needed.
                Some((_, _, size)) if size <= LARGEST_BLOCK => BLOCK_HEADER + size,
                _ => BLOCK_HEADER,
            },
        }
    }

    fn advance(&mut self, out: &mut [u8]) -> Result<usize, DecodeError> {
        match self.state {
            State::Magic => {
                self.state = if self.input()[0] == 0x28 {
                    State::Header
                } else {
                    State::Skippable
                };
            }
            State::Skippable => {
                let input = self.input();
                let size = little_endian(&input[4..SKIPPABLE_HEADER]);
                self.start += SKIPPABLE_HEADER;
                self.skip(size);
            }
            State::Skip(left) => {
                let skipped = (self.input().len() as u64).min(left);
                self.start += skipped as usize;
                self.skip(left - skipped);
            }
            State::Header => return self.decode_header(out),
            State::Block => return self.decode_block(out),
            State::Checksum => {
                self.state = State::Ended;
                return self.decode(CHECKSUM, out);
            }
            State::Ended => {}
        }
        Ok(0)
    }

    /// Continue a skippable frame with `left` remaining bytes.
    fn skip(&mut self, left: u64) {
        self.state = if left == 0 {
            State::Ended
        } else {
            State::Skip(left)
        };
    }

    fn decode_header(&mut self, out: &mut [u8]) -> Result<usize, DecodeError> {
        let size = self.needed();
        let head = &self.input()[..size];
        if head[4] & 0x08 != 0 {
            return Err(DecodeError::corrupt("a zstd frame with a reserved bit"));
        }
        if window_size(head) > LARGEST_WINDOW {
            return Err(DecodeError::unsupported(format!(
                "a zstd window of more than {LARGEST_WINDOW} bytes"
            )));
        }
        if dictionary_id(head) != 0 {
            let detail = "zstd data that needs a dictionary".to_owned();
            return Err(DecodeError::unsupported(detail));
        }
        self.has_checksum = head[4] & 0x04 != 0;
        self.state = State::Block;
        self.decode(size, out)
    }

    fn decode_block(&mut self, out: &mut [u8]) -> Result<usize, DecodeError> {
        let Some((last, kind, size)) = parse_block_header(self.input()) else {
            return Ok(0);
        };
        if kind == RESERVED || size > LARGEST_BLOCK {
            return Err(DecodeError::corrupt("a zstd block of no kind"));
        }
        let produced = self.decode(self.needed(), out)?;
        if last {
            self.state = if self.has_checksum {
                State::Checksum
            } else {
                State::Ended
            };
        }
        Ok(produced)
    }

    /// Decode the next `count` bytes completely; return the number of bytes produced.
    fn decode(&mut self, count: usize, out: &mut [u8]) -> Result<usize, DecodeError> {
        let mut input = InBuffer::around(&self.buffer[self.start..self.start + count]);
        let mut output = OutBuffer::around(out);
        while input.pos() < count {
            let (consumed, produced) = (input.pos(), output.pos());
            self.context
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| DecodeError::corrupt("damaged zstd data"))?;
            if (consumed, produced) == (input.pos(), output.pos()) {
                return Err(DecodeError::corrupt("damaged zstd data"));
            }
        }
        let produced = output.pos();
        self.start += count;
        Ok(produced)
    }
}

/// Parse a block header; return whether the block is the last one, its type and its size.
fn parse_block_header(input: &[u8]) -> Option<(bool, u8, usize)> {
    let header = little_endian(input.get(..BLOCK_HEADER)?);
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

/// Return the lengths of the window, dictionary and content size fields.
fn field_lengths(descriptor: u8) -> (usize, usize, usize) {
    let single = usize::from(descriptor >> 5 & 1);
    let content = [single, 2, 4, 8][usize::from(descriptor >> 6)];
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    (1 - single, dictionary, content)
}

/// Return the length of a frame header, including its magic number.
fn header_size(descriptor: u8) -> usize {
    let (window, dictionary, content) = field_lengths(descriptor);
    5 + window + dictionary + content
}

/// Return the id of the dictionary that a frame needs; 0 for none.
fn dictionary_id(head: &[u8]) -> u64 {
    let (window, size, _) = field_lengths(head[4]);
    little_endian(&head[5 + window..5 + window + size])
}

/// Return the window size: the number of output bytes that the decoder has to keep.
fn window_size(head: &[u8]) -> u64 {
    let (window, dictionary, content) = field_lengths(head[4]);
    if window == 1 {
        let base = 1_u64 << (10 + (head[5] >> 3));
        return base + (base >> 3) * u64::from(head[5] & 7);
    }
    let value = little_endian(&head[5 + dictionary..5 + dictionary + content]);
    if content == 2 { value + 256 } else { value }
}
