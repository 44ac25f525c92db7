//! `Requires-Dist` lines of a wheel's METADATA (PEP 508): as much of them as libtorch's wheels use.

/// One dependency of a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The package, in lower case with dashes.
    pub(super) name: String,
    /// The parts of the package that are asked for, `name[part,part]`.
    pub(super) extras: Vec<String>,
    /// The versions that will do, such as `==13.0.96.*`; may be empty.
    pub(super) versions: String,
    /// Where this dependency holds; absent: everywhere.
    marker: Option<String>,
}

impl Requirement {
    /// Reads `name[extra,...]versions ; marker`. `None` if there is no name.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (what, marker) = match line.split_once(';') {
            Some((what, marker)) => (what, Some(marker.trim().to_owned())),
            None => (line, None),
        };
        let what = what.trim();
        let end = what
            .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .unwrap_or(what.len());
        let (name, rest) = what.split_at(end);
        if name.is_empty() {
            return None;
        }
        let (extras, versions) = match rest.trim_start().strip_prefix('[') {
            Some(inside) => inside.split_once(']')?,
            None => ("", rest),
        };
        Some(Requirement {
            name: name.to_ascii_lowercase().replace(['_', '.'], "-"),
            extras: extras
                .split(',')
                .map(str::trim)
                .filter(|e| !e.is_empty())
                .map(str::to_owned)
                .collect(),
            versions: versions.trim().trim_matches(['(', ')']).replace(' ', ""),
            marker,
        })
    }

    /// The dependency without extras and marker, as one word for pip's command line.
    pub(super) fn plain(&self) -> String {
        format!("{}{}", self.name, self.versions)
    }

    /// Whether the dependency holds on 64-bit x86 Linux with CPython 3.12 when `extra` is asked for.
    pub(super) fn applies(&self, extra: Option<&str>) -> bool {
        self.marker.as_deref().is_none_or(|marker| {
            Marker { rest: marker.trim(), extra: extra.unwrap_or("") }.disjunction()
        })
    }
}

/// Evaluates a marker by recursive descent: `or` of `and` of comparisons and parentheses.
struct Marker<'a> {
    rest: &'a str,
    extra: &'a str,
}

impl<'a> Marker<'a> {
    fn disjunction(&mut self) -> bool {
        let mut value = self.conjunction();
        while self.take("or") {
            let right = self.conjunction();
            value = value || right;
        }
        value
    }

    fn conjunction(&mut self) -> bool {
        let mut value = self.atom();
        while self.take("and") {
            let right = self.atom();
            value = value && right;
        }
        value
    }

    fn atom(&mut self) -> bool {
        if self.take("(") {
            let value = self.disjunction();
            self.take(")");
            return value;
        }
        let left = self.operand();
        let operator = self.operator();
        let right = self.operand();
        match (left, operator, right) {
            (Some(left), "==", Some(right)) => left == right,
            (Some(left), "!=", Some(right)) => left != right,
            // A question about something this machine has no answer to does not apply.
            _ => false,
        }
    }

    /// Consumes `word` if it stands next.
    fn take(&mut self, word: &str) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn operator(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !"=!<>~".contains(c)).unwrap_or(self.rest.len());
        let (operator, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        operator
    }

    /// A quoted string or a variable's value; `None` for a variable without an answer here.
    fn operand(&mut self) -> Option<&'a str> {
        for quote in ['\'', '"'] {
            if let Some(inside) = self.rest.strip_prefix(quote) {
                let (text, rest) = inside.split_once(quote)?;
                self.rest = rest.trim_start();
                return Some(text);
            }
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(self.rest.len());
        let (variable, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        match variable {
            "extra" => Some(self.extra),
            "platform_system" => Some("Linux"),
            "sys_platform" => Some("linux"),
            "os_name" => Some("posix"),
            "platform_machine" => Some("x86_64"),
            "platform_python_implementation" => Some("CPython"),
            "python_version" => Some("3.12"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Requirement;

    fn parse(line: &str) -> Requirement {
        Requirement::parse(line).unwrap()
    }

    // Lines of the METADATA of torch 2.11.0 and cuda-toolkit 13.0.2.
    #[test]
    fn a_requirement_with_parts_and_a_marker_is_read() {
        let toolkit =
            parse(r#"cuda-toolkit[cublas,cudart,nvtx]==13.0.2; platform_system == "Linux""#);
        assert_eq!(toolkit.name, "cuda-toolkit");
        assert_eq!(toolkit.extras, ["cublas", "cudart", "nvtx"]);
        assert_eq!(toolkit.plain(), "cuda-toolkit==13.0.2");
        assert!(toolkit.applies(None));
    }

    #[test]
    fn a_part_applies_only_when_it_is_asked_for() {
        let cublas = parse(
            "nvidia-cublas==13.1.0.3.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'cublas'",
        );
        assert!(cublas.applies(Some("cublas")));
        assert!(!cublas.applies(Some("all")));
        assert!(!cublas.applies(None));
        assert_eq!(cublas.plain(), "nvidia-cublas==13.1.0.3.*");
    }

    #[test]
    fn other_systems_and_unknown_questions_do_not_apply() {
        assert!(!parse("a==1; sys_platform == 'win32'").applies(None));
        assert!(!parse("a==1; phase_of_moon == 'full'").applies(None));
        assert!(parse("a==1; sys_platform != 'win32'").applies(None));
        assert!(parse("a==1; sys_platform == 'win32' or platform_system == 'Linux'").applies(None));
        assert!(
            !parse("a==1; (sys_platform == 'win32' or extra == 'b') and extra == 'c'")
                .applies(Some("c"))
        );
    }

    #[test]
    fn names_are_normalised_and_old_parentheses_are_dropped() {
        let old = parse("Typing_Extensions (>=4.10.0)");
        assert_eq!(old.plain(), "typing-extensions>=4.10.0");
        assert!(Requirement::parse("; extra == 'x'").is_none());
        assert_eq!(parse("filelock").versions, "");
    }
}
