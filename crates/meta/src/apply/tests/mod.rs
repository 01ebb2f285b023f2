//! Behaviours of the commands, one a test, and random histories against a model.

mod annotation;
mod bucket;
mod encryption;
mod fixture;
mod history;
mod internal;
mod lifecycle;
mod model;
mod object;
mod repair;
mod upload;
mod version;
