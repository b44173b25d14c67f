//! The end at the application: CONNECT streams in, plain TCP out.

use crate::carry::{self, carry};
use crate::options::Options;
use crate::{Failure, tls};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub async fn run(options: &Options) -> Result<(), Failure> {
    let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(&options.certs)?));
    let listener = TcpListener::bind(options.listen.as_slice()).await?;
    println!("ready");
    loop {
        let (socket, from) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Err(failure) = serve(socket, acceptor).await {
                eprintln!("tunnel from {from}: {failure}");
            }
        });
    }
}

async fn serve(socket: TcpStream, acceptor: TlsAcceptor) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let secure = acceptor.accept(socket).await?;
    let mut connection = h2::server::Builder::new()
        .initial_window_size(carry::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(carry::CONNECTION_WINDOW_BYTES)
        .max_frame_size(carry::MAX_FRAME_BYTES)
        .max_header_list_size(carry::MAX_HEADER_LIST_BYTES)
        .max_send_buffer_size(carry::SEND_BUFFER_BYTES)
        .max_concurrent_streams(carry::MAX_STREAMS)
        .handshake(secure)
        .await?;
    while let Some(stream) = connection.accept().await {
        // The other end closes without a farewell when it is done: no failure.
        let Ok((request, response)) = stream else { break };
        tokio::spawn(answer(request, response));
    }
    Ok(())
}

async fn answer(request: Request<RecvStream>, mut response: SendResponse<Bytes>) {
    let Some(target) = request.uri().authority() else { return response.send_reset(Reason::PROTOCOL_ERROR) };
    let Ok(socket) = TcpStream::connect(target.as_str()).await else { return response.send_reset(Reason::REFUSED_STREAM) };
    // Only latency suffers where the kernel refuses.
    let _ = socket.set_nodelay(true);
    if let Ok(sender) = response.send_response(Response::new(()), false) {
        carry(socket, sender, request.into_body()).await;
    }
}
