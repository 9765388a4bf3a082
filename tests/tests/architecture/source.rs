//! One Rust file, read far enough to know which paths its code names: comments
//! and literals are blanked, `use` trees are unfolded, test modules are marked.
//! Not a parser: macros that build paths are beyond it.

/// A file of src/.
pub(crate) struct Source {
    /// From the workspace's root.
    pub(crate) file: String,
    /// As it is.
    pub(crate) text: String,
    /// Names of all modules of its crate.
    pub(crate) crate_modules: Vec<String>,
    /// The text with comments and literals blanked; the lines are the same.
    code: String,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let code = blank(text);
        Self { file: file.to_owned(), text: text.to_owned(), crate_modules: Vec::new(), code }
    }

    /// The folder under src/.
    pub(crate) fn krate(&self) -> &str {
        self.file.split('/').nth(1).unwrap_or_default()
    }

    pub(crate) fn has_module(&self, name: &str) -> bool {
        self.crate_modules.iter().any(|m| m == name) || self.declared_modules().iter().any(|m| m == name)
    }

    /// Names after `mod`.
    pub(crate) fn declared_modules(&self) -> Vec<String> {
        let words: Vec<&str> = self.code.split(|c: char| !is_word(c)).filter(|w| !w.is_empty()).collect();
        words.windows(2).filter(|pair| pair[0] == "mod").map(|pair| pair[1].to_owned()).collect()
    }

    /// Every path with its line, and whether only tests see it.
    pub(crate) fn paths(&self) -> Vec<(usize, String, bool)> {
        let all_tests = self.file.ends_with("/tests.rs") || self.file.contains("/tests/");
        let tests = test_modules(&self.code);
        let mut found = Vec::new();
        let mut rest = 0;
        while let Some(start) = self.code[rest..].find(is_word).map(|at| rest + at) {
            let (path, end) = read_path(&self.code, start);
            let is_use = path == "use" && self.code[end..].starts_with(char::is_whitespace);
            let (paths, end) = if is_use { read_use(&self.code, end) } else { (vec![path.to_owned()], end) };
            let line = self.code[..start].matches('\n').count() + 1;
            let in_tests = all_tests || tests.iter().any(|range| range.contains(&start));
            found.extend(paths.into_iter().filter(|p| p.contains("::")).map(|path| (line, path, in_tests)));
            rest = end;
        }
        found
    }
}

/// Whether `line` has `word` with no letter or digit around it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && (word.ends_with('!') || !after.is_some_and(is_word))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `a::b::c` from `start`, and where it ends.
fn read_path(code: &str, start: usize) -> (&str, usize) {
    let mut end = start;
    loop {
        end += code[end..].find(|c| !is_word(c)).unwrap_or(code.len() - end);
        let next = code[end..].strip_prefix("::").and_then(|after| after.chars().next());
        if !next.is_some_and(is_word) {
            return (&code[start..end], end);
        }
        end += 2;
    }
}

/// The paths of a `use` tree up to its semicolon, unfolded.
fn read_use(code: &str, start: usize) -> (Vec<String>, usize) {
    let end = code[start..].find(';').map_or(code.len(), |at| start + at);
    let tree: String = code[start..end].split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paths = Vec::new();
    unfold("", tree.trim(), &mut paths);
    (paths, end)
}

fn unfold(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim().trim_start_matches("::");
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        if !path.is_empty() {
            paths.push(format!("{prefix}{path}").trim_end_matches("::self").to_owned());
        }
        return;
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let inside = tree[open + 1..].trim_end().strip_suffix('}').unwrap_or(&tree[open + 1..]);
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                unfold(&prefix, &inside[from..at], paths);
                from = at + 1;
            }
            _ => {}
        }
    }
    unfold(&prefix, &inside[from..], paths);
}

/// Where `#[cfg(test)] mod … { … }` reaches.
fn test_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        let after = start + attribute.len();
        if !code[after..].trim_start().starts_with("mod ") {
            continue;
        }
        let mut depth = 0_i32;
        for (at, c) in code[after..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ';' if depth == 0 => break,
                _ => continue,
            }
            if depth == 0 {
                ranges.push(start..after + at);
                break;
            }
        }
    }
    ranges
}

/// The text with comments, strings and character literals as spaces.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let before_is_word = out.chars().next_back().is_some_and(is_word);
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !before_is_word => raw_string(rest).unwrap_or(0),
            '\'' => character(rest).unwrap_or(0),
            _ => 0,
        };
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a string literal that begins with a quote.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `r"…"`, `br#"…"#` and the like.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"].into_iter().find(|p| text.starts_with(p))?;
    let hashes = text[prefix.len()..].chars().take_while(|c| *c == '#').count();
    let body = text[prefix.len() + hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close)?;
    Some(prefix.len() + hashes + 1 + end + close.len())
}

/// The length of a character literal; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    let (_, first) = characters.next()?;
    if first == '\\' {
        // What is escaped may itself be a quote.
        characters.next()?;
        return characters.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1);
    }
    match characters.next()? {
        (at, '\'') => Some(at + 1),
        _ => None,
    }
}
