//! Why a credential was refused.

/// What is wrong with a key that somebody configured.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Choose an access key of 3 to 128 letters, digits, `_`, `-`, `.` or `@`.
    #[error("access key must be 3 to 128 letters, digits and '_', '-', '.', '@'")]
    BadAccessKey,
    /// Choose a secret key of 8 to 128 visible ASCII characters.
    #[error("secret key must be 8 to 128 visible ASCII characters")]
    BadSecretKey,
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
