//! Errors as the Query protocol tells them.

use std::borrow::Cow;

use http::StatusCode;
use identity::LookUpError;

use super::answer::IAM_NAMESPACE;
use crate::error::{Error, ErrorCode};
use crate::federation;
use crate::response::{self, Response};
use crate::xml::Writer;

/// Result of a call.
pub(super) type Result<T> = std::result::Result<T, CallError>;

/// One error as a client sees it.
#[derive(Debug)]
pub(super) struct CallError {
    code: &'static str,
    status: StatusCode,
    message: Cow<'static, str>,
}

impl CallError {
    fn new(code: &'static str, status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, status, message: message.into() }
    }

    /// A parameter of a form that nothing can have.
    pub(super) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("ValidationError", StatusCode::BAD_REQUEST, message)
    }

    /// A parameter that is missing.
    pub(super) fn missing(parameter: &str) -> Self {
        Self::new(
            "MissingParameter",
            StatusCode::BAD_REQUEST,
            format!("The request must contain the parameter {parameter}."),
        )
    }

    /// A form that cannot be read.
    pub(super) fn malformed(message: &'static str) -> Self {
        Self::new("MalformedQueryString", StatusCode::BAD_REQUEST, message)
    }

    /// An action that this server has not.
    pub(super) fn unknown_action(name: &str) -> Self {
        Self::new("InvalidAction", StatusCode::BAD_REQUEST, format!("Could not find operation {name}"))
    }

    /// A call that nobody has signed.
    pub(super) fn unsigned() -> Self {
        Self::new("MissingAuthenticationToken", StatusCode::FORBIDDEN, "Request is missing Authentication Token")
    }

    /// A call that its sender may not make.
    pub(super) fn denied(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("AccessDenied", StatusCode::FORBIDDEN, message)
    }

    /// A token of another identity provider that proves nothing.
    pub(super) fn bad_web_token(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("InvalidIdentityToken", StatusCode::BAD_REQUEST, message)
    }

    /// A token of another identity provider whose time is over.
    pub(super) fn expired_web_token() -> Self {
        Self::new("ExpiredTokenException", StatusCode::BAD_REQUEST, "The web identity token has expired.")
    }

    /// The code, for logs.
    pub(super) fn known_code(&self) -> &'static str {
        self.code
    }

    /// The answer that tells it.
    pub(super) fn answer(&self, request_id: &str) -> Response {
        let mut document = Writer::in_namespace("ErrorResponse", IAM_NAMESPACE);
        document.open("Error");
        document.text("Type", if self.status.is_server_error() { "Receiver" } else { "Sender" });
        document.text("Code", self.code);
        document.text("Message", &self.message);
        document.close();
        document.text("RequestId", request_id);
        let mut answer = response::xml(document);
        *answer.status_mut() = self.status;
        answer
    }
}

impl From<Error> for CallError {
    /// Of what is checked as for all requests.
    fn from(error: Error) -> Self {
        let message = error.message().to_owned();
        match error.code() {
            ErrorCode::RequestTimeTooSkewed => Self::new("SignatureDoesNotMatch", StatusCode::FORBIDDEN, message),
            ErrorCode::AuthorizationHeaderMalformed => {
                Self::new("IncompleteSignature", StatusCode::BAD_REQUEST, message)
            }
            code => Self::new(code.as_str(), code.status(), message),
        }
    }
}

impl From<ErrorCode> for CallError {
    fn from(code: ErrorCode) -> Self {
        Error::new(code).into()
    }
}

impl From<federation::Error> for CallError {
    fn from(error: federation::Error) -> Self {
        match error {
            federation::Error::BadToken(reason) => Self::bad_web_token(reason),
            federation::Error::Unreachable(reason) => {
                Self::new("IDPCommunicationError", StatusCode::BAD_REQUEST, reason)
            }
        }
    }
}

impl From<LookUpError> for CallError {
    fn from(error: LookUpError) -> Self {
        match error {
            LookUpError::UnknownKey | LookUpError::BadToken => Self::new(
                "InvalidClientTokenId",
                StatusCode::FORBIDDEN,
                "The security token included in the request is invalid.",
            ),
            LookUpError::Expired => Self::new(
                "ExpiredToken",
                StatusCode::FORBIDDEN,
                "The security token included in the request is expired",
            ),
            LookUpError::Failed(error) => error.into(),
        }
    }
}

impl From<identity::Error> for CallError {
    fn from(error: identity::Error) -> Self {
        use identity::Error as Identity;
        let message = error.to_string();
        let (code, status) = match error {
            Identity::NoSuchEntity { .. } => ("NoSuchEntity", StatusCode::NOT_FOUND),
            Identity::EntityAlreadyExists { .. } => ("EntityAlreadyExists", StatusCode::CONFLICT),
            Identity::DeleteConflict(_) => ("DeleteConflict", StatusCode::CONFLICT),
            Identity::LimitExceeded { .. } => ("LimitExceeded", StatusCode::CONFLICT),
            Identity::MalformedPolicy(_) => ("MalformedPolicyDocument", StatusCode::BAD_REQUEST),
            Identity::Validation(_) => ("ValidationError", StatusCode::BAD_REQUEST),
            Identity::InvalidInput(_) => ("InvalidInput", StatusCode::BAD_REQUEST),
            Identity::Unmodifiable(_) => ("AccessDenied", StatusCode::FORBIDDEN),
            Identity::Meta(_) | Identity::Contended => ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE),
            Identity::OtherRootSecret | Identity::Damaged { .. } => {
                tracing::error!(error = message, "an identity cannot be read");
                return ErrorCode::InternalError.into();
            }
        };
        Self::new(code, status, message)
    }
}
