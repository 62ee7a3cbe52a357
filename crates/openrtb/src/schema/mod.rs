//! How OpenRTB's members are read into [`Request`](crate::Request): one table for both formats.
//!
//! `field` says how a value becomes a field of each type, with the leniency that exchanges need. `message` says
//! how an object becomes a struct, `table` makes that code from tables. `request`, `imp`, `context`, `user` and
//! `native` are the tables: JSON's name, our field, protobuf's number.

mod context;
mod field;
mod imp;
mod list;
mod message;
mod native;
mod request;
mod table;
mod user;

pub(crate) use message::{json_object, proto_message};
