//! What operators ask of the cluster, and what they have it do. What would lose data is refused with the reason.

mod disks;
mod nodes;
mod overview;
mod refusal;
mod safety;
mod table;

pub use disks::DiskCommand;
pub use nodes::NodeCommand;
pub use overview::{DiskOverview, NodeOverview, Overview};
pub use safety::Safety;
pub use table::{GroupOverview, TableOverview};
