//! Flags of `stonecrop admin`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Signing;

#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// The admin address of any node.
    #[arg(long, value_name = "URL", env = "STONECROP_ADMIN_URL", default_value = "http://127.0.0.1:9001")]
    pub(crate) endpoint: String,

    #[command(flatten)]
    pub(crate) signing: Signing,

    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

/// How an answer is printed.
#[derive(Debug, Args)]
pub(crate) struct Form {
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is asked of the cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Nodes, disks, health and moves under way on one screen.
    Info(Form),
    /// Print a token with which nodes can join for a day.
    Token,
    /// Make and remove accounts: each owns buckets, and has a root user and users of its own.
    #[command(subcommand)]
    Account(AccountAction),
    /// Change which disks there are, and what they are used for.
    #[command(subcommand)]
    Disk(DiskAction),
    /// Change which nodes are members, and what they are used for.
    #[command(subcommand)]
    Node(NodeAction),
    /// What is missing and is restored.
    #[command(subcommand)]
    Heal(HealAction),
    /// What is moved to where it belongs.
    #[command(subcommand)]
    Rebalance(RebalanceAction),
    /// What is reread to find damage early.
    #[command(subcommand)]
    Scrub(ScrubAction),
    /// What buckets may hold.
    #[command(subcommand)]
    Bucket(BucketAction),
    /// Which disks hold the shards of each group.
    #[command(subcommand)]
    Table(TableAction),
    /// Whether clients would notice if a node were stopped now. Exit code 0: they would not; 1: they would.
    SafeToStop {
        /// Its number.
        node: u64,

        #[command(flatten)]
        form: Form,
    },
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountAction {
    /// Make an account, and print its ids and the keys of its root user; they are shown only now.
    Create {
        /// Its name.
        name: String,
        /// Its mail address, by which access control lists may name it.
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,

        #[command(flatten)]
        form: Form,
    },
    /// All accounts with their ids.
    List(Form),
    /// Remove an account that owns no bucket and has no users, groups, roles or policies any more.
    Remove {
        /// Its name.
        name: String,
    },
}

/// What to do with a disk, named by the first digits of its identity.
#[derive(Debug, Subcommand)]
pub(crate) enum DiskAction {
    /// Make a directory of a running node one of its disks.
    Add {
        /// The node's number.
        node: u64,
        /// The directory there, from the root: blank, missing, or a disk that was removed.
        path: PathBuf,
    },
    /// Move what it holds elsewhere.
    Drain {
        /// First digits of its identity.
        disk: String,
    },
    /// Give it its share again.
    Undrain {
        /// First digits of its identity.
        disk: String,
    },
    /// Use it no more for now. After 15 minutes others take over what it held.
    Offline {
        /// First digits of its identity.
        disk: String,
    },
    /// Use it again.
    Online {
        /// First digits of its identity.
        disk: String,
    },
    /// Use it no more for good, once it is empty or others have taken over what it held.
    Remove {
        /// First digits of its identity.
        disk: String,
    },
}

/// What to do with a node.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeAction {
    /// Move what its disks hold elsewhere; it goes on serving.
    Drain {
        /// Its number.
        node: u64,
    },
    /// Give its disks their share again, and have it stay if it was told to leave.
    Undrain {
        /// Its number.
        node: u64,
    },
    /// Move what its disks hold elsewhere, then let it go for good.
    Remove {
        /// Its number.
        node: u64,
    },
}

/// What to do with the repair of shards.
#[derive(Debug, Subcommand)]
pub(crate) enum HealAction {
    /// What waits, how fast it goes, when it will be done, and what is lost.
    Status(Form),
    /// Go on after a stop; all nodes look for what is missing now.
    Start,
    /// Restore nothing in the background until told to go on, not even after a restart.
    Stop,
}

/// What to do with the moves of shards to other disks.
#[derive(Debug, Subcommand)]
pub(crate) enum RebalanceAction {
    /// What is left to move, how fast it goes, and when it will be done.
    Status(Form),
    /// Move nothing until told to go on, not even after a restart. New objects go where they belong.
    Pause,
    /// Go on moving.
    Resume,
}

/// What to do with the rereading of disks.
#[derive(Debug, Subcommand)]
pub(crate) enum ScrubAction {
    /// How far each disk is, what was found, and when its next pass is due.
    Status(Form),
    /// Reread all disks of all nodes from their beginning now, as fast as they can.
    Start,
}

/// What to do with a bucket.
#[derive(Debug, Subcommand)]
pub(crate) enum BucketAction {
    /// Show how much it may hold and holds, or set how much it may.
    Quota {
        /// Its name.
        name: String,

        /// Bytes of all versions of its objects, such as 10GiB.
        #[arg(long, value_name = "SIZE", value_parser = size)]
        bytes: Option<u64>,

        /// Objects, each key once.
        #[arg(long, value_name = "COUNT")]
        objects: Option<u64>,

        /// Have it hold whatever there is room for.
        #[arg(long, conflicts_with_all = ["bytes", "objects"])]
        none: bool,

        #[command(flatten)]
        form: Form,
    },
}

/// Reads a number of bytes, perhaps with a unit.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u32, u64); 10] = [
        ("KiB", 1, 1024),
        ("MiB", 2, 1024),
        ("GiB", 3, 1024),
        ("TiB", 4, 1024),
        ("PiB", 5, 1024),
        ("KB", 1, 1000),
        ("MB", 2, 1000),
        ("GB", 3, 1000),
        ("TB", 4, 1000),
        ("PB", 5, 1000),
    ];
    let unit = UNITS.iter().find_map(|(name, power, base)| Some((text.strip_suffix(name)?, base.pow(*power))));
    let (number, unit) = unit.unwrap_or((text, 1));
    let size = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    size.ok_or_else(|| {
        "a size is a whole number of bytes, perhaps with KiB, MiB, GiB, TiB, PiB, KB, MB, ...".to_owned()
    })
}

/// What to do with the placement table.
#[derive(Debug, Subcommand)]
pub(crate) enum TableAction {
    /// Groups, their epochs and the state of their slots.
    Show(Form),
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1000", Some(1000)),
            ("10GiB", Some(10 << 30)),
            ("2 MB", Some(2_000_000)),
            ("1.5GiB", None),
            ("-1", None),
            ("GiB", None),
            ("20000000PiB", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }
}
