//! Somebody else's Parquet file: columns by name, whatever their order, encoding and number types, with gaps.

use std::path::{Path, PathBuf};

use ::parquet::basic::Type;
use ::parquet::column::reader::get_typed_column_reader;
use ::parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use ::parquet::file::reader::FileReader;
use ::parquet::file::serialized_reader::SerializedFileReader;
use bytes::Bytes;
use serde_json::Value;

use super::{ParquetError, check_claims, content, format_error, hugging_face_info, open};

/// An open file.
pub(crate) struct Table {
    path: PathBuf,
    reader: SerializedFileReader<std::fs::File>,
    /// The first row of each row group, and the number of rows at the end.
    starts: Vec<usize>,
}

impl Table {
    /// # Errors
    /// The file cannot be read, is no Parquet file, or claims more rows or bytes than are read.
    pub fn open(path: &Path) -> Result<Self, ParquetError> {
        let reader = open(path)?;
        let mut starts = vec![0];
        for (group_idx, group) in reader.metadata().row_groups().iter().enumerate() {
            check_claims(path, group_idx, group)?;
            let n_rows = usize::try_from(group.num_rows()).unwrap_or(0);
            starts.push(starts[starts.len() - 1] + n_rows);
        }
        Ok(Self {
            path: path.to_owned(),
            reader,
            starts,
        })
    }

    /// The row group of a row, and that group's first row.
    pub fn group_of_row(&self, row_idx: usize) -> Option<(usize, usize)> {
        let after = self.starts.partition_point(|&start| start <= row_idx);
        let is_there = after < self.starts.len();
        is_there.then(|| (after - 1, self.starts[after - 1]))
    }

    /// The features that Hugging Face's `datasets` wrote into the file.
    pub fn features(&self) -> Option<Value> {
        let info = hugging_face_info(self.reader.metadata())?;
        info.pointer("/info/features").cloned()
    }

    /// The leaf columns, dotted.
    pub fn columns(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let columns = schema.columns().iter();
        columns.map(|column| column.path().string()).collect()
    }

    pub fn has_column(&self, name: &str) -> bool {
        self.column_idx(name).is_some()
    }

    pub fn is_text(&self, name: &str) -> bool {
        self.physical_type(name) == Some(Type::BYTE_ARRAY)
    }

    /// A column of texts, all rows; empty where there is no such column.
    ///
    /// # Errors
    /// The file is damaged, or the column holds something else.
    pub fn texts(&self, name: &str) -> Result<Vec<Option<String>>, ParquetError> {
        if !self.has_column(name) {
            return Ok(Vec::new());
        }
        let values = self.all::<ByteArrayType>(name)?;
        values
            .into_iter()
            .map(|value| {
                let text = value.as_ref().map(|value| value.as_utf8());
                let text = text.transpose();
                let text = text.map_err(|source| format_error(&self.path, source))?;
                Ok(text.map(str::to_owned))
            })
            .collect()
    }

    /// A column of whole numbers, all rows.
    ///
    /// # Errors
    /// The file is damaged, the column holds something else, or a number is missing.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>, ParquetError> {
        let numbers: Vec<Option<i64>> = match self.physical_type(name) {
            Some(Type::INT64) => self.all::<Int64Type>(name)?,
            Some(Type::INT32) => {
                let narrow = self.all::<Int32Type>(name)?.into_iter();
                narrow.map(|number| number.map(i64::from)).collect()
            }
            _ => {
                return Err(self.wrong(format!(
                    "column {name} holds neither whole numbers nor text"
                )));
            }
        };
        let n_rows = numbers.len();
        let present: Vec<i64> = numbers.into_iter().flatten().collect();
        match n_rows - present.len() {
            0 => Ok(present),
            n => Err(self.wrong(format!("column {name}: {n} of {n_rows} values are null"))),
        }
    }

    /// A column of bytes in one row group.
    ///
    /// # Errors
    /// The file is damaged, or the column holds something else.
    pub fn byte_arrays(
        &self,
        group_idx: usize,
        name: &str,
    ) -> Result<Vec<Option<Bytes>>, ParquetError> {
        let values = self.group::<ByteArrayType>(group_idx, name)?.into_iter();
        let bytes = |value: ::parquet::data_type::ByteArray| Bytes::copy_from_slice(value.data());
        Ok(values.map(|value| value.map(bytes)).collect())
    }

    fn all<T: DataType>(&self, name: &str) -> Result<Vec<Option<T::T>>, ParquetError> {
        let mut values = Vec::new();
        for group_idx in 0..self.reader.num_row_groups() {
            values.extend(self.group::<T>(group_idx, name)?);
        }
        Ok(values)
    }

    fn group<T: DataType>(
        &self,
        group_idx: usize,
        name: &str,
    ) -> Result<Vec<Option<T::T>>, ParquetError> {
        let kind = T::get_physical_type();
        let Some(column_idx) = self.column_idx(name) else {
            return Err(self.wrong(format!("no column {name}")));
        };
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let column = schema.column(column_idx);
        if column.physical_type() != kind || column.max_rep_level() != 0 {
            return Err(self.wrong(format!(
                "column {name} is not of single values of type {kind}"
            )));
        }
        let read = || {
            let group = self.reader.get_row_group(group_idx)?;
            let n_rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column_idx)?);
            let (mut values, mut levels) = (Vec::new(), Vec::new());
            reader.read_records(n_rows, Some(&mut levels), None, &mut values)?;
            Ok((values, levels, n_rows))
        };
        let (values, levels, n_rows) = read().map_err(|source| format_error(&self.path, source))?;
        let present = column.max_def_level();
        if present == 0 {
            return Ok(values.into_iter().map(Some).collect());
        }
        let mut values = values.into_iter();
        let of_level = |level: i16| match level == present {
            true => values.next(),
            false => None,
        };
        let values: Vec<_> = levels.into_iter().map(of_level).collect();
        match values.len() == n_rows {
            true => Ok(values),
            false => Err(self.wrong(format!("column {name} is cut short"))),
        }
    }

    fn column_idx(&self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column == name)
    }

    fn physical_type(&self, name: &str) -> Option<Type> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        Some(schema.column(self.column_idx(name)?).physical_type())
    }

    fn wrong(&self, what: String) -> ParquetError {
        content(&self.path, what)
    }
}
