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
    /// What came out: of zstd one block, else at most a slice.
    pub out: Vec<u8>,
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

    pub fn step(&mut self, input: &[u8]) -> Result<Step, Damage> {
        let mut out = Vec::new();
        let (used, ended) = match self {
            Self::Gzip(inner, full) => {
                out.reserve_exact(SLICE);
                let before = inner.total_in();
                let status = inner
                    .decompress_vec(input, &mut out, FlushDecompress::None)
                    .map_err(|_| Damage::corrupt("damaged gzip data"))?;
                *full = out.len() == SLICE;
                let ended = status == flate2::Status::StreamEnd;
                ((inner.total_in() - before) as usize, ended)
            }
            Self::Bzip2(inner, full) => {
                out.reserve_exact(SLICE);
                let before = inner.total_in();
                let status = inner
                    .decompress_vec(input, &mut out)
                    .map_err(|_| Damage::corrupt("damaged bzip2 data"))?;
                *full = out.len() == SLICE;
                let ended = status == bzip2::Status::StreamEnd;
                ((inner.total_in() - before) as usize, ended)
            }
            Self::Xz(inner, full) => {
                out.reserve_exact(SLICE);
                let before = inner.total_in();
                let status = inner
                    .process_vec(input, &mut out, Action::Run)
                    .map_err(|error| match error {
                        liblzma::stream::Error::MemLimit => Damage::unsupported(format!(
                            "an xz stream that needs more than {XZ_MEMORY} bytes"
                        )),
                        _ => Damage::corrupt("damaged xz data"),
                    })?;
                *full = out.len() == SLICE;
                let ended = status == liblzma::stream::Status::StreamEnd;
                ((inner.total_in() - before) as usize, ended)
            }
            Self::Zstd(frame) => {
                let ended = frame.step(input, &mut out)?;
                (input.len(), ended)
            }
        };
        Ok(Step { used, out, ended })
    }
}
