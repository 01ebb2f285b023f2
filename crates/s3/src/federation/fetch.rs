//! Asking other servers for small documents.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use env::Env;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::Error;

/// For all of one document, from the name of the server to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest document.
const SIZE_MAX: usize = 256 * 1024;

/// Which servers may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of the public internet, by TLS.
    Public,
    /// Any, also without TLS.
    Everywhere,
}

/// The document at `url`.
///
/// # Errors
///
/// [`Error::Unreachable`], also for redirections and for addresses that `reach` excludes.
pub(super) async fn get(env: &Env, url: &str, reach: Reach) -> Result<Bytes, Error> {
    tokio::select! {
        document = get_at_leisure(env, url, reach) => document,
        () = env.clock.sleep(PATIENCE) => Err(unreachable(url, "it takes too long")),
    }
}

fn unreachable(url: &str, reason: impl std::fmt::Display) -> Error {
    Error::Unreachable(format!("{url} cannot be read: {reason}"))
}

async fn get_at_leisure(env: &Env, url: &str, reach: Reach) -> Result<Bytes, Error> {
    let failed = |reason: &dyn std::fmt::Display| unreachable(url, reason);
    let uri: Uri = url.parse().map_err(|_| failed(&"it is no address"))?;
    let host = uri.host().ok_or_else(|| failed(&"it names no server"))?;
    let encrypted = uri.scheme_str() == Some("https");
    if !encrypted && reach == Reach::Public {
        return Err(failed(&"only https is allowed"));
    }
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = tokio::net::lookup_host((name, port)).await.map_err(|error| failed(&error))?;
    // What was looked at is what is dialled: a name that means something else a moment later cannot lead elsewhere.
    let allowed = addresses.into_iter().find(|address| reach == Reach::Everywhere || is_public(address.ip()));
    let address = allowed.ok_or_else(|| failed(&"its addresses are not of the public internet"))?;
    let stream = env.net.connect(address.to_string()).await.map_err(|error| failed(&error))?;
    if !encrypted {
        return ask(env, &uri, TokioIo::new(stream)).await.map_err(|error| failed(&error));
    }
    let server = ServerName::try_from(name.to_owned()).map_err(|error| failed(&error))?;
    let connector = TlsConnector::from(tls());
    let stream = connector.connect(server, stream).await.map_err(|error| failed(&error))?;
    ask(env, &uri, TokioIo::new(stream)).await.map_err(|error| failed(&error))
}

/// Trusts whom the machine trusts.
fn tls() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let make = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("ring has the suites of TLS 1.2 and 1.3");
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    };
    CONFIG.get_or_init(make).clone()
}

async fn ask<I>(env: &Env, uri: &Uri, io: I) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(io).await?;
    let connection = env.spawn.task(
        "identity provider",
        Box::pin(async move {
            // What goes wrong with the connection shows at the request.
            drop(connection.await);
        }),
    );
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request =
        Request::get(path).header(HOST, host).header(ACCEPT, "application/json").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the server answers {}", answer.status()).into());
    }
    let document = Limited::new(answer.into_body(), SIZE_MAX).collect().await?.to_bytes();
    drop(sender);
    connection.join().await.ok();
    Ok(document)
}

/// Whether an address is one of the public internet, where nothing behind a firewall answers.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            let shared = first == 100 && (64..128).contains(&second);
            let special =
                first == 0 || 240 <= first || (first, second, third) == (192, 0, 0) || (first, second) == (198, 18);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_documentation()
                || shared
                || special)
        }
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public(inner),
            // Unique local and link-local ones, and all but the unicast space, lie outside of this.
            None => address.segments()[0] & 0xe000 == 0x2000 && address.segments()[..2] != [0x2001, 0x0db8],
        },
    }
}

/// The address of version 4 within one of version 6 (RFC 4291 §2.5.5.2; RFC 6052; RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<IpAddr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(IpAddr::from([a, b, c, d]))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_asked() {
        for text in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}
