//! `cargo xtask test`: everything that has to hold before a change goes in, in the order of cost.

use crate::run::{cargo, run as run_command};
use crate::{
    Failure, alone, databases, deployment, dist, emulated, image, measure, model, page, peers, release, size, tools,
};
use std::time::{Duration, Instant};

type Step = (&'static str, fn() -> Result<(), Failure>);

/// Cheap and frequent findings first; a step relies on those before it.
const STEPS: &[Step] = &[
    ("tools", install_tools),
    ("format", format),
    ("lints", lint),
    ("bench scripts", peers::check),
    ("model", fetch_model),
    ("tests", test),
    ("documentation", document),
    ("release build", build_release),
    ("alone", alone::check),
    ("plain x86_64", emulated::check_plain_x86_64),
    ("start-up", || measure::run(measure::Effort::Quick)),
    ("size", size::check),
    ("deployment files", deployment::check),
    ("search page", page::check),
    ("aarch64", emulated::check_aarch64),
    ("image", image::check),
    ("release", release::check),
];

/// Runs the steps up to the first that fails, and ends with a table of how long each took.
fn run_steps(steps: &[Step]) -> (Vec<(&'static str, Duration)>, Result<(), Failure>) {
    let mut times = Vec::new();
    for (name, step) in steps {
        println!("\n== {name}");
        let start = Instant::now();
        let result = step();
        times.push((*name, start.elapsed()));
        if let Err(failure) = result {
            return (times, Err(format!("{name}: {failure}")));
        }
    }
    (times, Ok(()))
}

/// Runs everything, or the steps of these names.
pub fn run(names: &[&str]) -> Result<(), Failure> {
    let unknown = names.iter().find(|name| !STEPS.iter().any(|(step, _)| step == *name));
    if let Some(name) = unknown {
        let steps: Vec<&str> = STEPS.iter().map(|(step, _)| *step).collect();
        return Err(format!("there is no step `{name}`; the steps are: {}", steps.join(", ")));
    }
    let steps: Vec<Step> = STEPS.iter().filter(|(step, _)| names.is_empty() || names.contains(step)).copied().collect();
    let (times, result) = run_steps(&steps);
    println!("\n== summary");
    for (number, (name, time)) in times.iter().enumerate() {
        let failed = result.is_err() && number + 1 == times.len();
        println!("{name:<16} {:>6.1} s  {}", time.as_secs_f64(), if failed { "FAILED" } else { "ok" });
    }
    for (name, _) in &steps[times.len()..] {
        println!("{name:<16} {:>8}  not run", "");
    }
    result
}

fn install_tools() -> Result<(), Failure> {
    tools::require(&tools::C_COMPILER)?;
    tools::require_component("rustfmt", "fmt")?;
    tools::require_component("clippy", "clippy")
}

fn format() -> Result<(), Failure> {
    run_command(&mut cargo(&["fmt", "--all", "--check"]))
}

fn lint() -> Result<(), Failure> {
    run_command(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn fetch_model() -> Result<(), Failure> {
    model::fetch().map(|directory| println!("the model is in {}", directory.display()))
}

/// What reads the formats that books are exported in.
const CITATION_TOOLS: &[&str] = &["pymarc==5.4.0", "rispy==0.10.0", "bibtexparser==2.1.0", "citeproc-py==0.11.1"];

/// What Python itself says of packages and their requirements, and packages of each kind to say it of: with an entry
/// point, with compiled modules and libraries beside them, and a genuine part of CUDA in a shared directory.
const PYTHON_PACKAGES: &[&str] = &[
    "packaging==26.4",
    "six==1.17.0",
    "PyYAML==6.0.4",
    "numpy==2.4.6",
    "requests==2.34.2",
    "nvidia-nvtx-cu12==12.8.90",
];

/// The clients of other services of embeddings.
pub const CLIENTS: &[&str] = &[
    "openai==3.57.0",
    "langchain-openai==1.7.4",
    "llama-index-embeddings-openai==0.7.0",
    "huggingface_hub==2.4.0",
    "numpy==2.4.6",
    "prometheus-client==0.26.0",
];

/// What tries everything that the description of the API says.
const SCHEMATHESIS: &[&str] = &["schemathesis==4.32.5"];

/// What feed readers are made with.
const FEED_READERS: &[&str] = &["feedparser==6.0.14"];

/// What makes the tokens of the backend that libellus replaces.
const FLASK_JWT: &[&str] = &["flask-jwt-extended==4.7.4", "cryptography==50.0.2"];

/// With the original weights, database servers and other programs' readers at hand, the tests that need them run too.
fn test() -> Result<(), Failure> {
    let servers = databases::variables()?;
    // What the reader of images is compared with.
    for tool in [&tools::SKOPEO, &tools::UMOCI, &tools::BUILDAH] {
        tools::require(tool)?;
    }
    run_command(
        cargo(&["test", "--workspace"])
            .env("LIBELLUS_TEST_MODEL_DIR", model::fetch()?)
            .env("LIBELLUS_TEST_CITATION_TOOLS", tools::python_packages(CITATION_TOOLS)?)
            .env("LIBELLUS_TEST_CLIENTS", tools::python_packages(CLIENTS)?)
            .env("LIBELLUS_TEST_SCHEMATHESIS", tools::python_packages(SCHEMATHESIS)?)
            .env("LIBELLUS_TEST_FEED_READERS", tools::python_packages(FEED_READERS)?)
            .env("LIBELLUS_TEST_NODE_CLIENTS", tools::node_packages("crates/server/tests/clients")?)
            .env("LIBELLUS_TEST_FLASK_JWT", tools::python_packages(FLASK_JWT)?)
            .env("LIBELLUS_TEST_PYTHON_PACKAGES", tools::python_packages(PYTHON_PACKAGES)?)
            .envs(servers),
    )
}

fn build_release() -> Result<(), Failure> {
    dist::build_for_host().map(|executable| println!("the executable is {}", executable.display()))
}

fn document() -> Result<(), Failure> {
    run_command(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_at_the_first_that_fails() {
        let good: fn() -> Result<(), Failure> = || Ok(());
        let bad: fn() -> Result<(), Failure> = || Err("no".to_owned());
        let (times, result) = run_steps(&[("one", good), ("two", bad), ("three", good)]);
        assert_eq!(times.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(result, Err("two: no".to_owned()));
    }
}
