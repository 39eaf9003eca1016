//! `cultivar augment preview`: the command line checks the spec, the worker beside it draws the sheet.

use std::path::Path;
use std::process::{Command, Output};

use cultivar_tests::process::program;
use cultivar_tests::stack::demo_data;

fn preview(folder: &Path, spec: &str) -> Output {
    let file = folder.join("spec.yaml");
    std::fs::write(&file, spec).expect("the spec is written");
    Command::new(program("cultivar"))
        .args(["augment", "preview"])
        .arg(file)
        .arg("--data")
        .arg(demo_data())
        .args(["--images", "2", "--draws", "3"])
        .args(["--set", "fit.resolution=64", "--out"])
        .arg(folder.join("sheet.png"))
        .output()
        .expect("cultivar runs")
}

#[test]
fn a_sheet_has_a_row_for_each_image_and_a_column_for_each_draw() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "augment: {policy: {kind: trivial_augment}, mix: {kind: cutmix}}";
    let output = preview(folder.path(), spec);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let png = std::fs::read(folder.path().join("sheet.png")).expect("the sheet");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    // The evaluation crop and three draws of 64 px, 4 px around each.
    assert_eq!((side(16), side(20)), (4 + 4 * 68, 4 + 2 * 68));
}

#[test]
fn a_wrong_spec_is_refused_with_its_pointer() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = preview(folder.path(), "augment: {cutout: {size: 2.0}}");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/augment/cutout/size"), "{said}");
    assert!(!folder.path().join("sheet.png").exists());
}
