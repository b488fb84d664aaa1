//! What a figure depends on: the machine, the sources, the day.

use crate::run::command;
use std::fs;
use std::thread;

/// Where and when something was measured. What cannot be found out is said to be unknown.
pub struct Machine {
    pub date: String,
    /// The commit, and whether the sources differ from it.
    pub commit: String,
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
}

impl Machine {
    pub fn look() -> Self {
        let commit = output("git", &["rev-parse", "--short", "HEAD"]);
        let changed = !output("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            date: Self::date(),
            commit: if changed { format!("{commit} with changes") } else { commit },
            cpu: cpu.map_or("an unknown processor", |(_, name)| name).to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: output("uname", &["-sr"]),
        }
    }

    /// Today, as `2026-11-25`.
    pub fn date() -> String {
        output("date", &["-u", "+%F"])
    }
}

/// What a command prints, or nothing.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = command(program, arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
