//! The event stream format of the WHATWG HTML standard, section 9.2.6, as far as a client needs it.

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    pub id: Option<String>,
    pub data: String,
}

/// Takes bytes as they come and gives events as they end.
#[derive(Debug, Default)]
pub struct Parser {
    /// An unfinished line.
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
}

impl Parser {
    /// The events that `bytes` complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let mut done = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                let line =
                    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
                done.extend(self.take(&line));
            } else {
                self.line.push(byte);
            }
        }
        done
    }

    fn take(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            return std::mem::take(&mut self.has_data).then_some(frame);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.frame.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
                self.has_data = true;
            }
            // Comments (an empty field), the event's name, which its data repeats, and what may come.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(Option<&str>, &str)]) {
        let expect: Vec<_> = expect
            .iter()
            .map(|(id, data)| Frame {
                id: id.map(str::to_owned),
                data: (*data).to_owned(),
            })
            .collect();
        assert_eq!(Parser::default().push(text.as_bytes()), expect, "whole");
        let mut parser = Parser::default();
        let bytewise: Vec<_> = text.bytes().flat_map(|b| parser.push(&[b])).collect();
        assert_eq!(bytewise, expect, "byte by byte");
    }

    #[test]
    fn events_end_at_an_empty_line() {
        check(
            "data: a\nid: 7-1\nevent: trial\n\ndata: b\n",
            &[(Some("7-1"), "a")],
        );
        check("data:a\r\n\r\ndata\n\n", &[(None, "a"), (None, "")]);
    }

    #[test]
    fn comments_keep_the_line_open_and_lines_join() {
        check(
            ":\n\n: hello\ndata: a\ndata: b: c\n\n",
            &[(None, "a\nb: c")],
        );
    }
}
