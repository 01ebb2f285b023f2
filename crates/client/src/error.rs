//! Why a request could not be made or was refused.

/// Why a request could not be made or was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Correct the endpoint.
    #[error("the endpoint takes http://HOST:PORT; got {endpoint:?}")]
    Endpoint {
        /// What was given.
        endpoint: String,
    },
    /// Check that the server is up.
    #[error("cannot connect to {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The connection broke; open another.
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    /// The request itself is wrong (a header or a key that HTTP cannot carry).
    #[error("the request is not valid HTTP")]
    Request(#[from] http::Error),
    /// The credentials or headers cannot be signed.
    #[error("cannot sign the request: {reason}")]
    Sign {
        /// What the signer says.
        reason: String,
    },
    /// The server refused the request.
    #[error("{method} {path} was answered {status}: {body}")]
    Refused {
        /// Method of the request.
        method: http::Method,
        /// Path and query of the request.
        path: String,
        /// Status of the answer.
        status: http::StatusCode,
        /// Body of the answer, an S3 error in XML.
        body: String,
    },
    /// The answer lacks what the operation promises.
    #[error("the answer to {operation} lacks {what}")]
    Answer {
        /// S3 operation.
        operation: &'static str,
        /// What is missing.
        what: &'static str,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
