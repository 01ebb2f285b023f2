//! The randomness that libraries draw on their own, from the simulation's seed.
//!
//! tokio draws to wake fairly, hash maps to scatter, rustls for keys: all of it comes from the C library's `getrandom` in
//! the end. This program defines that function itself, so the linker takes this one for all of them. Threads that have no
//! seed get the operating system's randomness, as usual.

use std::cell::RefCell;

use env::{Entropy, SeededEntropy};
use rustix::rand::GetRandomFlags;

thread_local! {
    static SEEDED: RefCell<Option<SeededEntropy>> = const { RefCell::new(None) };
}

/// Runs `work` on a thread of its own, on which all randomness follows from `seed`: hash maps draw once a thread.
///
/// # Panics
///
/// Panics when the machine has no thread left, or with `work`.
pub(crate) fn with_seed<T: Send>(seed: u64, work: impl FnOnce() -> T + Send) -> T {
    const STACK_SIZE: usize = 64 << 20;
    let seeded = || {
        SEEDED.replace(Some(SeededEntropy::new(seed)));
        work()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, seeded);
        let thread = thread.expect("the machine has a thread left");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// `getrandom(2)` as the C library has it.
///
/// # Safety
///
/// `length` bytes at `buffer` may be written.
#[expect(unsafe_code, reason = "there is no other way to the randomness of the libraries that the product uses")]
// SAFETY: the C library's function has this signature, and everyone who calls it by name is served as by that one.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: u32) -> isize {
    // SAFETY: the caller promises it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    // A thread that ends has no seed any more.
    let seeded = SEEDED.try_with(|seeded| seeded.borrow().as_ref().map(|entropy| entropy.fill(bytes)).is_some());
    if seeded == Ok(true) {
        return isize::try_from(length).unwrap_or(isize::MAX);
    }
    match rustix::rand::getrandom(bytes, GetRandomFlags::from_bits_retain(flags)) {
        Ok(count) => isize::try_from(count).unwrap_or(isize::MAX),
        // The callers try again, or take another way.
        Err(_) => -1,
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn hash_maps_scatter_by_the_seed_where_there_is_one() {
        let drawn = || RandomState::new().hash_one(1);
        let (first, again, other) = (with_seed(1, drawn), with_seed(1, drawn), with_seed(2, drawn));
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_ne!(drawn(), first);
    }
}
