//! `cargo xtask measure`: how soon the executable that is shipped answers after its start, and how much memory it takes.
//!
//! Answers are checked before they count. Times are printed beside their targets and never fail anything, for a
//! machine may be busy; memory beyond its limit does.

mod books;
mod function;
mod machine;
mod service;

use crate::{Failure, dist, root};
use machine::Machine;
use service::Service;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A question, and the book that must come first.
const QUESTION: (&str, &str) = ("a salesman turns into a giant bug", "The Metamorphosis");

/// The searches after which memory is looked at.
const SEARCHES: usize = 1000;

/// A thorough measurement, or a look that is quick enough for every change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// The figures to quote; they are written to `bench/results`.
    Full,
    /// A few runs, nothing written.
    Quick,
}

impl Effort {
    fn runs(self) -> usize {
        match self {
            Effort::Full => 51,
            Effort::Quick => 5,
        }
    }

    fn memory_runs(self) -> usize {
        match self {
            Effort::Full => 3,
            Effort::Quick => 1,
        }
    }
}

/// Something measured several times.
struct Figure {
    name: &'static str,
    unit: &'static str,
    must_be: f64,
    aim: f64,
    /// In rising order.
    values: Vec<f64>,
}

impl Figure {
    /// Measures once to warm the disk's cache, then `runs` times.
    fn measure(
        name: &'static str,
        (must_be, aim): (f64, f64),
        unit: &'static str,
        runs: usize,
        mut once: impl FnMut() -> Result<f64, Failure>,
    ) -> Result<Self, Failure> {
        println!("measuring {name}: {runs} runs");
        once()?;
        let mut values = (0..runs).map(|_| once()).collect::<Result<Vec<_>, _>>()?;
        values.sort_by(f64::total_cmp);
        Ok(Self { name, unit, must_be, aim, values })
    }

    fn median(&self) -> f64 {
        self.values[self.values.len() / 2]
    }

    fn row(&self) -> String {
        let Self { name, unit, must_be, aim, values } = self;
        let (lowest, highest) = (values[0], values[values.len() - 1]);
        let runs = values.len();
        format!(
            "| {name} | {:.1} {unit} | {lowest:.1} – {highest:.1} | {runs} | ≤ {must_be} {unit} | ≤ {aim} {unit} |",
            self.median()
        )
    }
}

/// Builds the executable that is shipped, measures it, and prints the table.
pub fn run(effort: Effort) -> Result<(), Failure> {
    run_with(&dist::build_for_host()?, effort)
}

/// Measures an executable that is there already.
pub fn run_with(executable: &Path, effort: Effort) -> Result<(), Failure> {
    let executable =
        executable.canonicalize().map_err(|error| format!("cannot find `{}`: {error}", executable.display()))?;
    let catalogue = books::catalogue_of_a_thousand(&executable)?;
    let ms = |name, limits, once: &mut dyn FnMut() -> Result<f64, Failure>| {
        Figure::measure(name, limits, "ms", effort.runs(), once)
    };
    let search = format!("/api/search?q={}", service::escaped(QUESTION.0));
    let health = ms("process start to `/health` answering", (30.0, 10.0), &mut || {
        service::start_ms(&executable, &catalogue, "/health", "ok")
    })?;
    let first_search = ms("process start to first search answered", (60.0, 25.0), &mut || {
        service::start_ms(&executable, &catalogue, &search, QUESTION.1)
    })?;
    let cold_start = ms("`lambda`: process start to first search answered", (60.0, 25.0), &mut || {
        function::start_ms(&executable, &catalogue, &search, QUESTION.1)
    })?;
    let memory =
        Figure::measure("memory (PSS) after 1,000 searches", (80.0, 50.0), "MB", effort.memory_runs(), || {
            memory_mb(&executable, &catalogue)
        })?;
    let is_too_large = memory.median() > memory.must_be;
    let report = report(&Machine::look(), &executable, &[health, first_search, cold_start, memory])?;
    print!("\n{report}");
    if effort == Effort::Full {
        write(&report)?;
    }
    if is_too_large { Err("it takes more memory than it may; see the table".to_owned()) } else { Ok(()) }
}

/// The memory of a service after [`SEARCHES`] questions, each page counted in proportion to who shares it.
fn memory_mb(executable: &Path, catalogue: &Path) -> Result<f64, Failure> {
    let service = Service::start(executable, catalogue)?;
    let queries = books::queries()?;
    service.ask_all(queries.iter().cycle().take(SEARCHES))?;
    let path = format!("/proc/{}/smaps_rollup", service.id());
    let rollup = fs::read_to_string(&path).map_err(|error| format!("cannot read `{path}`: {error}"))?;
    let pss_kib = rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.split_whitespace().next()?.parse().ok());
    let pss_kib: f64 = pss_kib.ok_or_else(|| format!("`{path}` does not say how large Pss is"))?;
    Ok(pss_kib * 1024.0 / 1e6)
}

fn report(machine: &Machine, executable: &Path, figures: &[Figure]) -> Result<String, Failure> {
    let bytes = fs::metadata(executable).map_err(|error| error.to_string())?.len();
    let Machine { date, commit, cpu, cores, kernel } = machine;
    let mut report = format!(
        "# Start-up and memory, {date}\n\n\
         `cargo xtask measure` at commit {commit}, on {cores} cores of {cpu}, {kernel}. The executable has {bytes} \
         bytes.\n\n\
         The catalogue: 1,000 books, which are those of `samples/books.jsonl` in turn with numbered ids, imported and \
         embedded beforehand. Times run from starting the process to having read the answer over HTTP, or to the \
         answer's arrival at a stand-in of the runtime interface; the disk's cache is warm. Memory is the proportional \
         set size of `serve`, in units of 10⁶ bytes.\n\n\
         | | median | lowest – highest | runs | must be | aim |\n| --- | --- | --- | --- | --- | --- |\n"
    );
    for figure in figures {
        // Writing to a string cannot fail.
        let _ = writeln!(report, "{}", figure.row());
    }
    Ok(report)
}

/// Keeps the report of a full measurement.
fn write(report: &str) -> Result<(), Failure> {
    let directory = root().join("bench/results");
    let path: PathBuf = directory.join(format!("{}-service.md", Machine::date()));
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(&path, report))
        .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_its_median_with_its_spread() {
        let mut values = [9.0, 3.0, 1.0, 2.0].into_iter();
        let figure = Figure::measure("it", (5.0, 2.0), "ms", 3, || Ok(values.next().expect("four are asked for")));
        assert_eq!(figure.expect("measured").row(), "| it | 2.0 ms | 1.0 – 3.0 | 3 | ≤ 5 ms | ≤ 2 ms |");
        let failed = Figure::measure("it", (5.0, 2.0), "ms", 3, || Err("it does not start".to_owned()));
        assert_eq!(failed.err().as_deref(), Some("it does not start"));
    }
}
