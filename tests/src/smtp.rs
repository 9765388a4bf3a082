//! A mail server that falls silent, hangs up or refuses at any point of the SMTP dialogue, and notes what it was told.
//!
//! It speaks plain SMTP without TLS and login; a real server that has both is [`crate::mail`].

use std::{collections::VecDeque, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::ports::Port;

/// A point of the dialogue: what the server has just read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing: the connection has been taken.
    Connected,
    /// EHLO.
    Ehlo,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The mail with its final dot.
    FinalDot,
    /// The mail, and it has been accepted with 250.
    Accepted,
}

/// What it does there instead of going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Never says a word again.
    Hang,
    /// Closes the connection.
    Cut,
    /// Says this line, and goes on by the client's next command.
    Say(&'static str),
    /// Of the recipients, says this line to those whose address contains the first text.
    SayTo(&'static str, &'static str),
}

/// A mail that arrived whole, whether or not it was accepted.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// When its final dot was read.
    pub at: Instant,
    /// The recipients that were taken, by address.
    pub to: Vec<String>,
    /// `Message-ID` without the angle brackets.
    pub message_id: String,
    /// Whether it was answered with 250.
    pub accepted: bool,
}

#[derive(Default)]
struct Desk {
    script: Mutex<VecDeque<(Moment, Trouble)>>,
    connections: Mutex<usize>,
    arrived: Mutex<Vec<Arrived>>,
}

/// The server; dropping it closes its port and its connections.
pub struct SmtpServer {
    port: Port,
    desk: Arc<Desk>,
    _tasks: JoinSet<()>,
}

impl SmtpServer {
    /// Starts one whose first connections meet these troubles, one each, in order; later ones none.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(script: impl IntoIterator<Item = (Moment, Trouble)>) -> Result<Self> {
        let port = Port::reserve()?;
        let listener = TcpListener::bind(port.address()).await.context("SMTP")?;
        let desk = Arc::new(Desk { script: Mutex::new(script.into_iter().collect()), ..Desk::default() });
        let mut tasks = JoinSet::new();
        let theirs = Arc::clone(&desk);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                *theirs.connections.lock() += 1;
                let trouble = theirs.script.lock().pop_front();
                let desk = Arc::clone(&theirs);
                connections.spawn(async move {
                    // The client's end of the connection is no fault of this server.
                    drop(speak(tcp, &desk, trouble).await);
                });
            }
        });
        Ok(Self { port, desk, _tasks: tasks })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.port.address().to_string()
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> usize {
        *self.desk.connections.lock()
    }

    /// Every mail that arrived whole, in order.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.desk.arrived.lock().clone()
    }
}

async fn speak(tcp: TcpStream, desk: &Desk, trouble: Option<(Moment, Trouble)>) -> std::io::Result<()> {
    let mut wire = BufReader::new(tcp);
    if !answer(&mut wire, trouble, Moment::Connected, "220 mail.acme.example").await? {
        return Ok(());
    }
    let mut to = Vec::new();
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let command = line.to_ascii_uppercase();
        let (moment, usual) = match command.trim_end() {
            text if text.starts_with("EHLO") => (Moment::Ehlo, "250-mail.acme.example\r\n250-SMTPUTF8\r\n250 8BITMIME"),
            text if text.starts_with("MAIL FROM") => (Moment::Mail, "250 ok"),
            text if text.starts_with("RCPT TO") => (Moment::Rcpt, "250 ok"),
            "DATA" => (Moment::Data, "354 go ahead"),
            "QUIT" => return wire.write_all(b"221 bye\r\n").await,
            _ => {
                wire.write_all(b"502 not here\r\n").await?;
                continue;
            }
        };
        let trouble = match trouble {
            Some((at, Trouble::SayTo(who, said))) => line.contains(who).then_some((at, Trouble::Say(said))),
            other => other,
        };
        if !answer(&mut wire, trouble, moment, usual).await? {
            return Ok(());
        }
        let is_refused = matches!(trouble, Some((at, Trouble::Say(_))) if at == moment);
        if moment == Moment::Rcpt && !is_refused {
            to.extend(line.split(['<', '>']).nth(1).map(str::to_owned));
        }
        if moment == Moment::Data && !is_refused {
            let message_id = mail(&mut wire).await?;
            let accepted = !matches!(trouble, Some((Moment::FinalDot, _)));
            let to = std::mem::take(&mut to);
            desk.arrived.lock().push(Arrived { at: Instant::now(), to, message_id, accepted });
            if !answer(&mut wire, trouble, Moment::FinalDot, "250 taken").await?
                || matches!(trouble, Some((Moment::Accepted, Trouble::Cut)))
            {
                return Ok(());
            }
        }
    }
}

/// Says the usual, or does what is to go wrong; whether the dialogue goes on.
async fn answer(
    wire: &mut BufReader<TcpStream>,
    trouble: Option<(Moment, Trouble)>,
    moment: Moment,
    usual: &str,
) -> std::io::Result<bool> {
    let said = match trouble.filter(|(at, _)| *at == moment) {
        None => usual,
        Some((_, Trouble::Say(line) | Trouble::SayTo(_, line))) => line,
        Some((_, Trouble::Cut)) => return Ok(false),
        Some((_, Trouble::Hang)) => {
            // Until the client has had enough.
            wire.read_to_end(&mut Vec::new()).await?;
            return Ok(false);
        }
    };
    wire.write_all(format!("{said}\r\n").as_bytes()).await?;
    Ok(true)
}

/// Reads a mail up to its final dot; gives its `Message-ID`.
async fn mail(wire: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut id = String::new();
    loop {
        let mut line = Vec::new();
        if wire.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(id);
        }
        let text = String::from_utf8_lossy(&line);
        let is_id = text.get(..11).is_some_and(|name| name.eq_ignore_ascii_case("message-id:"));
        if is_id && id.is_empty() {
            id = text.get(11..).unwrap_or_default().trim().trim_matches(['<', '>']).to_owned();
        }
    }
}
