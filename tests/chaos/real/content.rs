//! The tensors of a safetensors file as one digest. That of its bytes says more: the notes in its head come in any order.

use anyhow::{Context, ensure};
use cultivar_spec::{Sha256Digest, canonical_json};
use serde_json::Value;

/// Of names, shapes and numbers.
///
/// # Errors
/// This is no safetensors file.
pub fn digest(bytes: &[u8]) -> anyhow::Result<Sha256Digest> {
    let (length, rest) = bytes.split_first_chunk().context("it is too short")?;
    let length = usize::try_from(u64::from_le_bytes(*length))?;
    ensure!(length <= rest.len(), "its head is cut off");
    let (head, numbers) = rest.split_at(length);
    let mut head: Value = serde_json::from_slice(head).context("its head is no JSON")?;
    let tensors = head.as_object_mut().context("its head is no map")?;
    tensors.remove("__metadata__");
    let mut content = canonical_json(&head).into_bytes();
    content.extend(numbers);
    Ok(Sha256Digest::of(&content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &str, numbers: &[u8]) -> String {
        let length = (head.len() as u64).to_le_bytes();
        let file = [&length, head.as_bytes(), numbers].concat();
        digest(&file).expect("a small file").to_string()
    }

    #[test]
    fn notes_do_not_count_and_every_bit_of_a_tensor_does() {
        let with = |notes: &str, shape: &str| format!(r#"{{{notes}"x":{{"shape":{shape}}}}}"#);
        let first = of(
            &with(r#""__metadata__":{"a":"1","b":"2"},"#, "[2]"),
            &[1, 2],
        );
        assert_eq!(first, of(&with("", "[2]"), &[1, 2]));
        assert_ne!(first, of(&with("", "[2]"), &[1, 3]));
        assert_ne!(first, of(&with("", "[1,2]"), &[1, 2]));
        assert!(digest(&[9; 12]).is_err());
    }
}
