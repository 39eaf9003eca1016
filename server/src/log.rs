//! Where log lines go: to standard error, with secrets blotted out.

use std::io::{self, Write};

use cultivar_spec::secret::redact;
use tracing_subscriber::fmt::MakeWriter;

/// Writes whole lines; whatever a library logs, no credential stands in it.
#[derive(Clone, Copy, Debug)]
pub struct Redacted;

impl<'a> MakeWriter<'a> for Redacted {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Redacted {
    /// The subscriber hands over a whole event at a time.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().write_all(redact(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
