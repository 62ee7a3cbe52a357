//! Passing over a value of which nothing is wanted, without recursion.

use super::Reader;
use crate::error::Fail;

/// What kind of container each open level is, one bit a level: 1 is an object. 128 levels are more than
/// [`crate::Limits::depth`] may ask for; beyond them the oldest are forgotten and the text is refused.
#[derive(Clone, Copy, Default)]
struct Open(u128);

impl Open {
    fn push(&mut self, object: bool) {
        self.0 = self.0 << 1 | u128::from(object);
    }

    fn pop(&mut self) {
        self.0 >>= 1;
    }

    fn in_object(self) -> bool {
        self.0 & 1 == 1
    }
}

impl<'a> Reader<'a, '_> {
    /// Takes the value of a member that is not known. Its name is kept only for an error in it.
    #[inline]
    pub(crate) fn skip_member(&mut self, key: &'a [u8]) -> Result<(), Fail> {
        self.reading.at(key);
        self.skip()
    }

    /// Takes one value of any kind and depth.
    pub(crate) fn skip(&mut self) -> Result<(), Fail> {
        let base = self.depth;
        let mut open = Open::default();
        loop {
            if !self.skip_start(&mut open)? {
                self.skip_ends(base, &mut open)?;
                if self.depth == base {
                    return Ok(());
                }
            }
        }
    }

    /// Takes a scalar, or the start of a container up to its first value. True when a value must follow.
    fn skip_start(&mut self, open: &mut Open) -> Result<bool, Fail> {
        match self.peek() {
            b'"' => self.span().map(|_| false),
            b'-' | b'0'..=b'9' => self.number().map(|_| false),
            b't' => self.literal(b"true").map(|()| false),
            b'f' => self.literal(b"false").map(|()| false),
            b'n' => self.literal(b"null").map(|()| false),
            b'{' => {
                self.open()?;
                self.reading.step_in();
                open.push(true);
                self.skip_next(true, open)
            }
            b'[' => {
                self.open()?;
                open.push(false);
                self.skip_next(true, open)
            }
            _ => Err(self.error("expected a value")),
        }
    }

    /// Takes what lies between two values of the innermost container, or its end. True when a value must follow.
    fn skip_next(&mut self, first: bool, open: &mut Open) -> Result<bool, Fail> {
        let more = if open.in_object() {
            let key = self.next_key(first)?;
            match key {
                Some(key) => self.reading.at(key),
                None => self.reading.leave(),
            }
            key.is_some()
        } else {
            self.next_element(first)?
        };
        if !more {
            open.pop();
        }
        Ok(more)
    }

    /// After a value: takes the ends of all containers that end here, down to `base`.
    fn skip_ends(&mut self, base: usize, open: &mut Open) -> Result<(), Fail> {
        while self.depth > base {
            if self.skip_next(false, open)? {
                return Ok(());
            }
        }
        Ok(())
    }
}
