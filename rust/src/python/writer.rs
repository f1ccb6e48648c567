//! The writer of blobs, for Python.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::{Limits, Stop, limits_of, stop_of, without_gil};
use crate::digest::Algorithm;
use crate::failure::Failure;
use crate::layer;
use crate::per_process::PerProcess;
use crate::writer;

/// Writes a file and knows its digest; the file is always a prefix of what was written.
#[pyclass(frozen, module = "towline.core._native")]
pub(super) struct BlobWriter(pub(super) Arc<writer::BlobWriter>);

#[pymethods]
impl BlobWriter {
    #[new]
    #[pyo3(signature = (path, *, resume = false, algorithm = "sha256", stop = None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        resume: bool,
        algorithm: &str,
        stop: Option<&Stop>,
    ) -> PyResult<Self> {
        let algorithm = Algorithm::named(algorithm)?;
        let stop = stop_of(stop);
        let writer = without_gil(py, || {
            writer::BlobWriter::open(&path, resume, algorithm, stop)
        })?;
        Ok(Self(Arc::new(writer)))
    }

    /// Bytes held and handed over so far.
    #[getter]
    fn offset(&self) -> u64 {
        self.0.offset()
    }

    /// Append bytes.
    fn write(&self, py: Python<'_>, data: Bound<'_, PyBytes>) -> PyResult<()> {
        let data = Lent(Some(data.into()));
        let written = without_gil(py, || self.0.write(Box::new(data)));
        Lent::let_go(py);
        written
    }

    /// Append a range of an open file.
    fn copy_range(&self, py: Python<'_>, fd: i32, offset: u64, size: u64) -> PyResult<()> {
        let name = format!("file descriptor {fd}");
        let source = duplicate(fd)?;
        without_gil(py, || self.0.copy_range(&source, &name, offset, size))
    }

    /// Append what a connected socket receives: how much came, and the seconds it was waited for.
    fn receive(&self, py: Python<'_>, fd: i32, most: u64, patience: f64) -> PyResult<(u64, f64)> {
        let patience = Duration::try_from_secs_f64(patience)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let socket = duplicate(fd)?;
        let (received, outcome) =
            without_gil(py, || self.0.receive(socket.as_fd(), most, patience))?;
        outcome?;
        Ok((received.count, received.waited.as_secs_f64()))
    }

    /// The digest of the layer's tar, read behind the writing up to the size it will have.
    #[pyo3(signature = (size, *, limits = None))]
    fn follow(&self, py: Python<'_>, size: u64, limits: Option<&Limits>) -> PyResult<String> {
        let limits = limits_of(limits);
        without_gil(py, || layer::follow(&self.0, size, limits))
    }

    /// Nothing more comes: who follows and still waits is told so.
    fn end_following(&self) {
        self.0.end_following();
    }

    /// Close the file; its digest and size.
    #[pyo3(signature = (sync = false))]
    fn finish(&self, py: Python<'_>, sync: bool) -> PyResult<(String, u64)> {
        let finished = without_gil(py, || self.0.finish(sync));
        Lent::let_go(py);
        finished
    }

    /// Close the file and keep what was written; once more changes nothing.
    fn abort(&self, py: Python<'_>) {
        py.detach(|| self.0.abort());
        Lent::let_go(py);
    }
}

/// Bytes of Python's that are hashed without the GIL, and given back with it.
///
/// `PyO3` would do that too, but under a lock that a fork inherits as it is.
struct Lent(Option<PyBackedBytes>);

static GIVEN_BACK: PerProcess<Mutex<Vec<PyBackedBytes>>> = PerProcess::new();

impl Lent {
    fn given_back() -> MutexGuard<'static, Vec<PyBackedBytes>> {
        let lock = GIVEN_BACK.get();
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drop what nobody needs any more.
    fn let_go(_py: Python<'_>) {
        let bytes = std::mem::take(&mut *Self::given_back());
        drop(bytes);
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        Self::given_back().extend(self.0.take());
    }
}

/// A file of our own for a descriptor that Python named.
fn duplicate(fd: i32) -> Result<File, Failure> {
    let bad =
        |error: &std::io::Error| Failure::io(Path::new(&format!("file descriptor {fd}")), 0, error);
    if fd < 0 {
        return Err(bad(&rustix::io::Errno::BADF.into()));
    }
    // SAFETY: the number is not negative, and it is only asked to be duplicated, in this one
    // call: the kernel says whether it is open. The caller keeps it open for the call.
    #[allow(unsafe_code)]
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let owned = borrowed.try_clone_to_owned().map_err(|error| bad(&error))?;
    Ok(owned.into())
}
