//! Decoders that know one frame each: a gzip member, a bzip2 or xz stream, a zstd frame.

use bzip2::Decompress as Bzip2;
use flate2::{Decompress as Inflate, FlushDecompress};
use liblzma::stream::{Action, Stream as Lzma};

use crate::failure::Code;
use crate::round::Format;
use crate::stream::SLICE;
use crate::zstd::ZstdFrame;

/// What the decoder of an xz stream may use; `xz -9` asks for 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// Why a frame cannot be decoded.
pub(crate) struct Damage {
    pub code: Code,
    pub detail: String,
}

impl Damage {
    pub fn corrupt(detail: &str) -> Self {
        Self {
            code: Code::Corrupt,
            detail: detail.to_owned(),
        }
    }

    pub fn unsupported(detail: String) -> Self {
        Self {
            code: Code::Unsupported,
            detail,
        }
    }
}

/// What one step did.
pub(crate) struct Step {
    /// Bytes of the input that were taken.
    pub used: usize,
    /// Bytes of the output that were filled: with zstd one block, else at most a slice.
    pub given: usize,
    /// The frame is complete, its check value too.
    pub ended: bool,
}

/// Decompresses one frame.
pub(crate) enum Decoder {
    Gzip(Box<Inflate>, bool),
    Bzip2(Box<Bzip2>, bool),
    Xz(Box<Lzma>, bool),
    Zstd(Box<ZstdFrame>),
}

impl Decoder {
    pub fn new(format: Format) -> Result<Self, Damage> {
        Ok(match format {
            Format::Gzip => Self::Gzip(Box::new(Inflate::new_gzip(15)), false),
            Format::Bzip2 => Self::Bzip2(Box::new(Bzip2::new(false)), false),
            Format::Xz => Self::Xz(
                Box::new(
                    Lzma::new_stream_decoder(XZ_MEMORY, 0)
                        .map_err(|_| Damage::corrupt("no memory for an xz decoder"))?,
                ),
                false,
            ),
            Format::Zstd => Self::Zstd(Box::new(ZstdFrame::new()?)),
        })
    }

    /// The next step can do nothing without input.
    pub fn hungry(&self) -> bool {
        match self {
            Self::Gzip(_, full) | Self::Bzip2(_, full) | Self::Xz(_, full) => !full,
            Self::Zstd(frame) => frame.hungry(),
        }
    }

    /// Input that was taken and not needed, once the frame has ended.
    pub fn unused(self) -> Vec<u8> {
        match self {
            Self::Zstd(frame) => frame.into_unused(),
            _ => Vec::new(),
        }
    }

    /// Go on, with an output of one byte more than a slice.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, Damage> {
        let (used, given, ended) = match self {
            Self::Gzip(inner, full) => {
                let before = (inner.total_in(), inner.total_out());
                let status = inner
                    .decompress(input, &mut out[..SLICE], FlushDecompress::None)
                    .map_err(|_| Damage::corrupt("damaged gzip data"))?;
                let given = (inner.total_out() - before.1) as usize;
                *full = given == SLICE;
                let ended = status == flate2::Status::StreamEnd;
                ((inner.total_in() - before.0) as usize, given, ended)
            }
            Self::Bzip2(inner, full) => {
                let before = (inner.total_in(), inner.total_out());
                let status = inner
                    .decompress(input, &mut out[..SLICE])
                    .map_err(|_| Damage::corrupt("damaged bzip2 data"))?;
                let given = (inner.total_out() - before.1) as usize;
                *full = given == SLICE;
                let ended = status == bzip2::Status::StreamEnd;
                ((inner.total_in() - before.0) as usize, given, ended)
            }
            Self::Xz(inner, full) => {
                let before = (inner.total_in(), inner.total_out());
                let status = inner
                    .process(input, &mut out[..SLICE], Action::Run)
                    .map_err(|error| match error {
                        liblzma::stream::Error::MemLimit => Damage::unsupported(format!(
                            "an xz stream that needs more than {XZ_MEMORY} bytes"
                        )),
                        _ => Damage::corrupt("damaged xz data"),
                    })?;
                let given = (inner.total_out() - before.1) as usize;
                *full = given == SLICE;
                let ended = status == liblzma::stream::Status::StreamEnd;
                ((inner.total_in() - before.0) as usize, given, ended)
            }
            Self::Zstd(frame) => {
                let (given, ended) = frame.step(input, out)?;
                (input.len(), given, ended)
            }
        };
        Ok(Step { used, given, ended })
    }
}
