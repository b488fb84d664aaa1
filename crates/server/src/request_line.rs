//! Lets an overlong address reach the router, so that its refusal says what to do.
//!
//! hyper refuses an address of more than 64 KiB by itself, with a status and no body. Here the address of a
//! connection's first request is cut at [`MAX_TARGET_BYTES`] before hyper reads it: still longer than any
//! query that is answered, so the router refuses it with a problem document like any other mistake.

use libellus_search::MAX_QUERY_BYTES;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Where an address is cut: the longest query with every byte escaped as `%XX`, and room for the rest.
pub(crate) const MAX_TARGET_BYTES: usize = 3 * MAX_QUERY_BYTES + 8 * 1024;

/// A connection whose first request line is kept within bounds.
pub struct BoundedRequestLine<S> {
    stream: S,
    state: State,
}

/// What of the first request line has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Method,
    Target {
        len: usize,
    },
    /// The rest is passed on as it comes.
    Done,
}

impl<S> BoundedRequestLine<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, state: State::Method }
    }

    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl State {
    /// Whether `byte`, the next one of the line, is passed on.
    fn keeps(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (State::Method, b' ') => State::Target { len: 0 },
            (State::Method, b'\n') | (State::Target { .. }, b' ' | b'\r' | b'\n') => State::Done,
            (State::Target { len }, _) => State::Target { len: len.saturating_add(1) },
            (state, _) => state,
        };
        !matches!(self, State::Target { len } if *len > MAX_TARGET_BYTES)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedRequestLine<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.state == State::Done {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        // Dropping bytes may leave nothing of a read, which would say that the stream has ended: read on.
        loop {
            let mut chunk = [0; 4096];
            let room = chunk.len().min(buffer.remaining());
            let mut read = ReadBuf::new(&mut chunk[..room]);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut read))?;
            let ended = read.filled().is_empty();
            let kept: Vec<u8> = read.filled().iter().copied().filter(|&byte| this.state.keeps(byte)).collect();
            buffer.put_slice(&kept);
            if ended || !kept.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedRequestLine<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn only_the_middle_of_an_overlong_address_is_dropped() {
        for (len, kept) in [(0, 0), (10, 10), (MAX_TARGET_BYTES, MAX_TARGET_BYTES), (1 << 20, MAX_TARGET_BYTES)] {
            let rest = " HTTP/1.1\r\nHost: here\r\n\r\n and a body of spaces and lines\n\n";
            let request = |len: usize| format!("GET {}{rest}", "a".repeat(len));
            let mut read = String::new();
            let sent = request(len);
            BoundedRequestLine::new(Reader(sent.as_bytes())).read_to_string(&mut read).await.expect("read");
            assert!(read == request(kept), "{len} bytes: {} kept of {}", read.len(), sent.len());
        }
    }

    /// A stream that gives its bytes in pieces.
    struct Reader<'a>(&'a [u8]);

    impl AsyncRead for Reader<'_> {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let (piece, rest) = self.0.split_at(self.0.len().min(1000).min(buffer.remaining()));
            buffer.put_slice(piece);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }
}
