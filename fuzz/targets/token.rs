//! A text is a token only if its checksum says so, and then it is the only text of that token. None survives in a log line.
#![no_main]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cultivar_spec::secret::{Secret, SecretKind, redact};
use libfuzzer_sys::fuzz_target;

const N_RANDOM: usize = 32;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    for kind in SecretKind::ALL {
        if let Ok(secret) = Secret::parse(kind, &text) {
            assert_eq!(secret.reveal(), text);
            // After the prefix of four characters stand the random bytes and their checksum.
            let decoded = BASE64_URL_SAFE_NO_PAD
                .decode(&text[4..])
                .expect("it was parsed");
            let random = decoded.first_chunk::<N_RANDOM>().expect("it was parsed");
            assert_eq!(Secret::new(kind, *random).reveal(), text);
        }
    }
    let once = redact(&text);
    assert_eq!(redact(&once), once);

    let Some((random, around)) = bytes.split_first_chunk::<N_RANDOM>() else {
        return;
    };
    let around = String::from_utf8_lossy(around);
    let middle = around.ceil_char_boundary(around.len() / 2);
    let (before, after) = around.split_at(middle);
    for kind in SecretKind::ALL {
        let secret = Secret::new(kind, *random);
        let text = secret.reveal();
        let parsed = Secret::parse(kind, text).expect("it was just made");
        assert_eq!(parsed.reveal(), text);
        assert_eq!(parsed.hash(), secret.hash());
        let line = format!("{before} {text} {after}");
        let said = redact(&line);
        assert!(!said.contains(&text[4..]), "{line:?} became {said:?}");
        assert_eq!(redact(&said), said);
    }
});
