//! Job scripts for a cluster: every expert of every row is a task of its own.

use std::path::Path;

use super::SuiteRun;
use crate::error::io;
use crate::{Error, Result};

/// Options that a script replaces by its own.
const OWN: [&str; 5] = ["--emit", "--to", "--task", "--only-stage", "--run"];

impl SuiteRun {
    /// Writes `prepare.sh`, `train.sh`, `finish.sh` and `submit.sh` into `folder`; returns what to
    /// do with them.
    ///
    /// `arguments` is this program's own command line: the scripts repeat it, each for its part.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Checkpoint`] where a script cannot be written.
    pub(crate) fn emit_slurm(&self, folder: &Path, arguments: &[String]) -> Result<String> {
        let program = std::env::current_exe().map_err(io(Path::new("meme")))?;
        let run = std::path::absolute(&self.folder).map_err(io(&self.folder))?;
        let mut words = vec![quote(&program.display().to_string())];
        words.extend(kept(arguments).into_iter().map(|word| quote(&word)));
        words.push(format!("--run {}", quote(&run.display().to_string())));
        let command = words.join(" ");
        let here = std::env::current_dir().map_err(io(Path::new(".")))?;
        let here = quote(&here.display().to_string());
        let name = format!("meme-{}-{}", self.suite.name, self.resolver.scale.name);
        let last = self.tasks().len().saturating_sub(1);

        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let write = |file: &str, text: String| {
            meme_checkpoint::write_file_whole(folder.join(file), text.as_bytes())
                .map_err(Error::from)
        };
        write(
            "prepare.sh",
            script(
                &format!("{name}-prepare"),
                "",
                &here,
                &format!("exec {command} --only-stage data\n"),
            ),
        )?;
        write(
            "train.sh",
            script(
                &name,
                &format!("#SBATCH --array=0-{last}\n"),
                &here,
                &format!("{command} --task \"$SLURM_ARRAY_TASK_ID\" &\n{WAIT}"),
            ),
        )?;
        write(
            "finish.sh",
            script(&format!("{name}-finish"), "", &here, &format!("exec {command}\n")),
        )?;
        write("submit.sh", SUBMIT.into())?;
        Ok(format!(
            "{} tasks of one network each. Add your cluster's partition, time and GPU to the \
             #SBATCH lines, then\n  sh {}\nA task that is stopped saves and is queued again; one \
             that is killed goes on from its newest checkpoint.",
            last + 1,
            folder.join("submit.sh").display()
        ))
    }
}

/// Slurm sends TERM a while before a task's time is over, or when it is preempted; the program then
/// saves and ends, and the task is put back into the queue.
const WAIT: &str = r#"child=$!
trap 'kill -TERM "$child"; stopped=1' TERM
wait "$child"; code=$?
if [ -n "${stopped:-}" ]; then
    wait "$child"
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
    exit 0
fi
exit "$code"
"#;

const SUBMIT: &str = r#"#!/usr/bin/env sh
# Pictures and latents first, then all networks, then samples, distances and the report.
set -eu
cd "$(dirname "$0")"
prepare=$(sbatch --parsable prepare.sh)
train=$(sbatch --parsable --dependency=afterok:"$prepare" train.sh)
finish=$(sbatch --parsable --dependency=afterok:"$train" finish.sh)
echo "submitted $prepare, $train, $finish"
"#;

fn script(name: &str, more: &str, folder: &str, body: &str) -> String {
    format!(
        "#!/usr/bin/env sh\n#SBATCH --job-name={name}\n#SBATCH --output={name}-%j.log\n\
         #SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --signal=B:TERM@120\n{more}\
         cd {folder} || exit 1\n{body}"
    )
}

/// The command line without what the scripts say themselves.
fn kept(arguments: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut rest = arguments.iter().skip(1);
    while let Some(word) = rest.next() {
        let (option, joined) =
            word.split_once('=').map_or((word.as_str(), false), |it| (it.0, true));
        if !OWN.contains(&option) {
            kept.push(word.clone());
        } else if !joined {
            // Its value.
            rest.next();
        }
    }
    kept
}

/// A word that a shell takes as it is.
fn quote(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_./=:,".contains(it);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_repeat_the_command_without_what_they_say_themselves() {
        let line = ["meme", "reproduce", "ffhq", "--emit", "slurm", "--to=jobs", "--set", "a b=1"];
        let line: Vec<String> = line.map(String::from).into();
        assert_eq!(kept(&line), ["reproduce", "ffhq", "--set", "a b=1"]);
        assert_eq!(quote("a b=1"), "'a b=1'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }
}
