//! One request and its answer on a connection of its own.
//!
//! hyper speaks the protocol; the connection is driven inside the same future that waits for the
//! answer, so that nothing outlives the look. The phase `firstByte` runs from the first byte of the
//! request to the complete head of the answer, `transfer` from there to the last byte of the body.

use std::{
    error::Error as _,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use domain::probe::{Failure, Phase, Reason};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};

use crate::{look::Look, tls::reason_of_tls};

/// A connection, secured or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The protocol on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
}

/// Status line and headers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

/// An answer whose body has not been read.
pub(crate) struct Exchange {
    pub(crate) head: Head,
    body: Incoming,
    driver: Driver,
}

/// A body, or its beginning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    /// Whether there was more than was read.
    pub(crate) cut: bool,
}

/// Sends a request and waits for the head of the answer.
pub(crate) async fn send(
    stream: Box<dyn Stream>,
    wire: Wire,
    request: Request<Full<Bytes>>,
    peer: &str,
    look: &mut Look,
) -> Result<Exchange, Failure> {
    let doing = || format!("request to {peer}");
    let work = async {
        let io = TokioIo::new(stream);
        let failed = |error: hyper::Error| failure(&error, Phase::FirstByte, peer);
        let (response, driver) = match wire {
            Wire::Http1 => {
                let (mut sender, connection) = http1::handshake(io).await.map_err(failed)?;
                let mut driver = Driver::new(connection, None);
                (driver.alongside(sender.send_request(request)).await, driver)
            }
            Wire::Http2 => {
                let tasks = Tasks::default();
                let (mut sender, connection) = http2::handshake(tasks.clone(), io).await.map_err(failed)?;
                let mut driver = Driver::new(connection, Some(tasks));
                (driver.alongside(sender.send_request(request)).await, driver)
            }
        };
        let (parts, body) = response.map_err(failed)?.into_parts();
        let head = Head { status: parts.status, version: parts.version, headers: parts.headers };
        Ok(Exchange { head, body, driver })
    };
    look.spend(Phase::FirstByte, doing, work).await
}

impl Exchange {
    /// Reads the body, at most `most` bytes of it.
    pub(crate) async fn read(&mut self, most: usize, peer: &str, look: &mut Look) -> Result<Body, Failure> {
        let (body, driver) = (&mut self.body, &mut self.driver);
        let work = driver.alongside(async {
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| failure(&error, Phase::Transfer, peer))?;
                let Ok(data) = frame.into_data() else { continue };
                let room = most.saturating_sub(bytes.len());
                bytes.extend_from_slice(data.get(..room).unwrap_or(&data));
                if data.len() > room {
                    return Ok(Body { bytes, cut: true });
                }
            }
            Ok(Body { bytes, cut: false })
        });
        look.spend(Phase::Transfer, || format!("answer of {peer}"), work).await
    }
}

/// What keeps a connection going while its answer is waited for.
struct Driver {
    connection: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    tasks: Option<Tasks>,
}

impl Driver {
    fn new<E>(connection: impl Future<Output = Result<(), E>> + Send + 'static, tasks: Option<Tasks>) -> Self {
        // Its error reaches whoever waits for the answer as well.
        let connection: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move { drop(connection.await) });
        Self { connection: Some(connection), tasks }
    }

    async fn alongside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(context).is_ready()
            {
                self.connection = None;
            }
            match work.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(done),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(tasks) = &self.tasks {
            tasks.0.lock().abort_all();
        }
    }
}

/// The tasks that HTTP/2 needs beside the connection. They end with the look.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.0.lock().spawn(task);
    }
}

fn failure(error: &hyper::Error, phase: Phase, peer: &str) -> Failure {
    let (reason, what) = reason_of(error);
    let doing = if phase == Phase::Transfer { "answer of" } else { "request to" };
    Failure { reason, phase, message: format!("{doing} {peer}: {what}") }
}

fn reason_of(error: &hyper::Error) -> (Reason, String) {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return reason_of_tls(tls);
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return reason_of_tls(tls);
            }
            return match io.kind() {
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                    (Reason::ConnectReset, "the peer reset the connection".to_owned())
                }
                io::ErrorKind::UnexpectedEof => closed_early(),
                _ => (Reason::ProtocolError, io.to_string()),
            };
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return closed_early();
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    (Reason::ProtocolError, format!("not HTTP as it should be: {error}{cause}"))
}

fn closed_early() -> (Reason, String) {
    (Reason::ProtocolError, "the peer closed the connection before the answer was complete".to_owned())
}
