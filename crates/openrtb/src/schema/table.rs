//! The macros that turn a table of members into code. Parameters of the protobuf side begin with `_` because a table
//! may have no number at all.

/// Implements [`Message`] for a struct from a table of JSON's name, our field and protobuf's number.
///
/// `older { ... }` lists older names of members, `ext N { ... }` members that may be in `ext`, N being the number
/// of the IAB's extension. `check f` names the function of `validate` that the finished object goes through, `merge f` the one that joins
/// what is said twice, `most` its limit in lists.
macro_rules! message {
    ($type:ty {
        $($key:literal $field:ident $(= $number:literal)?),* $(,)?
    }
    $(also { $($also_field:ident = $also_number:literal),* $(,)? })?
    $(older { $($older_key:literal $older_field:ident $(= $older_number:literal)?),* $(,)? })?
    $(ext $($ext:literal)? { $($ext_key:literal $ext_field:ident $(= $ext_number:literal)?),* $(,)? })?
    $(check $check:ident)?
    $(merge $merge:ident)?
    $(most $most:ident)?
    ) => {
        // A member is read into the field of its own name; the compiler holds the table to it.
        const _: () = { $(assert!($crate::schema::table::same($key, stringify!($field)));)* };

        impl<'a> $crate::schema::message::Message<'a> for $type {
            fn json_own(
                &mut self,
                key: &[u8],
                r: &mut $crate::json::Reader<'a, '_>,
            ) -> Result<bool, $crate::error::Fail> {
                match key {
                    $($key => {
                        r.reading.at($key);
                        $crate::schema::field::Field::json(&mut self.$field, r).map(|()| true)
                    })*
                    _ => Ok(false),
                }
            }

            fn proto_own(
                &mut self,
                number: u32,
                _wire: $crate::proto::Wire<'a>,
                _r: &mut $crate::proto::Reader<'a, '_>,
            ) -> Result<bool, $crate::error::Fail> {
                match number {
                    $($($number => {
                        _r.reading.at($key);
                        $crate::schema::field::Field::proto(&mut self.$field, number, _wire, _r).map(|()| true)
                    })?)*
                    $($($also_number => {
                        $crate::schema::field::Field::proto(&mut self.$also_field, number, _wire, _r).map(|()| true)
                    })*)?
                    _ => Ok(false),
                }
            }

            $(
                const READS_OLDER: bool = true;

                fn json_older(
                    &mut self,
                    key: &[u8],
                    r: &mut $crate::json::Reader<'a, '_>,
                ) -> Result<bool, $crate::error::Fail> {
                    match key {
                        $($older_key => {
                            r.reading.at($older_key);
                            $crate::schema::field::Field::json(&mut self.$older_field, r).map(|()| true)
                        })*
                        _ => Ok(false),
                    }
                }

                fn proto_older(
                    &mut self,
                    number: u32,
                    _wire: $crate::proto::Wire<'a>,
                    _r: &mut $crate::proto::Reader<'a, '_>,
                ) -> Result<bool, $crate::error::Fail> {
                    match number {
                        $($($older_number => {
                            _r.reading.at($older_key);
                            $crate::schema::field::Field::proto(&mut self.$older_field, number, _wire, _r).map(|()| true)
                        })?)*
                        _ => Ok(false),
                    }
                }
            )?

            $(
                const READS_EXT: bool = true;
                $(const EXT: Option<u32> = Some($ext);)?

                fn json_ext(
                    &mut self,
                    key: &[u8],
                    r: &mut $crate::json::Reader<'a, '_>,
                ) -> Result<bool, $crate::error::Fail> {
                    match key {
                        $($ext_key => {
                            r.reading.at($ext_key);
                            $crate::schema::field::Field::json(&mut self.$ext_field, r).map(|()| true)
                        })*
                        _ => Ok(false),
                    }
                }

                fn proto_ext(
                    &mut self,
                    number: u32,
                    _wire: $crate::proto::Wire<'a>,
                    _r: &mut $crate::proto::Reader<'a, '_>,
                ) -> Result<bool, $crate::error::Fail> {
                    match number {
                        $($($ext_number => {
                            _r.reading.at($ext_key);
                            $crate::schema::field::Field::proto(&mut self.$ext_field, number, _wire, _r).map(|()| true)
                        })?)*
                        _ => Ok(false),
                    }
                }
            )?

            fn adopt(&mut self, _older: &Self) {
                $($(
                    if $crate::schema::field::Field::is_absent(&self.$older_field) {
                        self.$older_field = _older.$older_field;
                    }
                )*)?
                $($(
                    if $crate::schema::field::Field::is_absent(&self.$ext_field) {
                        self.$ext_field = _older.$ext_field;
                    }
                )*)?
            }

            $(
                fn check(&mut self, reading: &mut $crate::reading::Reading<'a>) {
                    $crate::validate::$check(self, reading);
                }
            )?

            $(
                const MERGES: bool = true;

                fn merge(&mut self, earlier: &Self) {
                    $crate::validate::$merge(self, earlier);
                }
            )?

            $(
                fn most(limits: &$crate::Limits) -> usize {
                    limits.$most
                }
            )?
        }
    };
}

/// Whether a member's name is that of a field, but for the `r#` of names that Rust reserves.
pub(super) const fn same(member: &[u8], field: &str) -> bool {
    let field = field.as_bytes();
    let (mut field, mut member) = match field {
        [b'r', b'#', name @ ..] => (name, member),
        name => (name, member),
    };
    while let ([f, fs @ ..], [m, ms @ ..]) = (field, member) {
        if *f != *m {
            return false;
        }
        (field, member) = (fs, ms);
    }
    field.is_empty() && member.is_empty()
}

/// Lets fields hold the struct behind a reference.
macro_rules! member {
    ($($type:ty),* $(,)?) => {$(
        impl<'a> $crate::schema::field::Field<'a> for Option<&'a $type> {
            fn json(&mut self, r: &mut $crate::json::Reader<'a, '_>) -> Result<(), $crate::error::Fail> {
                $crate::schema::message::json_member(self, r)
            }

            fn proto(
                &mut self,
                _: u32,
                wire: $crate::proto::Wire<'a>,
                r: &mut $crate::proto::Reader<'a, '_>,
            ) -> Result<(), $crate::error::Fail> {
                $crate::schema::message::proto_member(self, wire, r)
            }

            fn is_absent(&self) -> bool {
                self.is_none()
            }
        }
    )*};
}

pub(super) use {member, message};
