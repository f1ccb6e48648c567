//! The Python extension module: the only room that names `PyO3`.
//!
//! Each call takes what it needs out of Python first, and then works without the GIL.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple, PyType};

use crate::archive::{self, Keep, Options};
use crate::digest::{self, Algorithm};
use crate::failure::{Code, Failure};
use crate::layer;
use crate::limits;
use crate::round::Format;
use crate::tar;
use crate::writer;

/// The Rust core of towline.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::{Archive, BlobWriter, LayerFacts, Limits, Member, hash_file, layer_pass};
}

fn core_error(py: Python<'_>, failure: &Failure) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "towline.core.failure", "CoreError")?;
    let facts = (failure.code.slug(), failure.offset, &failure.detail);
    Ok(class.call1(facts)?.unbind())
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| match core_error(py, &failure) {
            Ok(error) => Self::from_value(error.into_bound(py)),
            Err(error) => error,
        })
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The digest (``sha256:<hex>``) and size of a file.
#[pyfunction]
#[pyo3(signature = (path, algorithm = "sha256"))]
fn hash_file(py: Python<'_>, path: PathBuf, algorithm: &str) -> PyResult<(String, u64)> {
    let algorithm = Algorithm::named(algorithm)?;
    Ok(py.detach(|| digest::hash_file(&path, algorithm))?)
}

/// What an archive or a layer may cost.
#[pyclass(frozen, eq, get_all, module = "towline.core._native")]
#[derive(PartialEq, Eq, Hash)]
struct Limits {
    max_bytes: u64,
    max_ratio: u64,
    max_entries: u64,
    max_path: u64,
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (*, max_bytes = 1 << 40, max_ratio = 2000, max_entries = 10_000_000, max_path = 65_536))]
    fn new(max_bytes: u64, max_ratio: u64, max_entries: u64, max_path: u64) -> Self {
        Self {
            max_bytes,
            max_ratio,
            max_entries,
            max_path,
        }
    }

    fn __hash__(&self) -> u64 {
        hash_of(self)
    }

    fn __repr__(&self) -> String {
        format!(
            "Limits(max_bytes={}, max_ratio={}, max_entries={}, max_path={})",
            self.max_bytes, self.max_ratio, self.max_entries, self.max_path
        )
    }
}

fn limits_of(limits: Option<&Limits>) -> limits::Limits {
    limits.map_or_else(limits::Limits::default, |limits| limits::Limits {
        max_bytes: limits.max_bytes,
        max_ratio: limits.max_ratio,
        max_entries: limits.max_entries,
        max_path: limits.max_path,
    })
}

/// Writes a file and knows its digest; the file is always a prefix of what was written.
#[pyclass(frozen, module = "towline.core._native")]
struct BlobWriter(Arc<writer::BlobWriter>);

#[pymethods]
impl BlobWriter {
    #[new]
    #[pyo3(signature = (path, *, resume = false, algorithm = "sha256"))]
    fn new(py: Python<'_>, path: PathBuf, resume: bool, algorithm: &str) -> PyResult<Self> {
        let algorithm = Algorithm::named(algorithm)?;
        let writer = py.detach(|| writer::BlobWriter::open(&path, resume, algorithm))?;
        Ok(Self(Arc::new(writer)))
    }

    /// Bytes held and handed over so far.
    #[getter]
    fn offset(&self) -> u64 {
        self.0.offset()
    }

    /// Append bytes.
    fn write(&self, py: Python<'_>, data: Bound<'_, PyBytes>) -> PyResult<()> {
        let data = PyBackedBytes::from(data);
        Ok(py.detach(|| self.0.write(Box::new(data)))?)
    }

    /// Append a range of an open file.
    fn copy_range(&self, py: Python<'_>, fd: i32, offset: u64, size: u64) -> PyResult<()> {
        let name = format!("file descriptor {fd}");
        let source = duplicate(fd)?;
        Ok(py.detach(|| self.0.copy_range(&source, &name, offset, size))?)
    }

    /// Append what a connected socket receives: how much came, and the seconds it was waited for.
    fn receive(&self, py: Python<'_>, fd: i32, most: u64, patience: f64) -> PyResult<(u64, f64)> {
        let patience = Duration::try_from_secs_f64(patience)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let socket = duplicate(fd)?;
        let (received, outcome) = py.detach(|| self.0.receive(socket.as_fd(), most, patience))?;
        outcome?;
        Ok((received.count, received.waited.as_secs_f64()))
    }

    /// The digest of the layer's tar, read behind the writing up to the size it will have.
    #[pyo3(signature = (size, *, limits = None))]
    fn follow(&self, py: Python<'_>, size: u64, limits: Option<&Limits>) -> PyResult<String> {
        let limits = limits_of(limits);
        Ok(py.detach(|| layer::follow(&self.0, size, limits))?)
    }

    /// Nothing more comes: who follows and still waits is told so.
    fn end_following(&self) {
        self.0.end_following();
    }

    /// Close the file; its digest and size.
    #[pyo3(signature = (sync = false))]
    fn finish(&self, py: Python<'_>, sync: bool) -> PyResult<(String, u64)> {
        Ok(py.detach(|| self.0.finish(sync))?)
    }

    /// Close the file and keep what was written; once more changes nothing.
    fn abort(&self, py: Python<'_>) {
        py.detach(|| self.0.abort());
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

/// One member of a tar.
#[pyclass(frozen, eq, module = "towline.core._native")]
#[derive(PartialEq, Eq, Hash)]
struct Member {
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

    fn __hash__(&self) -> u64 {
        hash_of(self)
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

/// A tar in a file, compressed up to `rounds` times.
#[pyclass(frozen, module = "towline.core._native")]
struct Archive {
    inner: Mutex<Option<Arc<archive::Archive>>>,
    framing: Vec<Format>,
    inflated: Arc<AtomicU64>,
}

impl Archive {
    fn open(&self) -> Result<Arc<archive::Archive>, Failure> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .clone()
            .ok_or_else(|| Failure::new(Code::Cancelled, 0, "the archive is closed"))
    }
}

#[pymethods]
impl Archive {
    #[new]
    #[pyo3(
        signature = (path, *, formats = None, rounds = 2, limits = None),
        text_signature = "(path, *, formats=('gzip', 'bzip2', 'xz', 'zstd'), rounds=2, limits=None)"
    )]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        formats: Option<Vec<String>>,
        rounds: usize,
        limits: Option<&Limits>,
    ) -> PyResult<Self> {
        let mut options = Options {
            rounds,
            limits: limits_of(limits),
            ..Options::default()
        };
        if let Some(names) = formats {
            let wanted = names.iter().map(|name| Format::named(name));
            let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
            options.formats.retain(|format| wanted.contains(format));
        }
        let inner = py.detach(|| archive::Archive::open(&path, options))?;
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

    /// Bytes of the tar that were decompressed so far, over all passes.
    #[getter]
    fn inflated(&self) -> u64 {
        self.inflated.load(Ordering::Relaxed)
    }

    /// The members up to the first damage, and that damage.
    #[pyo3(signature = (*, keep = 0, sizes = false))]
    fn index(
        &self,
        py: Python<'_>,
        keep: u64,
        sizes: bool,
    ) -> PyResult<(Vec<Member>, Option<Py<PyAny>>)> {
        let archive = self.open()?;
        let bytes = keep;
        let (members, failure) = py.detach(|| archive.index(Keep { bytes, sizes }))?;
        let members = members.into_iter().map(|inner| Member { inner });
        let failure = failure
            .map(|failure| core_error(py, &failure))
            .transpose()?;
        Ok((members.collect(), failure))
    }

    /// The bytes of some ranges (offset, size) of the tar, in the order asked.
    fn read<'py>(
        &self,
        py: Python<'py>,
        ranges: Vec<(u64, u64)>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let archive = self.open()?;
        let answers = py.detach(|| archive.read(&ranges))?;
        Ok(answers
            .into_iter()
            .map(|bytes| PyBytes::new(py, &bytes))
            .collect())
    }

    /// Append the bytes of a member to a writer; with `decompress`, decompressed once.
    #[pyo3(signature = (offset, size, writer, decompress = false))]
    fn copy_to(
        &self,
        py: Python<'_>,
        offset: u64,
        size: u64,
        writer: &BlobWriter,
        decompress: bool,
    ) -> PyResult<()> {
        let archive = self.open()?;
        let writer = Arc::clone(&writer.0);
        Ok(py.detach(|| archive.copy_to(offset, size, &writer, decompress))?)
    }

    /// The size of a member after at most one round of decompression.
    fn measure(&self, py: Python<'_>, offset: u64, size: u64) -> PyResult<u64> {
        let archive = self.open()?;
        Ok(py.detach(|| archive.measure(offset, size))?)
    }

    /// Close the file; once more changes nothing.
    fn close(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *inner = None;
    }
}

/// What a layer is.
#[pyclass(frozen, eq, get_all, module = "towline.core._native")]
#[derive(PartialEq, Eq, Hash)]
struct LayerFacts {
    digest: String,
    size: u64,
    compression: String,
    diff_id: String,
    tar_size: u64,
    entries: u64,
}

#[pymethods]
impl LayerFacts {
    #[new]
    fn new(
        digest: String,
        size: u64,
        compression: String,
        diff_id: String,
        tar_size: u64,
        entries: u64,
    ) -> Self {
        Self {
            digest,
            size,
            compression,
            diff_id,
            tar_size,
            entries,
        }
    }

    fn __hash__(&self) -> u64 {
        hash_of(self)
    }

    fn __repr__(&self) -> String {
        format!(
            "LayerFacts(digest='{}', size={}, compression='{}', diff_id='{}', tar_size={}, entries={})",
            self.digest, self.size, self.compression, self.diff_id, self.tar_size, self.entries
        )
    }
}

/// Read a layer once: both digests, both sizes, the tar walk, the budgets.
#[pyfunction]
#[pyo3(signature = (path, *, limits = None))]
fn layer_pass(py: Python<'_>, path: PathBuf, limits: Option<&Limits>) -> PyResult<LayerFacts> {
    let limits = limits_of(limits);
    let facts = py.detach(|| layer::layer_pass(&path, limits))?;
    Ok(LayerFacts {
        digest: facts.digest,
        size: facts.size,
        compression: facts.compression.to_owned(),
        diff_id: facts.diff_id,
        tar_size: facts.tar_size,
        entries: facts.entries,
    })
}
