//! Stacks out of copies of their memory, and the names of what is on them.

use std::fs::File;
use std::io;
use std::ops::Range;

use framehop::{CacheNative, ExplicitModuleSectionInfo, Module, UnwindRegsNative, Unwinder, UnwinderNative};
use object::read::ReadCache;
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};

use super::sampler::Copy;

/// Addresses of code, from the innermost outwards; of callers the last byte of the call.
pub(super) type Stack = Vec<u64>;

/// Callers that are followed.
const DEEPEST: usize = 256;

const PAGE: u64 = 4096;

type Sections = Vec<u8>;

/// The code that the process runs: its binary and its libraries.
pub(super) struct Code {
    unwinder: UnwinderNative<Sections, framehop::MayAllocateDuringUnwind>,
    cache: CacheNative<framehop::MayAllocateDuringUnwind>,
    files: Vec<Loaded>,
}

/// A file of code in memory.
struct Loaded {
    path: String,
    range: Range<u64>,
    /// Where its address 0 would be.
    base: u64,
}

/// A line of /proc/self/maps that has a file.
struct Mapping<'a> {
    range: Range<u64>,
    offset: u64,
    runs: bool,
    path: &'a str,
}

impl<'a> Mapping<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let (rights, offset) = (fields.next()?, fields.next()?);
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let path = fields.nth(2).filter(|path| path.starts_with('/'))?;
        Some(Self { range: hex(start)?..hex(end)?, offset: hex(offset)?, runs: rights.contains('x'), path })
    }
}

impl Code {
    /// Of this process. A file that cannot be read is left out; stacks end where they come to it.
    pub(super) fn of_process() -> io::Result<Self> {
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let mappings: Vec<Mapping<'_>> = maps.lines().filter_map(Mapping::read).collect();
        let mut code = Self { unwinder: UnwinderNative::new(), cache: CacheNative::new(), files: Vec::new() };
        for running in mappings.iter().filter(|one| one.runs) {
            let same = mappings.iter().filter(|one| one.path == running.path);
            let end = same.map(|one| one.range.end).max().unwrap_or(running.range.end);
            if !code.files.iter().any(|known| known.path == running.path) {
                // Unreadable, deleted since, or no ELF.
                let _left_out = code.add(running, end);
            }
        }
        Ok(code)
    }

    fn add(&mut self, running: &Mapping<'_>, end: u64) -> Option<()> {
        let cache = ReadCache::new(File::open(running.path).ok()?);
        let file = object::File::parse(&cache).ok()?;
        // The segment that this mapping is of says where its address 0 is.
        let down = |address: u64| address - address % PAGE;
        let segment = file.segments().find(|one| down(one.file_range().0) == running.offset)?;
        let base = running.range.start.wrapping_sub(down(segment.address()));
        let section = |name| file.section_by_name(name);
        let data = |name| section(name).and_then(|one| Some(one.data().ok()?.to_vec()));
        let range = |name| section(name).map(|one| one.address()..one.address() + one.size());
        let info = ExplicitModuleSectionInfo {
            text_svma: range(".text"),
            got_svma: range(".got"),
            eh_frame_svma: range(".eh_frame"),
            eh_frame: data(".eh_frame"),
            eh_frame_hdr_svma: range(".eh_frame_hdr"),
            eh_frame_hdr: data(".eh_frame_hdr"),
            ..ExplicitModuleSectionInfo::default()
        };
        let range = running.range.start..end;
        self.unwinder.add_module(Module::new(running.path.to_owned(), range.clone(), base, info));
        self.files.push(Loaded { path: running.path.to_owned(), range, base });
        Some(())
    }

    /// The stack of a copy, as far as it can be followed.
    pub(super) fn unwind(&mut self, copy: &Copy) -> Stack {
        #[cfg(target_arch = "x86_64")]
        let registers = UnwindRegsNative::new(copy.ip, copy.sp, copy.fp);
        #[cfg(target_arch = "aarch64")]
        let registers = UnwindRegsNative::new(copy.lr, copy.sp, copy.fp);
        let mut read = |address| copy.word(address).ok_or(());
        let mut frames = self.unwinder.iter_frames(copy.ip, registers, &mut self.cache, &mut read);
        let mut stack = Stack::new();
        while let Ok(Some(frame)) = frames.next()
            && stack.len() < DEEPEST
        {
            stack.push(frame.address_for_lookup());
        }
        stack
    }

    /// Names of these addresses, which ascend; where there is none, the file and the place in it.
    pub(super) fn names(&self, addresses: &[u64]) -> Vec<String> {
        let mut names: Vec<String> = addresses.iter().map(|address| format!("{address:#x}")).collect();
        for file in &self.files {
            let from = addresses.partition_point(|address| *address < file.range.start);
            let to = addresses.partition_point(|address| *address < file.range.end);
            if from < to {
                let (addresses, names) = (addresses.get(from..to), names.get_mut(from..to));
                file.name(addresses.unwrap_or_default(), names.unwrap_or_default());
            }
        }
        names
    }
}

impl Loaded {
    fn name(&self, addresses: &[u64], names: &mut [String]) {
        let short = self.path.rsplit('/').next().unwrap_or(&self.path);
        let own = addresses.iter().map(|address| address.wrapping_sub(self.base));
        for (name, own) in names.iter_mut().zip(own.clone()) {
            *name = format!("{short}+{own:#x}");
        }
        let Ok(file) = File::open(&self.path) else { return };
        let cache = ReadCache::new(file);
        let Ok(file) = object::File::parse(&cache) else { return };
        let is_function =
            |symbol: &object::Symbol<'_, '_, _>| symbol.kind() == SymbolKind::Text && symbol.address() > 0;
        let mut known: Vec<_> = file.symbols().filter(is_function).collect();
        if known.is_empty() {
            // Of a library that is stripped those are left that others call.
            known = file.dynamic_symbols().filter(is_function).collect();
        }
        known.sort_unstable_by_key(|symbol| symbol.address());
        for (name, own) in names.iter_mut().zip(own) {
            let before = known.partition_point(|symbol| symbol.address() <= own);
            let found = before.checked_sub(1).and_then(|place| known.get(place));
            let found = found.filter(|symbol| symbol.size() == 0 || own < symbol.address() + symbol.size());
            if let Some(mangled) = found.and_then(|symbol| symbol.name().ok()) {
                *name = format!("{:#}", rustc_demangle::demangle(mangled));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mappings_of_files_count() {
        let line = "55e0d0a00000-55e0d0b00000 r-xp 00012000 fd:00 123 /usr/bin/tagbid";
        let read = Mapping::read(line).unwrap();
        assert_eq!((read.range.start, read.offset, read.runs), (0x55e0_d0a0_0000, 0x12000, true));
        assert_eq!(read.path, "/usr/bin/tagbid");
        for other in ["7f00-7f01 rw-p 0 00:00 0", "7ffc-7ffd r-xp 00000000 00:00 0 [vdso]", "nonsense"] {
            assert!(Mapping::read(other).is_none(), "{other}");
        }
    }
}
