//! Calls between nodes: HTTP/1.1 over mutual TLS, on a listener of their own.
//!
//! [`Peers`] calls, a [`Server`] answers with the [`Handler`] of the called [`Method`]. A call and an answer each have a
//! head (a small postcard value of the method) and a body (bytes of shards or pages, with a checksum of their own).
//! Connections are pooled by peer and by [`Class`], so that a gigabyte of shards never waits in front of a heartbeat.
//!
//! Invariants: every call has a deadline, which travels with it; nobody without a certificate of the cluster is answered
//! anything but the request to join; what is held in memory for calls is bounded. What methods mean is their handlers'.

mod call;
mod peers;
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod wire;

pub(crate) use call::{Answer, Call, CallError, Handler, HandlerFuture, Method};
pub(crate) use peers::{DoorFault, Peers, ask_to_join};
pub(crate) use server::Server;
pub(crate) use tls::Tls;
