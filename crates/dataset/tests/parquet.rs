//! Parquet: what is written is read back, and the file is what Hugging Face expects.

use std::path::Path;

use bytes::Bytes;
use cultivar_dataset::import::{Options, dataset};
use cultivar_dataset::parquet::{
    ParquetError, ROW_GROUP_ROWS, Row, read_classes, read_images, read_rows, write,
};
use parquet::file::metadata::{ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::reader::{FileReader, SerializedFileReader};

fn rows(n: usize) -> Vec<Row> {
    let row = |idx: usize| Row {
        // Of several lengths, the empty one among them, and no two alike.
        bytes: Bytes::from(format!("{idx}").repeat(idx % 50)),
        path: format!("images/{idx}.png"),
        label: (idx % 3) as u32,
        group: format!("group-{}", idx / 4),
    };
    (0..n).map(row).collect()
}

fn classes() -> Vec<String> {
    ["cat", "dog & \"bone\"", "éléphant"]
        .map(str::to_owned)
        .into()
}

fn write_ok(path: &Path, rows: &[Row]) -> usize {
    write(
        path,
        &classes(),
        rows.iter().cloned().map(Ok::<_, ParquetError>),
    )
    .unwrap()
}

#[test]
fn rows_come_back_as_they_went_in() {
    let dir = tempfile::tempdir().unwrap();
    for n in [1, ROW_GROUP_ROWS, ROW_GROUP_ROWS + 1, 1000] {
        let path = dir.path().join(format!("{n}.parquet"));
        let rows = rows(n);
        assert_eq!(write_ok(&path, &rows), n);
        let mut found = Vec::new();
        read_rows(&path, |idx, row| {
            assert_eq!(idx, found.len());
            found.push(row);
            Ok::<_, ParquetError>(())
        })
        .unwrap();
        assert_eq!(found, rows);

        let mut images = Vec::new();
        read_images(&path, |idx, bytes| {
            assert_eq!(idx, images.len());
            images.push(bytes);
            Ok::<_, ParquetError>(())
        })
        .unwrap();
        assert!(images.iter().eq(rows.iter().map(|row| &row.bytes)));
        assert_eq!(read_classes(&path).unwrap(), classes());
    }
}

#[test]
fn equal_rows_give_equal_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| {
        let path = dir.path().join(name);
        write_ok(&path, &rows(300));
        std::fs::read(path).unwrap()
    });
    assert!(a == b);
}

#[test]
fn row_groups_are_bounded_in_rows_and_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let mut rows = rows(600);
    // Two of these fill a row group.
    let large = Bytes::from(vec![7; 40 << 20]);
    for idx in 0..3 {
        let bytes = large.clone();
        rows.push(Row {
            bytes,
            ..rows[idx].clone()
        });
    }
    write_ok(&path, &rows);
    let file = std::fs::File::open(&path).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let n_rows: Vec<_> = reader
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.num_rows())
        .collect();
    assert_eq!(n_rows, [256, 256, 90, 1]);
}

#[test]
fn the_error_of_a_row_or_a_visit_is_passed_on() {
    #[derive(Debug)]
    enum Failure {
        Mine,
        Parquet,
    }
    impl From<ParquetError> for Failure {
        fn from(_: ParquetError) -> Self {
            Self::Parquet
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let failing = rows(2).into_iter().map(Ok).chain([Err(Failure::Mine)]);
    assert!(matches!(
        write(&path, &classes(), failing),
        Err(Failure::Mine)
    ));
    assert!(
        matches!(read_images(&path, |_, _| Ok(())), Err(Failure::Parquet)),
        "no footer was written"
    );

    write_ok(&path, &rows(2));
    assert!(matches!(
        read_images(&path, |_, _| Err(Failure::Mine)),
        Err(Failure::Mine)
    ));
}

#[test]
fn a_file_that_is_no_parquet_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    std::fs::write(&path, "PAR0").unwrap();
    let error = read_images(&path, |_, _| Ok::<_, ParquetError>(()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("a.parquet"), "{error}");
}

/// As many elements as a list can have claim 200 GB before the first is read; where they are reserved, the process dies.
#[test]
fn a_list_that_claims_more_elements_than_the_footer_has_bytes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    // In Thrift's compact protocol: the version, then the schema, a list of 2^31 - 1 structs.
    let footer = [
        0x15, 0x02, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00, 0x00,
    ];
    let mut file = b"PAR1".to_vec();
    file.extend(footer);
    file.extend((footer.len() as u32).to_le_bytes());
    file.extend(b"PAR1");
    std::fs::write(&path, file).unwrap();
    let error = read_images(&path, |_, _| Ok::<_, ParquetError>(())).unwrap_err();
    assert!(error.to_string().contains("a.parquet"), "{error}");
}

#[test]
fn a_footer_that_claims_more_than_memory_holds_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    write_ok(&path, &rows(3));
    let bytes = Bytes::from(std::fs::read(&path).unwrap());
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&bytes)
        .unwrap();
    for (n_rows, n_bytes) in [(1 << 40, 100), (3, 1 << 40)] {
        let group = metadata.row_group(0).clone().into_builder();
        let group = group.set_num_rows(n_rows).set_total_byte_size(n_bytes);
        let groups = vec![group.build().unwrap()];
        let forged = metadata.clone().into_builder().set_row_groups(groups);
        // Before the footer's length and the magic number lies the footer.
        let (rest, end) = bytes.split_at(bytes.len() - 8);
        let n_footer = u32::from_le_bytes(end[..4].try_into().unwrap()) as usize;
        let mut file = rest[..rest.len() - n_footer].to_vec();
        ParquetMetaDataWriter::new(&mut file, &forged.build())
            .finish()
            .unwrap();
        std::fs::write(&path, file).unwrap();
        let error = read_images(&path, |_, _| Ok::<_, ParquetError>(())).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("row group 0 claims"), "{error}");

        // Nor is it imported, as somebody else's file is.
        let options = Options {
            out_dir: dir.path().join("out"),
            name: Some("forged".into()),
            ..Options::default()
        };
        let error = dataset(dir.path(), &options, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("row group 0 claims"), "{error}");
    }
}
