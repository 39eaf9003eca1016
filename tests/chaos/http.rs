//! HTTP/1.1 messages as bytes: enough to pass them on whole, and to read what they say.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Heads longer than this are nobody's.
const MAX_HEAD: usize = 64 << 10;

/// A request or a response, whole.
#[derive(Clone, Debug)]
pub struct Message {
    /// As it came, head and body.
    pub raw: Vec<u8>,
    first_line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A word of the first line: method and path of a request, status of a response.
    fn word(&self, idx: usize) -> &str {
        self.first_line.split(' ').nth(idx).unwrap_or_default()
    }

    pub fn method(&self) -> &str {
        self.word(0)
    }

    pub fn path(&self) -> &str {
        self.word(1)
    }

    pub fn status(&self) -> Option<u16> {
        self.word(1).parse().ok()
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// Reads a message; none where the connection ends before it begins. `has_body` is false for answers to HEAD.
pub async fn read(
    reader: &mut (impl AsyncBufRead + Unpin),
    has_body: bool,
) -> io::Result<Option<Message>> {
    let mut raw = Vec::new();
    while !raw.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut raw).await? == 0 {
            return match raw.is_empty() {
                true => Ok(None),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        if raw.len() > MAX_HEAD {
            return Err(io::Error::other("a head without end"));
        }
    }
    let head = String::from_utf8_lossy(&raw).into_owned();
    let mut lines = head.split("\r\n");
    let first_line = lines.next().unwrap_or_default().to_owned();
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let headers = pairs
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut message = Message {
        raw,
        first_line,
        headers,
        body: Vec::new(),
    };
    let status = message.status();
    if !has_body || matches!(status, Some(204 | 304)) {
        return Ok(Some(message));
    }
    if message.header("transfer-encoding") == Some("chunked") {
        read_chunks(reader, &mut message).await?;
    } else if let Some(length) = message.header("content-length") {
        let n_bytes = length.parse().map_err(io::Error::other)?;
        message.body = vec![0; n_bytes];
        reader.read_exact(&mut message.body).await?;
        message.raw.extend(&message.body);
    }
    Ok(Some(message))
}

async fn read_chunks(
    reader: &mut (impl AsyncBufRead + Unpin),
    message: &mut Message,
) -> io::Result<()> {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        message.raw.extend(line.as_bytes());
        let n_bytes = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; n_bytes + 2];
        reader.read_exact(&mut chunk).await?;
        message.raw.extend(&chunk);
        message.body.extend(&chunk[..n_bytes]);
        if n_bytes == 0 {
            return Ok(());
        }
    }
}
