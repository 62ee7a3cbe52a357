//! The tokens of JSON, one at a time.

use crate::error::{DecodeError, Fail};
use crate::reading::Reading;

/// Reads one JSON text from its start.
pub(crate) struct Reader<'a, 'r> {
    pub(super) bytes: &'a [u8],
    /// The same bytes when all of them are UTF-8: then no string needs a check of its own.
    pub(super) text: Option<&'a str>,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(crate) reading: &'r mut Reading<'a>,
}

/// A value, read whole unless it is a list or an object.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token<'a> {
    Null,
    Bool(bool),
    /// Text that follows JSON's grammar of numbers.
    Number(&'a str),
    /// Unescaped. `None` when it was over the limit, which is noted.
    Text(Option<&'a str>),
    /// Stands at `[`, which is not yet taken.
    List,
    /// Stands at `{`, which is not yet taken.
    Object,
}

impl<'a, 'r> Reader<'a, 'r> {
    /// `depth` is that of the text's surroundings: 0 for a body.
    pub(crate) fn new(bytes: &'a [u8], depth: usize, reading: &'r mut Reading<'a>) -> Self {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        Self { bytes, text: std::str::from_utf8(bytes).ok(), at: 0, depth, reading }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The next byte that is no white space; 0 at the end, which starts no value.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return byte,
                None => return 0,
            }
        }
    }

    /// Takes `{` or `[`.
    #[inline]
    pub(crate) fn open(&mut self) -> Result<(), Fail> {
        self.at += 1;
        self.depth += 1;
        if self.depth > self.reading.limits.depth {
            return Err(Box::new(DecodeError::TooDeep {
                limit: self.reading.limits.depth,
                path: self.reading.path(),
            }));
        }
        Ok(())
    }

    /// Takes `}` or `]`.
    #[inline]
    pub(super) fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }

    /// The next key of an object and its colon, or `None` after taking the `}`.
    #[inline]
    pub(crate) fn next_key(&mut self, first: bool) -> Result<Option<&'a [u8]>, Fail> {
        match self.peek() {
            b'}' => {
                self.close();
                return Ok(None);
            }
            b',' if !first => {
                self.at += 1;
                if self.peek() != b'"' {
                    return Err(self.between("expected a key in quotes"));
                }
            }
            b'"' if first => {}
            _ if first => return Err(self.between("expected a key in quotes or '}'")),
            _ => return Err(self.between("expected ',' or '}'")),
        }
        let key = self.key()?;
        if self.peek() != b':' {
            self.reading.at(key);
            return Err(self.error("expected ':'"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether the list has another element; takes the `]` when it has none.
    #[inline]
    pub(crate) fn next_element(&mut self, first: bool) -> Result<bool, Fail> {
        match self.peek() {
            b']' => {
                self.close();
                Ok(false)
            }
            b',' if !first => {
                self.at += 1;
                Ok(true)
            }
            _ if first => Ok(true),
            _ => Err(self.error("expected ',' or ']'")),
        }
    }

    /// The next value.
    #[inline]
    pub(crate) fn token(&mut self) -> Result<Token<'a>, Fail> {
        match self.peek() {
            b'"' => Ok(Token::Text(self.string()?)),
            b'-' | b'0'..=b'9' => self.number().map(Token::Number),
            b'{' => Ok(Token::Object),
            b'[' => Ok(Token::List),
            b't' => self.literal(b"true").map(|()| Token::Bool(true)),
            b'f' => self.literal(b"false").map(|()| Token::Bool(false)),
            b'n' => self.literal(b"null").map(|()| Token::Null),
            _ => Err(self.error("expected a value")),
        }
    }

    /// Takes a literal that starts here.
    pub(super) fn literal(&mut self, word: &'static [u8]) -> Result<(), Fail> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.error("expected true, false or null"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Only white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Fail> {
        self.peek();
        if self.at < self.bytes.len() {
            return Err(self.error("something follows the value"));
        }
        Ok(())
    }

    /// An error between two members: the one before it has been read and is not to blame.
    #[cold]
    fn between(&mut self, problem: &'static str) -> Fail {
        self.reading.at(b"");
        self.error(problem)
    }

    #[cold]
    pub(crate) fn error(&self, problem: &'static str) -> Fail {
        let problem = if self.at >= self.bytes.len() { "ends too early" } else { problem };
        Box::new(DecodeError::Json { offset: self.at, path: self.reading.path(), problem })
    }
}
