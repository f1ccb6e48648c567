//! The maps of sparse files, which an index needs to read them.

use crate::failure::{Code, Failure, Result};
use crate::sparse::{IN_HEADER, SEGMENT_COST, SEGMENTS_IN_BLOCK, SEGMENTS_IN_HEADER, SparseMap};
use crate::tar::{BLOCK, SparseRecords, number};
use crate::walk::{State, TarWalk};

impl TarWalk {
    /// Begin the map of a sparse file, or the data of another member; `at` is its header block.
    pub(super) fn open_map(
        &mut self,
        block: &[u8],
        kind: u8,
        records: &SparseRecords,
        at: u64,
    ) -> Result<()> {
        let more = kind == b'S' && block[482] != 0;
        let is_file = matches!(kind, b'0' | b'7');
        let before_data = is_file && records.map_is_before_data();
        if self.members.are_kept() && (kind == b'S' || is_file && records.is_sparse()) {
            let map = if kind == b'S' {
                map_in_header(block)
            } else {
                map_in_records(records)
            };
            self.map_at = at;
            self.map = Some(map.ok_or_else(|| self.damaged_map())?);
            self.charge_segments(0)?;
            if before_data {
                return self.expect_map_block();
            }
        }
        if more {
            (self.state, self.wanted) = (State::Sparse, BLOCK as u64);
            return Ok(());
        }
        self.open_member_data()
    }

    /// Parse a further map of the old format; the data begins after the last one.
    pub(super) fn parse_sparse_block(&mut self, block: &[u8]) -> Result<()> {
        if let Some(mut map) = self.map.take() {
            let before = map.segments.len();
            let read = map.read_fields(block, SEGMENTS_IN_BLOCK);
            read.ok_or_else(|| self.damaged_map())?;
            self.map = Some(map);
            self.charge_segments(before)?;
        }
        if block[504] != 0 {
            return Ok(());
        }
        self.open_member_data()
    }

    /// Parse a block of the map before the data.
    pub(super) fn parse_map_block(&mut self, block: &[u8]) -> Result<()> {
        let mut map = self.map.take().unwrap_or_default();
        let before = map.segments.len();
        let ended = map.read_block(block).ok_or_else(|| self.damaged_map())?;
        self.map = Some(map);
        self.charge_segments(before)?;
        if ended {
            return self.open_member_data();
        }
        self.expect_map_block()
    }

    fn expect_map_block(&mut self) -> Result<()> {
        let block = BLOCK as u64;
        let left = self.member.as_mut().map(|member| &mut member.size);
        match left.and_then(|left| left.checked_sub(block).map(|rest| *left = rest)) {
            Some(()) => (self.state, self.wanted) = (State::Map, block),
            None => return Err(self.damaged_map()),
        }
        Ok(())
    }

    /// Begin the data of the member, after its map.
    fn open_member_data(&mut self) -> Result<()> {
        let Some(mut member) = self.member.take() else {
            return Ok(());
        };
        let stored = member.size;
        member.offset = self.position;
        if let Some(map) = self.map.take() {
            if map.stored != stored {
                return Err(self.damaged_map());
            }
            member.size = map.size;
            let offset = self.members.add_sparse(self.position, map)?;
            member.offset = offset.ok_or_else(|| self.damaged_map())?;
        }
        self.check_extent(stored, self.position - BLOCK as u64)?;
        self.member = Some(member);
        self.open_data(stored);
        Ok(())
    }

    /// Count the segments after the first `before`.
    fn charge_segments(&mut self, before: usize) -> Result<()> {
        let count = self.map.as_ref().map_or(0, |map| map.segments.len());
        let header = self.first_header.unwrap_or(self.map_at);
        let cost = (count - before) as u64 * SEGMENT_COST;
        self.members.charge(cost, header)
    }

    fn damaged_map(&self) -> Failure {
        let at = self.map_at;
        let detail = format!("the map of the sparse file at byte {at} is damaged");
        Failure::new(Code::Corrupt, at, detail)
    }
}

fn map_in_header(block: &[u8]) -> Option<SparseMap> {
    let mut map = SparseMap::new(number(&block[483..495])?);
    map.read_fields(&block[IN_HEADER..482], SEGMENTS_IN_HEADER)?;
    Some(map)
}

/// Return the map in pax records; it is empty if the map is before the data.
fn map_in_records(records: &SparseRecords) -> Option<SparseMap> {
    let mut map = SparseMap::new(records.file_size()?);
    if !records.map_is_before_data() {
        map.read_list(records.map.as_deref()?)?;
    }
    Some(map)
}
