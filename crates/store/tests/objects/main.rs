//! Objects over the real stack on simulated disks.

mod conditions;
mod degraded;
mod full;
mod garbage;
mod multipart;
mod node;
mod round_trip;
mod workload;
