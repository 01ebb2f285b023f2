//! Runs the real `stonecrop` binary for the SDK suites in `tests/`, or points them at a cluster that runs already.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use env::{Clock, RealClock};

/// Access key of the server under test; that of `scripts/cluster`.
pub const ACCESS_KEY: &str = "root";
/// Secret key of the server under test.
pub const SECRET_KEY: &str = "rootsecret";
const START_MAX: Duration = Duration::from_secs(30);

/// Tests that asked for a server so far: each gets another node of a cluster and a bucket of its own.
static TESTS: AtomicUsize = AtomicUsize::new(0);

/// What a test talks to.
pub struct Server {
    endpoint: String,
    bucket: String,
    _process: Option<Process>,
}

/// A server process on four directories; killed when dropped.
struct Process {
    child: Child,
    _directory: tempfile::TempDir,
}

impl Server {
    /// One of the nodes that `STONECROP_TEST_ENDPOINTS` lists with commas; without it, a new server of the binary named
    /// by `STONECROP_BINARY`, once it accepts connections.
    ///
    /// # Errors
    ///
    /// When neither variable is set, or the server does not come up within 30 s.
    pub async fn start() -> anyhow::Result<Self> {
        let turn = TESTS.fetch_add(1, Ordering::Relaxed);
        let bucket = format!("lake-{}-{turn}", std::process::id());
        if let Some(endpoints) = variable("STONECROP_TEST_ENDPOINTS") {
            let endpoints: Vec<_> = endpoints.split(',').collect();
            return Ok(Self { endpoint: endpoints[turn % endpoints.len()].to_owned(), bucket, _process: None });
        }
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(binary()?);
        command.arg("server").args(["--admin-address", "off", "--address"]).arg(format!("127.0.0.1:{port}"));
        command.args((1..=4).map(|number| directory.path().join(format!("disk{number}"))));
        command.env("STONECROP_ACCESS_KEY", ACCESS_KEY).env("STONECROP_SECRET_KEY", SECRET_KEY);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let process = Process { child, _directory: directory };
        let clock = RealClock::new();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            anyhow::ensure!(clock.monotonic() < START_MAX, "the server does not accept connections");
            clock.sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { endpoint: format!("http://127.0.0.1:{port}"), bucket, _process: Some(process) })
    }

    /// Where clients reach the server.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The name of a bucket that no other test uses, not made yet.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test command names what is under test")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn binary() -> anyhow::Result<PathBuf> {
    variable("STONECROP_BINARY")
        .map(PathBuf::from)
        .context("set STONECROP_BINARY to the binary under test, as scripts/test does")
}
