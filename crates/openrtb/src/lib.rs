//! OpenRTB requests from JSON or protobuf bytes into one borrowed Request, and responses back.
