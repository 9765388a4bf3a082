//! A request's body that remembers whether it was handed over for sending.
//!
//! A connection lost before that certainly delivered nothing: the receiver waits for as many bytes as
//! `content-length` says. Lost after it, nobody can tell.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Set at the moment the body is handed to the connection. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct SentMark(Arc<AtomicBool>);

impl SentMark {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The bytes in one piece, and the mark.
pub(super) struct Watched {
    bytes: Option<Bytes>,
    mark: SentMark,
}

impl Watched {
    pub(super) fn new(bytes: Vec<u8>, mark: SentMark) -> Self {
        Self { bytes: Some(bytes.into()), mark }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        if bytes.is_some() {
            self.mark.0.store(true, Ordering::Release);
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
