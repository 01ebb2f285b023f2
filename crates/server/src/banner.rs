//! What the start says to the person who typed the command.

use std::net::SocketAddr;

use cluster::{Health, MemberState};

use crate::config::KeyPair;
use crate::kept_secret::Origin;

/// What there is to say.
pub(crate) struct Banner<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) region: &'a str,
    /// Disks and redundancy, as one sentence.
    pub(crate) redundancy: String,
    pub(crate) credentials: &'a KeyPair,
    pub(crate) origin: Origin,
    /// Where the kept credentials are.
    pub(crate) kept_in: String,
    /// Where others join this node's cluster, and the token, which is shown this once.
    pub(crate) join: Option<(&'a str, &'a str)>,
}

impl Banner<'_> {
    /// The text for standard output. The secret is in it only when it was generated just now.
    pub(crate) fn text(&self) -> String {
        let Self { address, region, redundancy, credentials, origin, kept_in, join } = self;
        // A client on this machine cannot connect to "any address".
        let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { host_of(*address) };
        let endpoint = format!("http://{host}:{}", address.port());
        let head = format!("Stonecrop {} serves S3 on {endpoint}\n{redundancy}\n", env!("CARGO_PKG_VERSION"));
        let invitation = join.map_or(String::new(), |(address, token)| {
            format!(
                "\nTo add a node within a day (more tokens: stonecrop admin token):\n\n  \
                 stonecrop server --node-address HOST:PORT --join {address} \\\n    --token {token} DISK...\n"
            )
        });
        let start = match origin {
            Origin::Configured => head,
            Origin::Kept => format!("{head}Root credentials: see {kept_in}\n"),
            Origin::Generated => format!(
                "{head}
These are the root credentials. They are shown this once, and kept in {kept_in}.
Paste into a shell to use the aws CLI or any SDK:

  export AWS_ENDPOINT_URL={endpoint}
  export AWS_DEFAULT_REGION={region}
  export AWS_ACCESS_KEY_ID={}
  export AWS_SECRET_ACCESS_KEY={}
  aws s3 mb s3://first-bucket
",
                credentials.access_key,
                credentials.secret_key.expose()
            ),
        };
        start + &invitation
    }
}

/// Disks and redundancy, as one sentence.
pub(crate) fn redundancy(health: &Health) -> String {
    let (data, parity) = (health.profile.data(), health.profile.parity());
    let count = health.disks.len();
    let absent = health.disks.iter().filter(|disk| disk.state != MemberState::InService).count();
    let disks = if count == 1 { "1 disk".to_owned() } else { format!("{count} disks") };
    let what = match (data, parity) {
        (_, 0) => "checksums only: a lost disk loses its objects. Name more directories for redundancy".to_owned(),
        (1, _) => format!("every object on {} disks; any {parity} may be lost", parity + 1),
        _ => format!("{data} data and {parity} parity shards; any {parity} disks may be lost"),
    };
    let degraded = if absent == 0 { String::new() } else { format!(". {absent} NOT IN SERVICE: see the log") };
    format!("{disks}, {data}+{parity}: {what}{degraded}")
}

fn host_of(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(origin: Origin) -> String {
        let credentials = KeyPair::parse("ACCESS", "SECRET-KEY").unwrap();
        let banner = Banner {
            address: SocketAddr::from(([0, 0, 0, 0], 9000)),
            region: "us-east-1",
            redundancy: "1 disk".to_owned(),
            credentials: &credentials,
            origin,
            kept_in: "data/credentials.toml".to_owned(),
            join: None,
        };
        banner.text()
    }

    #[test]
    fn the_secret_is_shown_only_when_it_is_new() {
        assert!(text(Origin::Generated).contains("AWS_SECRET_ACCESS_KEY=SECRET-KEY\n"));
        assert!(!text(Origin::Kept).contains("SECRET"));
        assert!(!text(Origin::Configured).contains("SECRET"));
        assert!(text(Origin::Kept).contains("http://127.0.0.1:9000"));
    }
}
