//! The Python extension module. Only this module and its submodules use `PyO3`.
//!
//! Each call converts its arguments first, and then works without the GIL. It takes the GIL again
//! only to run the handlers of signals and to call a writer that is a Python object. At that time it
//! can have a lock of the core; no thread that has the GIL waits for such a lock.
//!
//! * `archive`, `digest`, `layer`, `limits`, `stop`, `writer`: the exported classes and functions,
//!   by the module of the crate that they use;
//! * `byte_writer`: a writer that is a Python object;
//! * `errors`: the conversion of failures to exceptions;
//! * `gil`: work without the GIL.

use pyo3::prelude::*;

mod archive;
mod byte_writer;
mod digest;
mod errors;
mod gil;
mod layer;
mod limits;
mod stop;
mod writer;

/// The Rust core of towline.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::archive::{Archive, Member};
    #[pymodule_export]
    use super::digest::hash_file;
    #[pymodule_export]
    use super::layer::{LayerFacts, layer_pass};
    #[pymodule_export]
    use super::limits::Limits;
    #[pymodule_export]
    use super::stop::Stop;
    #[pymodule_export]
    use super::writer::BlobWriter;
}
