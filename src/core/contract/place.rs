//! The paths of two shapes, side by side.

use std::collections::BTreeSet;

use super::consumer::Consumer;
use super::node::{Node, Step};

/// A path in one of the shapes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    /// Empty if the shape does not have the path.
    pub(super) node: &'a Node,
    /// Outputs that could have the path: those with an object or array above it.
    pub(super) parents: u64,
    /// All outputs of the shape.
    pub(super) outputs: u64,
}

impl Side<'_> {
    /// Outputs with the path.
    pub(super) fn seen(&self) -> u64 {
        self.node.seen.count()
    }

    /// Outputs with the path in all objects or arrays above it.
    pub(super) fn complete(&self) -> u64 {
        if self.seen() == 0 { 0 } else { self.parents.saturating_sub(self.node.lacking.count()) }
    }
}

/// A path in both shapes.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) path: String,
    pub(super) parent: String,
    /// The last step; none at the top.
    pub(super) step: Option<Step>,
    pub(super) base: Side<'a>,
    pub(super) candidate: Side<'a>,
    /// What the consumer accepts above this path.
    pub(super) above: Option<Consumer<'a>>,
    /// What the consumer accepts here.
    pub(super) here: Option<Consumer<'a>>,
}

impl<'a> Place<'a> {
    /// Adds this place and all below that both shapes could have. `empty` is a node without anything.
    pub(super) fn walk(self, empty: &'a Node, places: &mut Vec<Self>) {
        let steps: BTreeSet<&Step> =
            self.base.node.children.keys().chain(self.candidate.node.children.keys()).collect();
        for step in steps {
            let below = |side: &Side<'a>| Side {
                node: side.node.children.get(step).unwrap_or(empty),
                parents: side.node.of_type(step.parent()),
                outputs: side.outputs,
            };
            let (base, candidate) = (below(&self.base), below(&self.candidate));
            if base.parents == 0 || candidate.parents == 0 {
                continue;
            }
            let child = Place {
                path: format!("{}{}", self.path, step.text()),
                parent: self.path.clone(),
                step: Some(step.clone()),
                base,
                candidate,
                above: self.here.clone(),
                here: self.here.as_ref().map(|consumer| consumer.step(step)),
            };
            child.walk(empty, places);
        }
        places.push(self);
    }
}
