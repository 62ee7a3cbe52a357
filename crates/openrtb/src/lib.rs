//! OpenRTB requests from JSON or protobuf bytes into one borrowed Request, and responses back.

mod limits;
mod request;

pub use limits::Limits;
pub use request::*;
