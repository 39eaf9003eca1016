//! `metadata.csv` and `metadata.jsonl`, as in the Hugging Face imagefolder convention.

use std::path::{Component, Path};

use cultivar_spec::manifest::Split;
use serde_json::{Map, Value};

use super::error::{ImportError, Warning};
use super::layout::split_of_folder;

/// The names a metadata file goes by.
pub const FILE_NAMES: [&str; 2] = ["metadata.csv", "metadata.jsonl"];

const COLUMNS: [&str; 4] = ["file_name", "label", "group", "split"];

/// One image as a metadata file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataRow {
    /// Relative to the metadata file.
    pub file_name: String,
    pub label: Option<String>,
    pub group: Option<String>,
    pub split: Option<Split>,
}

/// Reads a metadata file; `name` is what warnings call it.
///
/// # Errors
/// The file cannot be parsed, lacks `file_name`, names a file outside its folder, or holds a split or
/// a label that is none; each names the line.
pub fn read(
    path: &Path,
    name: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<MetadataRow>, ImportError> {
    let wrong = |what| ImportError::Metadata {
        path: path.to_owned(),
        what,
    };
    let text = std::fs::read_to_string(path).map_err(|source| ImportError::Io {
        path: path.to_owned(),
        source,
    })?;
    let records = match path.extension().is_some_and(|extension| extension == "csv") {
        true => csv_records(&text).map_err(wrong)?,
        false => jsonl_records(&text).map_err(wrong)?,
    };
    let mut unused: Vec<String> = Vec::new();
    let mut rows = Vec::with_capacity(records.len());
    for (line, record) in records {
        for column in record.keys() {
            if !COLUMNS.contains(&column.as_str()) && !unused.contains(column) {
                unused.push(column.clone());
            }
        }
        rows.push(row(record).map_err(|what| wrong(format!("line {line}: {what}")))?);
    }
    if !unused.is_empty() {
        warnings.push(Warning::UnusedColumns {
            metadata: name.to_owned(),
            columns: unused,
        });
    }
    Ok(rows)
}

/// Records with the line each starts on.
type Records = Vec<(u64, Map<String, Value>)>;

fn csv_records(text: &str) -> Result<Records, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| error.to_string())?.clone();
    let records = reader.records().map(|record| {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = headers.iter().zip(&record);
        let cells = cells.map(|(column, cell)| (column.to_owned(), Value::from(cell)));
        Ok((line, cells.collect()))
    });
    records.collect()
}

fn jsonl_records(text: &str) -> Result<Records, String> {
    let lines = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty());
    let records = lines.map(|(text, line)| match serde_json::from_str(text) {
        Ok(Value::Object(record)) => Ok((line, record)),
        Ok(_) => Err(format!("line {line}: want a JSON object with file_name")),
        Err(error) => Err(format!("line {line}: {error}")),
    });
    records.collect()
}

fn row(mut record: Map<String, Value>) -> Result<MetadataRow, String> {
    let mut cell = |column: &str| match record.remove(column) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            Ok(Some(number.to_string()))
        }
        Some(other) => Err(format!("{column} is {other}; want text or a whole number")),
    };
    let file_name =
        cell("file_name")?.ok_or("no file_name; want the image's path relative to this file")?;
    let inside = Path::new(&file_name).components().all(|part| match part {
        // Hidden files are passed over, so nobody has looked where they lead.
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        part => part == Component::CurDir,
    });
    if !inside {
        return Err(format!(
            "file_name {file_name:?} points outside the folder of this file, or to a hidden file"
        ));
    }
    let split = match cell("split")? {
        None => None,
        Some(name) => Some(
            split_of_folder(&name)
                .ok_or_else(|| format!("split {name:?}; want train, val, validation or test"))?,
        ),
    };
    Ok(MetadataRow {
        file_name: file_name.trim_start_matches("./").to_owned(),
        label: cell("label")?,
        group: cell("group")?,
        split,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expect: Result<&[&str], &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        match (read(&path, name, &mut Vec::new()), expect) {
            (Ok(rows), Ok(names)) => {
                let found: Vec<_> = rows.iter().map(|row| row.file_name.as_str()).collect();
                assert_eq!(found, names);
            }
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part), "{error:?} does not say {part:?}");
            }
            (found, expect) => panic!("found {found:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn a_byte_order_mark_and_quotes_are_no_obstacle() {
        let text = "\u{feff}file_name,label\n\"a,b.png\",x\n./c.png,y\n";
        check("metadata.csv", text, Ok(&["a,b.png", "c.png"]));
    }

    #[test]
    fn errors_name_the_line_and_what_is_wanted() {
        let check_csv = |text, part| check("metadata.csv", text, Err(part));
        check_csv("label\nx\n", "line 2: no file_name");
        check_csv(
            "file_name,split\na.png,train\nb.png,dev\n",
            "line 3: split \"dev\"; want train, val, validation or test",
        );
        check_csv(
            "file_name\n../../etc/passwd\n",
            "line 2: file_name \"../../etc/passwd\" points outside",
        );
        check_csv("file_name\n.hidden/a.png\n", "or to a hidden file");
        check_csv("file_name,label\na.png\n", "line: 2");
        let check_jsonl = |text, part| check("metadata.jsonl", text, Err(part));
        check_jsonl(
            "{\"file_name\": \"a.png\", \"label\": 0.5}\n",
            "line 1: label is 0.5",
        );
        check_jsonl("\n[]\n", "line 2: want a JSON object");
    }
}
