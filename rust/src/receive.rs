//! Bytes from a connected socket, in large reads, without Python in between.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::hashing::Bytes;
use crate::per_process::PerProcess;
use crate::stop::POLL;

/// How much is received before it is written and hashed: it stays in a core's own cache.
const SIZE: usize = 256 << 10;

/// How many buffers are kept for the next one who needs one.
const KEPT: usize = 16;

static SPARE: PerProcess<Mutex<Vec<Box<[u8]>>>> = PerProcess::new();

fn spare() -> MutexGuard<'static, Vec<Box<[u8]>>> {
    SPARE.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// A buffer that is filled from its beginning, and used again by the next.
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    pub fn take() -> Self {
        let spare = spare().pop();
        Self {
            bytes: spare.unwrap_or_else(|| vec![0; SIZE].into()),
            filled: 0,
        }
    }

    /// What came. A little is copied, lest it hold a whole buffer in memory.
    pub fn lend(self) -> Bytes {
        if self.filled < SIZE / 4 {
            Box::new(self.as_ref().to_vec())
        } else {
            Box::new(self)
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = spare();
        if spare.len() < KEPT {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// What came, and how long it was waited for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// Bytes that were appended.
    pub count: u64,
    /// Time in which nothing was there to be received.
    pub waited: Duration,
}

/// Receives up to a number of bytes, with patience for so much waiting.
pub(crate) struct Receiver<'a> {
    socket: BorrowedFd<'a>,
    most: u64,
    patience: Duration,
    pub received: Received,
}

impl<'a> Receiver<'a> {
    pub fn new(socket: BorrowedFd<'a>, most: u64, patience: Duration) -> Self {
        Self {
            socket,
            most,
            patience,
            received: Received::default(),
        }
    }

    /// Fill a buffer, or as much of it as comes without a long wait; whether more is to come.
    pub fn fill(&mut self, buffer: &mut Buffer, over: impl Fn() -> bool) -> io::Result<bool> {
        loop {
            let left = self.most - self.received.count;
            if left == 0 {
                return Ok(false);
            }
            let room = &mut buffer.bytes[buffer.filled..];
            if room.is_empty() {
                return Ok(true);
            }
            let room = &mut room[..usize::try_from(left)
                .map_or(SIZE, |left| left.min(SIZE))
                .min(SIZE - buffer.filled)];
            match recv(self.socket, room, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return Ok(false),
                Ok((count, _)) => {
                    buffer.filled += count;
                    self.received.count += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.received.waited >= self.patience {
                        return Ok(false);
                    }
                    if !self.wait()? && (buffer.filled > 0 || over()) {
                        return Ok(true);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Wait a little; whether there is something to receive.
    fn wait(&mut self) -> io::Result<bool> {
        let begun = Instant::now();
        let most = POLL.min(self.patience - self.received.waited);
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: most.subsec_nanos().into(),
        };
        let mut asked = [PollFd::new(&self.socket, PollFlags::IN)];
        let ready = match poll(&mut asked, Some(&limit)) {
            Ok(count) => count > 0,
            Err(Errno::INTR) => false,
            Err(error) => return Err(error.into()),
        };
        // At least something, so that no clock can make it endless.
        self.received.waited += begun.elapsed().max(Duration::from_nanos(1));
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_holds_no_whole_buffer() {
        for (filled, kept) in [(1, false), (SIZE / 4, true), (SIZE, true)] {
            let mut buffer = Buffer::take();
            buffer.filled = filled;
            let place = buffer.bytes.as_ptr();
            let bytes = buffer.lend();
            assert_eq!((*bytes).as_ref().len(), filled);
            assert_eq!((*bytes).as_ref().as_ptr() == place, kept);
        }
    }
}
