//! Where things lie: C2SP tlog-tiles paths, and the bytes of an entry bundle.
//!
//! `tile/<level>/<n>` holds 256 hashes, `tile/entries/<n>` 256 entries, each behind its length in two big-endian
//! bytes. `<n>` is written in threes (`x001/x234/067`); the last, unfilled one of a row adds `.p/<width>`.

/// Hashes in a full tile, entries in a full bundle.
pub(crate) const TILE: u64 = 256;

/// A row of tiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tiles {
    Entries,
    Hashes(u8),
}

impl Tiles {
    /// How many entries or hashes the row has when the log has `size` entries.
    pub(crate) fn count(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Hashes(level) => size.checked_shr(8 * u32::from(level)).unwrap_or(0),
        }
    }

    /// The row's tiles when the log has `size` entries.
    pub(crate) fn of(self, size: u64) -> impl Iterator<Item = TileId> {
        let count = self.count(size);
        (0..count.div_ceil(TILE)).map(move |n| TileId { tiles: self, n, width: (count - n * TILE).min(TILE) as u16 })
    }
}

/// Every file a log of `size` entries has, the checkpoint aside.
pub(crate) fn tiles_of(size: u64) -> impl Iterator<Item = TileId> {
    hash_rows(size).chain([Tiles::Entries]).flat_map(move |row| row.of(size))
}

/// The rows of hash tiles, leaves first.
pub(crate) fn hash_rows(size: u64) -> impl Iterator<Item = Tiles> {
    (0..8).map(Tiles::Hashes).take_while(move |row| row.count(size) > 0)
}

/// One tile or bundle, `width` of its 256 places filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TileId {
    pub(crate) tiles: Tiles,
    pub(crate) n: u64,
    pub(crate) width: u16,
}

impl TileId {
    /// Index of its first entry or hash.
    pub(crate) fn first(self) -> u64 {
        self.n * TILE
    }

    /// Index after its last entry or hash.
    pub(crate) fn end(self) -> u64 {
        self.first() + u64::from(self.width)
    }

    /// Whether a log of `size` entries has exactly this file.
    pub(crate) fn belongs_to(self, size: u64) -> bool {
        let count = self.tiles.count(size);
        self.first() < count && u64::from(self.width) == (count - self.first()).min(TILE)
    }

    pub(crate) fn path(self) -> String {
        let mut n = format!("{:03}", self.n % 1000);
        let mut rest = self.n / 1000;
        while rest > 0 {
            n = format!("x{:03}/{n}", rest % 1000);
            rest /= 1000;
        }
        let row = match self.tiles {
            Tiles::Entries => "entries".to_owned(),
            Tiles::Hashes(level) => level.to_string(),
        };
        let partial = if u64::from(self.width) < TILE { format!(".p/{}", self.width) } else { String::new() };
        format!("tile/{row}/{n}{partial}")
    }

    /// Reads a path back; only the one spelling [`Self::path`] gives is a tile.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (row, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let tiles = match row {
            "entries" => Tiles::Entries,
            level => Tiles::Hashes(level.parse().ok().filter(|&level| level < 8)?),
        };
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().ok().filter(|w| (1..256).contains(w))?),
            None => (rest, TILE as u16),
        };
        let n = digits.split('/').try_fold(0_u64, |n, three| {
            let three = three.strip_prefix('x').unwrap_or(three).parse().ok().filter(|&t: &u64| t < 1000)?;
            n.checked_mul(1000)?.checked_add(three).filter(|&n| n < 1 << 48)
        })?;
        Some(Self { tiles, n, width }).filter(|id| id.path() == path)
    }
}

/// Appends one entry to a bundle. The caller has checked its length.
pub(crate) fn put_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("entries are checked to fit two length bytes");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

/// The entries of a bundle in order, up to the end or to the first one that is cut off (`Err`).
pub(crate) fn entries_in(mut bundle: &[u8]) -> impl Iterator<Item = Result<&[u8], CutOff>> {
    std::iter::from_fn(move || {
        if bundle.is_empty() {
            return None;
        }
        let entry = bundle.split_first_chunk().and_then(|(length, rest)| {
            let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
            bundle = rest;
            Some(entry)
        });
        if entry.is_none() {
            bundle = &[];
        }
        Some(entry.ok_or(CutOff))
    })
}

/// A bundle ends inside an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutOff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_published_ones_and_read_back() {
        let tile = |tiles, n, width| TileId { tiles, n, width };
        for (id, path) in [
            (tile(Tiles::Hashes(4), 1_234_067, 256), "tile/4/x001/x234/067"), // C2SP tlog-tiles.md
            (tile(Tiles::Hashes(0), 0, 8), "tile/0/000.p/8"),
            (tile(Tiles::Entries, 1067, 255), "tile/entries/x001/067.p/255"),
        ] {
            assert_eq!(id.path(), path);
            assert_eq!(TileId::parse(path), Some(id));
        }
        for odd in [
            "tile/0/0",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/0/x000/000",
            "tile/9/000",
            "tile/00/000",
            "tile/0/000.p/08",
            "tile/0/000.tmp",
            "tile/0/+12",
            "tile/0/001/002",
            "checkpoint",
            "tile/entries/",
        ] {
            assert_eq!(TileId::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_log_of_65_793_entries_has_four_rows() {
        let size = 256 * 256 + 257;
        let last: Vec<_> = hash_rows(size).chain([Tiles::Entries]).filter_map(|row| row.of(size).last()).collect();
        let paths: Vec<_> = last.iter().map(|id| id.path()).collect();
        assert_eq!(paths, ["tile/0/257.p/1", "tile/1/001.p/1", "tile/2/000.p/1", "tile/entries/257.p/1"]);
        assert!(tiles_of(size).all(|id| id.belongs_to(size) && TileId::parse(&id.path()) == Some(id)));
    }
}
