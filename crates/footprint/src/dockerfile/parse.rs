//! From text to instructions. The rules, odd ones included, are those of BuildKit's parser: what it refuses is refused,
//! what it reads is read in the same way.

use super::shell;

/// A Dockerfile.
#[derive(Clone, Debug)]
pub struct Dockerfile {
    /// In their order.
    pub instructions: Vec<Instruction>,
    /// What stands at the end of a line that goes on: a backslash, unless `# escape=` says otherwise.
    pub escape: char,
}

/// An instruction.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// In lower case: `run`, `copy`.
    pub keyword: String,
    /// `--from=builder`.
    pub flags: Vec<String>,
    /// What follows: the words, or, of a command for a shell, the one text. Of `ENV` and `LABEL`: name, value, and `=`
    /// or nothing, in turn.
    pub arguments: Vec<String>,
    /// Whether they were written as a JSON array.
    pub json: bool,
    /// Of `ONBUILD`: what is to be done.
    pub inner: Option<Box<Instruction>>,
    /// Its first line, from 1.
    pub line: u32,
    /// Its last line, here-documents included.
    pub last_line: u32,
    /// The whole as one line.
    pub text: String,
    /// Where in `text` what lies after keyword and flags starts.
    rest: usize,
    /// Where in `text` each line of the file starts.
    starts: Vec<(usize, u32)>,
    /// Here-documents.
    pub heredocs: Vec<Heredoc>,
}

/// A here-document, `<<EOF`.
#[derive(Clone, Debug)]
pub struct Heredoc {
    /// The word that ends it.
    pub name: String,
    /// What is between.
    pub content: String,
    /// The line of its first line of content.
    pub line: u32,
}

/// What is wrong, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct SyntaxError {
    /// From 1.
    pub line: u32,
    /// In words.
    pub reason: String,
}

impl Instruction {
    /// The value of a flag, `from` of `--from=builder`.
    pub fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().find_map(|flag| flag.strip_prefix("--")?.strip_prefix(name)?.strip_prefix('='))
    }

    /// All values of a flag that may be repeated.
    pub fn flags_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter_map(move |flag| flag.strip_prefix("--")?.strip_prefix(name)?.strip_prefix('='))
    }

    /// What follows keyword and flags, as one line.
    pub fn rest(&self) -> &str {
        &self.text[self.rest..]
    }

    /// The line of the file that a place of [`Instruction::rest`] is in.
    pub fn line_at(&self, place: usize) -> u32 {
        let place = place + self.rest;
        self.starts.iter().take_while(|(start, _)| *start <= place).last().map_or(self.line, |(_, line)| *line)
    }

    /// Names and values of an `ENV`, `LABEL` or `ARG`, quotes removed.
    pub fn assignments(&self) -> Vec<(String, String)> {
        if self.keyword == "arg" {
            let split = |word: &String| {
                let (name, value) = word.split_once('=').unwrap_or((word, ""));
                (name.to_owned(), shell::unquote(value))
            };
            return self.arguments.iter().map(split).collect();
        }
        let triples = self.arguments.chunks_exact(3);
        triples.map(|triple| (shell::unquote(&triple[0]), shell::unquote(&triple[1]))).collect()
    }
}

impl Dockerfile {
    /// Reads a whole file.
    ///
    /// # Errors
    /// Where BuildKit would refuse it.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().enumerate().map(|(index, line)| (index as u32 + 1, line));
        let mut instructions = Vec::new();
        let mut escape = '\\';
        let mut at_top = true;
        while let Some((number, line)) = lines.next() {
            if at_top {
                match directive(line) {
                    Some((name, value)) if name == "escape" => {
                        escape = match value {
                            "\\" => '\\',
                            "`" => '`',
                            _ => return Err(error(number, format!("`{value}` cannot be the escape character"))),
                        };
                    }
                    Some((name, _)) if matches!(name.as_str(), "syntax" | "check") => {}
                    _ => at_top = false,
                }
            }
            if is_comment(line) {
                continue;
            }
            let (mut whole, mut ended) = without_continuation(line.trim_start(), escape);
            if ended && whole.is_empty() {
                continue;
            }
            let mut starts = vec![(0, number)];
            let mut last_line = number;
            while !ended {
                let Some((number, line)) = lines.next() else { break };
                last_line = number;
                if is_comment(line) || line.trim().is_empty() {
                    continue;
                }
                starts.push((whole.len(), number));
                let (more, end) = without_continuation(line, escape);
                whole.push_str(&more);
                ended = end;
            }
            let mut instruction = instruction(&whole, escape, starts, number)?;
            instruction.last_line = last_line;
            if instruction.can_have_heredocs() {
                for mut heredoc in heredocs(&whole) {
                    heredoc.heredoc.line = instruction.last_line + 1;
                    let mut ended = false;
                    for (number, line) in lines.by_ref() {
                        instruction.last_line = number;
                        let line = if heredoc.chomp { line.trim_start_matches('\t') } else { line };
                        if line == heredoc.heredoc.name {
                            ended = true;
                            break;
                        }
                        heredoc.heredoc.content.push_str(line);
                        heredoc.heredoc.content.push('\n');
                    }
                    if !ended {
                        return Err(error(number, format!("the here-document `{}` has no end", heredoc.heredoc.name)));
                    }
                    instruction.heredocs.push(heredoc.heredoc);
                }
            }
            instructions.push(instruction);
        }
        if instructions.is_empty() {
            return Err(error(1, "there is no instruction".to_owned()));
        }
        Ok(Self { instructions, escape })
    }
}

impl Instruction {
    fn can_have_heredocs(&self) -> bool {
        match &self.inner {
            Some(inner) => inner.can_have_heredocs(),
            None => matches!(self.keyword.as_str(), "add" | "copy" | "run") && !self.json,
        }
    }
}

fn error(line: u32, reason: String) -> SyntaxError {
    SyntaxError { line, reason }
}

/// `# name = value`.
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let plain =
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (plain && !value.is_empty()).then(|| (name.to_ascii_lowercase(), value))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

/// The line without the escape character at its end, and whether it ends there. A doubled one does not continue.
fn without_continuation(line: &str, escape: char) -> (String, bool) {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        Some(before) if !before.ends_with(escape) => (before.to_owned(), false),
        _ => (line.to_owned(), true),
    }
}

fn instruction(whole: &str, escape: char, starts: Vec<(usize, u32)>, line: u32) -> Result<Instruction, SyntaxError> {
    let trimmed = whole.trim_start();
    let lead = whole.len() - trimmed.len();
    let end = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
    let keyword = trimmed[..end].to_ascii_lowercase();
    let (flags, after) = flags(&trimmed[end..]);
    let rest_start = lead + trimmed.len() - after.len();
    let rest_start = rest_start + (after.len() - after.trim_start().len());
    let rest = after.trim();
    let mut instruction = Instruction {
        keyword,
        flags,
        arguments: Vec::new(),
        json: false,
        inner: None,
        line,
        last_line: line,
        text: whole.to_owned(),
        rest: rest_start.min(whole.len()),
        starts,
        heredocs: Vec::new(),
    };
    let words = || rest.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let text = || if rest.is_empty() { Vec::new() } else { vec![rest.to_owned()] };
    let bad = |reason: String| error(line, reason);
    match instruction.keyword.as_str() {
        "add" | "copy" | "volume" => match json_array(rest).map_err(bad)? {
            Some(array) => (instruction.arguments, instruction.json) = (array, true),
            None => instruction.arguments = words(),
        },
        "cmd" | "entrypoint" | "run" | "shell" => match json_array(rest).map_err(bad)? {
            Some(array) => (instruction.arguments, instruction.json) = (array, true),
            None => instruction.arguments = text(),
        },
        "env" | "label" => instruction.arguments = name_values(rest, escape, &instruction.keyword).map_err(bad)?,
        "arg" => instruction.arguments = quoted_words(rest, escape),
        "expose" | "from" => instruction.arguments = words(),
        "healthcheck" => {
            let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let command = command.trim_start();
            if !kind.is_empty() {
                instruction.arguments.push(kind.to_owned());
            }
            match json_array(command).map_err(bad)? {
                Some(array) => {
                    instruction.arguments.extend(array);
                    instruction.json = true;
                }
                None if !command.is_empty() => instruction.arguments.push(command.to_owned()),
                None => {}
            }
        }
        "onbuild" if !rest.is_empty() => {
            let (place, nested) = (instruction.rest, instruction.rest().to_owned());
            let starts = instruction.starts.iter().map(|(start, line)| (start.saturating_sub(place), *line)).collect();
            // One level only, as the inner keyword is read without looking for another.
            let inner = self::instruction(nested.trim_end(), escape, starts, line)?;
            if inner.keyword == "onbuild" {
                return Err(error(line, "ONBUILD cannot hold another ONBUILD".to_owned()));
            }
            instruction.inner = Some(Box::new(inner));
        }
        "maintainer" | "stopsignal" | "user" | "workdir" => instruction.arguments = text(),
        _ => {}
    }
    Ok(instruction)
}

/// Words that start with `--`, up to the first that does not, and what follows.
fn flags(rest: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = rest;
    loop {
        let trimmed = rest.trim_start();
        if !trimmed.starts_with("--") {
            return (flags, trimmed);
        }
        let mut word = String::new();
        let mut quote = None;
        let mut end = trimmed.len();
        let mut characters = trimmed.char_indices();
        while let Some((place, c)) = characters.next() {
            match quote {
                None if c.is_whitespace() => {
                    end = place;
                    break;
                }
                None if c == '\'' || c == '"' => quote = Some(c),
                Some(open) if c == open => quote = None,
                _ if c == '\\' => word.extend(characters.next().map(|(_, c)| c)),
                _ => word.push(c),
            }
        }
        rest = &trimmed[end..];
        if word == "--" {
            return (flags, rest);
        }
        flags.push(word);
    }
}

/// An array of texts. `None` if it is no JSON, which makes it plain words; an array of anything else is an error. What
/// follows the array is not looked at.
fn json_array(rest: &str) -> Result<Option<Vec<String>>, String> {
    if !rest.starts_with('[') {
        return Ok(None);
    }
    let value = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>().next();
    let Some(Ok(serde_json::Value::Array(values))) = value else { return Ok(None) };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => Ok(text),
        other => Err(format!("`{other}` is no text, and only texts can be in the array")),
    };
    values.into_iter().map(text).collect::<Result<Vec<_>, _>>().map(Some)
}

/// Name, value and `=`, for each pair; or one name and the rest of the line, and nothing.
fn name_values(rest: &str, escape: char, keyword: &str) -> Result<Vec<String>, String> {
    let words = quoted_words(rest, escape);
    let Some(first) = words.first() else { return Ok(Vec::new()) };
    if !first.contains('=') {
        let (name, value) = rest
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("{} wants a name and a value", keyword.to_ascii_uppercase()))?;
        return Ok(vec![name.to_owned(), value.trim_start().to_owned(), String::new()]);
    }
    let mut found = Vec::with_capacity(words.len() * 3);
    for word in &words {
        let (name, value) = word.split_once('=').ok_or_else(|| format!("`{word}` lacks a `=`"))?;
        found.extend([name.to_owned(), value.to_owned(), "=".to_owned()]);
    }
    Ok(found)
}

/// Words, with their quotes and escapes left as they are.
fn quoted_words(rest: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = rest.chars().peekable();
    while let Some(c) = characters.next() {
        match quote {
            None if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            // In single quotes it stands for itself.
            _ if c == escape && quote != Some('\'') => {
                let Some(next) = characters.next() else { break };
                word.push(c);
                word.push(next);
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

struct OpenHeredoc {
    heredoc: Heredoc,
    chomp: bool,
}

/// The here-documents that a line opens: words of the shell such as `<<EOF`, `3<<-"EOF"`.
fn heredocs(line: &str) -> Vec<OpenHeredoc> {
    if !line.contains("<<") {
        return Vec::new();
    }
    let opened = |word: String| {
        let after = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
        let (chomp, name) = after.strip_prefix('-').map_or((false, after), |name| (true, name));
        let name = if name.contains('<') { String::new() } else { shell::unquote(name) };
        let heredoc = Heredoc { name, content: String::new(), line: 0 };
        (!heredoc.name.is_empty()).then_some(OpenHeredoc { heredoc, chomp })
    };
    quoted_words(line, '\\').into_iter().filter_map(opened).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_across_continuations_comments_and_here_documents() {
        let text = "# syntax=docker/dockerfile:1\nFROM a AS b\nRUN one && \\\n  # a comment\n\n  two\nRUN <<EOF cat\n\tx\nEOF\nCOPY --from=b <<-A <<'B' /d/\n\t1\n\tA\nB\nUSER u\n";
        let file = Dockerfile::parse(text).expect("good");
        let lines: Vec<(&str, u32, u32)> =
            file.instructions.iter().map(|one| (one.keyword.as_str(), one.line, one.last_line)).collect();
        assert_eq!(lines, [("from", 2, 2), ("run", 3, 6), ("run", 7, 9), ("copy", 10, 13), ("user", 14, 14)]);
        let run = &file.instructions[1];
        assert_eq!(run.rest(), "one &&   two");
        assert_eq!((run.line_at(0), run.line_at(run.rest().find("two").expect("there"))), (3, 6));
        assert_eq!(file.instructions[2].heredocs[0].content, "\tx\n");
        let copy = &file.instructions[3];
        let contents: Vec<(&str, u32)> = copy.heredocs.iter().map(|one| (one.content.as_str(), one.line)).collect();
        assert_eq!((copy.flag("from"), contents), (Some("b"), vec![("1\n", 11), ("", 13)]));
    }

    #[test]
    fn mistakes_have_a_line() {
        for (text, line) in [
            ("", 1),
            ("# nothing\n", 1),
            ("FROM a\nENV PATH\n", 2),
            ("FROM a\nCMD [1]\n", 2),
            ("FROM a\nRUN <<EOF\nx\n", 2),
            ("# escape=x\nFROM a\n", 1),
            ("FROM a\nENV a=b c\n", 2),
        ] {
            assert_eq!(Dockerfile::parse(text).map_err(|error| error.line).err(), Some(line), "{text:?}");
        }
    }
}
