//! As much Rust as the rules need: what is code, what is a comment, a string, or a test.

/// Rust source in which everything but code is blanked, line for line.
pub(crate) struct Source {
    code: String,
}

impl Source {
    /// Blanks comments, and the inside of strings and characters.
    pub(crate) fn parse(text: &str) -> Self {
        let mut code = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let (kept, blanked) = token(rest, code.chars().next_back());
            code.push_str(&rest[..kept]);
            code.extend(
                rest[kept..kept + blanked].chars().map(|c| if c == '\n' { c } else { ' ' }),
            );
            rest = &rest[kept + blanked..];
        }
        Source { code }
    }

    /// Blanks every item under `#[cfg(test)]` as well.
    pub(crate) fn without_tests(mut self) -> Self {
        const MARK: &str = "#[cfg(test)]";
        while let Some(start) = self.code.find(MARK) {
            let end = start + MARK.len() + item_length(&self.code[start + MARK.len()..]);
            let blank: String =
                self.code[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
            self.code.replace_range(start..end, &blank);
        }
        self
    }

    /// The code by lines, numbered from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

/// How many bytes from the start of `rest` are code, and how many after them are to be blanked.
/// `before` is the character in front of `rest`.
fn token(rest: &str, before: Option<char>) -> (usize, usize) {
    if rest.starts_with("//") {
        return (0, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (0, block_comment(rest));
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && let Some((opening, closing)) = raw_string(rest) {
        let body = &rest[opening..];
        let inside = body.find(&closing).map_or(body.len(), |end| end + closing.len());
        return (opening, inside);
    }
    if rest.starts_with('"') {
        return (0, quoted(rest, '"'));
    }
    if rest.starts_with('\'') {
        // A lifetime has no quote right after its first character.
        let mut chars = rest.chars().skip(1);
        let is_char = chars.next() == Some('\\') || chars.next() == Some('\'');
        return if is_char { (0, quoted(rest, '\'')) } else { (1, 0) };
    }
    (rest.chars().next().map_or(0, char::len_utf8), 0)
}

/// The length of a quoted literal, quotes and escapes included.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a block comment; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Where a raw string (`r"`, `r#"`, `br"`) opens: the length of its opening, and its closing.
fn raw_string(rest: &str) -> Option<(usize, String)> {
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    body[hashes..]
        .starts_with('"')
        .then(|| (rest.len() - body.len() + hashes + 1, format!("\"{}", "#".repeat(hashes))))
}

/// The length of the item at the start of `code`: to its `;`, or to the brace that closes it.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if c == '}' && depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn comments_and_strings_are_no_code() {
    let text = r####"
let a = "panic!"; // panic!
/* panic! /* panic! */ panic! */ let b = r#"panic! " panic!"#;
let c = '"'; let d = "\" panic!"; let e: &'static str = b"panic!";
let f = br"panic!\"; kept!();
"####;
    let source = Source::parse(text);
    let code: Vec<&str> = source.lines().map(|(_, line)| line).collect();
    assert!(code.iter().all(|line| !line.contains("panic!")), "{code:#?}");
    assert!(code[2].contains("let b = r#\""), "{code:#?}");
    assert!(code[3].contains("let e: &'static str ="), "{code:#?}");
    assert!(code[4].contains("kept!();"), "{code:#?}");
    assert_eq!(code.len(), text.lines().count());
}

#[test]
fn tests_are_no_library_code() {
    let text = "fn a() { one() }\n#[cfg(test)]\nmod tests {\n    fn b() { two() }\n}\nfn c() { three() }\n#[cfg(test)]\nmod more;\nfn d() { four() }\n";
    let source = Source::parse(text).without_tests();
    let code: String = source.lines().map(|(_, line)| line).collect();
    assert!(["one", "three", "four"].iter().all(|word| code.contains(word)), "{code}");
    assert!(!code.contains("two") && !code.contains("more"), "{code}");
}
