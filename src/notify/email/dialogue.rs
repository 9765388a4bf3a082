//! The lines of SMTP (RFC 5321): one command out, one reply in.
//!
//! Written here rather than taken from lettre's connection, which reports a write before the final dot and a
//! loss after it alike, and which keeps what a server (or somebody in between) sent before the TLS handshake
//! and reads it as if it had come through TLS.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::outcome::plain;

/// A reply may have so many bytes in all; RFC 5321 asks for lines of 512.
const LONGEST_REPLY: u64 = 16 * 1024;

/// Anything SMTP can run over.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection to a server.
pub(super) struct Dialogue<W> {
    wire: BufReader<W>,
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// 200–599.
    pub(super) code: u16,
    /// Without the code, one per line.
    pub(super) lines: Vec<String>,
}

/// No reply could be read.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection failed or was closed.
    Lost(io::Error),
    /// The peer speaks something else.
    NotSmtp(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl Reply {
    /// 2yz: what was asked for is done.
    pub(super) fn is_done(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 3yz: the server asks for the rest, such as the mail after DATA.
    pub(super) fn asks_for_more(&self) -> bool {
        (300..400).contains(&self.code)
    }

    /// Code and words in one line, fit to be shown.
    pub(super) fn words(&self) -> String {
        plain(&format!("{} {}", self.code, self.lines.join(" ")), 300)
    }
}

impl<W: Wire> Dialogue<W> {
    pub(super) fn over(wire: W) -> Self {
        Self { wire: BufReader::new(wire) }
    }

    /// Sends a line and reads the reply.
    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, Broken> {
        self.wire.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.wire.flush().await?;
        self.reply().await
    }

    /// Sends a message without its final dot; it is not complete until [`Self::finish`].
    pub(super) async fn message(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.wire.write_all(&dotted(bytes)).await?;
        Ok(self.wire.flush().await?)
    }

    /// Sends the final dot and reads the only reply that accepts a message.
    pub(super) async fn finish(&mut self) -> Result<Reply, Broken> {
        self.command(".").await
    }

    /// One reply, of one or more lines.
    pub(super) async fn reply(&mut self) -> Result<Reply, Broken> {
        let mut lines = Vec::new();
        let mut bounded = (&mut self.wire).take(LONGEST_REPLY);
        loop {
            let mut line = Vec::new();
            bounded.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") {
                return Err(match bounded.limit() {
                    0 => Broken::NotSmtp(format!("a reply of more than {LONGEST_REPLY} bytes")),
                    _ => Broken::Lost(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
                });
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let (code, last, words) = parts(&line).ok_or_else(|| Broken::NotSmtp(format!("`{}`", plain(&line, 60))))?;
            lines.push(words.to_owned());
            if last {
                return Ok(Reply { code, lines });
            }
        }
    }

    /// The bare connection, to be encrypted. Nothing may have been sent ahead of the encryption: it would be
    /// read as if it were protected (CVE-2011-0411).
    pub(super) fn into_wire(self) -> Result<W, Broken> {
        if self.wire.buffer().is_empty() {
            Ok(self.wire.into_inner())
        } else {
            Err(Broken::NotSmtp("more than the reply to STARTTLS, before the encryption".to_owned()))
        }
    }
}

/// Code, whether it is the reply's last line, and the words.
fn parts(line: &str) -> Option<(u16, bool, &str)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code =
        digits.parse().ok().filter(|code| digits.bytes().all(|b| b.is_ascii_digit()) && (200..600).contains(code))?;
    match rest.chars().next() {
        None => Some((code, true, "")),
        Some(' ') => Some((code, true, rest.get(1..)?)),
        Some('-') => Some((code, false, rest.get(1..)?)),
        Some(_) => None,
    }
}

/// Doubles the dot at the start of a line (RFC 5321, 4.5.2) and ends the last line.
fn dotted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let mut at_start = true;
    for &byte in bytes {
        if at_start && byte == b'.' {
            out.push(b'.');
        }
        out.push(byte);
        at_start = byte == b'\n';
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    async fn read(server: &'static [u8]) -> Result<Reply, Broken> {
        Dialogue::over(io::Cursor::new(server.to_vec())).reply().await
    }

    #[tokio::test]
    async fn a_reply_of_several_lines_is_one_reply() {
        let reply = read(b"250-mail.acme.example\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n").await.unwrap();
        assert_eq!(
            reply,
            Reply { code: 250, lines: vec!["mail.acme.example".into(), "STARTTLS".into(), "AUTH PLAIN".into()] }
        );
    }

    #[tokio::test]
    async fn a_code_alone_is_a_reply() {
        assert_eq!(read(b"250\r\n").await.unwrap().code, 250);
    }

    #[rstest]
    #[case::another_protocol(b"HTTP/1.1 400 Bad Request\r\n")]
    #[case::a_code_out_of_range(b"999 hello\r\n")]
    #[case::a_sign(b"+25 hello\r\n")]
    #[case::letters_after_the_code(b"250ok\r\n")]
    #[case::not_text(b"\xff\xfe\xff\xfe\r\n")]
    #[case::nothing(b"\r\n")]
    #[tokio::test]
    async fn what_is_not_smtp_is_said_to_be_so(#[case] server: &'static [u8]) {
        assert!(matches!(read(server).await, Err(Broken::NotSmtp(_))));
    }

    #[tokio::test]
    async fn a_connection_closed_within_a_reply_is_lost() {
        assert!(matches!(read(b"250-mail").await, Err(Broken::Lost(_))));
    }

    #[tokio::test]
    async fn an_endless_reply_ends() {
        let endless: &'static [u8] = Box::leak("250-x\r\n".repeat(10_000).into_bytes().into_boxed_slice());
        assert!(matches!(read(endless).await, Err(Broken::NotSmtp(_))));
    }

    #[rstest]
    #[case(b"one\r\n.\r\n..two", b"one\r\n..\r\n...two\r\n")]
    #[case(b".first\r\n", b"..first\r\n")]
    #[case(b"a.b\r\n", b"a.b\r\n")]
    fn a_line_that_begins_with_a_dot_cannot_end_the_message(#[case] message: &[u8], #[case] sent: &[u8]) {
        assert_eq!(dotted(message), sent);
    }
}
