//! As much of HTTP/1.1 as Git's smart protocol needs of a client: one request, one response, one connection.
//!
//! Absent on purpose: redirects (credentials would follow), compression (never asked for), cookies, proxies.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::connection::Connection;

/// Status line and headers together are not longer than this.
const MAX_HEAD_BYTES: u64 = 64 * 1024;

/// A response whose head was read.
pub(super) struct Response {
    pub(super) status: u16,
    /// Value of `Content-Type` up to a `;`, lower case.
    pub(super) content_type: String,
    /// Value of `Location`, where one was sent.
    pub(super) location: Option<String>,
    body: Body,
    reader: BufReader<Connection>,
}

/// What is left of a body.
enum Body {
    /// So many bytes.
    Length(u64),
    /// So many bytes of the present chunk; 0 before the next chunk's size line.
    Chunk(u64),
    /// Until the server hangs up.
    ToEnd,
    Done,
}

/// Writes a request and reads the head of its response. `headers` are whole lines without line breaks.
///
/// # Errors
/// As the connection has them; `InvalidData` where the answer is not HTTP/1.x.
pub(super) fn exchange(mut connection: Connection, headers: &[String], body: &[u8]) -> io::Result<Response> {
    let mut head = headers.join("\r\n").into_bytes();
    head.extend_from_slice(b"\r\n\r\n");
    connection.write_all(&head)?;
    connection.write_all(body)?;
    connection.flush()?;
    read_head(BufReader::with_capacity(32 * 1024, connection))
}

fn read_head(mut reader: BufReader<Connection>) -> io::Result<Response> {
    let mut head = (&mut reader).take(MAX_HEAD_BYTES);
    let status_line = line(&mut head)?;
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| invalid("expected an HTTP/1.1 status line"))?;
    let (mut content_type, mut location, mut length, mut chunked) = (String::new(), None, None, false);
    loop {
        let header = line(&mut head)?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { return Err(invalid("expected a header with a colon")) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-type" => {
                content_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            }
            "location" => location = Some(value.to_owned()),
            "content-length" => {
                length = Some(value.parse().map_err(|_| invalid("expected a number as Content-Length"))?);
            }
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => chunked = true,
            "transfer-encoding" => return Err(invalid("expected a Transfer-Encoding of `chunked`")),
            "content-encoding" if !value.eq_ignore_ascii_case("identity") => {
                return Err(invalid("expected no Content-Encoding, as none was asked for"));
            }
            _ => {}
        }
    }
    let body = match (chunked, length) {
        (true, _) => Body::Chunk(0),
        (false, Some(length)) => Body::Length(length),
        (false, None) => Body::ToEnd,
    };
    Ok(Response { status, content_type, location, body, reader })
}

impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.body {
            Body::Done | Body::Length(0) => Ok(0),
            Body::ToEnd => self.reader.read(buffer),
            Body::Length(left) => {
                let read = read_within(&mut self.reader, left, buffer)?;
                self.body = Body::Length(left - read as u64);
                Ok(read)
            }
            Body::Chunk(0) => {
                let size = line(&mut (&mut self.reader).take(1024))?;
                let digits = size.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(digits, 16).map_err(|_| invalid("expected the size of a chunk"))?;
                if size == 0 {
                    self.body = Body::Done;
                    return Ok(0);
                }
                self.body = Body::Chunk(size);
                self.read(buffer)
            }
            Body::Chunk(left) => {
                let read = read_within(&mut self.reader, left, buffer)?;
                let left = left - read as u64;
                if left == 0 && !line(&mut (&mut self.reader).take(2))?.is_empty() {
                    return Err(invalid("expected a line break after a chunk"));
                }
                self.body = Body::Chunk(left);
                Ok(read)
            }
        }
    }
}

/// Reads at most `left` bytes; the end of the connection before that is an error.
fn read_within(reader: &mut impl Read, left: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let read = reader.take(left).read(buffer)?;
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
}

/// One line without its line break.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
