//! Parsing of tar header blocks and pax headers.

/// The size of a block.
pub(crate) const BLOCK: usize = 512;
/// The maximum offset in a tar.
pub(crate) const LARGEST_OFFSET: u64 = i64::MAX as u64;

/// One member of a tar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// The stored name, including that of an extended header.
    pub name: Vec<u8>,
    /// The stored link name, including that of an extended header.
    pub linkname: Vec<u8>,
    /// The type flag. The old flag NUL is replaced by `5` if the name ends in a slash, else by `0`.
    pub kind: u8,
    /// The size of the data; that of a sparse file includes its holes.
    pub size: u64,
    /// The offset of the data in the decompressed tar. That of a sparse file is after the end of
    /// any tar, where its content can be read with the holes filled.
    pub offset: u64,
    /// The offset of the first header block, including extended headers.
    pub header: u64,
}

/// The records of a pax header that are used here.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    pub path: Vec<u8>,
    pub linkpath: Vec<u8>,
    pub size: Vec<u8>,
    pub sparse: SparseRecords,
}

/// The pax records of a sparse file.
#[derive(Debug, Default)]
pub(crate) struct SparseRecords {
    pub name: Vec<u8>,
    /// The map of formats 0.0 and 0.1.
    pub map: Option<Vec<u8>>,
    version: [Vec<u8>; 2],
    size: Vec<u8>,
    real_size: Vec<u8>,
    /// The next record of format 0.0 is the size of a segment.
    after_offset: bool,
}

impl SparseRecords {
    /// Add a record; `key` is the part after `GNU.sparse.`.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"name" => self.name = value.to_vec(),
            b"major" => self.version[0] = value.to_vec(),
            b"minor" => self.version[1] = value.to_vec(),
            b"size" => self.size = value.to_vec(),
            b"realsize" => self.real_size = value.to_vec(),
            b"map" => self.map = Some(value.to_vec()),
            // Format 0.0 repeats these two, which are joined to the map of format 0.1.
            b"offset" | b"numbytes" => {
                let in_order = (key == b"numbytes") == self.after_offset;
                self.after_offset = !self.after_offset;
                let is_first = self.map.is_none();
                let map = self.map.get_or_insert_default();
                if !is_first {
                    map.push(b',');
                }
                map.extend_from_slice(if in_order { value } else { b"?" });
            }
            _ => {}
        }
    }

    /// Return whether the map is before the data (format 1.0).
    pub fn map_is_before_data(&self) -> bool {
        self.version == [b"1", b"0"]
    }

    /// Return whether the records are those of a sparse file.
    pub fn is_sparse(&self) -> bool {
        self.map.is_some() || self.map_is_before_data()
    }

    /// Return the size of the file with its holes.
    pub fn file_size(&self) -> Option<u64> {
        let size = if self.real_size.is_empty() {
            &self.size
        } else {
            &self.real_size
        };
        decimal(size)
    }
}

/// Return whether the checksum of a header block is correct.
///
/// It is the sum of the bytes, as unsigned or as signed numbers.
pub(crate) fn checksum_is_valid(block: &[u8]) -> bool {
    let Some(stored) = octal(&block[148..156]) else {
        return false;
    };
    let others = || block[..148].iter().chain(&block[156..BLOCK]);
    let unsigned = 8 * 32 + others().map(|byte| u64::from(*byte)).sum::<u64>();
    let high = others().filter(|byte| **byte >= 128).count() as u64;
    stored == unsigned || unsigned.checked_sub(256 * high) == Some(stored)
}

/// Parse octal digits, surrounded by spaces and NULs; a blank field is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(first) = field.iter().position(|byte| !blank(byte)) else {
        return Some(0);
    };
    let last = field.iter().rposition(|byte| !blank(byte)).unwrap_or(first);
    until_nul(&field[first..=last])
        .iter()
        .try_fold(0, |value, byte| match byte {
            b'0'..=b'7' => Some(value << 3 | u64::from(byte - b'0')),
            _ => None,
        })
}

/// Parse octal digits or a non-negative base-256 number.
pub(crate) fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 == 0 {
        return octal(field);
    }
    if first & 0x40 != 0 {
        return None;
    }
    let value = rest
        .iter()
        .try_fold(u64::from(first & 0x3f), |value, byte| {
            let shifted = value.checked_mul(256)?;
            Some(shifted | u64::from(*byte))
        })?;
    (value <= LARGEST_OFFSET).then_some(value)
}

/// Parse decimal digits of a number up to [`LARGEST_OFFSET`].
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number of 19 digits fits into 64 bits.
    let value = text
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    (value <= LARGEST_OFFSET).then_some(value)
}

/// Return the bytes before the first NUL.
pub(crate) fn until_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// Return the name and link name of a header block.
pub(crate) fn names(block: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut name = until_nul(&block[..100]).to_vec();
    let link = until_nul(&block[157..257]).to_vec();
    if &block[257..263] == b"ustar\0" {
        // The tar implementation star stores times after a shorter prefix field.
        let star = &block[508..512] == b"tar\0";
        let prefix = until_nul(&block[345..if star { 476 } else { 500 }]);
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
    }
    (name, link)
}

/// Parse the records of a pax header; `None` if they are malformed.
///
/// A record is `LENGTH KEY=VALUE` and a newline; LENGTH is the length of the whole record.
pub(crate) fn pax_records(mut data: &[u8]) -> Option<Pax> {
    let mut pax = Pax::default();
    while !data.is_empty() {
        let space = data.iter().take(20).position(|byte| *byte == b' ')?;
        let size = usize::try_from(decimal(&data[..space])?).ok()?;
        if size <= space + 1 || size > data.len() {
            return None;
        }
        let (record, rest) = data.split_at(size);
        data = rest;
        let record = record[space + 1..].strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let target = match key {
            b"" => return None,
            b"path" => &mut pax.path,
            b"linkpath" => &mut pax.linkpath,
            b"size" => &mut pax.size,
            _ => {
                if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    pax.sparse.add(key, value);
                }
                continue;
            }
        };
        if value.contains(&0) {
            return None;
        }
        *target = value.to_vec();
    }
    Some(pax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_all_formats() {
        assert_eq!(number(b"00000000017\0"), Some(15));
        assert_eq!(number(b"        17 \0"), Some(15));
        assert_eq!(number(&[0; 12]), Some(0));
        assert_eq!(number(b"00000000018\0"), None);
        assert_eq!(number(b"0000 000017\0"), None);
        assert_eq!(number(b"-0000000017\0"), None);
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\0\0\x01\x02"), Some(258));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"\x80\0\0\0\x80\0\0\0\0\0\0\0"), None);
        assert_eq!(number(b"\xbf\0\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(decimal(b"9223372036854775807"), Some(LARGEST_OFFSET));
        assert_eq!(decimal(b"9223372036854775808"), None);
        assert_eq!(decimal(b"+1"), None);
    }

    #[test]
    fn malformed_pax_records_are_rejected() {
        let pax = pax_records(b"11 path=ab\n13 atime=1.5\n10 size=7\n").unwrap();
        assert_eq!((&pax.path[..], &pax.size[..]), (&b"ab"[..], &b"7"[..]));
        for odd in [
            &b"11 path=abc"[..],
            b"12 path=ab\n",
            b"10 path=ab\n",
            b"path=ab\n",
            b"6 =ab\n",
            b"7 path\n",
            b"11 path=a\0\n",
            b"-1 path=ab\n",
        ] {
            assert!(pax_records(odd).is_none(), "{odd:?}");
        }
    }
}
