//! Why an operation on identities failed, or a key was not found.

use iam::PolicyError;

/// What this crate's operations return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation on identities failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Name something that exists.
    #[error("The {what} with name {name} cannot be found.")]
    NoSuchEntity {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Choose another name.
    #[error("{what} with name {name} already exists.")]
    EntityAlreadyExists {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Remove what hangs on it first.
    #[error("Cannot delete entity, must {0} first.")]
    DeleteConflict(&'static str),
    /// Remove others first.
    #[error("Cannot exceed quota for {what}: {limit}")]
    LimitExceeded {
        /// Of what there are too many.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Correct the policy.
    #[error("{0}")]
    MalformedPolicy(#[from] PolicyError),
    /// Correct the value of a parameter: it has a form that nothing can have.
    #[error("{0}")]
    Validation(String),
    /// Correct the value of a parameter: it does not fit what is there.
    #[error("{0}")]
    InvalidInput(String),
    /// What the server brings along cannot be changed.
    #[error("Policy {0} is managed by the server and cannot be changed.")]
    Unmodifiable(String),
    /// Start the server with the former root secret once.
    #[error(
        "secrets of users are sealed under another root secret key: start once with the former one in \
         STONECROP_PREVIOUS_SECRET_KEY, which seals them anew"
    )]
    OtherRootSecret,
    /// Restore the document, or delete what it describes.
    #[error("the document {name} of an identity cannot be read")]
    Damaged {
        /// The document's name.
        name: String,
    },
    /// Try again: others changed identities all the time.
    #[error("others change identities at the same time")]
    Contended,
    /// Try again later.
    #[error("the metadata does not answer")]
    Meta(#[from] meta::Error),
}

impl Error {
    pub(crate) fn no_such(what: &'static str, name: &str) -> Self {
        Self::NoSuchEntity { what, name: name.to_owned() }
    }

    pub(crate) fn exists(what: &'static str, name: &str) -> Self {
        Self::EntityAlreadyExists { what, name: name.to_owned() }
    }
}

/// Why nobody was found for an access key.
#[derive(Debug, thiserror::Error)]
pub enum LookUpError {
    /// No key of this name, or an inactive one.
    #[error("there is no such access key")]
    UnknownKey,
    /// A session token that this server has not made, for another key, or of somebody who is gone.
    #[error("the session token is not valid")]
    BadToken,
    /// Temporary credentials whose time is over.
    #[error("the session token has expired")]
    Expired,
    /// It could not be found out.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<meta::Error> for LookUpError {
    fn from(error: meta::Error) -> Self {
        Self::Failed(error.into())
    }
}
