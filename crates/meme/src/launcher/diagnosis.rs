//! What a loader's complaint means and what mends it.

use std::path::Path;

/// Where libtorch lay when this program was built.
pub(crate) const FOLDER: &str = match option_env!("MEME_LIBTORCH_LIB") {
    Some(folder) => folder,
    None => "unknown",
};

/// A cause in words, and a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) cause: String,
    pub(crate) mend: &'static str,
}

/// Explains the loader's `sentence`.
pub(crate) fn of(sentence: &str) -> Diagnosis {
    explain(sentence, Path::new(FOLDER))
}

fn explain(sentence: &str, folder: &Path) -> Diagnosis {
    let setup = "cargo xtask setup";
    let shown = folder.display();
    if !folder.exists() {
        let cause = format!("{shown}, which this program was built with, is gone");
        return Diagnosis { cause, mend: setup };
    }
    if !folder.join("libtorch_cpu.so").exists() {
        let cause = format!("{shown} lacks libtorch_cpu.so: the installation is not whole");
        return Diagnosis { cause, mend: setup };
    }
    if ["libcudart", "libcupti", "libcudnn", "libcublas", "libnvidia", "libcu"]
        .iter()
        .any(|library| sentence.starts_with(library))
    {
        let cause = format!("a part that libtorch needs is missing beside {shown}");
        return Diagnosis { cause, mend: setup };
    }
    if sentence.contains("undefined symbol") || sentence.contains("version `") {
        let cause = format!("{shown} holds another version of libtorch than this program needs");
        return Diagnosis { cause, mend: "cargo xtask setup && cargo build --release -p meme" };
    }
    let cause = format!("a library in {shown} is damaged or of another machine");
    Diagnosis { cause, mend: setup }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_broken_installation_has_its_own_explanation() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let missing = "libtorch_cpu.so: cannot open shared object file: No such file or directory";
        assert!(explain(missing, &gone).cause.ends_with("is gone"));
        assert!(explain(missing, folder.path()).cause.contains("not whole"));
        std::fs::write(folder.path().join("libtorch_cpu.so"), "").unwrap();
        let cuda = "libcudart.so.13: cannot open shared object file: No such file or directory";
        assert!(explain(cuda, folder.path()).cause.starts_with("a part that libtorch needs"));
        let other = "libmeme.so: undefined symbol: _ZN3c106detail";
        assert!(explain(other, folder.path()).cause.contains("another version"));
        let torn = "libtorch_cpu.so: file too short";
        assert!(explain(torn, folder.path()).cause.contains("damaged"));
    }
}
