//! The layer pass, for Python.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::layer;
use crate::python::gil::without_gil;
use crate::python::limits::{Limits, limits_of};
use crate::python::stop::{Stop, stop_of};

/// The facts about a layer.
#[pyclass(frozen, eq, hash, get_all, module = "towline.core._native")]
#[derive(PartialEq, Eq, Hash)]
pub(super) struct LayerFacts {
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

    fn __repr__(&self) -> String {
        format!(
            "LayerFacts(digest='{}', size={}, compression='{}', diff_id='{}', tar_size={}, entries={})",
            self.digest, self.size, self.compression, self.diff_id, self.tar_size, self.entries
        )
    }
}

/// Read a layer once: compute its digests and sizes, walk its tar and check its limits.
#[pyfunction]
#[pyo3(signature = (path, *, limits = None, stop = None))]
pub(super) fn layer_pass(
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
