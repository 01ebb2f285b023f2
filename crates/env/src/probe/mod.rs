//! What the simulator looks at inside the product: bugs that it must find, and moments that must have come.
//!
//! Both are there with the feature `probes` alone, which nothing but `sim` turns on. Without it the compiler removes every
//! trace.

mod bug;
mod moment;

pub use bug::Bug;
pub use moment::Moment;
