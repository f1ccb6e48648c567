//! The conversion of failures to Python exceptions.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::failure::Failure;

/// Create a `CoreError` from a failure.
pub(super) fn core_error(py: Python<'_>, failure: &Failure) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.import(py, "towline.core.failure", "CoreError")?;
    let arguments = (failure.code.slug(), failure.offset, &failure.detail);
    Ok(class.call1(arguments)?.unbind())
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| match core_error(py, &failure) {
            Ok(error) => Self::from_value(error.into_bound(py)),
            Err(error) => error,
        })
    }
}
