//! The cancellation flag, for Python.

use pyo3::prelude::*;

use crate::stop;

/// A cancellation flag. Any thread can set it, and it stays set.
#[pyclass(frozen, module = "towline.core._native")]
pub(super) struct Stop(stop::Stop);

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Self(stop::Stop::default())
    }

    /// Cancel all operations that use this flag; they fail with ``cancelled``.
    fn set(&self) {
        self.0.set();
    }

    /// Whether it was set.
    #[getter]
    fn is_set(&self) -> bool {
        self.0.was_set()
    }
}

/// Return the flag, or a new one that is never set.
pub(super) fn stop_of(stop: Option<&Stop>) -> stop::Stop {
    stop.map_or_else(stop::Stop::default, |stop| stop.0.clone())
}
