//! A tar archive in a file, which may be compressed: its index, and the data of its members.
//!
//! * `decompression`: opens the tar and compressed members;
//! * `pass`: one sequential pass over a compressed tar;
//! * `index`: the tar walk over such a pass;
//! * `member_cache`: the member data that the index keeps in memory;
//! * `state`: the state that is kept between calls, and its lock;
//! * `output`: the receiver of the data of a member.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::compression::Format;
use crate::failure::{Failure, Result};
use crate::limits::Limits;
use crate::sparse::ExpandedStream;
use crate::stop::Stop;
use crate::stream::{FileRange, MemoryStream, Slice, Stream, for_each_slice};
use crate::tar::Member;
use crate::walk::{Members, TarWalk, WalkResult, walk};

mod decompression;
mod index;
mod member_cache;
mod output;
mod pass;
mod state;

use decompression::{Decompression, TarStream};
use index::IndexPass;
pub use member_cache::CacheOptions;
use member_cache::MemberCache;
pub use output::Output;
use pass::{Pass, PassRange, too_short};
use state::{State, StateGuard, StateLock};

/// The options of an archive.
#[derive(Clone, Debug)]
pub struct Options {
    /// The compression formats that are detected.
    pub formats: Vec<Format>,
    /// The maximum number of compressions around the tar.
    pub rounds: usize,
    /// The limits of the archive.
    pub limits: Limits,
    /// Cancels all operations on the archive.
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

/// A tar archive in a file, with up to [`Options::rounds`] compressions.
pub struct Archive {
    file: Arc<File>,
    path: PathBuf,
    options: Options,
    framing: Vec<Format>,
    inflated: Arc<AtomicU64>,
    state: StateLock,
}

impl Archive {
    /// Open an archive and detect its compressions.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let file = File::open(path).map_err(|error| Failure::io(path, 0, &error))?;
        let mut archive = Self {
            file: Arc::new(file),
            path: path.to_owned(),
            options,
            framing: Vec::new(),
            inflated: Arc::default(),
            state: StateLock::default(),
        };
        let tar = archive.open_tar()?;
        archive.framing.clone_from(&tar.framing);
        if !tar.framing.is_empty() {
            // The first pass continues with this stream, so that no bytes are read twice.
            archive.lock().pass = Some(archive.new_pass(tar));
        }
        Ok(archive)
    }

    /// Return the compressions, outermost first; empty for a plain tar.
    pub fn framing(&self) -> &[Format] {
        &self.framing
    }

    /// Return the number of decompressed tar bytes of all passes; 0 for a plain tar.
    pub fn inflated(&self) -> &Arc<AtomicU64> {
        &self.inflated
    }

    /// Return the members before the first damage, and that damage.
    ///
    /// The damage is `None` if the tar ends with two zero blocks, or if the bytes end after a
    /// complete member, with or without one zero block. A truncated member is omitted, and so is a
    /// member in a damaged frame. `Err` is only [`Code::Io`] and [`Code::Cancelled`].
    ///
    /// The index of a compressed archive keeps member data in memory, as `keep` specifies.
    ///
    /// [`Code::Io`]: crate::Code::Io
    /// [`Code::Cancelled`]: crate::Code::Cancelled
    pub fn index(&self, keep: CacheOptions) -> Result<(Vec<Member>, Option<Failure>)> {
        let limit = self.options.limits.size_limit(Some(self.size()?));
        let mut walker = TarWalk::new(Members::kept(self.options.limits, limit));
        if self.framing.is_empty() {
            let result = walk(&mut self.open_tar()?.stream, &mut walker);
            let (members, sparse) = walker.members.into_kept();
            self.lock().sparse = sparse;
            return index_result(result, members);
        }
        let mut state = self.lock();
        let mut pass = match state.pass.take() {
            Some(pass) if pass.position == 0 && !pass.failed() => pass,
            _ => self.new_pass(self.open_tar()?),
        };
        let mut cache = MemberCache::new(keep, limit.size, self.options.limits.max_frames);
        let result = IndexPass {
            pass: &mut pass,
            walker: &mut walker,
            cache: &mut cache,
            path: &self.path,
            decompression: self.decompression(),
        }
        .run();
        state.cache = cache;
        let (mut members, sparse) = walker.members.into_kept();
        state.sparse = sparse;
        match &result {
            WalkResult::StreamFailure(failure)
                if !failure.is_limit() && !failure.is_transient() =>
            {
                let verified = pass.verified();
                let sparse = &state.sparse;
                members.retain(|member| {
                    let end = sparse.end_of_data(member.offset);
                    end.unwrap_or(member.offset + member.size) <= verified
                });
                state.damage = Some((verified, failure.clone()));
            }
            _ => {}
        }
        index_result(result, members)
    }

    /// Read ranges (offset, size) of the tar and return their bytes in the given order.
    ///
    /// This takes one pass, or none if all ranges are in the cache.
    pub fn read(&self, ranges: &[(u64, u64)]) -> Result<Vec<Vec<u8>>> {
        let mut state = self.lock();
        for &(offset, size) in ranges {
            state.check(offset, size)?;
        }
        let is_sparse = |range: &(u64, u64)| state.sparse.end_of_data(range.0).is_some();
        if ranges.iter().any(is_sparse) {
            return self.read_each(&mut state, ranges);
        }
        let mut contents = vec![Vec::new(); ranges.len()];
        if self.framing.is_empty() {
            let size = self.size()?;
            // The caller's sizes are checked before memory is allocated for them.
            if ranges.iter().any(|range| range.1 > 0 && end(*range) > size) {
                return Err(too_short(&self.path, size));
            }
            for (content, &(offset, size)) in contents.iter_mut().zip(ranges) {
                let mut stream = self.file_range(offset, size);
                for_each_slice(&mut stream, |slice| content.extend_from_slice(slice))?;
            }
            return Ok(contents);
        }
        let cached = |&(offset, size): &(u64, u64)| match size {
            0 => Some(Slice::default()),
            _ => state.cache.bytes(offset, size),
        };
        if let Some(found) = ranges.iter().map(cached).collect::<Option<Vec<_>>>() {
            return Ok(found.iter().map(|bytes| bytes.to_vec()).collect());
        }
        let non_empty = || ranges.iter().copied().filter(|range| range.1 > 0);
        let Some(first) = non_empty().map(|range| range.0).min() else {
            return Ok(contents);
        };
        let last = non_empty().map(end).max().unwrap_or(first);
        let mut position = first;
        let mut stream = self.pass_range(&mut state, first, last - first)?;
        for_each_slice(&mut stream, |slice| {
            let next = position + slice.len() as u64;
            for (content, &range) in contents.iter_mut().zip(ranges) {
                let (low, high) = (range.0.max(position), end(range).min(next));
                if low < high {
                    let part = (low - position) as usize..(high - position) as usize;
                    content.extend_from_slice(&slice[part]);
                }
            }
            position = next;
        })?;
        Ok(contents)
    }

    /// Return whether this thread is in a call that has locked the archive.
    ///
    /// A further call would wait forever. An [`Output`] can cause that, and so can the handler of
    /// a signal.
    pub fn is_locked_by_this_thread(&self) -> bool {
        self.state.is_held_by_this_thread()
    }

    /// Append the data of a member to an output; with `decompress`, decompress it once.
    pub fn copy_to<O: Output>(
        &self,
        offset: u64,
        size: u64,
        output: &O,
        decompress: bool,
    ) -> std::result::Result<(), O::Error> {
        let mut state = self.lock();
        state.check(offset, size)?;
        let decompression = self.decompression();
        if self.framing.is_empty() && state.sparse.end_of_data(offset).is_none() {
            let stored = self.file_range(offset, size);
            if decompress {
                if let Ok(mut plain) = decompression.open_member(stored, size) {
                    return write_all(&mut plain, output);
                }
            }
            // The rest does not use the state, so other calls need not wait for it.
            drop(state);
            let name = self.path.display().to_string();
            return output.copy_range(&self.file, &name, offset, size);
        }
        let mut stored = self.member(&mut state, offset, size)?;
        if !decompress {
            return write_all(&mut stored, output);
        }
        match decompression.open_member(stored, size) {
            Ok(mut plain) => write_all(&mut plain, output),
            Err(mut stored) => write_all(&mut stored, output),
        }
    }

    /// Return the size of a member after at most one round of decompression.
    pub fn measure(&self, offset: u64, size: u64) -> Result<u64> {
        let mut state = self.lock();
        state.check(offset, size)?;
        if let Some(found) = state.cache.size((offset, size)) {
            return found;
        }
        let mut total = 0;
        let count = |slice: &Slice| total += slice.len() as u64;
        let stored = self.member(&mut state, offset, size)?;
        match self.decompression().open_member(stored, size) {
            Ok(mut plain) => for_each_slice(&mut plain, count)?,
            Err(mut stored) => for_each_slice(&mut stored, count)?,
        }
        Ok(total)
    }

    /// Read ranges one after another; some of them are in sparse files.
    fn read_each(&self, state: &mut State, ranges: &[(u64, u64)]) -> Result<Vec<Vec<u8>>> {
        let read = |&(offset, size): &(u64, u64)| {
            let mut content = Vec::new();
            let mut stream = self.member(state, offset, size)?;
            for_each_slice(&mut stream, |slice| content.extend_from_slice(slice))?;
            Ok(content)
        };
        ranges.iter().map(read).collect()
    }

    fn lock(&self) -> StateGuard<'_> {
        self.state.lock()
    }

    fn size(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata
            .map_err(|error| Failure::io(&self.path, 0, &error))?
            .len())
    }

    fn decompression(&self) -> Decompression<'_> {
        Decompression {
            formats: &self.options.formats,
            limits: self.options.limits,
            stop: &self.options.stop,
        }
    }

    fn file_range(&self, offset: u64, size: u64) -> FileRange {
        let end = Some(end((offset, size)));
        let stop = self.options.stop.clone();
        FileRange::new(Arc::clone(&self.file), &self.path, offset, end, stop)
    }

    /// Open a stream of the whole tar.
    fn open_tar(&self) -> Result<TarStream> {
        self.decompression()
            .open_tar(&self.file, &self.path, self.options.rounds)
    }

    fn new_pass(&self, tar: TarStream) -> Pass {
        Pass::new(tar.stream, tar.innermost, Arc::clone(&self.inflated))
    }

    /// Return a range of the tar or of a sparse file.
    fn member<'a>(
        &'a self,
        state: &'a mut State,
        offset: u64,
        size: u64,
    ) -> Result<Box<dyn Stream + 'a>> {
        let Some(range) = state.sparse.range(offset, size) else {
            return self.stored(state, offset, size);
        };
        let range = range.map_err(|end| too_short(&self.path, end))?;
        let stored = self.stored(state, range.data.0, range.data.1)?;
        Ok(Box::new(ExpandedStream::new(stored, range)))
    }

    /// Return a range of the tar: from the file, the cache or a pass.
    fn stored<'a>(
        &'a self,
        state: &'a mut State,
        offset: u64,
        size: u64,
    ) -> Result<Box<dyn Stream + 'a>> {
        if self.framing.is_empty() {
            return Ok(Box::new(self.file_range(offset, size)));
        }
        if let Some(bytes) = state.cache.bytes(offset, size) {
            return Ok(Box::new(MemoryStream::new(bytes)));
        }
        Ok(Box::new(self.pass_range(state, offset, size)?))
    }

    /// Return a range of the current pass, or of a new pass if the current one is past `offset`.
    fn pass_range<'a>(
        &'a self,
        state: &'a mut State,
        offset: u64,
        size: u64,
    ) -> Result<PassRange<'a>> {
        let usable = |pass: &Pass| pass.position <= offset && !pass.failed();
        let pass = match state.pass.take() {
            Some(pass) if usable(&pass) => pass,
            _ => self.new_pass(self.open_tar()?),
        };
        Ok(PassRange {
            pass: state.pass.insert(pass),
            path: &self.path,
            offset,
            left: size,
        })
    }
}

/// Convert the result of a walk to that of `index`.
fn index_result(
    result: WalkResult,
    members: Vec<Member>,
) -> Result<(Vec<Member>, Option<Failure>)> {
    match result {
        WalkResult::Complete => Ok((members, None)),
        WalkResult::StreamFailure(failure) | WalkResult::TarFailure(failure)
            if failure.is_transient() =>
        {
            Err(failure)
        }
        WalkResult::TarFailure(failure) | WalkResult::StreamFailure(failure) => {
            Ok((members, Some(failure)))
        }
    }
}

fn end(range: (u64, u64)) -> u64 {
    range.0.saturating_add(range.1)
}

fn write_all<O: Output>(stream: &mut dyn Stream, output: &O) -> std::result::Result<(), O::Error> {
    loop {
        let slice = stream.next_slice()?;
        if slice.is_empty() {
            return Ok(());
        }
        output.write(Box::new(slice))?;
    }
}

#[cfg(test)]
mod tests;
