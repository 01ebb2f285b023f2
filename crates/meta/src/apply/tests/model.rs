//! Random histories against a model S3.
