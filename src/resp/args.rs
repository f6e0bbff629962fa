//! The arguments of one request, as spans into the buffer they arrived in.

use std::ops::Index;

/// Where one argument lies in its buffer: `start..start + len`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// The arguments of one request, the command's name first. Two words wide plus a slice: copy it freely.
///
/// A buffer never exceeds 4 GiB (the query buffer's limit is below that), so spans are 32 bits wide.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// A view of `spans`, each of which must lie inside `buffer`.
    pub fn new(buffer: &'a [u8], spans: &'a [Span]) -> Self {
        debug_assert!(spans.iter().all(|s| s.start as usize + s.len as usize <= buffer.len()));
        Args { buffer, spans }
    }

    /// Number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no argument at all (never so for a parsed request).
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`. Panics beyond the end, which the arity check rules out.
    #[inline]
    pub fn at(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.buffer[span.start as usize..][..span.len as usize]
    }

    /// The argument at `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        (index < self.spans.len()).then(|| self.at(index))
    }

    /// All arguments from `start` on.
    pub fn tail(&self, start: usize) -> Args<'a> {
        Args { buffer: self.buffer, spans: &self.spans[start.min(self.spans.len())..] }
    }

    /// The arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        let buffer = self.buffer;
        self.spans.iter().map(move |s| &buffer[s.start as usize..][..s.len as usize])
    }

    /// Whether the argument at `index` equals `word`, ignoring ASCII case.
    #[inline]
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.at(index).eq_ignore_ascii_case(word.as_bytes())
    }

    /// The spans themselves, to store a request with its buffer.
    pub fn spans(&self) -> &'a [Span] {
        self.spans
    }

    /// The buffer that the spans point into.
    pub fn buffer(&self) -> &'a [u8] {
        self.buffer
    }

    /// What stands in the buffer behind the request and the line end of its last argument.
    pub fn following(&self) -> &'a [u8] {
        let end = self.spans.last().map_or(0, |last| last.start as usize + last.len as usize + 2);
        self.buffer.get(end..).unwrap_or_default()
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.at(index)
    }
}

/// An owned request, for tests, scripts and effects that are made up rather than received.
#[derive(Clone, Debug, Default)]
pub struct OwnedArgs {
    buffer: Vec<u8>,
    spans: Vec<Span>,
}

impl OwnedArgs {
    /// Copies `words`.
    pub fn new<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Self {
        let mut owned = OwnedArgs::default();
        for word in words {
            owned.push(word.as_ref());
        }
        owned
    }

    /// Appends one argument.
    pub fn push(&mut self, word: &[u8]) {
        self.spans.push(Span { start: self.buffer.len() as u32, len: word.len() as u32 });
        self.buffer.extend_from_slice(word);
    }

    /// Forgets all arguments and keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.spans.clear();
    }

    /// The view that commands take.
    pub fn as_args(&self) -> Args<'_> {
        Args::new(&self.buffer, &self.spans)
    }
}
