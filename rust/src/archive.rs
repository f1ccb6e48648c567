//! A tar, possibly compressed, once or more: its index, and its members' bytes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::failure::{Failure, Result};
use crate::limits::Limits;
use crate::round::{Format, LONGEST_MAGIC, Round, Standing};
use crate::stop::Stop;
use crate::stream::{Ahead, Bounded, FileRange, Held, Slice, Stream, read_at};
use crate::tar::Member;
use crate::walk::{TarWalk, Verdict, walk};
use crate::writer::BlobWriter;

mod notes;
mod pass;
mod survey;

pub use notes::Keep;
use notes::Notes;
use pass::{Pass, Window, too_short};

/// How an archive is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The compressions that are looked for.
    pub formats: Vec<Format>,
    /// How many may lie around the tar.
    pub rounds: usize,
    /// What the archive may cost.
    pub limits: Limits,
    /// Ends what is under way.
    pub stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            formats: Format::ALL.to_vec(),
            rounds: 2,
            limits: Limits::default(),
            stop: Stop::default(),
        }
    }
}

/// A tar in a file, compressed up to a number of times.
pub struct Archive {
    file: Arc<File>,
    path: PathBuf,
    options: Options,
    framing: Vec<Format>,
    inflated: Arc<AtomicU64>,
    running: Mutex<Running>,
}

/// What calls leave for the next.
#[derive(Default)]
struct Running {
    /// The sequential pass, and where it stands.
    pass: Option<Pass>,
    /// What `index` noted of the members.
    notes: Notes,
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
            inflated: Arc::default(),
            running: Mutex::default(),
        };
        let opened = archive.stream()?;
        archive.framing.clone_from(&opened.framing);
        if !opened.framing.is_empty() {
            // It has read a little to find that out, which is not read again.
            archive.lock().pass = Some(archive.pass(opened));
        }
        Ok(archive)
    }

    /// The compressions, outermost first; empty for a plain tar.
    pub fn framing(&self) -> &[Format] {
        &self.framing
    }

    /// Bytes of the tar that were decompressed so far, over all passes; 0 for a plain tar.
    pub fn inflated(&self) -> &Arc<AtomicU64> {
        &self.inflated
    }

    /// The members up to the first damage, and that damage.
    ///
    /// `None` is a proper end: two zero blocks, or the end of the bytes after a whole member,
    /// with or without one zero block. A member that is cut short is left out; so is what stands
    /// in a compressed frame that is damaged. `Err` is
    /// only [`Code::Io`] and [`Code::Cancelled`].
    ///
    /// Of a compressed archive it notes what `keep` says; a plain one is read in place.
    pub fn index(&self, keep: Keep) -> Result<(Vec<Member>, Option<Failure>)> {
        let mut walker = TarWalk::new(self.options.limits);
        if self.framing.is_empty() {
            let verdict = walk(&mut self.stream()?.stream, &mut walker);
            return judged(verdict, walker.members);
        }
        let mut running = self.lock();
        let mut pass = match running.pass.take() {
            Some(pass) if pass.position == 0 && !pass.failed() => pass,
            _ => self.pass(self.stream()?),
        };
        let ceiling = self.options.limits.ceiling(Some(self.size()?));
        let mut notes = Notes::new(keep, ceiling.size);
        let verdict = self.survey(&mut pass, &mut walker, &mut notes);
        running.notes = notes;
        let mut members = walker.members;
        if let Verdict::Stream(failure) = &verdict
            && !failure.is_limit()
            && !failure.is_of_the_moment()
        {
            let vouched = pass.vouched();
            members.retain(|member| member.offset + member.size <= vouched);
            running.damage = Some((vouched, failure.clone()));
        }
        judged(verdict, members)
    }

    /// The bytes of some ranges (offset, size) of the tar, in the order asked; in one pass, or in
    /// none where all was noted.
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
                return Err(too_short(&self.path, size));
            }
            for (answer, &(offset, size)) in answers.iter_mut().zip(ranges) {
                let mut stream = self.range(offset, size);
                append(&mut stream, |piece| answer.extend_from_slice(piece))?;
            }
            return Ok(answers);
        }
        let noted = |&(offset, size): &(u64, u64)| match size {
            0 => Some(Slice::default()),
            _ => running.notes.bytes(offset, size),
        };
        if let Some(found) = ranges.iter().map(noted).collect::<Option<Vec<_>>>() {
            return Ok(found.iter().map(|bytes| bytes.to_vec()).collect());
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
        let mut stored = self.member(&mut running, offset, size)?;
        if !decompress {
            return pour(&mut stored, writer);
        }
        match self.once(stored, size) {
            Ok(mut plain) => pour(&mut plain, writer),
            Err(mut stored) => pour(&mut stored, writer),
        }
    }

    /// The size of a member after at most one round of decompression.
    pub fn measure(&self, offset: u64, size: u64) -> Result<u64> {
        let mut running = self.lock();
        running.check(offset, size)?;
        if let Some(found) = running.notes.size((offset, size)) {
            return found;
        }
        let mut total = 0;
        let count = |piece: &Slice| total += piece.len() as u64;
        match self.once(self.member(&mut running, offset, size)?, size) {
            Ok(mut plain) => append(&mut plain, count)?,
            Err(mut stored) => append(&mut stored, count)?,
        }
        Ok(total)
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

    fn range(&self, offset: u64, size: u64) -> FileRange {
        let end = Some(end((offset, size)));
        let stop = self.options.stop.clone();
        FileRange::new(Arc::clone(&self.file), &self.path, offset, end, stop)
    }

    /// A stream of the tar, from its beginning.
    fn stream(&self) -> Result<Opened> {
        let limits = &self.options.limits;
        let io = |error: std::io::Error| Failure::io(&self.path, 0, &error);
        let mut head = vec![0; LONGEST_MAGIC];
        let count = read_at(&self.file, &mut head, 0).map_err(io)?;
        head.truncate(count);
        let ceiling = limits.ceiling(Some(self.size()?));
        let stop = self.options.stop.clone();
        let file = FileRange::new(Arc::clone(&self.file), &self.path, 0, None, stop);
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

    fn pass(&self, opened: Opened) -> Pass {
        Pass::new(opened.stream, opened.innermost, Arc::clone(&self.inflated))
    }

    /// A range of the tar: in the file, among what was noted, or in a pass.
    fn member<'a>(
        &'a self,
        running: &'a mut Running,
        offset: u64,
        size: u64,
    ) -> Result<Box<dyn Stream + 'a>> {
        if self.framing.is_empty() {
            return Ok(Box::new(self.range(offset, size)));
        }
        if let Some(bytes) = running.notes.bytes(offset, size) {
            return Ok(Box::new(Held::new(bytes)));
        }
        Ok(Box::new(self.window(running, offset, size)?))
    }

    /// A range of the running pass, or of a new one if that is past it.
    fn window<'a>(
        &'a self,
        running: &'a mut Running,
        offset: u64,
        size: u64,
    ) -> Result<Window<'a>> {
        let usable = |pass: &Pass| pass.position <= offset && !pass.failed();
        let pass = match running.pass.take() {
            Some(pass) if usable(&pass) => pass,
            _ => self.pass(self.stream()?),
        };
        Ok(Window {
            pass: running.pass.insert(pass),
            path: &self.path,
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

/// The answer of an index.
fn judged(verdict: Verdict, members: Vec<Member>) -> Result<(Vec<Member>, Option<Failure>)> {
    match verdict {
        Verdict::Whole => Ok((members, None)),
        Verdict::Stream(failure) | Verdict::Tar(failure) if failure.is_of_the_moment() => {
            Err(failure)
        }
        Verdict::Tar(failure) | Verdict::Stream(failure) => Ok((members, Some(failure))),
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
