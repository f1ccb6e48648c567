//! A tar, possibly compressed, once or more: its index, and its members' bytes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::digest::{Algorithm, Hasher};
use crate::failure::{Code, Failure, Result};
use crate::limits::Limits;
use crate::round::{Format, LONGEST_MAGIC, Round, Standing};
use crate::stream::{Ahead, Bounded, FileRange, Slice, Stream, read_at};
use crate::tar::Member;
use crate::walk::{TarWalk, Verdict, walk};
use crate::writer::BlobWriter;

/// How an archive is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The compressions that are looked for.
    pub formats: Vec<Format>,
    /// How many may lie around the tar.
    pub rounds: usize,
    /// What the archive may cost.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            formats: Format::ALL.to_vec(),
            rounds: 2,
            limits: Limits::default(),
        }
    }
}

/// A tar in a file, compressed up to a number of times.
pub struct Archive {
    file: Arc<File>,
    path: PathBuf,
    options: Options,
    framing: Vec<Format>,
    running: Mutex<Running>,
}

/// What calls leave for the next.
#[derive(Default)]
struct Running {
    /// The sequential pass, and where it stands.
    pass: Option<Pass>,
    /// What `index` found wrong with the compression, and how many bytes it vouched for.
    damage: Option<(u64, Failure)>,
}

/// A stream of the tar, as it was put together.
struct Opened {
    stream: Box<dyn Stream>,
    framing: Vec<Format>,
    innermost: Option<Arc<Standing>>,
}

impl Archive {
    /// Open an archive and find out how it is compressed.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let file = File::open(path).map_err(|error| Failure::io(path, 0, &error))?;
        let mut archive = Self {
            file: Arc::new(file),
            path: path.to_owned(),
            options,
            framing: Vec::new(),
            running: Mutex::default(),
        };
        archive.framing = archive.stream()?.framing;
        Ok(archive)
    }

    /// The compressions, outermost first; empty for a plain tar.
    pub fn framing(&self) -> &[Format] {
        &self.framing
    }

    /// The members up to the first damage, and that damage.
    ///
    /// `None` is a proper end: two zero blocks, or the end of the bytes after a whole member,
    /// with or without one zero block. A member that is cut short is left out; so is what stands
    /// in a compressed frame that is damaged. `Err` is only [`Code::Io`].
    pub fn index(&self) -> Result<(Vec<Member>, Option<Failure>)> {
        let mut opened = self.stream()?;
        let mut walker = TarWalk::new(self.options.limits);
        let verdict = walk(&mut opened.stream, &mut walker);
        let mut members = walker.members;
        let failure = match verdict {
            Verdict::Whole => return Ok((members, None)),
            Verdict::Stream(failure) | Verdict::Tar(failure) if failure.code == Code::Io => {
                return Err(failure);
            }
            Verdict::Tar(failure) => return Ok((members, Some(failure))),
            Verdict::Stream(failure) => failure,
        };
        if !failure.is_limit() {
            let vouched = opened
                .innermost
                .and_then(|round| round.vouched_at_failure())
                .unwrap_or(0);
            members.retain(|member| member.offset + member.size <= vouched);
            self.lock().damage = Some((vouched, failure.clone()));
        }
        Ok((members, Some(failure)))
    }

    /// The bytes of some ranges (offset, size) of the tar, in the order asked, in one pass.
    pub fn read(&self, ranges: &[(u64, u64)]) -> Result<Vec<Vec<u8>>> {
        let mut running = self.lock();
        for &(offset, size) in ranges {
            running.check(offset, size)?;
        }
        let mut answers = vec![Vec::new(); ranges.len()];
        if self.framing.is_empty() {
            let size = self.size()?;
            // Asked before anything is kept, for the sizes come from elsewhere.
            if ranges.iter().any(|range| range.1 > 0 && end(*range) > size) {
                return Err(self.too_short(size));
            }
            for (answer, &(offset, size)) in answers.iter_mut().zip(ranges) {
                let mut stream = self.range(offset, size);
                append(&mut stream, |piece| answer.extend_from_slice(piece))?;
            }
            return Ok(answers);
        }
        let wanted = || ranges.iter().copied().filter(|range| range.1 > 0);
        let Some(first) = wanted().map(|range| range.0).min() else {
            return Ok(answers);
        };
        let last = wanted().map(end).max().unwrap_or(first);
        let mut at = first;
        let mut window = self.window(&mut running, first, last - first)?;
        append(&mut window, |piece| {
            let stop = at + piece.len() as u64;
            for (answer, &range) in answers.iter_mut().zip(ranges) {
                let (low, high) = (range.0.max(at), end(range).min(stop));
                if low < high {
                    answer.extend_from_slice(&piece[(low - at) as usize..(high - at) as usize]);
                }
            }
            at = stop;
        })?;
        Ok(answers)
    }

    /// Append the bytes of a member to a writer; with `decompress`, decompressed once.
    pub fn copy_to(
        &self,
        offset: u64,
        size: u64,
        writer: &BlobWriter,
        decompress: bool,
    ) -> Result<()> {
        let mut running = self.lock();
        running.check(offset, size)?;
        if self.framing.is_empty() {
            if decompress && let Ok(mut plain) = self.once(self.range(offset, size), size) {
                return pour(&mut plain, writer);
            }
            // Nothing of the archive's own is used any more, so others need not wait.
            drop(running);
            let name = self.path.display().to_string();
            return writer.copy_range(&self.file, &name, offset, size);
        }
        let window = self.window(&mut running, offset, size)?;
        if !decompress {
            let mut window = window;
            return pour(&mut window, writer);
        }
        match self.once(window, size) {
            Ok(mut plain) => pour(&mut plain, writer),
            Err(mut stored) => pour(&mut stored, writer),
        }
    }

    /// The SHA-256 digest and size of a member, after at most one round of decompression.
    pub fn measure(&self, offset: u64, size: u64) -> Result<(String, u64)> {
        let mut running = self.lock();
        running.check(offset, size)?;
        if self.framing.is_empty() {
            return self.measured(self.range(offset, size), size);
        }
        let window = self.window(&mut running, offset, size)?;
        self.measured(window, size)
    }

    fn measured<S: Stream>(&self, stream: S, size: u64) -> Result<(String, u64)> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut total = 0;
        let count = |piece: &Slice| {
            hasher.update(piece);
            total += piece.len() as u64;
        };
        match self.once(stream, size) {
            Ok(mut plain) => append(&mut plain, count)?,
            Err(mut stored) => append(&mut stored, count)?,
        }
        Ok((hasher.finish(), total))
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size(&self) -> Result<u64> {
        let facts = self.file.metadata();
        Ok(facts
            .map_err(|error| Failure::io(&self.path, 0, &error))?
            .len())
    }

    fn too_short(&self, size: u64) -> Failure {
        let detail = format!("the tar in {} ends at byte {size}", self.path.display());
        Failure::new(Code::Truncated, size, detail)
    }

    fn range(&self, offset: u64, size: u64) -> FileRange {
        let end = Some(end((offset, size)));
        FileRange::new(Arc::clone(&self.file), &self.path, offset, end)
    }

    /// A stream of the tar, from its beginning.
    fn stream(&self) -> Result<Opened> {
        let limits = &self.options.limits;
        let io = |error: std::io::Error| Failure::io(&self.path, 0, &error);
        let mut head = vec![0; LONGEST_MAGIC];
        let count = read_at(&self.file, &mut head, 0).map_err(io)?;
        head.truncate(count);
        let ceiling = limits.ceiling(Some(self.size()?));
        let file = FileRange::new(Arc::clone(&self.file), &self.path, 0, None);
        let mut stream: Box<dyn Stream> = Box::new(file);
        let mut framing = Vec::new();
        let mut innermost = None;
        while framing.len() < self.options.rounds {
            let Some(format) = Format::detect(&head, &self.options.formats) else {
                break;
            };
            let round = Round::new(stream, format);
            innermost = Some(round.standing());
            let mut ahead = Ahead::new(Bounded::new(round, ceiling));
            head = ahead.peek(LONGEST_MAGIC);
            framing.push(format);
            stream = Box::new(ahead);
        }
        if framing.is_empty() {
            stream = Box::new(Bounded::new(stream, limits.ceiling(None)));
        }
        Ok(Opened {
            stream,
            framing,
            innermost,
        })
    }

    /// A range of the running pass, or of a new one if that is past it.
    fn window<'a>(
        &'a self,
        running: &'a mut Running,
        offset: u64,
        size: u64,
    ) -> Result<Window<'a>> {
        if running
            .pass
            .as_ref()
            .is_none_or(|pass| pass.position > offset)
        {
            running.pass = Some(Pass {
                stream: self.stream()?.stream,
                position: 0,
                held: Slice::default(),
            });
        }
        Ok(Window {
            archive: self,
            pass: &mut running.pass,
            offset,
            left: size,
        })
    }

    /// The decompressed form of a stream, or itself if it is not compressed.
    fn once<S: Stream>(&self, stream: S, size: u64) -> Once<S> {
        let mut ahead = Ahead::new(stream);
        match Format::detect(&ahead.peek(LONGEST_MAGIC), &self.options.formats) {
            None => Err(ahead),
            Some(format) => Ok(Bounded::new(
                Round::new(ahead, format),
                self.options.limits.ceiling(Some(size)),
            )),
        }
    }
}

type Once<S> = std::result::Result<Bounded<Round<Ahead<S>>>, Ahead<S>>;

impl Running {
    fn check(&self, offset: u64, size: u64) -> Result<()> {
        match &self.damage {
            Some((vouched, failure)) if size > 0 && end((offset, size)) > *vouched => {
                Err(failure.clone())
            }
            _ => Ok(()),
        }
    }
}

/// A sequential pass over a compressed tar, and where it stands.
struct Pass {
    stream: Box<dyn Stream>,
    position: u64,
    held: Slice,
}

impl Pass {
    /// Up to `most` next bytes; none at the end.
    fn take(&mut self, most: u64) -> Result<Slice> {
        if self.held.is_empty() {
            self.held = self.stream.pull()?;
        }
        let most = most.min(self.held.len() as u64);
        self.position += most;
        Ok(self.held.split_to(most as usize))
    }
}

/// A range of a pass. Where the pass fails it is over.
struct Window<'a> {
    archive: &'a Archive,
    pass: &'a mut Option<Pass>,
    offset: u64,
    left: u64,
}

impl Window<'_> {
    fn next(&mut self) -> Result<Slice> {
        let Some(pass) = self.pass.as_mut() else {
            return Ok(Slice::default());
        };
        while pass.position < self.offset {
            if pass.take(self.offset - pass.position)?.is_empty() {
                return Err(self.archive.too_short(pass.position));
            }
        }
        let piece = pass.take(self.left)?;
        if piece.is_empty() {
            return Err(self.archive.too_short(pass.position));
        }
        Ok(piece)
    }
}

impl Stream for Window<'_> {
    fn pull(&mut self) -> Result<Slice> {
        if self.left == 0 {
            return Ok(Slice::default());
        }
        let piece = self.next().inspect_err(|_| *self.pass = None)?;
        self.offset += piece.len() as u64;
        self.left -= piece.len() as u64;
        Ok(piece)
    }
}

fn end(range: (u64, u64)) -> u64 {
    range.0.saturating_add(range.1)
}

fn append(stream: &mut dyn Stream, mut take: impl FnMut(&Slice)) -> Result<()> {
    loop {
        let piece = stream.pull()?;
        if piece.is_empty() {
            return Ok(());
        }
        take(&piece);
    }
}

fn pour(stream: &mut dyn Stream, writer: &BlobWriter) -> Result<()> {
    loop {
        let piece = stream.pull()?;
        if piece.is_empty() {
            return Ok(());
        }
        writer.write(Box::new(piece))?;
    }
}

#[cfg(test)]
mod tests;
