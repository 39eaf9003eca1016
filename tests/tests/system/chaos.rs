//! A short run of the chaos harness: every kind of fault once.

use std::process::Command;

#[test]
fn a_fault_of_every_kind_loses_nothing() {
    let run = Command::new(env!("CARGO_BIN_EXE_cultivar-chaos"))
        .args(["--seed", "1", "--faults", "15", "--trials", "120"])
        .output()
        .expect("the harness starts");
    let said = String::from_utf8_lossy(&run.stdout);
    let complained = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{complained}");
    println!("{said}");
}
