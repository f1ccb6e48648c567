//! Work without the GIL.

use std::cell::Cell;
use std::process;

use pyo3::prelude::*;

use crate::stop;

thread_local! {
    /// The exception that a Python signal handler raised.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Run `work` without the GIL.
///
/// In the main thread, Ctrl-C interrupts it: Python runs signal handlers only in that thread, and
/// only between two bytecode instructions.
pub(super) fn without_gil<T: Send, E: Into<PyErr> + Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> PyResult<T> {
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    let is_main = u32::try_from(thread) == Ok(process::id());
    // Python code that `work` calls can call this function again; that call has its own exception.
    let outer = RAISED.take();
    let outcome = py.detach(|| {
        if is_main {
            stop::interruptible(handle_signals, work)
        } else {
            work()
        }
    });
    match RAISED.replace(outer) {
        Some(error) => Err(error),
        None => outcome.map_err(Into::into),
    }
}

/// Run the handlers of pending signals; return whether one of them raised an exception.
fn handle_signals() -> bool {
    let error = Python::attach(|py| py.check_signals()).err();
    let raised = error.is_some();
    RAISED.set(error);
    raised
}
