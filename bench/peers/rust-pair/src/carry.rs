//! Carries bytes between a TCP connection and an HTTP/2 stream, and holds the settings of HTTP/2 for both ends.

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use std::future::poll_fn;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

pub const STREAM_WINDOW_BYTES: u32 = 4 << 20;
pub const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
pub const MAX_FRAME_BYTES: u32 = 1 << 20;
pub const SEND_BUFFER_BYTES: usize = 4 << 20;
pub const MAX_HEADER_LIST_BYTES: u32 = 16 << 10;
pub const MAX_STREAMS: u32 = 5000;

/// A connection reads into small buffers until it has proven that it carries much: (bytes so far, buffer).
const READ_BUFFERS: [(u64, usize); 2] = [(128 << 10, 16 << 10), (10 << 20, 256 << 10)];
const FIRST_READ_BUFFER: usize = 1 << 10;

/// Until both directions have ended, or one fails, which cuts the other.
pub async fn carry(socket: TcpStream, mut sender: SendStream<Bytes>, receiver: RecvStream) {
    let (reader, writer) = socket.into_split();
    if tokio::try_join!(outward(reader, &mut sender), inward(receiver, writer)).is_err() {
        sender.send_reset(Reason::CANCEL);
    }
}

async fn outward(mut reader: OwnedReadHalf, sender: &mut SendStream<Bytes>) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    let mut size = FIRST_READ_BUFFER;
    let mut total = 0u64;
    loop {
        buffer.reserve(size);
        let read = reader.read_buf(&mut buffer).await?;
        if read == 0 {
            return sender.send_data(Bytes::new(), true).map_err(io::Error::other);
        }
        send_all(sender, buffer.split().freeze()).await?;
        total += read as u64;
        for (from, next) in READ_BUFFERS {
            if total >= from {
                size = next;
            }
        }
    }
}

async fn send_all(sender: &mut SendStream<Bytes>, mut data: Bytes) -> io::Result<()> {
    while !data.is_empty() {
        sender.reserve_capacity(data.len());
        let capacity = match poll_fn(|context| sender.poll_capacity(context)).await {
            Some(capacity) => capacity.map_err(io::Error::other)?,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        let part = data.split_to(capacity.min(data.len()));
        sender.send_data(part, false).map_err(io::Error::other)?;
    }
    Ok(())
}

async fn inward(mut receiver: RecvStream, mut writer: OwnedWriteHalf) -> io::Result<()> {
    while let Some(data) = receiver.data().await {
        let mut data = data.map_err(io::Error::other)?;
        // Given back before it is written: the window bounds what is on the way, the socket what waits here.
        receiver.flow_control().release_capacity(data.len()).map_err(io::Error::other)?;
        while data.has_remaining() {
            writer.write_buf(&mut data).await?;
        }
    }
    writer.shutdown().await
}
