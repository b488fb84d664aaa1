//! `--memory` is kept, and `--threads` of any size gives the same vectors.

use crate::support::{Sandbox, finish};
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

/// Little text in many pieces: what is kept for each text would add up.
#[test]
#[cfg(target_os = "linux")]
fn many_texts_of_one_word_are_not_kept() {
    let sandbox = Sandbox::new();
    let lines = |count: usize| -> String { (0..count).map(|_| "whale\n").collect() };
    let peak_of = |count: usize| {
        sandbox.file("texts.txt", lines(count));
        let arguments = ["embed", "--threads", "2", "--input", "texts.txt", "--output", "v.npy", "--format", "npy"];
        let (peak, succeeded) = peak_bytes(sandbox.command(&arguments));
        assert!(succeeded, "{count} texts: {:?}", sandbox.run(&arguments));
        peak
    };
    // Twelve batches against two: a vector of 1.5 kB kept for each text would be 7.7 MB more.
    let (few, many) = (peak_of(1_024), peak_of(6_144));
    assert!(few > 0 && many < few + 4_000_000, "{few} bytes for few texts, {many} for many");
}

#[test]
fn texts_of_no_and_of_ten_million_characters_have_vectors() {
    let sandbox = Sandbox::new();
    let long = "a word ".repeat(10_000_000 / 7);
    sandbox.file("texts.txt", format!("\n{long}\n{}\n", &long[..7_000]));
    let finished = sandbox.run(&["embed", "--threads", "2", "--input", "texts.txt"]).expect_code(0);
    let vectors: Vec<serde_json::Value> = finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["embedding"].clone())
        .collect();
    assert_eq!(vectors.len(), 3, "a vector for each text");
    assert!(vectors.iter().all(|vector| vector.as_array().is_some_and(|values| values.len() == 384)));
    assert_eq!(vectors[1], vectors[2], "the model reads the beginning only");
    assert_ne!(vectors[0], vectors[1]);
}

#[test]
fn a_processor_without_vector_instructions_gives_the_same_vectors() {
    let sandbox = Sandbox::new();
    sandbox.file("texts.txt", "a captain hunts the white whale\na salesman wakes as an insect\n");
    let run = |isa: Option<&str>| {
        let mut command = sandbox.command(&["embed", "--threads", "1", "--input", "texts.txt"]);
        isa.map(|isa| command.env("LIBELLUS_ISA", isa));
        finish(&mut command).expect_code(0).stdout
    };
    assert_eq!(run(Some("scalar")), run(None));
}

/// A control group of half a core, by version 1 or 2 of the kernel's interface, and a group without a quota of its own
/// inside it; removed when dropped.
#[cfg(target_os = "linux")]
struct HalfACore(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl HalfACore {
    /// `None` where this user cannot make one.
    fn new() -> Option<Self> {
        let name = format!("libellus-test-{}", std::process::id());
        for (root, quota, value) in
            [("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "50000"), ("/sys/fs/cgroup", "cpu.max", "50000 100000")]
        {
            let group = std::path::Path::new(root).join(&name);
            if fs::create_dir(&group).is_err() {
                continue;
            }
            let group = Self(group);
            let limited = group.0.join(quota).exists() && fs::write(group.0.join(quota), value).is_ok();
            if limited && fs::create_dir(group.inner()).is_ok() {
                return Some(group);
            }
        }
        None
    }

    fn inner(&self) -> std::path::PathBuf {
        self.0.join("inner")
    }
}

#[cfg(target_os = "linux")]
impl Drop for HalfACore {
    fn drop(&mut self) {
        for group in [&self.inner(), &self.0] {
            let _ = fs::remove_dir(group);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn half_a_core_is_one_thread() {
    let Some(half_a_core) = HalfACore::new() else {
        eprintln!("skipped: this user cannot make a control group with a quota");
        return;
    };
    let sandbox = Sandbox::new();
    // Version 2 takes processes in the innermost groups only once controllers are handed down; none are here.
    for group in [half_a_core.inner(), half_a_core.0.clone()] {
        let threads = |arguments: &[&str]| {
            // The shell enters the group, and becomes the executable there.
            let mut shell = Command::new("sh");
            shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(group.join("cgroup.procs"));
            shell.arg(env!("CARGO_BIN_EXE_libellus"));
            let shown = finish(&mut sandbox.wrapped(shell, arguments)).expect_code(0).stdout;
            let line = shown.lines().find(|line| line.contains("threads")).map(str::to_owned);
            line.expect("`config` shows the threads").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let by_default = threads(&["config"]);
        assert!(by_default.contains(&"1".to_owned()), "{}: {by_default:?}", group.display());
        let asked_for = threads(&["config", "--threads", "3"]);
        assert!(asked_for.contains(&"3".to_owned()), "{}: {asked_for:?}", group.display());
    }
}

/// How many pages of memory a command touched, in a process of its own.
#[cfg(target_os = "linux")]
fn page_faults(mut command: Command) -> u64 {
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let stat = format!("/proc/{}/stat", process.id());
    let faults = loop {
        // A process that has ended keeps its figures until somebody asks how. After the name: the state, …, faults that
        // the disk was not needed for, those of children, faults that it was needed for.
        let text = fs::read_to_string(&stat).expect("a child that nobody has waited for");
        let fields: Vec<&str> = text.rsplit(')').next().expect("a field").split_whitespace().collect();
        if fields[0] == "Z" {
            break fields[7].parse::<u64>().expect("a count") + fields[9].parse::<u64>().expect("a count");
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert!(process.wait().expect("a child").success(), "the command succeeds");
    faults
}

/// Nothing is copied, parsed or allocated in proportion to the model: its 23.8 MB are 5,800 pages, of which the layers'
/// are read by every pass, sixteen at a time (`bench/NOTES.md` has the groups).
#[test]
#[cfg(target_os = "linux")]
fn a_first_vector_touches_few_pages() {
    let sandbox = Sandbox::new();
    sandbox.file("text.txt", "a captain hunts the white whale\n");
    let faults = |arguments: &[&str]| page_faults(sandbox.command(arguments));
    let without_model = faults(&["--version"]);
    let with_vector = faults(&["embed", "--threads", "1", "--input", "text.txt"]);
    let of_model = with_vector.saturating_sub(without_model);
    assert!((50..=400).contains(&of_model), "{of_model} pages: {with_vector} for a vector, {without_model} without");
}
