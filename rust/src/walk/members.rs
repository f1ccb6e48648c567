//! The members that a walk finds: counted only, or kept for an index.

use crate::failure::{Code, Failure, Result};
use crate::limits::{Limits, SizeLimit};
use crate::sparse::{SparseFiles, SparseMap};
use crate::tar::Member;

/// What each member of an index counts in addition to its names, for the memory of its entry here
/// and in Python.
const MEMBER_COST: u64 = 256;

/// The members of a tar, within the limits.
pub(crate) struct Members {
    limits: Limits,
    /// The members; `None` if they are only counted.
    kept: Option<Vec<Member>>,
    sparse: SparseFiles,
    /// The size of all sparse files with their holes.
    expanded: u64,
    max_expanded: SizeLimit,
    count: u64,
    /// What the kept members count together.
    cost: u64,
}

impl Members {
    /// Keep the members; what they count together is limited, and so is the size of all sparse
    /// files.
    pub fn kept(limits: Limits, max_expanded: SizeLimit) -> Self {
        Self {
            kept: Some(Vec::new()),
            max_expanded,
            ..Self::counted(limits)
        }
    }

    /// Count the members, and keep none of them.
    pub fn counted(limits: Limits) -> Self {
        Self {
            limits,
            kept: None,
            sparse: SparseFiles::default(),
            expanded: 0,
            max_expanded: limits.size_limit(None),
            count: 0,
            cost: 0,
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn are_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Return the kept members, and the sparse files among them.
    pub fn into_kept(self) -> (Vec<Member>, SparseFiles) {
        (self.kept.unwrap_or_default(), self.sparse)
    }

    /// Check that a member whose header block is at `at` is within the limits.
    pub fn check(&mut self, name: &[u8], linkname: &[u8], header: u64, at: u64) -> Result<()> {
        let limits = self.limits;
        if self.count >= limits.max_entries {
            let detail = format!("more than the {} members allowed", limits.max_entries);
            return Err(Failure::new(Code::LimitEntries, header, detail));
        }
        if name.len().max(linkname.len()) as u64 > limits.max_path {
            let detail = format!("a path longer than {} bytes, at byte {at}", limits.max_path);
            return Err(Failure::new(Code::LimitPath, header, detail));
        }
        self.charge((name.len() + linkname.len()) as u64 + MEMBER_COST, header)
    }

    pub fn push(&mut self, member: Member) {
        self.count += 1;
        if let Some(kept) = &mut self.kept {
            kept.push(member);
        }
    }

    /// Add a sparse file whose data begins at `data`; return the offset of its content. It is
    /// `None` if there is no offset left.
    pub fn add_sparse(&mut self, data: u64, map: SparseMap) -> Result<Option<u64>> {
        let SizeLimit { size, code } = self.max_expanded;
        self.expanded = self.expanded.saturating_add(map.size);
        if self.expanded > size {
            let detail = format!("sparse files of more than the {size} bytes allowed");
            return Err(Failure::new(code, size, detail));
        }
        Ok(self.sparse.add(data, map))
    }

    /// Count bytes that the index is about to keep for the member with this first header block.
    pub fn charge(&mut self, bytes: u64, header: u64) -> Result<()> {
        if self.kept.is_none() {
            return Ok(());
        }
        self.cost += bytes;
        if self.cost > self.limits.max_index {
            let detail = format!(
                "the index of the members needs more than the {} bytes allowed",
                self.limits.max_index
            );
            return Err(Failure::new(Code::LimitIndex, header, detail));
        }
        Ok(())
    }
}
