//! The commands of a `RUN`: enough of a shell's grammar to know which programs are run with which words, and where.

use super::parse::Instruction;

/// A command: its words, quotes removed, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments; variables set before it are left out.
    pub words: Vec<String>,
    /// Variables set for this command alone.
    pub variables: Vec<(String, String)>,
    /// In the file.
    pub line: u32,
}

impl Command {
    /// The program, without its directory; what `sudo`, `exec` and their like start is the program.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", |word| word.rsplit('/').next().unwrap_or(word))
    }

    /// Whether a word is among the arguments.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().skip(1).any(|other| other == word)
    }

    /// Arguments that are no options.
    pub fn operands(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(String::as_str).filter(|word| !word.starts_with('-'))
    }

    /// Whether it is `PROGRAM … ACTION`, e.g. `apt-get` and `install`, options between them or not.
    pub fn is(&self, programs: &[&str], action: &str) -> bool {
        programs.contains(&self.program()) && self.operands().next() == Some(action)
    }
}

/// Programs that start the program that follows them.
const WRAPPERS: [&str; 8] = ["sudo", "exec", "time", "command", "nice", "env", "gosu", "eatmydata"];

/// The commands of a `RUN`, here-documents included.
pub fn commands(instruction: &Instruction) -> Vec<Command> {
    if instruction.json {
        // `["sh", "-c", "…"]` is a shell in other words.
        let shell = instruction.arguments.first().is_some_and(|word| is_shell(word));
        if let (true, Some(place)) =
            (shell, instruction.arguments.iter().position(|word| word.starts_with('-') && word.ends_with('c')))
            && let Some(script) = instruction.arguments.get(place + 1)
        {
            return split(script, |_| instruction.line);
        }
        return finish(instruction.arguments.clone(), instruction.line).into_iter().collect();
    }
    let mut found = split(instruction.rest(), |place| instruction.line_at(place));
    // Of `RUN <<EOF` the here-document is the script.
    let scripted = found.first().is_none_or(|command| is_shell(command.program()) || command.program().contains("<<"));
    if scripted {
        for heredoc in &instruction.heredocs {
            let lines = |place: usize| heredoc.line + heredoc.content[..place].matches('\n').count() as u32;
            found.extend(split(&heredoc.content, lines));
        }
    }
    found
}

fn is_shell(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("sh" | "bash" | "ash" | "dash" | "zsh"))
}

/// Splits a script into commands; `line` tells the line of a place.
pub fn split(script: &str, line: impl Fn(usize) -> u32) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut start = None;
    let mut characters = script.char_indices().peekable();
    let flush = |words: &mut Vec<String>, start: &mut Option<usize>, commands: &mut Vec<Command>| {
        let place = start.take().unwrap_or_default();
        commands.extend(finish(std::mem::take(words), line(place)));
    };
    while let Some((place, c)) = characters.next() {
        match quote {
            Some(open) if c == open => quote = None,
            Some('\'') => word.get_or_insert_default().push(c),
            _ if c == '\\' => {
                if let Some((_, next)) = characters.next().filter(|(_, next)| *next != '\n') {
                    word.get_or_insert_default().push(next);
                }
            }
            Some(_) => word.get_or_insert_default().push(c),
            None => match c {
                '\'' | '"' => {
                    quote = Some(c);
                    start.get_or_insert(place);
                    word.get_or_insert_default();
                }
                '#' if word.is_none() => while characters.next_if(|(_, c)| *c != '\n').is_some() {},
                '&' | ';' | '|' | '\n' | '(' | ')' if !is_part_of_word(c, word.as_deref(), script, place) => {
                    words.extend(word.take());
                    flush(&mut words, &mut start, &mut commands);
                }
                c if c.is_whitespace() => words.extend(word.take()),
                c => {
                    start.get_or_insert(place);
                    word.get_or_insert_default().push(c);
                }
            },
        }
    }
    words.extend(word.take());
    flush(&mut words, &mut start, &mut commands);
    commands
}

/// `2>&1` and `&>` are redirections, `$(…)` is left in the word.
fn is_part_of_word(c: char, word: Option<&str>, script: &str, place: usize) -> bool {
    match c {
        '&' => word.is_some_and(|word| word.ends_with('>')) || script[place..].starts_with("&>"),
        '(' => word.is_some_and(|word| word.ends_with('$')),
        _ => false,
    }
}

/// A command of these words: keywords of the shell, variables and wrappers come off.
fn finish(words: Vec<String>, line: u32) -> Option<Command> {
    let mut variables = Vec::new();
    let mut words = words.into_iter().peekable();
    loop {
        let next = words.peek()?;
        let keyword =
            matches!(next.as_str(), "if" | "then" | "else" | "elif" | "do" | "while" | "until" | "!" | "{" | "}");
        let name = next.split_once('=').map(|(name, _)| name);
        let assigns =
            name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        let wraps = WRAPPERS.contains(&next.rsplit('/').next().unwrap_or(next));
        if next == "set" {
            // Options of the shell itself.
            return None;
        }
        if !(keyword || assigns || wraps) {
            break;
        }
        let word = words.next()?;
        if assigns && let Some((name, value)) = word.split_once('=') {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then_some(Command { words, variables, line })
}

/// A word without its quotes and escapes.
pub fn unquote(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut quote = None;
    let mut characters = word.chars();
    while let Some(c) = characters.next() {
        match quote {
            Some(open) if c == open => quote = None,
            Some('\'') => plain.push(c),
            None if c == '\'' || c == '"' => quote = Some(c),
            _ if c == '\\' => plain.extend(characters.next()),
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::Dockerfile;
    use super::*;

    #[test]
    fn commands_are_told_apart_with_their_lines() {
        let text = "FROM a\nRUN set -eux; apt-get update && \\\n  DEBIAN_FRONTEND=noninteractive sudo apt-get -y install \\\n    gcc 'g++' 2>&1 | tee /log; \\\n  if [ -f x ]; then rm -rf /var/lib/apt/lists/*; fi # done\nRUN <<EOF\npip install a\nnpm ci\nEOF\nRUN [\"/bin/sh\", \"-c\", \"make x && make y\"]\n";
        let file = Dockerfile::parse(text).expect("good");
        let shown: Vec<(String, u32)> = file
            .instructions
            .iter()
            .filter(|one| one.keyword == "run")
            .flat_map(commands)
            .map(|command| (command.words.join(" "), command.line))
            .collect();
        let expected = [
            ("apt-get update", 2),
            ("apt-get -y install gcc g++ 2>&1", 3),
            ("tee /log", 4),
            ("[ -f x ]", 5),
            ("rm -rf /var/lib/apt/lists/*", 5),
            ("fi", 5),
            ("<<EOF", 6),
            ("pip install a", 7),
            ("npm ci", 8),
            ("make x", 10),
            ("make y", 10),
        ];
        assert_eq!(shown, expected.map(|(words, line)| (words.to_owned(), line)));
        let install = commands(&file.instructions[1]).swap_remove(1);
        assert!(install.is(&["apt-get"], "install"));
        assert_eq!(install.variables, [("DEBIAN_FRONTEND".to_owned(), "noninteractive".to_owned())]);
    }
}
