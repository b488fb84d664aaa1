//! Help and version: the first things that anyone types.

use crate::support::Sandbox;

#[test]
fn every_command_has_help_with_an_example() {
    let sandbox = Sandbox::new();
    for command in [
        "serve",
        "health",
        "search",
        "import",
        "export",
        "backfill",
        "check",
        "key",
        "embed",
        "migrate",
        "model",
        "eval",
        "adopt",
        "footprint",
    ] {
        let help = sandbox.run(&[command, "--help"]).expect_code(0).stdout;
        assert!(help.contains(&format!("  libellus {command}")), "{help}");
        assert!(help.contains("Usage: libellus"), "{help}");
    }
}

#[test]
fn help_documents_exit_codes_and_environment() {
    let help = Sandbox::new().run(&["--help"]).expect_code(0).stdout;
    for part in ["Exit codes:", "130", "DATABASE_URL", "PORT", "NO_COLOR", "LIBELLUS_HOME", "libellus serve --sample"] {
        assert!(help.contains(part), "`{part}` is not in {help}");
    }
}

#[test]
fn help_of_serve_names_the_settings_of_the_page() {
    let sandbox = Sandbox::new();
    for help in [&["--help"][..], &["serve", "--help"]].map(|asked| sandbox.run(asked).expect_code(0).stdout) {
        for name in ["SITE_NAME", "LOGO", "ACCENT", "PUBLIC_URL", "ROBOTS"] {
            assert!(help.contains(&format!("LIBELLUS_{name}")), "`{name}` is not in {help}");
        }
    }
}

#[test]
fn the_version_names_the_model_that_is_inside() {
    let sandbox = Sandbox::new();
    let version = sandbox.run(&["--version"]).expect_code(0).stdout;
    let model = sandbox.run(&["model", "info", "--json"]).expect_code(0).json();
    let inside =
        format!("(with {}, {})", model["name"].as_str().expect("a name"), model["precision"].as_str().expect("one"));
    assert!(version.starts_with("libellus ") && version.trim_end().ends_with(&inside), "{version} / {inside}");
}

#[test]
fn what_cannot_be_understood_exits_with_two() {
    let sandbox = Sandbox::new();
    for (arguments, part) in [
        (&["serch", "whales"][..], "search"),
        (&["search"], "WORDS"),
        (&["search", "--mode", "magic", "x"], "hybrid, semantic, keyword"),
        (&["embed", "--threads", "0"], "--threads"),
        (&["backfill", "--threads", "many"], "--threads"),
        (&["serve", "--port", "70000"], "--port"),
        (&["import"], "FILE"),
    ] {
        sandbox.run(arguments).expect_error(2, &[part]);
    }
}
