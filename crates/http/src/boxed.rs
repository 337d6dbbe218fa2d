//! Futures that every request makes, made where they stay.
//!
//! The allocator gives blocks of up to 1 KiB from a list at hand and others by a search, so that what a request boxes is
//! cut into pieces below that.

use std::pin::Pin;

/// The largest block that the allocator has at hand.
const MAX_BYTES: usize = 1024;

/// Boxes the future that `make` makes. Its memory comes first, so that a future of which next to nothing is set yet is
/// not copied there whole.
#[inline(always)]
pub(crate) fn boxed<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    const {
        assert!(
            size_of::<F>() <= MAX_BYTES,
            "cut it into pieces, or box what is seldom"
        );
    }
    let memory = Box::new_uninit();
    Box::into_pin(Box::write(memory, make()))
}
