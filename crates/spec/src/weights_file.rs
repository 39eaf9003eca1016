//! Telling a safetensors file from a pickle by its first bytes. A pickle runs code when it is read, so
//! only the script that ships with the product, which runs none, ever opens one.

/// As many bytes as [`fault`] looks at.
pub const N_MAGIC: usize = 9;

/// What is wrong with a file that begins with `head`, in a line; nothing if it may be safetensors: eight
/// bytes of length, then JSON.
pub fn fault(head: &[u8], path: &str) -> Option<String> {
    let is_safetensors = head.len() == N_MAGIC && head[8] == b'{' && head[6..8] == [0, 0];
    if is_safetensors {
        return None;
    }
    // A bare pickle of protocol 2 and up, and PyTorch's archive of one.
    let is_pickle = head.starts_with(b"\x80") || head.starts_with(b"PK\x03\x04");
    Some(match is_pickle {
        true => {
            let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
            format!(
                "{path} is a pickle, which could run code; convert it: python tools/convert_weights.py --in {path} --out {stem}.safetensors"
            )
        }
        false => format!("{path} is not a safetensors file"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_beginning() {
        let says = |head: &[u8]| fault(&head[..head.len().min(N_MAGIC)], "a/model.pth");
        assert_eq!(says(b"\x58\x02\0\0\0\0\0\0{\"__metadata__\""), None);
        for pickle in [
            &b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j"[..],
            b"PK\x03\x04\0\0\x08\x08\0\0",
        ] {
            let fault = says(pickle).expect("it is one");
            assert!(
                fault.ends_with("--in a/model.pth --out a/model.safetensors"),
                "{fault}"
            );
        }
        for other in [
            &b""[..],
            b"{}",
            b"GIF89a and so on",
            b"\xff\xff\xff\xff\xff\xff\xff\xff{",
        ] {
            assert_eq!(
                says(other).as_deref(),
                Some("a/model.pth is not a safetensors file")
            );
        }
    }
}
