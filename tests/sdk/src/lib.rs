//! Runs the real `stonecrop` binary for the SDK suites in `tests/`.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use env::{Clock, RealClock};

/// Access key of the server under test.
pub const ACCESS_KEY: &str = "sdk-access-key";
/// Secret key of the server under test.
pub const SECRET_KEY: &str = "sdk-secret-key-of-the-suite";
const START_MAX: Duration = Duration::from_secs(30);

/// A server process on four directories; killed when dropped.
pub struct Server {
    process: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts the binary named by `STONECROP_BINARY` and waits until it accepts connections.
    ///
    /// # Errors
    ///
    /// When the variable is not set, or the server does not come up within 30 s.
    pub async fn start() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(binary()?);
        command.arg("server").args(["--admin-address", "off", "--address"]).arg(format!("127.0.0.1:{port}"));
        command.args((1..=4).map(|number| directory.path().join(format!("disk{number}"))));
        command.env("STONECROP_ACCESS_KEY", ACCESS_KEY).env("STONECROP_SECRET_KEY", SECRET_KEY);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Self { process, port, _directory: directory };
        let clock = RealClock::new();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            anyhow::ensure!(clock.monotonic() < START_MAX, "the server does not accept connections");
            clock.sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    /// Where clients reach the server.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good as killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test command names the binary under test")]
fn binary() -> anyhow::Result<PathBuf> {
    std::env::var("STONECROP_BINARY")
        .map(PathBuf::from)
        .context("set STONECROP_BINARY to the binary under test, as scripts/test does")
}
