//! The index of a compressed archive: the walk, and a look at each file on the way.

use super::notes::Notes;
use super::pass::{Pass, Window};
use super::{Archive, append};
use crate::failure::Result;
use crate::round::{Format, LONGEST_MAGIC};
use crate::stream::{Ahead, Held, Slice, Stream};
use crate::walk::{TarWalk, Verdict};

impl Archive {
    /// Walk a pass to its end, as [`walk`] does, and note what is wanted of the files.
    pub(super) fn survey(
        &self,
        pass: &mut Pass,
        walker: &mut TarWalk,
        notes: &mut Notes,
    ) -> Verdict {
        let mut step = || -> Result<Option<Verdict>> {
            let piece = pass.peek()?;
            let ended = piece.is_empty();
            let judged = if ended {
                walker.finish().map(|()| 0)
            } else {
                walker.take(piece)
            };
            match judged {
                Err(failure) => {
                    if !failure.is_limit() {
                        pass.drain()?;
                    }
                    return Ok(Some(Verdict::Tar(failure)));
                }
                Ok(_) if ended => return Ok(Some(Verdict::Whole)),
                Ok(count) => pass.take(count as u64)?,
            };
            if let Some(size) = walker.file_ahead()
                && notes.wants_anything()
            {
                let offset = pass.position;
                self.look(pass, offset, size, notes);
                walker.skip(pass.position - offset);
            }
            Ok(None)
        };
        loop {
            match step() {
                Ok(None) => {}
                Ok(Some(verdict)) => return verdict,
                Err(failure) => return Verdict::Stream(failure),
            }
        }
    }

    /// Note what is wanted of the file that begins here. A pass that fails will say so again.
    fn look(&self, pass: &mut Pass, offset: u64, size: u64, notes: &mut Notes) {
        let found = {
            let window = Window {
                pass: &mut *pass,
                path: &self.path,
                offset,
                left: size,
            };
            let mut ahead = Ahead::new(window);
            let head = ahead.peek(LONGEST_MAGIC);
            notes.note_head(offset, &head);
            let mut source: Box<dyn Stream + '_> = Box::new(ahead);
            if notes.make_room(size) {
                let mut bytes = Vec::with_capacity(size as usize);
                if append(&mut source, |piece| bytes.extend_from_slice(piece)).is_err() {
                    return;
                }
                let bytes = Slice::from(bytes);
                notes.keep(offset, bytes.clone());
                source = Box::new(Held::new(bytes));
            }
            let compressed = Format::detect(&head, &self.options.formats).is_some();
            if !compressed || !notes.wants_sizes() {
                return;
            }
            self.inflated_size(source, size, notes)
        };
        if let Some(found) = found
            && !pass.failed()
        {
            notes.note_size((offset, size), found);
        }
    }

    /// The size of a decompressed member, or what is wrong with it; nothing if that takes too long.
    fn inflated_size<S: Stream>(
        &self,
        stream: S,
        size: u64,
        notes: &mut Notes,
    ) -> Option<Result<u64>> {
        let mut plain = self.once(stream, size).ok()?;
        let mut total = 0;
        loop {
            match plain.pull() {
                Err(failure) => return Some(Err(failure)),
                Ok(piece) if piece.is_empty() => return Some(Ok(total)),
                Ok(piece) => {
                    total += piece.len() as u64;
                    notes.budget = notes.budget.saturating_sub(piece.len() as u64);
                    if notes.budget == 0 {
                        return None;
                    }
                }
            }
        }
    }
}
