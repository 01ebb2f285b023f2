//! Why a key cannot be had or bytes cannot be opened.

/// Result of an operation on keys or sealed bytes.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a key cannot be had or bytes cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key service has no key of this name: tell the client.
    #[error("the key {name:?} does not exist")]
    NoSuchKey {
        /// The name as it was asked for.
        name: String,
    },
    /// The key service does not let this server use the key: tell the client, and the operator.
    #[error("the key service does not let us use the key {name:?}")]
    KeyRefused {
        /// The name as it was asked for.
        name: String,
    },
    /// The object is encrypted with a key that the client keeps and has not sent.
    #[error("the object needs its customer's key")]
    CustomerKeyMissing,
    /// The client has sent another key than the object is encrypted with.
    #[error("the customer's key is not the one that the object is encrypted with")]
    CustomerKeyWrong,
    /// The client has sent a key, and the object is not encrypted with one of its customer's.
    #[error("the object is not encrypted with a customer's key")]
    CustomerKeyUnexpected,
    /// The key service does not answer, or not in a way that can be understood: try again later.
    #[error("the key service is unavailable: {reason}")]
    ServiceUnavailable {
        /// What went wrong.
        reason: String,
    },
    /// A wrapped key, an envelope or a chunk is not what was written: never serve it.
    #[error("{what} is damaged")]
    Damaged {
        /// What it is.
        what: &'static str,
    },
    /// A key file, or another setting of a key service, cannot be used.
    #[error("{reason}")]
    Setting {
        /// What is wrong with it.
        reason: String,
    },
}
