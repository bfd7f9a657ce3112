//! Reads files at a git revision.

use std::path::Path;
use std::process::Command;

use crate::core::domain::Failure;

/// The user's name: `user.name` as configured in git for this folder, or else the login name.
pub fn user_name(folder: &Path) -> Option<String> {
    let configured = Command::new("git").arg("-C").arg(folder).args(["config", "user.name"]).output().ok();
    let configured = configured.filter(|output| output.status.success());
    let configured = configured.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let login = || ["USER", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    configured.filter(|name| !name.is_empty()).or_else(login).filter(|name| !name.is_empty())
}

/// The content of `path` at `revision`; `None` if the revision has no such file.
///
/// # Errors
/// A data failure if git cannot be run or does not know the revision.
pub fn file_at(revision: &str, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let folder = path.parent().filter(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let run = |arguments: &[&str]| {
        Command::new("git").arg("-C").arg(folder).args(arguments).output().map_err(|error| {
            Failure::data("cannot run git").hint("install git, or compare files instead of revisions").caused_by(error)
        })
    };
    // A revision that starts with a dash must not be taken for an option.
    let known = run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])?;
    if !known.status.success() {
        return Err(Failure::data(format!("\"{revision}\" is neither a dataset, a file nor a git revision"))
            .hint("give a dataset, \"lock\", a version that was run, a path, or a revision such as HEAD~1 or main"));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let shown = run(&["show", "--end-of-options", &format!("{revision}:./{name}")])?;
    Ok(shown.status.success().then_some(shown.stdout))
}
