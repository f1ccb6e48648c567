//! The blob writer, for Python.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::digest::Algorithm;
use crate::failure::Failure;
use crate::layer;
use crate::per_process::PerProcess;
use crate::python::gil::without_gil;
use crate::python::limits::{Limits, limits_of};
use crate::python::stop::{Stop, stop_of};
use crate::writer;

/// Writes a file and computes its digest; the file is always a prefix of the written bytes.
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

    /// The size of the file: the kept and the appended bytes.
    #[getter]
    fn offset(&self) -> u64 {
        self.0.offset()
    }

    /// Append bytes.
    fn write(&self, py: Python<'_>, data: Bound<'_, PyBytes>) -> PyResult<()> {
        let data = DeferredBytes(Some(data.into()));
        let written = without_gil(py, || self.0.write(Box::new(data)));
        DeferredBytes::drop_released(py);
        written
    }

    /// Append a range of an open file.
    fn copy_range(&self, py: Python<'_>, fd: i32, offset: u64, size: u64) -> PyResult<()> {
        let name = format!("file descriptor {fd}");
        let source = duplicate(fd)?;
        without_gil(py, || self.0.copy_range(&source, &name, offset, size))
    }

    /// Append bytes of a connected socket; return their number and the seconds of waiting.
    fn receive(&self, py: Python<'_>, fd: i32, most: u64, timeout: f64) -> PyResult<(u64, f64)> {
        let timeout = Duration::try_from_secs_f64(timeout)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let socket = duplicate(fd)?;
        let (received, outcome) =
            without_gil(py, || self.0.receive(socket.as_fd(), most, timeout))?;
        outcome?;
        Ok((received.count, received.waited.as_secs_f64()))
    }

    /// Return the digest of a layer's tar; `size` is the final size of the layer.
    #[pyo3(signature = (size, *, limits = None))]
    fn follow(&self, py: Python<'_>, size: u64, limits: Option<&Limits>) -> PyResult<String> {
        let limits = limits_of(limits);
        without_gil(py, || layer::follow(&self.0, size, limits))
    }

    /// End each `follow` that waits for further bytes, with ``cancelled``.
    fn end_following(&self) {
        self.0.end_following();
    }

    /// Close the file; return its digest and size.
    #[pyo3(signature = (sync = false))]
    fn finish(&self, py: Python<'_>, sync: bool) -> PyResult<(String, u64)> {
        let finished = without_gil(py, || self.0.finish(sync));
        DeferredBytes::drop_released(py);
        finished
    }

    /// Close the file and keep the written bytes; further calls have no effect.
    fn abort(&self, py: Python<'_>) {
        py.detach(|| self.0.abort());
        DeferredBytes::drop_released(py);
    }
}

/// A Python `bytes` object that is used without the GIL and released later with the GIL.
///
/// `PyO3` has the same mechanism, but it uses a lock, which a forked process inherits in its
/// current state.
struct DeferredBytes(Option<PyBackedBytes>);

static RELEASED: PerProcess<Mutex<Vec<PyBackedBytes>>> = PerProcess::new();

impl DeferredBytes {
    fn released() -> MutexGuard<'static, Vec<PyBackedBytes>> {
        let lock = RELEASED.get();
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drop the released objects.
    fn drop_released(_py: Python<'_>) {
        let bytes = std::mem::take(&mut *Self::released());
        drop(bytes);
    }
}

impl AsRef<[u8]> for DeferredBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for DeferredBytes {
    fn drop(&mut self) {
        Self::released().extend(self.0.take());
    }
}

/// Duplicate a file descriptor of the caller.
fn duplicate(fd: i32) -> Result<File, Failure> {
    let io =
        |error: &std::io::Error| Failure::io(Path::new(&format!("file descriptor {fd}")), 0, error);
    if fd < 0 {
        return Err(io(&rustix::io::Errno::BADF.into()));
    }
    // SAFETY: the descriptor is not negative. It is used only for the duplication, which fails if
    // it is not open. The caller keeps it open during the call.
    #[allow(unsafe_code)]
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    let owned = borrowed.try_clone_to_owned().map_err(|error| io(&error))?;
    Ok(owned.into())
}
