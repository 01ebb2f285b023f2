//! Our own S3 client: signs requests and drives any S3 endpoint with them.
//!
//! [`Endpoint`] says where and as whom; a [`Connection`] sends one signed request at a time; [`load`] measures how an
//! endpoint answers many of them.
//!
//! Invariant: this crate speaks S3 only and knows nothing of the server's insides.

mod connection;
mod error;
pub mod load;

pub use connection::{Answer, Connection, Endpoint, Keep};
pub use error::{Error, Result};
