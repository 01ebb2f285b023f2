//! Sockets.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// What the methods of [`Net`] and [`Listener`] return, so that both can be used as `dyn`.
pub type NetFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A connection: bytes in both directions, in order.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// Opens connections, and waits for those of others.
pub trait Net: Send + Sync + 'static {
    /// Connects to `address`, `HOST:PORT`. Small writes leave at once (no Nagle delay). Has no deadline of its own.
    /// Cancel safe.
    fn connect(&self, address: String) -> NetFuture<'static, Box<dyn Stream>>;

    /// Takes connections to `address`, `IP:PORT`; port 0 chooses a free one.
    fn listen(&self, address: String) -> NetFuture<'static, Box<dyn Listener>>;
}

/// A socket that others connect to.
pub trait Listener: Send + 'static {
    /// Waits for the next connection; says who made it. Cancel safe.
    fn accept(&mut self) -> NetFuture<'_, (Box<dyn Stream>, SocketAddr)>;

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn local_address(&self) -> io::Result<SocketAddr>;
}

/// The machine's TCP.
pub struct RealNet;

impl Net for RealNet {
    fn connect(&self, address: String) -> NetFuture<'static, Box<dyn Stream>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn listen(&self, address: String) -> NetFuture<'static, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = TcpListener::bind(address).await?;
            Ok(Box::new(RealListener(listener)) as Box<dyn Listener>)
        })
    }
}

struct RealListener(TcpListener);

impl Listener for RealListener {
    fn accept(&mut self) -> NetFuture<'_, (Box<dyn Stream>, SocketAddr)> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream) as Box<dyn Stream>, peer))
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
