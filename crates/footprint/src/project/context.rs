//! Which Dockerfile is built with which folder as its context: what Compose and the platforms' own files say of it.
//!
//! The context decides what `COPY` means and where `.dockerignore` is read, and it is said outside of the Dockerfile.

use crate::ignore::clean;
use crate::toml_file::TomlFile;

/// A Dockerfile and its context, both from the root of the project, the root itself being empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Declared {
    /// The Dockerfile.
    pub dockerfile: String,
    /// The folder that is sent.
    pub context: String,
    /// Where that is said.
    pub by: String,
}

/// Names of files that may say so.
pub fn may_declare(name: &str) -> bool {
    matches!(
        name,
        "railway.json"
            | "railway.toml"
            | "fly.toml"
            | "render.yaml"
            | "compose.yaml"
            | "compose.yml"
            | "docker-compose.yaml"
            | "docker-compose.yml"
    )
}

/// What a file says. One that cannot be read says nothing, which is an error with its reason.
///
/// # Errors
/// If it is no JSON or TOML where it should be.
pub fn declared(path: &str, text: &str) -> Result<Vec<Declared>, String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let one = |context: &str, dockerfile: &str| Declared {
        dockerfile: join(folder, dockerfile),
        context: join(folder, context),
        by: path.to_owned(),
    };
    Ok(match name {
        "railway.json" => {
            let json: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            json["build"]["dockerfilePath"].as_str().map(|file| one(".", file)).into_iter().collect()
        }
        "railway.toml" | "fly.toml" => {
            let key = if name == "fly.toml" { "dockerfile" } else { "dockerfilePath" };
            let file = TomlFile::parse(text)?;
            file.get(&["build", key]).and_then(|value| value.text()).map(|file| one(".", file)).into_iter().collect()
        }
        "render.yaml" => {
            let value = |name: &str| scalars(text, name).into_iter().next();
            let context = value("dockerContext").unwrap_or_else(|| ".".to_owned());
            value("dockerfilePath").map(|file| one(&context, &file)).into_iter().collect()
        }
        _ => compose(text).iter().map(|(context, file)| one(context, &join(context, file))).collect(),
    })
}

/// Joins and cleans; the folder itself is empty.
pub fn join(folder: &str, path: &str) -> String {
    let joined = if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") };
    let cleaned = clean(joined.trim_start_matches('/'));
    if cleaned == "." { String::new() } else { cleaned }
}

/// Context and Dockerfile of each `build:` in a Compose file. A reader of all of YAML would be a dependency for two
/// keys; this one goes by indentation, which Compose files have.
fn compose(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let lines: Vec<(usize, &str)> = text
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim_end())
        .map(|line| (line.len() - line.trim_start().len(), line.trim_start()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    for (place, (indent, line)) in lines.iter().enumerate() {
        let Some(value) = line.strip_prefix("build:").map(str::trim) else { continue };
        if !value.is_empty() {
            found.push((plain(value), "Dockerfile".to_owned()));
            continue;
        }
        let inside = lines[place + 1..].iter().take_while(|(deeper, _)| deeper > indent);
        let (mut context, mut file, mut inline) = (".".to_owned(), "Dockerfile".to_owned(), false);
        for (_, line) in inside {
            if let Some(value) = line.strip_prefix("context:") {
                context = plain(value);
            } else if let Some(value) = line.strip_prefix("dockerfile:") {
                file = plain(value);
            }
            inline |= line.starts_with("dockerfile_inline:");
        }
        if !inline && !context.contains("://") {
            found.push((context, file));
        }
    }
    found
}

fn scalars(text: &str, name: &str) -> Vec<String> {
    let value = |line: &str| {
        let line = line.trim_start().trim_start_matches("- ");
        line.strip_prefix(name)?.strip_prefix(':').map(plain)
    };
    text.lines().filter_map(value).collect()
}

fn plain(value: &str) -> String {
    value.trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_where_platforms_say() {
        for (path, text, dockerfile, context) in [
            ("railway.json", r#"{"build":{"dockerfilePath":"backend/Dockerfile"}}"#, "backend/Dockerfile", ""),
            ("railway.toml", "[build]\ndockerfilePath = '/backend/Dockerfile'\n", "backend/Dockerfile", ""),
            ("api/fly.toml", "[build]\ndockerfile = 'Dockerfile.prod'\n", "api/Dockerfile.prod", "api"),
            (
                "render.yaml",
                "services:\n  - type: web\n    dockerfilePath: ./a/Dockerfile\n    dockerContext: ./a\n",
                "a/Dockerfile",
                "a",
            ),
            ("compose.yaml", "services:\n  web:\n    build: ./web # here\n", "web/Dockerfile", "web"),
            (
                "compose.yaml",
                "services:\n  web:\n    build:\n      context: .\n      dockerfile: web/Dockerfile\n    ports: []\n",
                "web/Dockerfile",
                "",
            ),
        ] {
            let expected = Declared { dockerfile: dockerfile.into(), context: context.into(), by: path.into() };
            assert_eq!(declared(path, text), Ok(vec![expected]), "{path}");
        }
        assert!(declared("railway.json", "{").is_err());
        assert_eq!(declared("compose.yaml", "services: {}\n"), Ok(vec![]));
    }
}
