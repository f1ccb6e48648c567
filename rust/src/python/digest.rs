//! The digest of a file, for Python.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::digest::{self, Algorithm};
use crate::python::gil::without_gil;
use crate::python::stop::{Stop, stop_of};

/// Return the digest (``sha256:<hex>``) and size of a file.
#[pyfunction]
#[pyo3(signature = (path, algorithm = "sha256", *, stop = None))]
pub(super) fn hash_file(
    py: Python<'_>,
    path: PathBuf,
    algorithm: &str,
    stop: Option<&Stop>,
) -> PyResult<(String, u64)> {
    let algorithm = Algorithm::named(algorithm)?;
    let stop = stop_of(stop);
    without_gil(py, || digest::hash_file(&path, algorithm, stop))
}
