//! Black-box tests of the real binary through the object_store crate; see `tests/`.
