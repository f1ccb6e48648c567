//! Archives and their members, for Python.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::archive::{self, CacheOptions, Options};
use crate::compression::Format;
use crate::failure::{Code, Failure};
use crate::python::byte_writer::ByteWriter;
use crate::python::errors::core_error;
use crate::python::gil::without_gil;
use crate::python::limits::{Limits, limits_of};
use crate::python::stop::{Stop, stop_of};
use crate::python::writer::BlobWriter;
use crate::tar;

/// One member of a tar.
#[pyclass(frozen, eq, hash, module = "towline.core._native")]
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Member {
    inner: tar::Member,
}

#[pymethods]
impl Member {
    #[new]
    fn new(
        name: &[u8],
        linkname: &[u8],
        r#type: char,
        size: u64,
        offset: u64,
        header: u64,
    ) -> PyResult<Self> {
        let kind =
            u8::try_from(r#type).map_err(|_| PyValueError::new_err("a member type is one byte"))?;
        let inner = tar::Member {
            name: name.to_vec(),
            linkname: linkname.to_vec(),
            kind,
            size,
            offset,
            header,
        };
        Ok(Self { inner })
    }

    #[getter]
    fn name(&self) -> &[u8] {
        &self.inner.name
    }

    #[getter]
    fn linkname(&self) -> &[u8] {
        &self.inner.linkname
    }

    #[getter]
    fn r#type(&self) -> char {
        self.inner.kind.into()
    }

    #[getter]
    fn size(&self) -> u64 {
        self.inner.size
    }

    #[getter]
    fn offset(&self) -> u64 {
        self.inner.offset
    }

    #[getter]
    fn header(&self) -> u64 {
        self.inner.header
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let inner = &self.inner;
        let name = PyBytes::new(py, &inner.name).repr()?.to_string();
        let linkname = PyBytes::new(py, &inner.linkname).repr()?.to_string();
        Ok(format!(
            "Member(name={name}, linkname={linkname}, type={:?}, size={}, offset={}, header={})",
            char::from(inner.kind),
            inner.size,
            inner.offset,
            inner.header
        ))
    }
}

/// A tar archive in a file, with up to `rounds` compressions.
#[pyclass(frozen, module = "towline.core._native")]
pub(super) struct Archive {
    inner: Mutex<Option<Arc<archive::Archive>>>,
    framing: Vec<Format>,
    inflated: Arc<AtomicU64>,
}

impl Archive {
    /// Return the open archive, or fail if it was closed or is locked by this thread.
    fn open(&self) -> PyResult<Arc<archive::Archive>> {
        // Unlocked before an exception is created: that can run any Python code and release the GIL.
        let inner = self
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let archive =
            inner.ok_or_else(|| Failure::new(Code::Cancelled, 0, "the archive is closed"))?;
        if archive.is_locked_by_this_thread() {
            // The call would wait for itself.
            let message = "the archive is in use by an outer call of this thread";
            return Err(PyRuntimeError::new_err(message));
        }
        Ok(archive)
    }
}

#[pymethods]
impl Archive {
    #[new]
    #[pyo3(
        signature = (path, *, formats = None, rounds = 2, limits = None, stop = None),
        text_signature = "(path, *, formats=('gzip', 'bzip2', 'xz', 'zstd'), rounds=2, limits=None, stop=None)"
    )]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        formats: Option<Vec<String>>,
        rounds: usize,
        limits: Option<&Limits>,
        stop: Option<&Stop>,
    ) -> PyResult<Self> {
        let mut options = Options {
            rounds,
            limits: limits_of(limits),
            stop: stop_of(stop),
            ..Options::default()
        };
        if let Some(names) = formats {
            let selected = names.iter().map(|name| Format::named(name));
            let selected = selected.collect::<Result<Vec<_>, _>>()?;
            options.formats.retain(|format| selected.contains(format));
        }
        let inner = without_gil(py, || archive::Archive::open(&path, options))?;
        Ok(Self {
            framing: inner.framing().to_vec(),
            inflated: Arc::clone(inner.inflated()),
            inner: Mutex::new(Some(Arc::new(inner))),
        })
    }

    /// The compressions, outermost first; empty for a plain tar.
    #[getter]
    fn framing<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.framing.iter().map(|format| format.name()))
    }

    /// The number of decompressed tar bytes of all passes; 0 for a plain tar.
    #[getter]
    fn inflated(&self) -> u64 {
        self.inflated.load(Ordering::Relaxed)
    }

    /// Return the members before the first damage, and that damage.
    #[pyo3(signature = (*, keep = 0, sizes = false))]
    fn index(
        &self,
        py: Python<'_>,
        keep: u64,
        sizes: bool,
    ) -> PyResult<(Vec<Member>, Option<Py<PyAny>>)> {
        let archive = self.open()?;
        let options = CacheOptions { bytes: keep, sizes };
        let (members, failure) = without_gil(py, || archive.index(options))?;
        let members = members.into_iter().map(|inner| Member { inner });
        let failure = failure
            .map(|failure| core_error(py, &failure))
            .transpose()?;
        Ok((members.collect(), failure))
    }

    /// Read ranges (offset, size) of the tar and return their bytes in the given order.
    fn read<'py>(
        &self,
        py: Python<'py>,
        ranges: Vec<(u64, u64)>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let archive = self.open()?;
        let contents = without_gil(py, || archive.read(&ranges))?;
        Ok(contents
            .into_iter()
            .map(|bytes| PyBytes::new(py, &bytes))
            .collect())
    }

    /// Append the data of a member to a writer; with `decompress`, decompress it once.
    #[pyo3(signature = (offset, size, writer, decompress = false))]
    fn copy_to(
        &self,
        py: Python<'_>,
        offset: u64,
        size: u64,
        writer: Py<PyAny>,
        decompress: bool,
    ) -> PyResult<()> {
        let archive = self.open()?;
        if let Ok(writer) = writer.bind(py).cast::<BlobWriter>() {
            // The writer of the core is used without the GIL and without copies of the bytes.
            let writer = Arc::clone(&writer.get().0);
            return without_gil(py, || archive.copy_to(offset, size, &*writer, decompress));
        }
        let writer = ByteWriter(writer);
        without_gil(py, || archive.copy_to(offset, size, &writer, decompress))
    }

    /// Return the size of a member after at most one round of decompression.
    fn measure(&self, py: Python<'_>, offset: u64, size: u64) -> PyResult<u64> {
        let archive = self.open()?;
        without_gil(py, || archive.measure(offset, size))
    }

    /// Close the file; further calls have no effect.
    fn close(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = None;
    }
}
