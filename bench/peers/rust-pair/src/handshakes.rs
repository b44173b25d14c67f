//! Full handshakes, one after the other on each of N connections, against whatever speaks TLS there.

use crate::options::Options;
use crate::{Failure, tls};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// HTTP/2's preface with empty SETTINGS (RFC 9113, section 3.4).
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub async fn run(options: &Options) -> Result<(), Failure> {
    let peer = options.peer.ok_or("--peer is missing")?;
    let connector = TlsConnector::from(Arc::new(tls::client_config(&options.certs)?));
    let warm_until = Instant::now() + Duration::from_secs_f64(options.warm_seconds);
    let until = warm_until + Duration::from_secs_f64(options.seconds);
    let mut slots = tokio::task::JoinSet::new();
    for _ in 0..options.connections {
        let connector = connector.clone();
        slots.spawn(async move {
            let (mut all, mut counted) = (0u64, 0u64);
            while Instant::now() < until {
                handshake(peer, &connector).await?;
                all += 1;
                let now = Instant::now();
                if now >= warm_until && now < until {
                    counted += 1;
                }
            }
            Ok::<_, Failure>((all, counted))
        });
    }
    let (mut all, mut counted) = (0, 0);
    while let Some(slot) = slots.join_next().await {
        let slot = slot??;
        all += slot.0;
        counted += slot.1;
    }
    println!("{{\"rate\":{:.1},\"total\":{all}}}", counted as f64 / options.seconds);
    Ok(())
}

/// In TLS 1.3 a client is done before the server has judged its certificate (RFC 8446, section 2): only an answer
/// proves the handshake. A server of HTTP/2 answers with its SETTINGS, a tunnel to an echo with what it was sent.
async fn handshake(peer: SocketAddr, connector: &TlsConnector) -> Result<(), Failure> {
    let socket = TcpStream::connect(peer).await?;
    socket.set_nodelay(true)?;
    let mut secure = connector.connect(ServerName::IpAddress(peer.ip().into()), socket).await?;
    secure.write_all(GREETING).await?;
    secure.flush().await?;
    if secure.read(&mut [0; 256]).await? == 0 {
        return Err("the peer closed instead of an answer".into());
    }
    Ok(())
}
