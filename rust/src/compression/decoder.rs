//! Decoders of one frame: a gzip member, a bzip2 stream, an xz stream or a zstd frame.

use bzip2::Decompress as Bzip2;
use flate2::{Decompress as Inflate, FlushDecompress};
use liblzma::stream::{Action, Stream as Lzma};

use crate::compression::format::{DecodeError, Format, Step};
use crate::compression::zstd::ZstdFrame;
use crate::stream::SLICE;

/// The memory limit of an xz decoder in bytes; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// Decompresses one frame.
///
/// The flag of a variant is set if the last step filled the output.
pub(crate) enum Decoder {
    Gzip(Box<Inflate>, bool),
    Bzip2(Box<Bzip2>, bool),
    Xz(Box<Lzma>, bool),
    Zstd(Box<ZstdFrame>),
}

impl Decoder {
    pub fn new(format: Format) -> Result<Self, DecodeError> {
        Ok(match format {
            Format::Gzip => Self::Gzip(Box::new(Inflate::new_gzip(15)), false),
            Format::Bzip2 => Self::Bzip2(Box::new(Bzip2::new(false)), false),
            Format::Xz => Self::Xz(
                Box::new(
                    Lzma::new_stream_decoder(XZ_MEMORY, 0)
                        .map_err(|_| DecodeError::corrupt("no memory for an xz decoder"))?,
                ),
                false,
            ),
            Format::Zstd => Self::Zstd(Box::new(ZstdFrame::new()?)),
        })
    }

    /// Return whether the next step needs input.
    pub fn needs_input(&self) -> bool {
        match self {
            Self::Gzip(_, full) | Self::Bzip2(_, full) | Self::Xz(_, full) => !full,
            Self::Zstd(_) => true,
        }
    }

    /// Return the decoder of the next frame.
    ///
    /// That of zstd keeps its memory. The other libraries can only make a new decoder; that is
    /// expensive for bzip2, so its frames have a higher [cost](Format::frame_cost).
    pub fn next_frame(self, format: Format) -> Result<Self, DecodeError> {
        match self {
            Self::Zstd(mut frame) => {
                frame.restart()?;
                Ok(Self::Zstd(frame))
            }
            _ => Self::new(format),
        }
    }

    /// Decode the next part of the frame into `out`, which has one byte more than a slice.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, DecodeError> {
        let (consumed, produced, finished) = match self {
            Self::Gzip(inner, full) => {
                let before = (inner.total_in(), inner.total_out());
                let status = inner
                    .decompress(input, &mut out[..SLICE], FlushDecompress::None)
                    .map_err(|_| DecodeError::corrupt("damaged gzip data"))?;
                let produced = (inner.total_out() - before.1) as usize;
                *full = produced == SLICE;
                let finished = status == flate2::Status::StreamEnd;
                ((inner.total_in() - before.0) as usize, produced, finished)
            }
            Self::Bzip2(inner, full) => {
                let before = (inner.total_in(), inner.total_out());
                let status = inner
                    .decompress(input, &mut out[..SLICE])
                    .map_err(|_| DecodeError::corrupt("damaged bzip2 data"))?;
                let produced = (inner.total_out() - before.1) as usize;
                *full = produced == SLICE;
                let finished = status == bzip2::Status::StreamEnd;
                ((inner.total_in() - before.0) as usize, produced, finished)
            }
            Self::Xz(inner, full) => {
                let before = (inner.total_in(), inner.total_out());
                let status = inner
                    .process(input, &mut out[..SLICE], Action::Run)
                    .map_err(|error| match error {
                        liblzma::stream::Error::MemLimit => DecodeError::unsupported(format!(
                            "an xz stream that needs more than {XZ_MEMORY} bytes"
                        )),
                        _ => DecodeError::corrupt("damaged xz data"),
                    })?;
                let produced = (inner.total_out() - before.1) as usize;
                *full = produced == SLICE;
                let finished = status == liblzma::stream::Status::StreamEnd;
                ((inner.total_in() - before.0) as usize, produced, finished)
            }
            Self::Zstd(frame) => return frame.step(input, out),
        };
        Ok(Step {
            consumed,
            produced,
            finished,
        })
    }
}
