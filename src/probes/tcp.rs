//! A TCP connection, and a conversation on it line by line.

use domain::probe::{Failure, Phase, Reason, ScriptStep, TcpTarget, TlsSettings};
use regex::Regex;
use std::{io, net::IpAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Host;

use crate::{
    connect::connect,
    context::Context,
    http::Stream,
    look::Look,
    secrets::Secrets,
    tls::{Offer, Peer, reason_of_tls},
};

/// A peer that sends more than this without being understood is cut off (bytes).
const MOST: usize = 1 << 20;

/// How much of a line is repeated in a message (characters).
const SHOWN: usize = 80;

/// Takes one look.
pub(crate) async fn look(
    target: &TcpTarget,
    secrets: &Secrets,
    context: &Context,
    look: &mut Look,
) -> Result<(), Failure> {
    let trust = target.tls.as_ref().map(|settings| context.tls().trust(settings, secrets)).transpose()?;
    let host = match target.host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Host::Ipv4(address),
        Ok(IpAddr::V6(address)) => Host::Ipv6(address),
        Err(_) => Host::Domain(target.host.clone()),
    };
    let tcp = connect(&host, target.port, context, look).await?;
    let stream: Box<dyn Stream> = match (&target.tls, &trust) {
        (Some(settings), Some(trust)) => {
            let TlsSettings { server_name, .. } = settings;
            let name = server_name.as_deref().unwrap_or(&target.host);
            let peer = Peer { name, trust, settings, offer: Offer::Anything };
            Box::new(context.tls().handshake(tcp, &peer, look).await?)
        }
        _ => Box::new(tcp),
    };
    let address = look.address.map_or_else(|| target.display(), |address| address.to_string());
    let mut talk = Talk { stream, address, unread: Vec::new(), total: 0, last: None };
    for step in &target.script {
        match step {
            ScriptStep::Send(line) => talk.send(line, look).await?,
            ScriptStep::Expect(pattern) => talk.expect(pattern, look).await?,
        }
    }
    Ok(())
}

/// A conversation under way.
struct Talk {
    stream: Box<dyn Stream>,
    address: String,
    /// Received and not yet a line.
    unread: Vec<u8>,
    /// Received in all (bytes).
    total: usize,
    /// The last line that did not match.
    last: Option<String>,
}

impl Talk {
    /// Before the first byte has come, time is spent waiting for it; afterwards, on the transfer.
    fn phase(&self) -> Phase {
        if self.total == 0 { Phase::FirstByte } else { Phase::Transfer }
    }

    async fn send(&mut self, line: &str, look: &mut Look) -> Result<(), Failure> {
        let (phase, address) = (self.phase(), self.address.clone());
        let stream = &mut self.stream;
        let work = async {
            let line = format!("{line}\r\n");
            let sent = async {
                stream.write_all(line.as_bytes()).await?;
                stream.flush().await
            };
            sent.await.map_err(|error| failure(&error, phase, &address))
        };
        look.spend(phase, || format!("send to {address}"), work).await
    }

    /// Reads lines until one matches. What remains without a line end counts as a line when the peer closes.
    async fn expect(&mut self, pattern: &Regex, look: &mut Look) -> Result<(), Failure> {
        loop {
            while let Some(line) = self.take_line() {
                if pattern.is_match(&line) {
                    return Ok(());
                }
                self.last = Some(line);
            }
            if self.total > MOST {
                let message = format!("{} sent {MOST} bytes and no line that matches `{pattern}`", self.address);
                return Err(Failure { reason: Reason::BodyTooLarge, phase: Phase::Transfer, message });
            }
            if self.receive(pattern, look).await? == 0 {
                let rest = String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned();
                if !rest.is_empty() && pattern.is_match(&rest) {
                    return Ok(());
                }
                self.last = if rest.is_empty() { self.last.take() } else { Some(rest) };
                let message = format!(
                    "{} closed the connection before a line that matches `{pattern}`{}",
                    self.address,
                    self.last_line()
                );
                return Err(Failure { reason: Reason::ScriptMismatch, phase: Phase::Expect, message });
            }
        }
    }

    async fn receive(&mut self, pattern: &Regex, look: &mut Look) -> Result<usize, Failure> {
        let (phase, address, last) = (self.phase(), self.address.clone(), self.last_line());
        let (stream, unread) = (&mut self.stream, &mut self.unread);
        let work = async { stream.read_buf(unread).await.map_err(|error| failure(&error, phase, &address)) };
        let doing = || format!("wait for a line from {address} that matches `{pattern}`{last}");
        let received = look.spend(phase, doing, work).await?;
        self.total = self.total.saturating_add(received);
        Ok(received)
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.unread.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.unread.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    }

    fn last_line(&self) -> String {
        let Some(line) = &self.last else { return String::new() };
        let shown: String = line.chars().take(SHOWN).flat_map(char::escape_default).collect();
        format!("; the last line was `{shown}`")
    }
}

fn failure(error: &io::Error, phase: Phase, address: &str) -> Failure {
    let (reason, what) = if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        reason_of_tls(tls)
    } else {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                (Reason::ConnectReset, "the peer reset the connection".to_owned())
            }
            io::ErrorKind::UnexpectedEof => {
                (Reason::ProtocolError, "the peer closed the connection without ending TLS".to_owned())
            }
            _ => (Reason::ProtocolError, error.to_string()),
        }
    };
    Failure { reason, phase, message: format!("talk with {address}: {what}") }
}

#[cfg(test)]
mod tests;
