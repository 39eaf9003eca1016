//! Frames between supervisor and trainer: a `u32` length in little-endian bytes, then that many bytes
//! of JSON.

use std::io::{self, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest frame: a job names files and never holds them.
pub const MAX_BYTES: usize = 16 << 20;

/// The other side did not keep to the format.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the pipe broke: {0}")]
    Io(#[from] io::Error),
    #[error("the pipe ended inside a frame")]
    Truncated,
    #[error("a frame of {0} bytes, where at most {MAX_BYTES} are allowed")]
    TooLong(usize),
    #[error("a frame is not the JSON expected: {0}")]
    Json(#[from] serde_json::Error),
}

/// A message as a frame.
///
/// # Errors
/// The message is too long, or is no JSON.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let n_bytes = frame.len() - 4;
    if n_bytes > MAX_BYTES {
        return Err(FrameError::TooLong(n_bytes));
    }
    frame[..4].copy_from_slice(&(n_bytes as u32).to_le_bytes());
    Ok(frame)
}

/// The next message, or none where the pipe ends between frames.
///
/// # Errors
/// The pipe breaks or ends inside a frame, or the frame is none.
pub fn read<T: DeserializeOwned>(pipe: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut header = [0; 4];
    match pipe.read_exact(&mut header[..1]) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    pipe.read_exact(&mut header[1..]).map_err(ended_inside)?;
    let mut json = buffer(header)?;
    pipe.read_exact(&mut json).map_err(ended_inside)?;
    Ok(Some(serde_json::from_slice(&json)?))
}

/// As [`read`].
///
/// # Errors
/// As [`read`].
pub async fn read_async<T: DeserializeOwned>(
    pipe: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>, FrameError> {
    let mut header = [0; 4];
    match pipe.read_exact(&mut header[..1]).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let rest = pipe.read_exact(&mut header[1..]).await;
    rest.map_err(ended_inside)?;
    let mut json = buffer(header)?;
    pipe.read_exact(&mut json).await.map_err(ended_inside)?;
    Ok(Some(serde_json::from_slice(&json)?))
}

fn buffer(header: [u8; 4]) -> Result<Vec<u8>, FrameError> {
    let n_bytes = u32::from_le_bytes(header) as usize;
    if n_bytes > MAX_BYTES {
        return Err(FrameError::TooLong(n_bytes));
    }
    Ok(vec![0; n_bytes])
}

fn ended_inside(error: io::Error) -> FrameError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FrameError::Truncated,
        _ => FrameError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use cultivar_spec::trainer::{FromTrainer, StopWhy, ToTrainer};
    use cultivar_spec::wire::DeviceInfo;

    use super::*;

    /// Both readers on the same bytes.
    fn read_all(bytes: &[u8]) -> (Vec<String>, Option<String>) {
        let mut said = Vec::new();
        let mut pipe = bytes;
        let end = loop {
            match read::<ToTrainer>(&mut pipe) {
                Ok(Some(message)) => said.push(format!("{message:?}")),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let again = runtime.block_on(async {
            let mut said = Vec::new();
            let mut pipe = bytes;
            loop {
                match read_async::<ToTrainer>(&mut pipe).await {
                    Ok(Some(message)) => said.push(format!("{message:?}")),
                    Ok(None) => break (said, None),
                    Err(error) => break (said, Some(error.to_string())),
                }
            }
        });
        assert_eq!((said.clone(), end.clone()), again);
        (said, end)
    }

    fn stop(tag: &str) -> Vec<u8> {
        encode(&ToTrainer::Stop {
            tag: tag.into(),
            why: StopWhy::Preempt,
        })
        .unwrap()
    }

    #[test]
    fn frames_come_back_one_by_one() {
        let (said, end) = read_all(&[stop("a"), stop("ü\n")].concat());
        assert_eq!(said.len(), 2);
        assert!(said[1].contains("ü\\n"), "{said:?}");
        assert_eq!(end, None);
        assert_eq!(read_all(&[]), (Vec::new(), None));
    }

    #[test]
    fn a_pipe_that_ends_inside_a_frame_is_truncated() {
        let frame = stop("a");
        for n in 1..frame.len() {
            let (said, end) = read_all(&frame[..n]);
            assert!(said.is_empty());
            assert!(end.unwrap().contains("inside a frame"), "{n} bytes");
        }
    }

    #[test]
    fn a_frame_too_long_is_refused_before_memory_is_taken() {
        let (_, end) = read_all(&u32::MAX.to_le_bytes());
        assert!(end.unwrap().contains("4294967295 bytes"));
        let long = "x".repeat(MAX_BYTES);
        assert!(matches!(encode(&long), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let (_, end) = read_all(&encode(&"hello").unwrap());
        assert!(end.unwrap().contains("not the JSON expected"));
    }

    #[test]
    fn a_result_keeps_numbers_that_are_not_finite() {
        let result: cultivar_spec::trainer::JobResult = serde_json::from_value(
            serde_json::json!({"outcome": "diverged", "step": 3, "metrics": {"val_loss": "NaN", "lr": 0.5}, "cost": {}}),
        )
        .unwrap();
        let done = FromTrainer::Done {
            tag: "a".into(),
            result,
        };
        let frame = encode(&done).unwrap();
        let Some(FromTrainer::Done { result, .. }) = read(&mut frame.as_slice()).unwrap() else {
            panic!("another message came back");
        };
        assert!(result.metrics["val_loss"].is_nan());
        assert_eq!(result.metrics["lr"], 0.5);
        let ready = FromTrainer::Ready {
            device: DeviceInfo::default(),
        };
        assert!(encode(&ready).is_ok());
    }
}
