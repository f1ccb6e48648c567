//! The limits of an archive or a layer, for Python.

use pyo3::prelude::*;

use crate::limits;

/// The limits of an archive or a layer.
#[pyclass(frozen, eq, hash, get_all, module = "towline.core._native")]
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Limits {
    max_bytes: u64,
    max_ratio: u64,
    max_entries: u64,
    max_path: u64,
    max_index: u64,
    max_frames: u64,
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (*, max_bytes = 1 << 40, max_ratio = 2000, max_entries = 10_000_000, max_path = 65_536, max_index = 32 << 20, max_frames = 1 << 22))]
    fn new(
        max_bytes: u64,
        max_ratio: u64,
        max_entries: u64,
        max_path: u64,
        max_index: u64,
        max_frames: u64,
    ) -> Self {
        Self {
            max_bytes,
            max_ratio,
            max_entries,
            max_path,
            max_index,
            max_frames,
        }
    }

    fn __repr__(&self) -> String {
        format!(
            "Limits(max_bytes={}, max_ratio={}, max_entries={}, max_path={}, max_index={}, max_frames={})",
            self.max_bytes,
            self.max_ratio,
            self.max_entries,
            self.max_path,
            self.max_index,
            self.max_frames
        )
    }
}

/// Return the limits, or the default limits.
pub(super) fn limits_of(limits: Option<&Limits>) -> limits::Limits {
    limits.map_or_else(limits::Limits::default, |limits| limits::Limits {
        max_bytes: limits.max_bytes,
        max_ratio: limits.max_ratio,
        max_entries: limits.max_entries,
        max_path: limits.max_path,
        max_index: limits.max_index,
        max_frames: limits.max_frames,
    })
}
