//! The simulated network behind `env`'s traits.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use env::{Listener, Net, NetFuture, Stream};
use turmoil::net::{TcpListener, TcpStream};

/// TCP between the hosts of the simulation. Host names are those of the machines.
pub(super) struct SimNet;

impl Net for SimNet {
    fn connect(&self, address: String) -> NetFuture<'static, Box<dyn Stream>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(address).await?) as Box<dyn Stream>) })
    }

    fn listen(&self, address: String) -> NetFuture<'static, Box<dyn Listener>> {
        // A machine has one address, and listens on that.
        let port = address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        Box::pin(async move {
            let port = port.ok_or(io::ErrorKind::InvalidInput)?;
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
            Ok(Box::new(SimListener(listener)) as Box<dyn Listener>)
        })
    }
}

struct SimListener(TcpListener);

impl Listener for SimListener {
    fn accept(&mut self) -> NetFuture<'_, (Box<dyn Stream>, SocketAddr)> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            Ok((Box::new(stream) as Box<dyn Stream>, peer))
        })
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
