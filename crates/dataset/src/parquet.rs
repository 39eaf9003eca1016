//! Images in Parquet, in the Hugging Face convention.
//!
//! Columns: `image: struct<bytes: binary, path: string>`, `label: int64`, `group: string`, and the
//! key-value entry `huggingface` that tells `datasets.load_dataset("parquet", ...)` that they are an
//! `Image` and a `ClassLabel`. Images are stored as they were encoded. Equal rows give equal bytes.

mod table;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::column::reader::get_typed_column_reader;
use ::parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use ::parquet::errors::ParquetError as LowLevelError;
use ::parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::reader::{FileReader, RowGroupReader};
use ::parquet::file::serialized_reader::SerializedFileReader;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) use table::Table;

/// Rows of a row group at most: what a reader holds in memory at once.
pub const ROW_GROUP_ROWS: usize = 256;
/// A row group is closed when its images pass this, however few they are.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A row group that claims more than this is not read: the claim alone would take the memory.
const MAX_ROW_GROUP_ROWS: i64 = 1 << 20;
/// Bytes of a row group before compression: a few bytes may claim to hold any number of them.
const MAX_ROW_GROUP_BYTES: i64 = 2 << 30;

/// Every field may be null, as Hugging Face writes it, though none is.
const SCHEMA: &str = "message schema {
    optional group image { optional binary bytes; optional binary path (STRING); }
    optional int64 label;
    optional binary group (STRING);
}";

/// One image as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The image as it was encoded.
    pub bytes: Bytes,
    /// Its path in the folder it came from.
    pub path: String,
    /// Index into the classes.
    pub label: u32,
    /// Images of one group are one draw.
    pub group: String,
}

/// A Parquet file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    #[error("{path}: {source}")]
    Io {
        path: String,
        source: std::io::Error,
    },
    #[error("{path}: {source}")]
    Format { path: String, source: LowLevelError },
    #[error("{path}: {what}")]
    Content { path: String, what: String },
}

/// Writes `rows` to a new file at `path`, in row groups of at most [`ROW_GROUP_ROWS`]. Holds one row
/// group in memory. Returns the number of rows.
///
/// # Errors
/// The first error among `rows`, or that of the file.
pub fn write<E: From<ParquetError>>(
    path: &Path,
    classes: &[String],
    rows: impl IntoIterator<Item = Result<Row, E>>,
) -> Result<usize, E> {
    let format = |source| ParquetError::Format {
        path: path.display().to_string(),
        source,
    };
    let file = File::create(path).map_err(|source| io_error(path, source))?;
    let schema = parse_message_type(SCHEMA).expect("the schema is a constant and parses");
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), properties(classes)).map_err(format)?;

    let mut n_rows = 0;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut batch = Vec::new();
        let mut n_bytes = 0;
        while batch.len() < ROW_GROUP_ROWS && n_bytes < ROW_GROUP_BYTES {
            let Some(row) = rows.next() else { break };
            let row = row?;
            n_bytes += row.bytes.len();
            batch.push(row);
        }
        n_rows += batch.len();
        writer
            .next_row_group()
            .and_then(|group| write_row_group(group, batch))
            .map_err(format)?;
    }
    let file = writer.into_inner().map_err(format)?;
    file.sync_all().map_err(|source| io_error(path, source))?;
    Ok(n_rows)
}

/// Calls `visit` with the index in the file and the encoded bytes of every image, in order. Reads
/// only the column of bytes and holds one row group in memory.
///
/// # Errors
/// The first error of `visit`, or that of the file.
pub fn read_images<E: From<ParquetError>>(
    path: &Path,
    mut visit: impl FnMut(usize, Bytes) -> Result<(), E>,
) -> Result<(), E> {
    let mut row_idx = 0;
    for_each_row_group(path, |group| {
        for bytes in column::<ByteArrayType>(path, group, "image.bytes")? {
            visit(row_idx, Bytes::copy_from_slice(bytes.data()))?;
            row_idx += 1;
        }
        Ok(())
    })
}

/// Calls `visit` with the index in the file and the content of every row, in order.
///
/// # Errors
/// The first error of `visit`, or that of the file.
pub fn read_rows<E: From<ParquetError>>(
    path: &Path,
    mut visit: impl FnMut(usize, Row) -> Result<(), E>,
) -> Result<(), E> {
    let mut row_idx = 0;
    for_each_row_group(path, |row_group| {
        let bytes = column::<ByteArrayType>(path, row_group, "image.bytes")?;
        let paths = column::<ByteArrayType>(path, row_group, "image.path")?;
        let labels = column::<Int64Type>(path, row_group, "label")?;
        let groups = column::<ByteArrayType>(path, row_group, "group")?;
        for (((bytes, name), label), group) in bytes.into_iter().zip(paths).zip(labels).zip(groups)
        {
            let row = Row {
                bytes: Bytes::copy_from_slice(bytes.data()),
                path: text(path, name)?,
                label: u32::try_from(label).map_err(|_| {
                    content(
                        path,
                        format!("row {row_idx}: label {label} is not a class index"),
                    )
                })?,
                group: text(path, group)?,
            };
            visit(row_idx, row)?;
            row_idx += 1;
        }
        Ok(())
    })
}

/// The class names that the file's Hugging Face metadata gives.
///
/// # Errors
/// The file cannot be read or says nothing of its classes.
pub fn read_classes(path: &Path) -> Result<Vec<String>, ParquetError> {
    let reader = open(path)?;
    let names = hugging_face_info(reader.metadata()).and_then(|info| {
        let names = info.pointer("/info/features/label/names")?;
        serde_json::from_value(names.clone()).ok()
    });
    names.ok_or_else(|| {
        let what = "no class names in the key-value entry `huggingface`; want features.label to be a ClassLabel";
        content(path, what.to_owned())
    })
}

fn hugging_face_info(metadata: &ParquetMetaData) -> Option<Value> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    let entry = entries.iter().find(|entry| entry.key == "huggingface")?;
    serde_json::from_str(entry.value.as_ref()?).ok()
}

fn properties(classes: &[String]) -> Arc<WriterProperties> {
    let features = json!({"info": {"features": {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": classes},
        "group": {"_type": "Value", "dtype": "string"},
    }}});
    let bytes = ColumnPath::from(vec!["image".to_owned(), "bytes".to_owned()]);
    let path = ColumnPath::from(vec!["image".to_owned(), "path".to_owned()]);
    let properties = WriterProperties::builder()
        // Not the library's version: equal datasets stay equal across its releases.
        .set_created_by("cultivar".to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(
            "huggingface".to_owned(),
            cultivar_spec::canonical_json(&features),
        )]))
        // Encoded images do not shrink, and their minima and dictionaries are of no use.
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_column_dictionary_enabled(bytes, false)
        .set_column_dictionary_enabled(path, false)
        // Pages are cut between batches: small ones keep pages of large images near 1 MB.
        .set_write_batch_size(16)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    Arc::new(properties)
}

/// Levels of values that are all present: every optional ancestor and the value itself.
const IN_STRUCT: i16 = 2;
const AT_TOP: i16 = 1;

fn write_row_group(
    mut group: SerializedRowGroupWriter<'_, File>,
    rows: Vec<Row>,
) -> Result<(), LowLevelError> {
    let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
    let labels: Vec<_> = rows.iter().map(|row| i64::from(row.label)).collect();
    let groups: Vec<_> = rows.iter().map(|row| text(&row.group)).collect();
    let paths: Vec<_> = rows.iter().map(|row| text(&row.path)).collect();
    let bytes: Vec<_> = rows.into_iter().map(|row| row.bytes.into()).collect();
    write_column::<ByteArrayType>(&mut group, &bytes, IN_STRUCT)?;
    write_column::<ByteArrayType>(&mut group, &paths, IN_STRUCT)?;
    write_column::<Int64Type>(&mut group, &labels, AT_TOP)?;
    write_column::<ByteArrayType>(&mut group, &groups, AT_TOP)?;
    group.close()?;
    Ok(())
}

fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    level: i16,
) -> Result<(), LowLevelError> {
    let mut writer = group
        .next_column()?
        .expect("the schema has a column for every call");
    let levels = vec![level; values.len()];
    writer
        .typed::<T>()
        .write_batch(values, Some(&levels), None)?;
    writer.close()
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, ParquetError> {
    let file = File::open(path).map_err(|source| io_error(path, source))?;
    SerializedFileReader::new(file).map_err(|source| format_error(path, source))
}

fn for_each_row_group<E: From<ParquetError>>(
    path: &Path,
    mut visit: impl FnMut(&dyn RowGroupReader) -> Result<(), E>,
) -> Result<(), E> {
    let reader = open(path)?;
    for group_idx in 0..reader.num_row_groups() {
        let group = reader
            .get_row_group(group_idx)
            .map_err(|source| format_error(path, source))?;
        check_claims(path, group_idx, group.metadata())?;
        visit(group.as_ref())?;
    }
    Ok(())
}

fn check_claims(
    path: &Path,
    group_idx: usize,
    group: &RowGroupMetaData,
) -> Result<(), ParquetError> {
    let (n_rows, n_bytes) = (group.num_rows(), group.total_byte_size());
    if n_rows <= MAX_ROW_GROUP_ROWS && n_bytes <= MAX_ROW_GROUP_BYTES {
        return Ok(());
    }
    let what = format!(
        "row group {group_idx} claims {n_rows} rows and {n_bytes} bytes; at most {MAX_ROW_GROUP_ROWS} rows and {MAX_ROW_GROUP_BYTES} bytes are read"
    );
    Err(content(path, what))
}

/// The values of the leaf column `name` (dotted) in a row group, none of them null.
fn column<T: DataType>(
    path: &Path,
    group: &dyn RowGroupReader,
    name: &str,
) -> Result<Vec<T::T>, ParquetError> {
    let metadata = group.metadata();
    let column_idx = metadata
        .columns()
        .iter()
        .position(|column| {
            column.column_path().string() == name
                && column.column_type() == T::get_physical_type()
                && column.column_descr().max_rep_level() == 0
        })
        .ok_or_else(|| {
            let kind = T::get_physical_type();
            content(
                path,
                format!(
                    "no column {name} of type {kind}; want image (bytes, path), label and group"
                ),
            )
        })?;
    let n_rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
    let read = || {
        let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column_idx)?);
        let mut values = Vec::with_capacity(n_rows);
        let mut levels = Vec::with_capacity(n_rows);
        reader.read_records(n_rows, Some(&mut levels), None, &mut values)?;
        Ok(values)
    };
    let values = read().map_err(|source| format_error(path, source))?;
    if values.len() != n_rows {
        let n_null = n_rows - values.len();
        return Err(content(
            path,
            format!("column {name}: {n_null} of {n_rows} values are null; none may be"),
        ));
    }
    Ok(values)
}

fn text(path: &Path, value: ByteArray) -> Result<String, ParquetError> {
    let text = value
        .as_utf8()
        .map_err(|source| format_error(path, source))?;
    Ok(text.to_owned())
}

fn io_error(path: &Path, source: std::io::Error) -> ParquetError {
    let path = path.display().to_string();
    ParquetError::Io { path, source }
}

fn format_error(path: &Path, source: LowLevelError) -> ParquetError {
    let path = path.display().to_string();
    ParquetError::Format { path, source }
}

fn content(path: &Path, what: String) -> ParquetError {
    let path = path.display().to_string();
    ParquetError::Content { path, what }
}
