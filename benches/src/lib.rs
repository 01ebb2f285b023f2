//! Criterion benchmarks of the crates; see `benches/`.
