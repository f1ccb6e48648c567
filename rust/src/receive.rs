//! Receiving from a connected socket in large reads.

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

/// The size of a buffer. It is small enough for the cache of one core, so that the bytes are still
/// cached when they are written and hashed.
const SIZE: usize = 256 << 10;

/// The maximum number of unused buffers that are kept.
const MAX_SPARE: usize = 16;

static SPARE: PerProcess<Mutex<Vec<Box<[u8]>>>> = PerProcess::new();

fn spare() -> MutexGuard<'static, Vec<Box<[u8]>>> {
    SPARE.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// A receive buffer; it is reused when dropped.
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

    /// Return the received bytes.
    ///
    /// A small number of bytes is copied, so that they do not occupy a whole buffer.
    pub fn into_bytes(self) -> Bytes {
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
        if spare.len() < MAX_SPARE {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// The result of receiving.
#[derive(Clone, Copy, Debug, Default)]
pub struct Received {
    /// The number of bytes that were appended.
    pub count: u64,
    /// The time spent waiting for bytes.
    pub waited: Duration,
}

/// Receives up to `max_size` bytes and waits for at most `max_wait` in total.
pub(crate) struct Receiver<'a> {
    socket: BorrowedFd<'a>,
    max_size: u64,
    max_wait: Duration,
    pub received: Received,
}

impl<'a> Receiver<'a> {
    pub fn new(socket: BorrowedFd<'a>, max_size: u64, max_wait: Duration) -> Self {
        Self {
            socket,
            max_size,
            max_wait,
            received: Received::default(),
        }
    }

    /// Receive into a buffer until it is full, or until a poll interval passes without bytes.
    ///
    /// Return false if the stream ended, `max_size` is reached or `max_wait` is used up.
    /// `cancelled` ends the wait for the first byte.
    pub fn fill(&mut self, buffer: &mut Buffer, cancelled: impl Fn() -> bool) -> io::Result<bool> {
        loop {
            let left = self.max_size - self.received.count;
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
                    if self.received.waited >= self.max_wait {
                        return Ok(false);
                    }
                    if !self.wait()? && (buffer.filled > 0 || cancelled()) {
                        return Ok(true);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Wait for at most a poll interval; return whether there are bytes to receive.
    fn wait(&mut self) -> io::Result<bool> {
        let start = Instant::now();
        let limit = POLL.min(self.max_wait - self.received.waited);
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut descriptors = [PollFd::new(&self.socket, PollFlags::IN)];
        let ready = match poll(&mut descriptors, Some(&timeout)) {
            Ok(count) => count > 0,
            Err(Errno::INTR) => false,
            Err(error) => return Err(error.into()),
        };
        // The minimum of one nanosecond guarantees an end, even if the clock does not advance.
        self.received.waited += start.elapsed().max(Duration::from_nanos(1));
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_bytes_do_not_occupy_a_whole_buffer() {
        for (filled, shared) in [(1, false), (SIZE / 4, true), (SIZE, true)] {
            let mut buffer = Buffer::take();
            buffer.filled = filled;
            let address = buffer.bytes.as_ptr();
            let bytes = buffer.into_bytes();
            assert_eq!((*bytes).as_ref().len(), filled);
            assert_eq!((*bytes).as_ref().as_ptr() == address, shared);
        }
    }
}
