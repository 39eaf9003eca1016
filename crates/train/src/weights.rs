//! Weights files: safetensors, and nothing that could hold code.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cultivar_spec::weights_file;
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// A weights file in memory.
pub struct WeightsFile {
    /// By name, on the CPU. Reduced-precision floats are widened to f32.
    pub tensors: HashMap<String, Tensor>,
    /// The file's own notes.
    pub metadata: HashMap<String, String>,
}

/// A weights file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("cannot read weights file {0}")]
    Read(PathBuf, #[source] io::Error),
    #[error("cannot write weights file {0}")]
    Write(PathBuf, #[source] io::Error),
    #[error("{0} is not a safetensors file")]
    Format(PathBuf, #[source] SafeTensorError),
    /// Not even its beginning is one's.
    #[error("{0}")]
    Foreign(String),
    #[error("tensor {name} of {path} is {dtype}, want f32, f64, f16, bf16, i64, i32 or u8")]
    Dtype {
        path: PathBuf,
        name: String,
        dtype: String,
    },
}

/// Reads a safetensors file. f16 and bf16 become f32; f64, i64, i32 and u8 stay.
///
/// # Errors
/// The file cannot be read, is no safetensors file, or holds another kind of number.
pub fn read(path: &Path) -> Result<WeightsFile, WeightsError> {
    let bytes = fs::read(path).map_err(|error| WeightsError::Read(path.into(), error))?;
    let head = &bytes[..bytes.len().min(weights_file::N_MAGIC)];
    if let Some(fault) = weights_file::fault(head, &path.display().to_string()) {
        return Err(WeightsError::Foreign(fault));
    }
    let malformed = |error| WeightsError::Format(path.into(), error);
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(malformed)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let file = SafeTensors::deserialize(&bytes).map_err(malformed)?;
    let mut tensors = HashMap::new();
    for (name, view) in file.tensors() {
        let kind = kind_of(view.dtype()).ok_or_else(|| WeightsError::Dtype {
            path: path.into(),
            name: name.clone(),
            dtype: view.dtype().to_string(),
        })?;
        let size: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        let tensor = Tensor::from_data_size(view.data(), &size, kind);
        let wide = match kind {
            Kind::Half | Kind::BFloat16 => tensor.to_kind(Kind::Float),
            _ => tensor,
        };
        tensors.insert(name, wide);
    }
    Ok(WeightsFile { tensors, metadata })
}

/// The notes of a safetensors file, without its tensors.
///
/// # Errors
/// The file cannot be read or is no safetensors file.
pub fn metadata(path: &Path) -> Result<HashMap<String, String>, WeightsError> {
    let bytes = fs::read(path).map_err(|error| WeightsError::Read(path.into(), error))?;
    let (_, header) = SafeTensors::read_metadata(&bytes)
        .map_err(|error| WeightsError::Format(path.into(), error))?;
    Ok(header.metadata().clone().unwrap_or_default())
}

/// Writes a safetensors file in one go: a reader sees the old file or the whole new one, also
/// after a power cut.
///
/// Tensors of any layout and device are written row-major, in the numbers they hold.
///
/// # Errors
/// The file cannot be written, or a tensor holds numbers that [`read`] would refuse.
pub fn write(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: &HashMap<String, String>,
) -> Result<(), WeightsError> {
    let mut blobs = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let dtype = dtype_of(tensor.kind()).ok_or_else(|| WeightsError::Dtype {
            path: path.into(),
            name: name.clone(),
            dtype: format!("{:?}", tensor.kind()),
        })?;
        let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
        blobs.push((name, dtype, shape, bytes_of(tensor)));
    }
    let malformed = |error| WeightsError::Format(path.into(), error);
    let views = blobs
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<Vec<_>, SafeTensorError>>()
        .map_err(malformed)?;
    let metadata = (!metadata.is_empty()).then(|| metadata.clone());
    let mut bytes = safetensors::serialize(views, metadata).map_err(malformed)?;
    sort_header(&mut bytes);
    replace(path, &bytes).map_err(|error| WeightsError::Write(path.into(), error))
}

/// Puts the names in the header of a safetensors file in order, so that equal tensors and metadata are equal bytes and one
/// artifact: the library writes metadata in the order of a hash map. A header keeps its length.
fn sort_header(file: &mut [u8]) {
    let Some((length, rest)) = file.split_first_chunk() else {
        return;
    };
    let n_bytes = u64::from_le_bytes(*length) as usize;
    let header: BTreeMap<String, BTreeMap<String, Value>> =
        match rest.get(..n_bytes).map(serde_json::from_slice) {
            Some(Ok(header)) => header,
            _ => return,
        };
    let Ok(mut sorted) = serde_json::to_vec(&header) else {
        return;
    };
    if sorted.len() <= n_bytes {
        sorted.resize(n_bytes, b' ');
        file[8..8 + n_bytes].copy_from_slice(&sorted);
    }
}

/// Writes beside `path`, flushes to the disk, renames, and flushes the folder.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("the path names no file"))?
        .to_string_lossy();
    let part = folder.join(format!(".{name}.{}.part", std::process::id()));
    let written = (|| {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let n_items = tensor.numel();
    let mut bytes = vec![0; n_items * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, n_items);
    bytes
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::U8 => Kind::Uint8,
        _ => return None,
    })
}

fn dtype_of(kind: Kind) -> Option<Dtype> {
    Some(match kind {
        Kind::Float => Dtype::F32,
        Kind::Double => Dtype::F64,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Int64 => Dtype::I64,
        Kind::Int => Dtype::I32,
        Kind::Uint8 => Dtype::U8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn numbers() -> Tensor {
        Tensor::from_slice(&[0.5_f32, -1.25, 3.0, 6.0, 7.0, 8.0]).view([2, 3])
    }

    #[test]
    fn equal_weights_are_equal_bytes() {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let tensors = [("b".to_owned(), numbers()), ("a".to_owned(), numbers() + 1)];
        let note = |n: u32| (format!("key {n}"), format!("\"value\" {n} \u{e4}"));
        let written = || {
            // A map of its own, and so an order of its own.
            let metadata: HashMap<_, _> = (0..20).map(note).collect();
            write(&path, &tensors, &metadata).expect("it is written");
            assert_eq!(read(&path).expect("it is read").metadata, metadata);
            fs::read(&path).expect("the file")
        };
        let first = written();
        for _ in 0..10 {
            assert!(written() == first);
        }
        let file = read(&path).expect("it is read");
        assert_eq!(file.tensors["b"], numbers());
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let tensors = [
            ("transposed".to_owned(), numbers().tr()),
            ("count".to_owned(), Tensor::from_slice(&[1_i64 << 40])),
            ("scalar".to_owned(), Tensor::from(0.1_f64)),
        ];
        let metadata = HashMap::from([("source".to_owned(), "here".to_owned())]);
        for _ in 0..2 {
            write(&path, &tensors, &metadata).expect("it is written");
        }
        let file = read(&path).expect("it is read");
        assert_eq!(file.metadata, metadata);
        assert_eq!(file.tensors.len(), tensors.len());
        for (name, tensor) in &tensors {
            assert_eq!(file.tensors[name].kind(), tensor.kind(), "{name}");
            assert_eq!(file.tensors[name], *tensor, "{name}");
        }
        let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
        assert_eq!(left.len(), 1, "the partial file is gone");
    }

    #[test]
    fn reduced_precision_is_widened() {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let tensors = [
            ("f16".to_owned(), numbers().to_kind(Kind::Half)),
            ("bf16".to_owned(), numbers().to_kind(Kind::BFloat16)),
        ];
        write(&path, &tensors, &HashMap::new()).expect("it is written");
        let file = read(&path).expect("it is read");
        for tensor in file.tensors.values() {
            assert_eq!(tensor.kind(), Kind::Float);
            assert_eq!(*tensor, numbers());
        }
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        assert!(matches!(read(&path), Err(WeightsError::Read(..))));
        let says = |content: &[u8]| {
            fs::write(&path, content).expect("it is written");
            read(&path).err().expect("it is refused").to_string()
        };
        let pickle = says(b"\x80\x02\x8a\x0alooks like a pickle");
        assert!(
            pickle.contains("python tools/convert_weights.py --in "),
            "{pickle}"
        );
        for content in [&b"GIF89a"[..], b"\xff\0\0\0\0\0\0\0{ and no more"] {
            assert!(says(content).ends_with("model.safetensors is not a safetensors file"));
        }
        let tensors = [("flags".to_owned(), numbers().gt(1.0))];
        let error = write(&path, &tensors, &HashMap::new()).expect_err("it is refused");
        assert!(error.to_string().contains("flags"), "{error}");
    }
}
