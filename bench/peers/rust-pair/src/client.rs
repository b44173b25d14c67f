//! The end at the callers: plain TCP in, one CONNECT stream (RFC 9113, section 8.5) for each connection out.

use crate::carry::{self, carry};
use crate::options::Options;
use crate::{Failure, tls};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, Version};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// One TLS connection and what is on it.
struct Tunnel {
    requests: SendRequest<Bytes>,
    streams: Arc<AtomicU32>,
    is_closed: Arc<AtomicBool>,
}

/// One connection to the peer; another one only where the first is closed or has all the streams it may have.
struct Pool {
    peer: SocketAddr,
    connector: TlsConnector,
    current: Mutex<Option<Tunnel>>,
}

pub async fn run(options: &Options) -> Result<(), Failure> {
    let pool = Arc::new(Pool {
        peer: options.peer.ok_or("--peer is missing")?,
        connector: TlsConnector::from(Arc::new(tls::client_config(&options.certs)?)),
        current: Mutex::new(None),
    });
    let mut accepting = tokio::task::JoinSet::new();
    for (&address, &target) in options.listen.iter().zip(&options.targets) {
        let listener = TcpListener::bind(address).await?;
        accepting.spawn(accept(listener, target, pool.clone()));
    }
    println!("ready");
    while let Some(ended) = accepting.join_next().await {
        ended??;
    }
    Ok(())
}

async fn accept(listener: TcpListener, target: SocketAddr, pool: Arc<Pool>) -> Result<(), Failure> {
    loop {
        let (socket, from) = listener.accept().await?;
        let pool = pool.clone();
        tokio::spawn(async move {
            if let Err(failure) = serve(socket, from, target, &pool).await {
                eprintln!("{from} to {target}: {failure}");
            }
        });
    }
}

async fn serve(socket: TcpStream, from: SocketAddr, target: SocketAddr, pool: &Pool) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let (mut requests, streams) = pool.stream().await?;
    let request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(target.to_string())
        .header("forwarded", format!("for={from}"))
        .body(())?;
    let (response, sender) = requests.send_request(request, false)?;
    drop(requests);
    let response = response.await?;
    if response.status() != 200 {
        return Err(format!("the peer answered {}", response.status()).into());
    }
    carry(socket, sender, response.into_body()).await;
    drop(streams);
    Ok(())
}

/// Counts a stream as open for as long as it lives.
struct OpenStream(Arc<AtomicU32>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    async fn stream(&self) -> Result<(SendRequest<Bytes>, OpenStream), Failure> {
        let mut current = self.current.lock().await;
        let is_usable = current.as_ref().is_some_and(|tunnel| {
            !tunnel.is_closed.load(Ordering::Relaxed) && tunnel.streams.load(Ordering::Relaxed) < carry::MAX_STREAMS
        });
        if !is_usable {
            *current = Some(self.dial().await?);
        }
        let tunnel = current.as_ref().ok_or("no tunnel")?;
        tunnel.streams.fetch_add(1, Ordering::Relaxed);
        let open = OpenStream(tunnel.streams.clone());
        let requests = tunnel.requests.clone();
        drop(current);
        Ok((requests.ready().await?, open))
    }

    async fn dial(&self) -> Result<Tunnel, Failure> {
        let socket = TcpStream::connect(self.peer).await?;
        socket.set_nodelay(true)?;
        let secure = self.connector.connect(ServerName::IpAddress(self.peer.ip().into()), socket).await?;
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(carry::STREAM_WINDOW_BYTES)
            .initial_connection_window_size(carry::CONNECTION_WINDOW_BYTES)
            .max_frame_size(carry::MAX_FRAME_BYTES)
            .max_header_list_size(carry::MAX_HEADER_LIST_BYTES)
            .max_send_buffer_size(carry::SEND_BUFFER_BYTES)
            .initial_max_send_streams(carry::MAX_STREAMS as usize)
            .enable_push(false)
            .handshake(secure)
            .await?;
        let is_closed = Arc::new(AtomicBool::new(false));
        let closing = is_closed.clone();
        tokio::spawn(async move {
            // Why it ended is told to every stream on it.
            let _ = connection.await;
            closing.store(true, Ordering::Relaxed);
        });
        Ok(Tunnel { requests, streams: Arc::new(AtomicU32::new(0)), is_closed })
    }
}
