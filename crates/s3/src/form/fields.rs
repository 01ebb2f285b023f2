//! The fields of a form, up to the file.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::stream::Stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use multer::{Field, Multipart};
use store::BodyError;

use super::gate::{self, Gate, Lever};
use crate::error::{Error, ErrorCode, Result};
use crate::settings::tags;
use crate::target::check_key_size;

/// Most bytes of names and values before the file, as on AWS.
pub(super) const SIZE_MAX: usize = 20 * 1024;

/// The field that holds the bytes of the object; what comes behind it is ignored.
const FILE: &str = "file";

/// Fields that are headers of PutObject by the same name; `x-amz-*` are as well, but for those of the signature.
const HEADERS: [&str; 6] =
    ["cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"];

/// `x-amz-*` fields that are about the form and not about the object.
const OF_SIGNATURE: [&str; 5] =
    ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"];

/// A form of which nothing has been read.
pub(super) struct Form {
    parts: Multipart<'static>,
    lever: Lever,
}

/// The fields before the file by name in lower case, and the bucket as one of them.
#[derive(Debug)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads `form` up to the file.
    ///
    /// # Errors
    ///
    /// `MaxPostPreDataLengthExceeded`, `MalformedPOSTRequest`, `InvalidArgument` without a file.
    pub(super) async fn read(form: Form, bucket: &str) -> Result<(Self, Field<'static>)> {
        let Form { mut parts, lever } = form;
        let mut fields = BTreeMap::from([("bucket".to_owned(), bucket.to_owned())]);
        let mut size = 0;
        while let Some(mut field) = parts.next_field().await.map_err(failed)? {
            let name = field.name().unwrap_or_default().to_lowercase();
            if name == FILE {
                lever.open();
                let mut fields = Self(fields);
                fields.fill_in_file_name(field.file_name().unwrap_or_default())?;
                return Ok((fields, field));
            }
            let mut value = Vec::new();
            size += name.len();
            while let Some(chunk) = field.chunk().await.map_err(failed)? {
                value.extend_from_slice(&chunk);
                if SIZE_MAX < size + value.len() {
                    return Err(ErrorCode::MaxPostPreDataLengthExceeded.into());
                }
            }
            size += value.len();
            let value = String::from_utf8(value).map_err(|_| malformed("a field is not UTF-8"))?;
            // The bucket is the address's, whatever the form says: a policy is about that.
            if name != "bucket" {
                fields.insert(name, value);
            }
        }
        Err(Error::invalid_argument("POST requires exactly one file upload per request.", "file", "0"))
    }

    /// `${filename}` in a key stands for the name that the client's file has.
    fn fill_in_file_name(&mut self, path: &str) -> Result<()> {
        // Some browsers send the whole path.
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
        if let Some(key) = self.0.get_mut("key") {
            let pieces: Vec<&str> = key.split("${filename}").collect();
            let size = pieces.iter().map(|piece| piece.len()).sum::<usize>() + (pieces.len() - 1) * name.len();
            check_key_size(size)?;
            *key = pieces.join(name);
        }
        Ok(())
    }

    /// The value of the field of this name, which is in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&String> {
        self.0.get(name)
    }

    /// The field of this name, which must be there.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`.
    pub(super) fn require(&self, name: &'static str) -> Result<&str> {
        let lower = name.to_lowercase();
        self.0.get(&lower).map(String::as_str).ok_or_else(|| {
            let message = format!(
                "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
            );
            Error::invalid_argument(message, name, "")
        })
    }

    /// The names of all fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The headers that a PutObject with the same meaning has.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a value that no header can have, and what is wrong with tags.
    pub(super) fn to_headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            let (header, value) = match name.as_str() {
                "acl" => ("x-amz-acl", Cow::from(value)),
                "tagging" => ("x-amz-tagging", Cow::from(tags::to_header(&tags::of_object(value.as_bytes())?))),
                name if HEADERS.contains(&name) => (name, Cow::from(value)),
                name if name.starts_with("x-amz-") && !OF_SIGNATURE.contains(&name) => (name, Cow::from(value)),
                _ => continue,
            };
            let unusable = || Error::invalid_argument("The value of a field is not allowed", "field", name.as_str());
            let header = HeaderName::try_from(header).map_err(|_| unusable())?;
            headers.insert(header, HeaderValue::from_str(&value).map_err(|_| unusable())?);
        }
        Ok(headers)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn into_pairs(self) -> BTreeMap<String, String> {
        self.0
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn from_pairs(bucket: &str, pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().copied().chain([("bucket", bucket)]);
        Self(pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect())
    }
}

/// Parses `body` as a form with this `Content-Type`.
///
/// # Errors
///
/// `MalformedPOSTRequest` for a type without a boundary.
pub(super) fn form<S>(content_type: &str, body: S) -> Result<Form>
where
    S: Stream<Item = std::result::Result<Bytes, BodyError>> + Send + Unpin + 'static,
{
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let lever = Lever::default();
    Ok(Form { parts: Multipart::new(Gate::new(body, lever.clone()), boundary), lever })
}

fn failed(error: multer::Error) -> Error {
    match &error {
        multer::Error::StreamReadFailed(cause) if cause.downcast_ref() == Some(&gate::TOO_MUCH) => {
            ErrorCode::MaxPostPreDataLengthExceeded.into()
        }
        _ => malformed(error),
    }
}

fn malformed(reason: impl std::fmt::Display) -> Error {
    let message = format!("The body of your POST request is not well-formed multipart/form-data: {reason}.");
    Error::with_message(ErrorCode::MalformedPostRequest, message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::stream::{self, StreamExt};

    use super::*;

    async fn read(parts: &[(&str, &str)]) -> Result<Fields, ErrorCode> {
        let text: String = parts
            .iter()
            .map(|(disposition, value)| {
                format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
            })
            .chain(["--b--\r\n".to_owned()])
            .collect();
        let pieces: Vec<_> = text.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let form = form("multipart/form-data; boundary=b", stream::iter(pieces)).map_err(|error| error.code())?;
        Fields::read(form, "photos").await.map(|(fields, _)| fields).map_err(|error| error.code())
    }

    #[tokio::test]
    async fn what_comes_before_the_file_is_read() {
        let form = [
            ("name=\"KEY\"", "up/${filename}"),
            ("name=\"bucket\"", "another"),
            ("name=\"file\"; filename=\"C:\\me.jpg\"", "bytes"),
            ("name=\"acl\"", "public-read"),
        ];
        let fields = read(&form).await.unwrap();
        assert_eq!(fields.get("key").unwrap(), "up/me.jpg");
        assert_eq!(fields.get("bucket").unwrap(), "photos");
        assert_eq!(fields.get("acl"), None);
    }

    #[tokio::test]
    async fn forms_without_a_file_or_with_too_much_before_it_are_refused() {
        assert_eq!(read(&[("name=\"key\"", "k")]).await.unwrap_err(), ErrorCode::InvalidArgument);
        let long = "v".repeat(SIZE_MAX);
        let form = [("name=\"key\"", long.as_str()), ("name=\"file\"", "bytes")];
        assert_eq!(read(&form).await.unwrap_err(), ErrorCode::MaxPostPreDataLengthExceeded);
        assert!(form_without_boundary());
    }

    fn form_without_boundary() -> bool {
        let refused = form("multipart/form-data", stream::empty());
        refused.is_err_and(|error| error.code() == ErrorCode::MalformedPostRequest)
    }

    /// A form that never comes to an end, and counts what is taken of it.
    fn endless(
        start: &str,
    ) -> (impl Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + 'static, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = taken.clone();
        let start = Bytes::copy_from_slice(start.as_bytes());
        let more = stream::repeat(Bytes::from_static(&[b'a'; 100_000])).take(500);
        let counted = stream::iter([start]).chain(more).map(move |piece| {
            counter.fetch_add(piece.len(), Ordering::Relaxed);
            Ok(piece)
        });
        (counted, taken)
    }

    #[tokio::test]
    async fn little_is_held_of_a_form_before_its_file_and_of_the_file() {
        for start in ["", "--b\r\nContent-Disposition: form-data; name=\"", "--b\r\nX-Endless: "] {
            let (body, taken) = endless(start);
            let form = form("multipart/form-data; boundary=b", body).unwrap_or_else(|_| unreachable!());
            let refused = Fields::read(form, "photos").await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::MaxPostPreDataLengthExceeded, "{start}");
            assert!(taken.load(Ordering::Relaxed) < 400_000, "{start}");
        }
        let (body, taken) = endless("--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n");
        let form = form("multipart/form-data; boundary=b", body).unwrap_or_else(|_| unreachable!());
        let (_, mut file) = Fields::read(form, "photos").await.unwrap();
        let mut size = 0;
        for _ in 0..100 {
            size += file.chunk().await.unwrap().unwrap().len();
            assert!(taken.load(Ordering::Relaxed) < size + 400_000);
        }
    }

    #[tokio::test]
    async fn a_name_of_a_file_is_not_repeated_beyond_the_size_of_a_key() {
        let (key, file) = ("${filename}".repeat(1000), format!("name=\"file\"; filename=\"{}\"", "a".repeat(30_000)));
        let refused = read(&[("name=\"key\"", &key), (&file, "bytes")]).await.unwrap_err();
        assert_eq!(refused, ErrorCode::KeyTooLong);
    }

    #[test]
    fn fields_about_the_object_become_headers() {
        let fields = Fields::from_pairs(
            "photos",
            &[
                ("key", "k"),
                ("acl", "private"),
                ("Content-Type", "image/png"),
                ("x-amz-meta-who", "me"),
                ("tagging", "<Tagging><TagSet><Tag><Key>a b</Key><Value>c=d</Value></Tag></TagSet></Tagging>"),
                ("x-amz-credential", "a/b"),
                ("submit", "Upload"),
            ],
        );
        let headers = fields.to_headers().unwrap();
        let names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        assert_eq!(headers["x-amz-tagging"], "a%20b=c%3Dd");
        assert!(headers["x-amz-acl"] == "private" && headers["x-amz-meta-who"] == "me");
        assert!(Fields::from_pairs("photos", &[("tagging", "<Tagging>")]).to_headers().is_err());
        assert!(Fields::from_pairs("photos", &[("x-amz-meta-a", "line\nbreak")]).to_headers().is_err());
    }
}
