//! Catching up with trees that are elsewhere: a walk that fetches what is missing, page by page, from the roots down.
//!
//! ```text
//!  Walk::request ─► what is wanted ─► (the caller's network) ─► answer() ─► pages ─► Walk::take ─► the caller's sink
//! ```
//!
//! The follower's [`Walk`] asks for pages by hash and says for each which records it has at that place of its own tree,
//! as four bytes of a hash each; the other side's [`answer()`] sends the other records only. A record that both have ends
//! the walk there: an equal record of an inner page is an equal subtree. A page is put together from both parts, must
//! have the hash that was asked for, and is written once everything below it is, so that what a finished page names is
//! always there. Neither side waits for the other in here: the caller carries the messages.
//!
//! Locations in messages are hints of where the answering side has something; a wrong one costs an error, never a wrong
//! page.

mod rebuild;
mod serve;
mod walk;
mod wire;

pub use serve::answer;
pub use walk::{Goal, Walk};
