//! A server that reads one HTTP request as bytes and then does what it is told.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

/// What it does with a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// Accepts and neither reads nor answers; for TLS, the handshake never ends.
    Ignore,
    /// Reads the whole request, then closes without a word.
    CutAfterRequest,
    /// Reads the whole request, then says nothing.
    HangAfterRequest,
    /// Reads the whole request, then says this and closes.
    Say(&'static str),
    /// Answers every request with this, on as many connections as come.
    KeepAnswering(&'static str),
    /// Reads the whole request, says this and keeps the connection open, saying no more.
    SayAndHang(&'static str),
}

/// Stops when dropped.
pub(crate) struct Server {
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    /// Told when it hangs.
    pub(crate) hung: Arc<Notify>,
    /// Requests as they came.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    /// So many were accepted.
    pub(crate) connections: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (hung, requests) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
        let connections = Arc::new(AtomicUsize::new(0));
        let mut task = JoinSet::new();
        task.spawn({
            let serving = Serving { act, hung: Arc::clone(&hung), requests: Arc::clone(&requests) };
            let connections = Arc::clone(&connections);
            async move {
                let mut conversations = JoinSet::new();
                loop {
                    let (tcp, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, Ordering::Relaxed);
                    conversations.spawn(serving.clone().converse(tcp));
                }
            }
        });
        Self { address, hung, requests, connections, _task: task }
    }
}

#[derive(Clone)]
struct Serving {
    act: Act,
    hung: Arc<Notify>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    async fn converse(self, mut tcp: TcpStream) {
        if !matches!(self.act, Act::Ignore) {
            let request = whole_request(&mut tcp).await;
            self.requests.lock().extend(request);
        }
        match self.act {
            Act::CutAfterRequest => return,
            Act::Say(answer) => return tcp.write_all(answer.as_bytes()).await.unwrap(),
            Act::SayAndHang(answer) => tcp.write_all(answer.as_bytes()).await.unwrap(),
            Act::KeepAnswering(answer) => {
                tcp.write_all(answer.as_bytes()).await.unwrap();
                while let Some(request) = whole_request(&mut tcp).await {
                    self.requests.lock().push(request);
                    tcp.write_all(answer.as_bytes()).await.unwrap();
                }
                return;
            }
            Act::Ignore | Act::HangAfterRequest => {}
        }
        self.hung.notify_one();
        std::future::pending::<()>().await;
    }
}

/// Head and body, by `content-length`; `None` when the peer is done.
async fn whole_request(tcp: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a content-length");
            if body.len() >= length.parse().unwrap() {
                return Some(text);
            }
        }
        if tcp.read_buf(&mut bytes).await.unwrap() == 0 {
            assert!(bytes.is_empty(), "the request ended early: {text}");
            return None;
        }
    }
}
