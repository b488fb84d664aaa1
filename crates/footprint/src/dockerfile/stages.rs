//! What is built on what: the stages of a Dockerfile, with variables put in where their values are known.

use super::parse::{Dockerfile, Instruction};
use std::collections::BTreeMap;

/// A stage.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    /// `AS name`, in lower case.
    pub name: Option<String>,
    /// The image or the stage that it starts from, with variables put in.
    pub base: String,
    /// Its `FROM`.
    pub from: &'a Instruction,
    /// What follows, up to the next `FROM`.
    pub instructions: Vec<&'a Instruction>,
}

/// Variables with their values.
pub type Variables = BTreeMap<String, String>;

/// All stages, in their order.
pub fn stages(file: &Dockerfile) -> Vec<Stage<'_>> {
    let mut stages: Vec<Stage<'_>> = Vec::new();
    let mut global = Variables::new();
    for instruction in &file.instructions {
        match instruction.keyword.as_str() {
            "from" => {
                let base = instruction.arguments.first().map(String::as_str).unwrap_or_default();
                let named = instruction.arguments.get(1).is_some_and(|word| word.eq_ignore_ascii_case("as"));
                let name = instruction.arguments.get(2).filter(|_| named).map(|name| name.to_ascii_lowercase());
                let base = expand(base, &global);
                stages.push(Stage { name, base, from: instruction, instructions: Vec::new() });
            }
            "arg" if stages.is_empty() => global.extend(instruction.assignments()),
            _ => {
                if let Some(stage) = stages.last_mut() {
                    stage.instructions.push(instruction);
                }
            }
        }
    }
    stages
}

/// The stages that the last one is made on, itself last: their instructions make its image.
pub fn final_chain<'s, 'a>(stages: &'s [Stage<'a>]) -> Vec<&'s Stage<'a>> {
    let mut chain: Vec<&Stage<'_>> = Vec::new();
    let mut end = stages.len();
    while let Some(stage) = end.checked_sub(1).and_then(|last| stages.get(last)) {
        chain.push(stage);
        // A name means the stage of that name before; what comes later is an image.
        end = stage_index(&stages[..end - 1], &stage.base).map_or(0, |index| index + 1);
    }
    chain.reverse();
    chain
}

/// The stage of a name or number.
pub fn stage_index(stages: &[Stage<'_>], name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    let by_name = stages.iter().rposition(|stage| stage.name.as_deref() == Some(&name));
    by_name.or_else(|| name.parse().ok().filter(|index| *index < stages.len()))
}

/// Puts variables in: `$NAME`, `${NAME}`, `${NAME:-default}`. Unknown ones stay as they are.
pub fn expand(text: &str, variables: &Variables) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('$') {
        expanded.push_str(&rest[..place]);
        rest = &rest[place + 1..];
        let (name, fallback, length) = match rest.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            Some((inside, _)) => {
                let (name, fallback) =
                    inside.split_once(":-").map_or((inside, None), |(name, other)| (name, Some(other)));
                (name, fallback, inside.len() + 2)
            }
            None => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (&rest[..end], None, end)
            }
        };
        match variables.get(name).filter(|value| !value.is_empty()).map(String::as_str).or(fallback) {
            Some(value) => expanded.push_str(value),
            None => {
                expanded.push('$');
                expanded.push_str(&rest[..length]);
            }
        }
        rest = &rest[length..];
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_is_made_on_others() {
        let text = "ARG V=3.12\nFROM python:${V}-slim AS Base\nRUN a\nFROM base as mid\nRUN b\nFROM node AS other\nFROM mid\nRUN c\n";
        let file = Dockerfile::parse(text).expect("good");
        let stages = stages(&file);
        let chain: Vec<&str> = final_chain(&stages).iter().map(|stage| stage.base.as_str()).collect();
        assert_eq!(chain, ["python:3.12-slim", "base", "mid"]);
        assert_eq!(
            (stage_index(&stages, "OTHER"), stage_index(&stages, "1"), stage_index(&stages, "7")),
            (Some(2), Some(1), None)
        );
        let variables = Variables::from([("A".to_owned(), "1".to_owned())]);
        for (text, expected) in [("$A/${A}/${B:-2}/$B", "1/1/2/$B"), ("a$", "a$"), ("${", "${")] {
            assert_eq!(expand(text, &variables), expected);
        }
        // A stage that has its own name for a base is made on an image of that name.
        let file = Dockerfile::parse("FROM a AS a\nFROM a AS a\nRUN x\n").expect("good");
        assert_eq!(final_chain(&super::stages(&file)).len(), 2);
    }
}
