//! The Python extension module: the only room that names `PyO3`, with those below it.
//!
//! Each call takes what it needs out of Python first, and then works without the GIL.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::digest::{self, Algorithm};
use crate::failure::Failure;
use crate::layer;
use crate::limits;
use crate::stop;

mod archive;
mod writer;

/// The Rust core of towline.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::archive::{Archive, Member};
    #[pymodule_export]
    use super::writer::BlobWriter;
    #[pymodule_export]
    use super::{LayerFacts, Limits, Stop, hash_file, layer_pass};
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

thread_local! {
    /// What a signal handler of Python's raised.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Work without the GIL. In the main thread Ctrl-C ends it: Python handles signals only there, and
/// only between two instructions of its own.
fn without_gil<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> crate::Result<T> + Send,
) -> PyResult<T> {
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    let main = u32::try_from(thread) == Ok(process::id());
    let outcome = py.detach(|| {
        if main {
            stop::interruptible(handle_signals, work)
        } else {
            work()
        }
    });
    match RAISED.take() {
        Some(error) => Err(error),
        None => Ok(outcome?),
    }
}

/// Run the handlers of signals that came; whether one of them raised.
fn handle_signals() -> bool {
    let raised = Python::attach(|py| py.check_signals()).err();
    let over = raised.is_some();
    RAISED.set(raised);
    over
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The digest (``sha256:<hex>``) and size of a file.
#[pyfunction]
#[pyo3(signature = (path, algorithm = "sha256", *, stop = None))]
fn hash_file(
    py: Python<'_>,
    path: PathBuf,
    algorithm: &str,
    stop: Option<&Stop>,
) -> PyResult<(String, u64)> {
    let algorithm = Algorithm::named(algorithm)?;
    let stop = stop_of(stop);
    without_gil(py, || digest::hash_file(&path, algorithm, stop))
}

/// Ends all that was given it, from any thread, once and for good.
#[pyclass(frozen, module = "towline.core._native")]
struct Stop(stop::Stop);

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Self(stop::Stop::default())
    }

    /// What is under way ends soon, with ``cancelled``.
    fn set(&self) {
        self.0.set();
    }
}

fn stop_of(stop: Option<&Stop>) -> stop::Stop {
    stop.map_or_else(stop::Stop::default, |stop| stop.0.clone())
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
#[pyo3(signature = (path, *, limits = None, stop = None))]
fn layer_pass(
    py: Python<'_>,
    path: PathBuf,
    limits: Option<&Limits>,
    stop: Option<&Stop>,
) -> PyResult<LayerFacts> {
    let (limits, stop) = (limits_of(limits), stop_of(stop));
    let facts = without_gil(py, || layer::layer_pass(&path, limits, stop))?;
    Ok(LayerFacts {
        digest: facts.digest,
        size: facts.size,
        compression: facts.compression.to_owned(),
        diff_id: facts.diff_id,
        tar_size: facts.tar_size,
        entries: facts.entries,
    })
}
