//! `--memory` is kept, and `--threads` of any size gives the same vectors.

use crate::support::Sandbox;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// The most memory that a command had resident at once, in bytes, and whether it succeeded.
///
/// The kernel keeps the figure for a running process only, so it is read again and again; a peak in the last
/// milliseconds could be missed, but here the load is the same all the time.
fn peak_bytes(mut command: Command) -> (u64, bool) {
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", process.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kibibytes.unwrap_or(0) * 1024);
        if let Some(status) = process.try_wait().expect("a child") {
            return (peak, status.success());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_ceiling_is_kept() {
    let sandbox = Sandbox::new();
    // As many tokens as the model reads, and texts far longer than that, among very short ones.
    let long = "the lighthouse keeper and the whale ".repeat(60);
    let novel = "a captain hunts a whale. ".repeat(4_000);
    let text = |i: usize| match i % 4 {
        0 | 2 => long.as_str(),
        3 if i % 50 == 3 => novel.as_str(),
        3 => "",
        _ => "short",
    };
    let lines: String = (0..300).map(|i| format!("{}\n", text(i))).collect();
    sandbox.file("texts.txt", lines);
    for ceiling in [56_000_000, 72_000_000] {
        let memory = ceiling.to_string();
        let arguments = [
            "embed",
            "--threads",
            "2",
            "--memory",
            &memory,
            "--input",
            "texts.txt",
            "--output",
            "v.npy",
            "--format",
            "npy",
        ];
        let (peak, succeeded) = peak_bytes(sandbox.command(&arguments));
        assert!(succeeded, "{ceiling}: {:?}", sandbox.run(&arguments));
        assert!(peak > 0 && peak <= ceiling, "{peak} bytes at most, {ceiling} allowed");
    }
}

#[test]
fn too_low_a_ceiling_is_an_error_that_says_what_is_needed() {
    let sandbox = Sandbox::new();
    let input = sandbox.file("texts.txt", "a cat\n");
    let input = input.to_str().expect("UTF-8");
    for (arguments, part) in [
        (vec!["--memory", "1M"], "1 threads and one text take"),
        (vec!["--memory", "60M", "--threads", "1000"], "1000 threads and one text take"),
        (vec!["--memory", "lots"], "it has to be a number of bytes"),
        (vec!["--threads", "0"], "--threads"),
    ] {
        let arguments: Vec<&str> = ["embed", "--input", input].into_iter().chain(arguments).collect();
        sandbox.run(&arguments).expect_error(2, &[part]);
    }
}

#[test]
fn a_line_that_a_ceiling_has_no_room_for_is_named() {
    let sandbox = Sandbox::new();
    let lines = format!("first\n{}\n", "x".repeat(15_000_000));
    let input = sandbox.file("texts.txt", lines);
    let arguments = ["embed", "--threads", "1", "--memory", "50M", "--input", input.to_str().expect("UTF-8")];
    let finished = sandbox.run(&arguments).expect_error(1, &["line 2 of", "`--memory`"]);
    assert_eq!(finished.stdout.lines().count(), 1, "the text before it is kept");
}

#[test]
fn a_thousand_threads_change_nothing() {
    let sandbox = Sandbox::new();
    let lines: String = (0..40).map(|i| format!("the story of number {i}\n")).collect();
    let input = sandbox.file("texts.txt", lines);
    let run = |threads: &str| {
        let arguments = ["embed", "--threads", threads, "--input", input.to_str().expect("UTF-8")];
        sandbox.run(&arguments).expect_code(0).stdout
    };
    assert_eq!(run("1000"), run("1"));
}
