//! The decoder of zstd frames.
//!
//! This module parses the headers of a frame and its blocks (RFC 8878, section 3.1) and passes
//! one block at a time to the zstd library. It so finds the end of the frame, and limits the output
//! of each step.

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use crate::compression::format::{DecodeError, Step};

/// The largest window that the zstd tools accept by default.
const LARGEST_WINDOW: u64 = 128 << 20;
const LARGEST_WINDOW_LOG: u32 = 27;

const LARGEST_BLOCK: usize = 128 << 10;
/// The first byte of a frame; those of skippable frames are different.
const FIRST_OF_MAGIC: u8 = 0x28;
const SKIPPABLE_HEADER: usize = 8;
const BLOCK_HEADER: usize = 3;
const CHECKSUM: usize = 4;
const RLE: u8 = 1;
const RESERVED: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the header of a frame or a skippable frame.
    Start,
    /// The number of remaining bytes of a skippable frame.
    Skip(u64),
    Block,
    Checksum,
    Ended,
}

/// Decodes zstd frames and skippable frames, one at a time.
pub(crate) struct ZstdFrame {
    context: DCtx<'static>,
    /// The beginning of an element that is not complete yet.
    partial: Vec<u8>,
    state: State,
    has_checksum: bool,
}

impl ZstdFrame {
    pub fn new() -> Result<Self, DecodeError> {
        let mut context = DCtx::try_create().ok_or_else(no_memory)?;
        context
            .set_parameter(DParameter::WindowLogMax(LARGEST_WINDOW_LOG))
            .map_err(|_| no_memory())?;
        Ok(Self {
            context,
            partial: Vec::new(),
            state: State::Start,
            has_checksum: false,
        })
    }

    /// Prepare for the next frame; this keeps the memory of the decoder.
    pub fn restart(&mut self) -> Result<(), DecodeError> {
        let reset = self.context.reset(ResetDirective::SessionOnly);
        reset.map_err(|_| no_memory())?;
        self.partial.clear();
        self.state = State::Start;
        Ok(())
    }

    /// Decode up to one element of the frame from the beginning of `input`.
    ///
    /// The output has one byte more than the largest block, so that the decoder never runs out of
    /// space.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeError> {
        let (consumed, produced) = self.advance(input, out)?;
        Ok(Step {
            consumed,
            produced,
            finished: self.state == State::Ended,
        })
    }

    /// Return the numbers of bytes consumed and produced.
    fn advance(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize), DecodeError> {
        if let State::Skip(left) = self.state {
            let skipped = (input.len() as u64).min(left);
            self.skip(left - skipped);
            return Ok((skipped as usize, 0));
        }
        if self.partial.is_empty() {
            let size = self.element_size(input);
            if size <= input.len() {
                return Ok((size, self.decode_element(&input[..size], out)?));
            }
        }
        let missing = self.element_size(&self.partial) - self.partial.len();
        let consumed = missing.min(input.len());
        self.partial.extend_from_slice(&input[..consumed]);
        if self.partial.len() < self.element_size(&self.partial) {
            return Ok((consumed, 0));
        }
        let mut element = std::mem::take(&mut self.partial);
        let produced = self.decode_element(&element, out)?;
        element.clear();
        self.partial = element;
        Ok((consumed, produced))
    }

    /// Return the size of the element that begins with `bytes`, as far as it is known from them.
    fn element_size(&self, bytes: &[u8]) -> usize {
        match self.state {
            State::Start if bytes.len() < 5 => 5,
            State::Start if bytes[0] == FIRST_OF_MAGIC => header_size(bytes[4]),
            State::Start => SKIPPABLE_HEADER,
            State::Checksum => CHECKSUM,
            State::Skip(_) | State::Ended => 0,
            State::Block => match parse_block_header(bytes) {
                Some((_, RLE, _)) => BLOCK_HEADER + 1,
                // A larger block is an error, so its content is not needed.
                Some((_, _, size)) if size <= LARGEST_BLOCK => BLOCK_HEADER + size,
                _ => BLOCK_HEADER,
            },
        }
    }

    /// Decode a complete element; return the number of bytes produced.
    fn decode_element(&mut self, element: &[u8], out: &mut [u8]) -> Result<usize, DecodeError> {
        match self.state {
            State::Start if element[0] == FIRST_OF_MAGIC => self.decode_header(element, out),
            State::Start => {
                self.skip(little_endian(&element[4..]));
                Ok(0)
            }
            State::Block => self.decode_block(element, out),
            State::Checksum => {
                self.state = State::Ended;
                self.decode(element, out)
            }
            State::Skip(_) | State::Ended => Ok(0),
        }
    }

    /// Continue a skippable frame with `left` remaining bytes.
    fn skip(&mut self, left: u64) {
        self.state = if left == 0 {
            State::Ended
        } else {
            State::Skip(left)
        };
    }

    fn decode_header(&mut self, head: &[u8], out: &mut [u8]) -> Result<usize, DecodeError> {
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
        self.decode(head, out)
    }

    fn decode_block(&mut self, block: &[u8], out: &mut [u8]) -> Result<usize, DecodeError> {
        let Some((last, kind, size)) = parse_block_header(block) else {
            return Ok(0);
        };
        if kind == RESERVED || size > LARGEST_BLOCK {
            return Err(DecodeError::corrupt("a zstd block of no kind"));
        }
        let produced = self.decode(block, out)?;
        if last {
            self.state = if self.has_checksum {
                State::Checksum
            } else {
                State::Ended
            };
        }
        Ok(produced)
    }

    /// Decode all of `bytes`; return the number of bytes produced.
    fn decode(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<usize, DecodeError> {
        let mut input = InBuffer::around(bytes);
        let mut output = OutBuffer::around(out);
        while input.pos() < bytes.len() {
            let (consumed, produced) = (input.pos(), output.pos());
            self.context
                .decompress_stream(&mut output, &mut input)
                .map_err(|_| DecodeError::corrupt("damaged zstd data"))?;
            if (consumed, produced) == (input.pos(), output.pos()) {
                return Err(DecodeError::corrupt("damaged zstd data"));
            }
        }
        Ok(output.pos())
    }
}

fn no_memory() -> DecodeError {
    DecodeError::corrupt("no memory for a zstd decoder")
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
