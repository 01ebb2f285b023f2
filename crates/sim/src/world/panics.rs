//! Panics anywhere in the simulated machines: the runtime keeps those of tasks to itself.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use crate::oracle::Violation;

thread_local! {
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a simulation; a panic in it that nobody else reports is its result.
pub(super) fn catch(run: impl FnOnce() -> Result<(), Violation>) -> Result<(), Violation> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            note(panic);
            previous(panic);
        }));
    });
    FIRST.take();
    let result = std::panic::catch_unwind(AssertUnwindSafe(run));
    check()?;
    result.unwrap_or_else(|_| Err(Violation("a panic without a message".to_owned())))
}

/// Whether anything has panicked on this thread.
pub(super) fn check() -> Result<(), Violation> {
    FIRST.take().map_or(Ok(()), |message| Err(Violation(format!("panic: {message}"))))
}

fn note(panic: &PanicHookInfo<'_>) {
    FIRST.with_borrow_mut(|first| {
        first.get_or_insert_with(|| panic.to_string());
    });
}
