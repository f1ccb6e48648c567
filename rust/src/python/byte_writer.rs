//! A writer that is a Python object.

use std::fs::File;
use std::os::fd::AsRawFd;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::archive::Output;
use crate::writer::Bytes;

/// An object with the methods of `towline.core.ByteWriter`.
///
/// Its methods are called with the GIL, which the caller does not have. A thread that waits for
/// the lock of the archive does not have it either, so the two locks cannot block each other.
pub(super) struct ByteWriter(pub(super) Py<PyAny>);

impl Output for ByteWriter {
    type Error = PyErr;

    fn write(&self, bytes: Bytes) -> PyResult<()> {
        Python::attach(|py| {
            let data = PyBytes::new(py, (*bytes).as_ref());
            let method = intern!(py, "write");
            self.0.bind(py).call_method1(method, (data,)).map(drop)
        })
    }

    fn copy_range(&self, file: &File, _name: &str, offset: u64, size: u64) -> PyResult<()> {
        Python::attach(|py| {
            let arguments = (file.as_raw_fd(), offset, size);
            let method = intern!(py, "copy_range");
            self.0.bind(py).call_method1(method, arguments).map(drop)
        })
    }
}
