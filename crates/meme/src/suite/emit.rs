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
            script(&format!("{name}-prepare"), "", &here, &format!("{command} --only-stage data")),
        )?;
        write(
            "train.sh",
            script(
                &name,
                &format!("#SBATCH --array=0-{last}\n"),
                &here,
                &format!("{command} --task \"$SLURM_ARRAY_TASK_ID\""),
            ),
        )?;
        write("finish.sh", script(&format!("{name}-finish"), "", &here, &command))?;
        write("submit.sh", SUBMIT.into())?;
        Ok(format!(
            "{} tasks of one network each. Add your cluster's partition, time and GPU to the \
             #SBATCH lines, then\n  sh {}\nA job that is stopped saves and is queued again; one \
             that is killed goes on from its newest checkpoint.",
            last + 1,
            folder.join("submit.sh").display()
        ))
    }
}

/// Slurm sends TERM a while before a job's time is over, or when it is preempted. The program then
/// saves and ends with 75, and the job puts itself back into the queue. A signal ends `wait` before
/// the program has ended, so it is asked again. One task of an array has the array's own number as
/// its job: requeueing that would requeue them all.
const WAIT: &str = r#"child=$!
trap 'kill -TERM "$child"; stopped=1' TERM
while :; do
    stopped=
    wait "$child"; code=$?
    [ -n "$stopped" ] && [ "$code" -gt 128 ] || break
done
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
[ "$code" -ne 75 ] || scontrol requeue "${job:-$SLURM_JOB_ID}"
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

/// `command` as a job.
fn script(name: &str, more: &str, folder: &str, command: &str) -> String {
    format!(
        "#!/usr/bin/env sh\n#SBATCH --job-name={name}\n#SBATCH --output={name}-%j.log\n\
         #SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --signal=B:TERM@120\n{more}\
         cd {folder} || exit 1\n{command} &\n{WAIT}"
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
#[allow(clippy::unwrap_used, reason = "a test may fail")]
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

    /// Runs a job script whose program is `program`, with `scontrol` writing down what it is asked;
    /// after `signal` seconds, if given, the job gets Slurm's TERM; `array` is what Slurm sets for a
    /// task of one. Exit code, and the requests.
    fn run_job(
        program: &str,
        signal: Option<f64>,
        array: &[(&str, &str)],
    ) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let executable = |name: &str, text: &str| {
            std::fs::write(path(name), format!("#!/usr/bin/env sh\n{text}\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(path(name), mode).unwrap();
        };
        executable("scontrol", &format!("echo \"$@\" >> {}", path("asked").display()));
        executable("program", program);
        let here = quote(&folder.path().display().to_string());
        std::fs::write(path("job.sh"), script("name", "", &here, "./program")).unwrap();
        let search = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let mut job = std::process::Command::new("sh")
            .arg(path("job.sh"))
            .env("PATH", search)
            .env("SLURM_JOB_ID", "17")
            .env_remove("SLURM_ARRAY_JOB_ID")
            .envs(array.iter().copied())
            .spawn()
            .unwrap();
        if let Some(seconds) = signal {
            std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
            let kill = ["-TERM", &job.id().to_string()].map(String::from);
            assert!(std::process::Command::new("kill").args(kill).status().unwrap().success());
        }
        let code = job.wait().unwrap().code();
        (code, std::fs::read_to_string(path("asked")).unwrap_or_default())
    }

    #[test]
    fn a_job_that_is_stopped_waits_until_it_has_saved_and_queues_itself_again() {
        let saves = "trap 'sleep 0.2; exit 75' TERM; sleep 5 & wait";
        assert_eq!(run_job(saves, Some(1.0), &[]), (Some(75), "requeue 17\n".into()));
        // The last task of array 17 is job 17 too.
        let task = [("SLURM_ARRAY_JOB_ID", "17"), ("SLURM_ARRAY_TASK_ID", "4")];
        assert_eq!(run_job(saves, Some(1.0), &task), (Some(75), "requeue 17_4\n".into()));
    }

    #[test]
    fn a_job_that_ends_by_itself_ends_as_its_program_did() {
        assert_eq!(run_job("exit 0", None, &[]), (Some(0), String::new()));
        assert_eq!(run_job("exit 1", None, &[]), (Some(1), String::new()));
        let fails_late = "trap 'exit 3' TERM; sleep 5 & wait";
        assert_eq!(run_job(fails_late, Some(1.0), &[]), (Some(3), String::new()));
    }
}
