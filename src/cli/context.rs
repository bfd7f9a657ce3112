//! The context of a command: its workspace and its output.

use std::path::PathBuf;

use super::output::Output;
use crate::core::domain::Failure;
use crate::core::privacy::sanitize::for_terminal;
use crate::edge::config::find_workspace;
use crate::flow::Workspace;
use crate::flow::queue::recover_interrupted;

/// The context of a command.
pub(super) struct Context {
    /// The folder given with -C.
    pub workspace: Option<PathBuf>,
    /// stdout and stderr.
    pub output: Output,
}

impl Context {
    /// Returns the workspace folder: the one given with -C, or the nearest one with a karat.yaml.
    pub fn root(&self) -> Result<PathBuf, Failure> {
        match &self.workspace {
            Some(folder) if folder.join("karat.yaml").is_file() => Ok(folder.clone()),
            Some(folder) => Err(Failure::data(format!("there is no karat.yaml in {}", folder.display()))
                .hint("run `karat init` there, or name another folder with -C")),
            None => {
                let here = std::env::current_dir()
                    .map_err(|error| Failure::other("cannot read the current folder").caused_by(error))?;
                find_workspace(&here)
            }
        }
    }

    /// Opens the workspace and finishes decisions that were interrupted. Notes about the database, and warnings about such
    /// decisions and the embedder, are printed to stderr.
    pub fn workspace(&self) -> Result<Workspace, Failure> {
        let workspace = Workspace::open(&self.root()?)?;
        for note in workspace.store.notes() {
            self.output.say(&format!("note: {note}"));
        }
        for remark in recover_interrupted(&workspace)? {
            self.output.say(&format!("warning: {}", for_terminal(&remark)));
        }
        if let Some(warning) = workspace.warning() {
            self.output.say(&format!("warning: {}", for_terminal(&warning)));
        }
        Ok(workspace)
    }
}
