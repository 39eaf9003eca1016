//! Safetensors in and out. Nothing in such a file is ever executed.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

/// A file of tensors could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {source}")]
    Io {
        path: String,
        source: std::io::Error,
    },
    #[error("{path}: not a safetensors file: {reason}")]
    Format { path: String, reason: String },
}

/// Tensors by name, and the file's metadata.
pub type Contents = (HashMap<String, Tensor>, HashMap<String, String>);

/// Reads every tensor of a file to the CPU. Half precisions come back as f32.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn read(path: &Path) -> Result<Contents, FileError> {
    let bytes = std::fs::read(path).map_err(|source| io(path, source))?;
    let format = |reason: String| FileError::Format {
        path: path.display().to_string(),
        reason,
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| format(e.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| format(e.to_string()))?;
    let mut tensors = HashMap::new();
    for (name, view) in file.tensors() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::I64 => Kind::Int64,
            Dtype::U8 => Kind::Uint8,
            other => return Err(format(format!("{name} is {other:?}, which no weights are"))),
        };
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)
            .map_err(|e| format(format!("{name}: {e}")))?;
        let half = matches!(kind, Kind::Half | Kind::BFloat16);
        tensors.insert(
            name,
            if half {
                tensor.to_kind(Kind::Float)
            } else {
                tensor
            },
        );
    }
    Ok((tensors, header.metadata().clone().unwrap_or_default()))
}

/// Writes f32 and i64 tensors beside `path`, flushes them to the disk, and renames them into place.
///
/// # Errors
/// The file cannot be written.
pub fn write(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: HashMap<String, String>,
) -> Result<(), FileError> {
    let blobs: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| blob(name, tensor))
        .collect();
    let views = blobs.iter().map(|(name, dtype, shape, data)| {
        let view =
            TensorView::new(*dtype, shape.clone(), data).expect("as many bytes as the shape says");
        (name.clone(), view)
    });
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| FileError::Format {
        path: path.display().to_string(),
        reason: e.to_string(),
    })?;
    write_atomically(path, &bytes)
}

/// Writes beside `path`, flushes to the disk, and renames into place.
///
/// # Errors
/// The file cannot be written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let part = path.with_extension(format!("part-{}", std::process::id()));
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|source| io(path, source))
}

fn blob(name: &str, tensor: &Tensor) -> (String, Dtype, Vec<usize>, Vec<u8>) {
    let (dtype, kind) = match tensor.kind() {
        Kind::Int64 => (Dtype::I64, Kind::Int64),
        Kind::Uint8 => (Dtype::U8, Kind::Uint8),
        _ => (Dtype::F32, Kind::Float),
    };
    let tensor = tensor
        .detach()
        .to_device(Device::Cpu)
        .to_kind(kind)
        .contiguous();
    let mut data = vec![0_u8; tensor.numel() * kind.elt_size_in_bytes()];
    tensor.copy_data_u8(&mut data, tensor.numel());
    (
        name.to_owned(),
        dtype,
        tensor.size().iter().map(|&n| n as usize).collect(),
        data,
    )
}

fn io(path: &Path, source: std::io::Error) -> FileError {
    FileError::Io {
        path: path.display().to_string(),
        source,
    }
}
