//! What commands share: the workspace and the output.

use std::path::PathBuf;

use super::output::Output;
use crate::core::domain::Failure;
use crate::core::privacy::sanitize::for_terminal;
use crate::edge::config::find_workspace;
use crate::flow::Workspace;

/// What commands share.
pub(super) struct Context {
    /// The folder given with -C.
    pub workspace: Option<PathBuf>,
    /// stdout and stderr.
    pub output: Output,
}

impl Context {
    /// The folder of the workspace.
    pub fn root(&self) -> Result<PathBuf, Failure> {
        match &self.workspace {
            Some(folder) if folder.join("karat.yaml").is_file() => Ok(folder.clone()),
            Some(folder) => Err(Failure::data(format!("there is no karat.yaml in {}", folder.display()))
                .hint("run `karat init` there, or name another folder with -C")),
            None => {
                let here = std::env::current_dir()
                    .map_err(|error| Failure::other("the current folder is gone").caused_by(error))?;
                find_workspace(&here)
            }
        }
    }

    /// The workspace, opened; says where it is not as karat.yaml wants it.
    pub fn workspace(&self) -> Result<Workspace, Failure> {
        let workspace = Workspace::open(&self.root()?)?;
        for note in workspace.store.notes() {
            self.output.say(&format!("note: {note}"));
        }
        if let Some(warning) = workspace.warning() {
            self.output.say(&format!("warning: {}", for_terminal(&warning)));
        }
        Ok(workspace)
    }
}
