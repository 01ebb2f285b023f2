//! Flags of `stonecrop key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Named keys for encryption with `aws:kms`.
#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    #[command(subcommand)]
    pub(crate) action: KeyAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// Add a fresh key to a key file. Servers know it once they are started again.
    Create {
        /// What the key is called, as clients name it in `x-amz-server-side-encryption-aws-kms-key-id`.
        name: String,

        /// The file, which is made if there is none.
        #[arg(long, value_name = "FILE", env = "STONECROP_KEY_FILE")]
        key_file: PathBuf,
    },
}
