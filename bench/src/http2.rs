//! HTTP/2 for the load generator, by a library that is not ours.

use std::io;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

/// Greets the proxy; the connection is driven by a task of its own.
///
/// # Errors
/// When it does not greet back.
pub(crate) async fn connect(stream: TcpStream) -> io::Result<SendRequest<Bytes>> {
    let (client, connection) = h2::client::handshake(stream)
        .await
        .map_err(io::Error::other)?;
    spawn_local(async move {
        let _how_it_ends_is_seen_by_the_streams = connection.await;
    });
    Ok(client)
}

/// One GET, whose answer must be 200 and have so many bytes.
///
/// # Errors
/// When it fails, or the answer is another.
pub(crate) async fn get(client: &mut SendRequest<Bytes>, bytes: usize) -> io::Result<()> {
    let request = Request::get("http://bench/")
        .body(())
        .map_err(io::Error::other)?;
    let mut ready = client.clone().ready().await.map_err(io::Error::other)?;
    let (answered, _) = ready
        .send_request(request, true)
        .map_err(io::Error::other)?;
    let answered = answered.await.map_err(io::Error::other)?;
    let status = answered.status();
    let mut body = answered.into_body();
    let mut read = 0;
    while let Some(piece) = body.data().await {
        let count = piece.map_err(io::Error::other)?.len();
        read += count;
        let room = body.flow_control().release_capacity(count);
        room.map_err(io::Error::other)?;
    }
    match status.as_u16() == 200 && read == bytes {
        true => Ok(()),
        false => Err(io::Error::other(format!("status {status}, {read} bytes"))),
    }
}
